"""The pictures of the weekly page are whole XML, and as large as what they show."""

from dataclasses import replace
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from mlsys_assets.production_monitoring.weekly.facts import Bin, Moved
from mlsys_assets.production_monitoring.weekly.pictures import NOW, THEN, lamp, then_now, year_strip

SVG = "{http://www.w3.org/2000/svg}"


def rects(picture: str, fill: str) -> list[ET.Element]:
    return [one for one in ET.fromstring(picture).iter(f"{SVG}rect") if one.attrib.get("fill") == fill]


def texts(picture: str) -> list[str]:
    return [one.text or "" for one in ET.fromstring(picture).iter(f"{SVG}text")]


def test_a_bar_is_as_high_as_its_share() -> None:
    one = Moved("a", 1, 0, 0, 0, (Bin("low", 0.5, 0.1), Bin("high", 0.5, 0.9), Bin("missing", 0.0, 0.0)), numeric=True)
    picture = then_now(one)
    now, then = (
        [float(r.attrib["height"]) for r in rects(picture, fill) if "width" in r.attrib] for fill in (NOW, THEN)
    )
    assert now == pytest.approx([0.1 / 0.9 * 80, 80], abs=0.1)
    assert then == pytest.approx([0.5 / 0.9 * 80] * 2, abs=0.1)
    assert texts(picture) == ["low", "high"]  # what is missing is not drawn where nothing is


def test_the_strip_has_a_cell_a_week_and_a_bar_where_it_surely_cost(world: Any) -> None:
    picture = year_strip(world.diagnoses, unit="EUR", this=world.diagnoses[-1].window.start)
    said = texts(picture)
    assert [word for word in said if len(word) == 1] == [*["·"] * 20, "D", *["·"] * 8, "R"]
    assert len(rects(picture, NOW)) == 2
    assert "1,322 EUR" in said
    titles = [one.text for one in ET.fromstring(picture).iter(f"{SVG}title")]
    assert "Week of 2013-05-27: fault in the data, 1,322 EUR" in titles


def test_a_week_that_may_have_cost_nothing_has_no_bar(world: Any) -> None:
    last = world.diagnoses[-1]
    unsure = replace(last, price=replace(last.price, money=replace(last.price.money, low=-0.1)))
    assert len(rects(year_strip([last], unit="EUR", this=last.window.start), NOW)) == 1
    assert rects(year_strip([unsure], unit="EUR", this=last.window.start), NOW) == []


@pytest.mark.parametrize(
    ("colour", "lit"), [("red", "#c5372c"), ("amber", "#e09a1f"), ("green", "#3a8f4d"), ("grey", "")]
)
def test_one_lamp_is_lit_or_none(colour: str, lit: str) -> None:
    picture = lamp(colour, "<the light>")
    fills = [one.attrib["fill"] for one in ET.fromstring(picture).iter(f"{SVG}circle")]
    assert [f for f in fills if f not in {"#dde2e7", "none"}] == ([lit] if lit else [])
    assert ET.fromstring(picture).attrib["aria-label"] == "<the light>"
