"""Thumbnails are whole SVG in less than a thousand characters, whatever they are given, and draw what they say."""

import math
import re
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, strategies as st

from mlsys_assets.thumbnails import COLOURS, LIMIT, bars, lines, marks, panels, scatter, spans

SVG = "{http://www.w3.org/2000/svg}"
NUMBERS = st.floats(-1e6, 1e6)
NAMES = st.text(min_size=1, max_size=24)


def parsed(markdown: str) -> ET.Element:
    found = re.fullmatch(r"!\[(.*?)\]\(<data:image/svg\+xml,([^<>\n]*)>\)", markdown, flags=re.DOTALL)
    assert found, markdown
    return ET.fromstring(unquote(found[2]))


def texts(root: ET.Element) -> list[str]:
    return [found.text or "" for found in root.iter(f"{SVG}text")]


def paths(root: ET.Element) -> dict[str, str]:
    return {found.attrib["stroke"]: found.attrib["d"] for found in root.iter(f"{SVG}path")}


def corners(path: str) -> list[list[tuple[int, int]]]:
    """Return the points of each unbroken piece of a line."""
    pieces = []
    for piece in path.split("M")[1:]:
        start, *steps = piece.split("l")
        x, y = map(int, start.removesuffix("h0").split(" "))
        points = [(x, y)]
        for step in steps:
            dx, dy = map(int, re.fullmatch(r"(-?\d+) ?(-?\d+)", step).groups())
            points.append((points[-1][0] + dx, points[-1][1] + dy))
        pieces.append(points)
    return pieces


def test_a_line_goes_through_its_values_and_a_gap_is_a_gap() -> None:
    root = parsed(lines({"champion": [0.5, 0.7, None, 0.6], "zero_rule": [0.7, 0.7, 0.7, 0.7]}, title="log loss"))
    (before, (last,)) = corners(paths(root)[COLOURS[0]])
    assert len(before) == 2
    assert before[0][1] > last[1] > before[1][1]  # higher is further up
    assert last[0] - before[0][0] == pytest.approx(3 * (before[1][0] - before[0][0]), abs=2)
    assert {"champion", "zero_rule", "0.7", "0.5"} <= set(texts(root))


def test_a_bar_is_as_long_as_its_value() -> None:
    root = parsed(bars({"temp": 3.0, "<&>": 1.5}, title="shift"))
    lengths = [int(n) for n in re.findall(r"h(\d+)", paths(root)[COLOURS[0]])]
    assert lengths[0] == pytest.approx(2 * lengths[1], abs=1)
    assert texts(root) == ["temp", "3", "<&>", "1.5"]


def test_an_interval_holds_its_value() -> None:
    found = paths(parsed(spans({"EWR": (0.4, 0.3, 0.6), "JFK": (0.3, 0.2, 0.4)}, title="slices")))[COLOURS[0]]
    for low, length, value in re.findall(r"M(\d+) \d+h(\d+)M(\d+)", found):
        assert int(low) < int(value) < int(low) + int(length)


def test_only_the_coloured_words_are_marked_in_their_row_and_place() -> None:
    rows = {"drift": ["yes", "no", "yes"], "arbiter": ["hold", "no", "train"]}
    found = paths(parsed(marks(rows, title="policy", colours={"yes": "#e80", "train": "#17b"})))
    yes, train = (re.findall(r"M(\d+) (\d+)", found[colour]) for colour in ("#e80", "#17b"))
    assert len(yes) == 2
    assert len(train) == 1
    assert yes[1][0] == train[0][0]  # the same tick
    assert yes[0][1] == yes[1][1] < train[0][1]


def test_curves_begin_and_end_where_they_do() -> None:
    curve = [(k / 50, (k / 50) ** 2) for k in range(51)]
    (points,) = corners(paths(parsed(panels({"ROC": {"lightgbm": curve}}, title="curves")))[COLOURS[0]])
    assert (points[0], points[-1]) == ((0, 104), (90, 16))
    middle = points[len(points) // 2]
    assert (104 - middle[1]) / 88 == pytest.approx((middle[0] / 90) ** 2, abs=0.05)


@pytest.mark.parametrize("draw", [lines, bars, spans, scatter])
def test_without_a_value_it_says_so(draw) -> None:
    assert draw({}, title="quality") == "quality: insufficient data"


@given(st.lists(NAMES, min_size=1, max_size=7, unique=True), st.integers(1, 60), NUMBERS)
def test_lines_are_always_shown_inline(names: list[str], ticks: int, size: float) -> None:
    series = {name: [size * math.sin(n * (k + 2)) for n in range(ticks)] for k, name in enumerate(names)}
    assert len(found := lines(series, title="t")) < LIMIT
    assert texts(parsed(found))


@given(st.lists(NAMES, min_size=1, max_size=60, unique=True), st.floats(0, 1e9))
def test_bars_and_intervals_are_always_shown_inline(names: list[str], size: float) -> None:
    values = {name: size / (k + 1) for k, name in enumerate(names)}
    for found in (bars(values, title="t"), spans({n: (v, v / 2, 2 * v) for n, v in values.items()}, title="t")):
        assert len(found) < LIMIT
        assert texts(parsed(found))


@given(st.integers(2, 8), st.integers(1, 80), st.integers(1, 3))
def test_policies_of_many_ticks_are_shown_inline(triggers: int, ticks: int, every: int) -> None:
    rows = {f"performance_drop_{k}": ["no" if n % every else "yes" for n in range(ticks)] for k in range(triggers)}
    assert len(found := marks(rows, title="policy", colours={"yes": "#e80", "train": "#17b"})) < LIMIT
    assert len(texts(parsed(found))) == triggers


@given(st.integers(1, 5), st.integers(1, 400))
def test_curves_of_many_models_are_shown_inline(models: int, points: int) -> None:
    curve = [(k / points, math.sqrt(k / points)) for k in range(points + 1)]
    curves = {f"logistic_regression_{m}": curve for m in range(models)}
    found = panels(dict.fromkeys(("calibration", "ROC", "precision"), curves), title="recent_test curves")
    assert len(found) < LIMIT
    assert texts(parsed(found))


def test_a_point_lies_right_and_up_by_its_numbers() -> None:
    found = paths(
        parsed(scatter({"steady": [(0.0, 1.0), (0.0, 0.0)], "drifting": [(2.0, 0.5)]}, title="t", cuts=(1, 0.5)))
    )
    (high, low), (right,) = (
        [tuple(map(int, at)) for at in re.findall(r"M(\d+) (\d+)h3", found[c])] for c in COLOURS[:2]
    )
    assert high[0] == low[0] < right[0]
    assert high[1] < right[1] < low[1]
    assert right[1] == pytest.approx((high[1] + low[1]) / 2, abs=1)
    assert f"M{(high[0] + right[0]) // 2} " in found["#ccc"]


@given(st.lists(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=90), min_size=1, max_size=5), st.booleans())
def test_points_are_always_shown_inline(groups: list[list[tuple[float, float]]], cut: bool) -> None:
    named = {f"useful but drifting {k}": points for k, points in enumerate(groups)}
    found = scatter(named, title="t", cuts=(0.1, 0.01) if cut else None)
    assert len(found) < LIMIT
    assert found == "t: insufficient data" if not any(groups) else texts(parsed(found))
