"""Lines over weeks lie where their numbers say, and their marks are round."""

from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, strategies as st

from mlsys_assets.production_monitoring.weekly.curves import MOST_MARKS, NAMED_APART, apart, curve, runs, ticks
from mlsys_assets.types import days, utc

SVG = "{http://www.w3.org/2000/svg}"
WEEKS = [utc("2013-07-01") + days(7 * n) for n in range(5)]


def points(picture: str, tag: str) -> list[list[tuple[float, float]]]:
    found = [one.attrib["points"] for one in ET.fromstring(picture).iter(f"{SVG}{tag}")]
    return [[(float(x), float(y)) for x, y in (at.split(",") for at in one.split())] for one in found]


def heights(picture: str) -> dict[float, float]:
    """Return where the marks at the side lie, by their number."""
    lines = [float(one.attrib["y1"]) for one in ET.fromstring(picture).iter(f"{SVG}line")]
    texts = [one.text or "" for one in ET.fromstring(picture).iter(f"{SVG}text") if one.attrib["text-anchor"] == "end"]
    return dict(zip((float(text.replace(",", "").replace("−", "-")) for text in texts), lines, strict=True))


def test_a_line_lies_where_the_marks_at_the_side_say_and_has_a_gap_where_nothing_is_known() -> None:
    values = [-3.0, 12.0, None, 7.5, 0.0]
    picture = curve(WEEKS, {"the model": values, "other": [1.0] * 5}, title="a<b", unit="%")
    side = heights(picture)
    (low, bottom), (high, top) = min(side.items()), max(side.items())
    other, first, second = points(picture, "polyline")
    assert len(other) == 5
    for (_, y), value in zip([*first, *second], [v for v in values if v is not None], strict=True):
        assert low + (bottom - y) / (bottom - top) * (high - low) == pytest.approx(value, abs=0.1)
    steps = [b[0] - a[0] for a, b in ((first[0], first[1]), (second[0], second[1]))]
    assert steps[0] == pytest.approx(steps[1], abs=0.2)
    assert "a&lt;b [%]" in picture
    assert [t for t in picture.replace("<", ">").split(">") if t in {"1 Jul", "29 Jul"}] == ["1 Jul", "29 Jul"]


def test_a_band_reaches_from_its_lower_to_its_upper_ends() -> None:
    picture = curve(
        WEEKS, {"came": [1.0, 2, 3, 4, 5]}, title="t", band=[(0.0, 10.0), (0.0, 5.0), None, (2.0, 4.0), None]
    )
    side = heights(picture)
    first, alone = points(picture, "polygon")
    assert [y for _, y in first] == pytest.approx(
        [side[10.0], (side[10.0] + side[0.0]) / 2, side[0.0], side[0.0]], abs=0.1
    )
    assert [x for x, _ in first] == [first[0][0], first[1][0], first[1][0], first[0][0]]
    assert first[0][0] < first[1][0]
    assert len(alone) == 2


def test_one_value_is_a_dot_and_none_is_said() -> None:
    assert "<circle" in curve(WEEKS[:1], {"the model": [3.0]}, title="t")
    assert "nothing is known yet" in curve(WEEKS, {"the model": [None] * 5}, title="t")


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6))
def test_marks_are_few_rising_and_hold_all_that_is_drawn(low: float, reach: float) -> None:
    high = low + reach
    found = ticks(low, high)
    slack = 2e-6 * max(abs(low), abs(high), 1.0)
    assert 2 <= len(found) <= MOST_MARKS + 1
    assert found[0] <= low + slack
    assert found[-1] >= high - slack
    assert all(a < b for a, b in pairwise(found))


@given(st.dictionaries(st.text("abcdef", min_size=1, max_size=2), st.floats(0, 200), max_size=6))
def test_names_lie_apart_in_their_order_and_alone_where_they_are_wanted(wanted: dict[str, float]) -> None:
    found = apart(wanted)
    at = sorted(found.values())
    assert all(b - a >= NAMED_APART - 1e-9 for a, b in pairwise(at))
    assert sorted(found, key=lambda name: found[name]) == sorted(wanted, key=lambda name: (wanted[name], name))
    assert sum(found.values()) == pytest.approx(sum(wanted.values()))


def test_runs_are_what_lies_between_gaps() -> None:
    assert list(runs([None, 1, 2, None, 3])) == [[1, 2], [4]]
