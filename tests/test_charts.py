"""Small pictures are whole XML, draw what they are given in its place, and leave out what is not known."""

from itertools import pairwise
from math import isfinite
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, strategies as st

from mlsys_assets.charts import (
    COLOURS,
    HEIGHT,
    LEFT,
    MOST_TICKS,
    WIDTH,
    bars,
    forest,
    grid,
    lines,
    round_ticks,
    scatter,
    trade_off,
)

SVG = "{http://www.w3.org/2000/svg}"
NASTY = "<b>&\"'</b> \u2014 carrier = 'AA'"


def parsed(picture: str) -> ET.Element:
    root = ET.fromstring(picture)
    assert root.tag == f"{SVG}svg"
    return root


def texts(root: ET.Element) -> list[str]:
    return [found.text or "" for found in root.iter(f"{SVG}text")]


def curves(root: ET.Element) -> list[list[tuple[float, float]]]:
    """Return the points of each unbroken piece of a line."""
    pieces = [found.attrib["points"].split() for found in root.iter(f"{SVG}polyline")]
    return [[tuple(map(float, point.split(","))) for point in points] for points in pieces]


def test_a_line_goes_through_its_values_in_order() -> None:
    root = parsed(lines(["one", "two", "three"], {"auc": [0.5, 0.7, 0.6]}, title="quality", unit="share"))
    ((first, second, third),) = curves(root)
    assert first[0] < second[0] < third[0]
    assert second[0] - first[0] == pytest.approx(third[0] - second[0], abs=0.2)
    assert second[1] < third[1] < first[1]  # higher is further up
    assert third[1] == pytest.approx((first[1] + second[1]) / 2, abs=0.1)
    assert {"quality [share]", "auc", "one", "two", "three"} <= set(texts(root))


def test_what_is_not_known_leaves_a_gap() -> None:
    root = parsed(lines(list("abcdef"), {"auc": [1.0, 2.0, None, None, 3.0, 4.0]}, title="t"))
    before, after = curves(root)
    assert [len(before), len(after)] == [2, 2]
    assert len(list(root.iter(f"{SVG}circle"))) == 4
    step = before[1][0] - before[0][0]
    assert after[0][0] == pytest.approx(before[0][0] + 4 * step, abs=0.2)  # the gap takes its place


def test_a_value_between_gaps_is_still_seen() -> None:
    root = parsed(lines(list("abc"), {"auc": [None, 0.5, None]}, title="t"))
    assert len(list(root.iter(f"{SVG}circle"))) == 1


@pytest.mark.parametrize(
    ("labels", "series"), [([], {}), ([], {"auc": []}), (["a"], {"auc": [None]}), (["a"], {"x": [None], "y": [None]})]
)
def test_without_a_value_it_says_so(labels: list[str], series: dict[str, list[float | None]]) -> None:
    root = parsed(lines(labels, series, title="quality"))
    assert texts(root) == ["quality: insufficient data"]
    assert curves(root) == []


def test_a_series_without_values_hides_no_other() -> None:
    root = parsed(lines(["a", "b"], {"empty": [None, None], "full": [1.0, 2.0]}, title="t"))
    assert len(curves(root)) == 1
    assert {"empty", "full"} <= set(texts(root))


@pytest.mark.parametrize("values", [[0.25, 0.25], [0.0, 0.0], [-3.0, -3.0], [1e-300, 1e300], [0.1]])
def test_flat_tiny_and_huge_values_stay_in_the_picture(values: list[float]) -> None:
    root = parsed(lines(["a", "b"][: len(values)], {"x": values}, title="t"))
    drawn = [(float(c.attrib["cx"]), float(c.attrib["cy"])) for c in root.iter(f"{SVG}circle")]
    assert len(drawn) == len(values)
    assert all(0 <= x <= 900 and 0 <= y <= HEIGHT for x, y in drawn), drawn


def test_events_are_marked_at_their_labels() -> None:
    root = parsed(lines(["a", "b", "c"], {"x": [1.0, 2.0, 3.0]}, title="t", events={1: f"trained {NASTY}"}))
    (mark,) = [line for line in root.iter(f"{SVG}line") if list(line)]
    assert mark.attrib["x1"] == mark.attrib["x2"] == f"{curves(root)[0][1][0]:.1f}"
    assert mark[0].text == f"trained {NASTY}"


@given(
    st.lists(st.one_of(st.none(), st.floats(-1e12, 1e12)), max_size=60),
    st.lists(st.one_of(st.none(), st.floats(-1, 1)), max_size=60),
)
def test_every_known_value_is_drawn_once_whatever_the_gaps(one: list[float | None], other: list[float | None]) -> None:
    size = max(len(one), len(other))
    root = parsed(lines([str(n) for n in range(size)], {"one": one, "other": other}, title="t"))
    known = [value for value in (*one, *other) if value is not None]
    assert len(list(root.iter(f"{SVG}circle"))) == sum(map(len, curves(root))) == len(known)
    assert all(isfinite(number) for piece in curves(root) for point in piece for number in point)


def test_names_are_text_and_never_marks() -> None:
    for root in (
        parsed(lines([NASTY], {NASTY: [1.0]}, title=NASTY, unit=NASTY)),
        parsed(bars({NASTY: 1.0}, title=NASTY, marks={NASTY: 0.5})),
    ):
        assert sum(NASTY in text for text in texts(root)) >= 3
        assert root.find(f".//{SVG}b") is None


def test_bars_are_as_long_as_their_values_in_the_order_given() -> None:
    root = parsed(bars({"small": 0.1, "large": 0.4, "none": 0.0}, title="shift", marks={"limit": 0.2}))
    widths = [float(bar.attrib["width"]) for bar in root.iter(f"{SVG}rect")]
    assert widths[1] == pytest.approx(4 * widths[0], rel=0.01)
    assert widths[2] == 0
    (mark,) = root.iter(f"{SVG}line")
    assert float(mark.attrib["x1"]) - LEFT == pytest.approx(widths[1] / 2, abs=0.1)
    assert [t for t in texts(root) if t in {"small", "large", "none"}] == ["small", "large", "none"]


def test_bars_of_nothing_are_a_picture_still() -> None:
    assert texts(parsed(bars({}, title="shift"))) == ["shift"]
    assert list(parsed(bars({"a": 0.0}, title="shift")).iter(f"{SVG}rect"))


def test_an_interval_lies_around_its_value_and_the_worse_group_further_left() -> None:
    root = parsed(
        forest({"EWR": {"a": (0.4, 0.3, 0.6), "b": (0.5, 0.45, 0.55)}, NASTY: {"a": (0.2, 0.1, 0.3)}}, title="t")
    )
    dots = [(float(c.attrib["cx"]), float(c.attrib["cy"])) for c in root.iter(f"{SVG}circle")]
    spans = {float(e.attrib["y1"]): (float(e.attrib["x1"]), float(e.attrib["x2"]))
             for e in root.iter(f"{SVG}line") if e.attrib["stroke"] != "#eee"}  # fmt: skip
    assert len(dots) == len(spans) == 3
    for x, y in dots:
        low, high = spans[y]
        assert low < x < high
    (first, second, other) = dots
    assert other[0] < first[0] < second[0]
    assert (first[0] - other[0]) / (second[0] - first[0]) == pytest.approx(2, abs=0.02)
    assert {"EWR", NASTY, "a", "b"} <= set(texts(root))
    assert texts(parsed(forest({}, title="slices"))) == ["slices: insufficient data"]


def test_a_cell_has_the_colour_of_its_word_and_says_it() -> None:
    root = parsed(grid(["mon", NASTY], {"drift": ["yes", ""], "arbiter": ["hold", "train"]}, title="t",
                       colours={"yes": "#111", "train": "#222"}))  # fmt: skip
    cells = [(c.attrib["fill"], next(iter(c)).text) for c in root.iter(f"{SVG}rect") if len(c)]
    assert cells == [("#111", "mon: yes"), ("none", f"{NASTY}: "), ("none", "mon: hold"), ("#222", f"{NASTY}: train")]
    assert {"drift", "arbiter", "yes", "train"} <= set(texts(root))


def test_a_point_lies_right_and_up_by_its_numbers_in_the_colour_of_its_group() -> None:
    points = {"steady": [("plan", 0.0, 1.0), (NASTY, 0.0, 0.0)], "drifting": [("temp", 2.0, 0.5)]}
    root = parsed(scatter(points, title="t", axes=("drift", "gain"), cuts=(1.0, 0.5)))
    dots = {next(iter(c)).text: c.attrib for c in root.iter(f"{SVG}circle")}
    at = {name: (float(found["cx"]), float(found["cy"])) for name, found in dots.items()}
    assert at["plan"][0] == at[NASTY][0] < at["temp"][0] < WIDTH
    assert at["plan"][1] < at["temp"][1] < at[NASTY][1] < 2 * HEIGHT
    assert at["temp"][1] == pytest.approx((at["plan"][1] + at[NASTY][1]) / 2, abs=0.1)
    assert [found["fill"] for found in dots.values()] == [COLOURS[0], COLOURS[0], COLOURS[1]]
    up, across = root.iter(f"{SVG}line")
    assert float(up.attrib["x1"]) == pytest.approx((at["plan"][0] + at["temp"][0]) / 2, abs=0.1)
    assert float(across.attrib["y1"]) == at["temp"][1]
    assert {"plan", "temp", NASTY, "drift", "gain", "steady", "drifting"} <= set(texts(root))


def test_names_that_would_cover_each_other_are_told_when_pointed_at() -> None:
    root = parsed(scatter({"all": [(f"x{k}", k / 1000, 0.0) for k in range(50)] + [("far", 1.0, 1.0)]},
                          title="t", axes=("x", "y")))  # fmt: skip
    assert {"x0", "far"} <= set(texts(root))
    assert "x1" not in texts(root)
    assert len(list(root.iter(f"{SVG}circle"))) == len(list(root.iter(f"{SVG}title"))) == 51
    assert texts(parsed(scatter({}, title="drift", axes=("x", "y")))) == ["drift: insufficient data"]
    assert texts(parsed(scatter({"a": [("one", 1.0, 1.0)]}, title="t", axes=("x", "y"))))


def test_a_trade_off_has_its_front_in_order_its_intervals_and_one_ring() -> None:
    points = {"b": (2.0, 0.5, 0.4, 0.6), NASTY: (1.0, 0.9, 0.8, 1.0), "c": (3.0, 0.7, 0.7, 0.7)}
    root = parsed(trade_off(points, title="t", axes=("cost", "loss"), front=("b", NASTY), marked="b"))
    dots = {dot[0].text.split(": ")[0]: dot.attrib for dot in root.iter(f"{SVG}circle") if len(dot)}
    at = {name: (float(dot["cx"]), float(dot["cy"])) for name, dot in dots.items()}
    assert curves(root) == [[at[NASTY], at["b"]]]
    (ring,) = (dot.attrib for dot in root.iter(f"{SVG}circle") if not len(dot))
    assert (float(ring["cx"]), float(ring["cy"])) == at["b"]
    spans = [s.attrib for s in root.iter(f"{SVG}line") if s.attrib["x1"] == s.attrib["x2"]]
    reach = {float(s["x1"]): sorted((float(s["y1"]), float(s["y2"]))) for s in spans}
    (top, bottom), (_, y) = reach[at["b"][0]], at["b"]
    assert y == pytest.approx((top + bottom) / 2, abs=0.2)
    assert at["c"][1] == reach[at["c"][0]][0]
    assert {"cost", "loss", "b", "c"} <= set(texts(root))


def test_a_trade_off_without_points_says_so_and_without_a_front_has_no_line() -> None:
    assert texts(parsed(trade_off({}, title="t", axes=("x", "y")))) == ["t: insufficient data"]
    assert curves(parsed(trade_off({"a": (1, 1, 1, 1)}, title="t", axes=("x", "y")))) == []


def test_names_that_would_cover_each_other_are_counted_beside_the_first() -> None:
    points = {
        "a": (1.0, 1.0, 1.0, 1.0),
        "b": (1.0, 1.0, 1.0, 1.0),
        "c": (9.0, 9.0, 9.0, 9.0),
        "d": (1.01, 1.0, 1.0, 1.0),
    }
    assert {"a +2", "c"} <= set(texts(parsed(trade_off(points, title="t", axes=("x", "y")))))
    assert {"b +2", "c"} <= set(texts(parsed(trade_off(points, title="t", axes=("x", "y"), marked="b"))))


@pytest.mark.parametrize(
    ("low", "length"), [(-0.25, 5.5), (0.148, 0.023), (-3.0, 6.0), (1e-9, 1e-10), (0.95, 0.1), (7e5, 9e6)]
)
def test_numbers_along_an_axis_are_round_and_few(low: float, length: float) -> None:
    found = round_ticks(low, length)
    assert 2 <= len(found) <= MOST_TICKS + 1
    assert all(low <= one <= low + length for one in found)
    (step,) = {float(f"{b - a:.3g}") for a, b in pairwise(found)}
    assert f"{step:e}"[0] in "125"
    assert all(abs(one / step - round(one / step)) < 1e-6 for one in found)
