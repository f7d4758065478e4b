"""A choice is made on earlier requests and judged on later ones; tables, pictures and pages hold its numbers."""

import json
import re
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from mlsys_assets.measures.costs import CostMatrix
from mlsys_assets.measures.metrics import LogLoss, RocAuc
from mlsys_assets.retraining.policy_replay.judging import Judging, Prices
from mlsys_assets.retraining.policy_replay.policy_study import Choice, PolicyStudy, Spent, last_part, study
from mlsys_assets.retraining.policy_replay.study_page import study_page
from mlsys_assets.retraining.policy_replay.study_pictures import picture, small_timeline, thumbnail, timeline
from mlsys_assets.retraining.policy_replay.study_table import basis, computing, header, rows, text_table
from mlsys_assets.thumbnails import LIMIT
from mlsys_assets.types import TimeWindow, Weekly, days

from .simulated_lives import SINCE, Distorted, lived

POLICIES = {
    "every_tick": Distorted(0.0, 8, 90.0),
    "every_4_ticks": Distorted(0.05, 2, 30.0),
    "drift": Distorted(0.5, 3, 32.0),
    "never": Distorted(0.9, 0, 10.0),
}
JUDGING = Judging(LogLoss(), seed=2, reference="every_tick", prices=Prices(CostMatrix(1, 3), cpu_hour=36.0))
WHOLE, LATER = TimeWindow(SINCE, SINCE + days(90)), SINCE + days(60)
CALENDAR = Weekly("2013-01-01")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def found() -> PolicyStudy:
    lives = lived(POLICIES, seed=0, length=90, a_day=60)
    return study(lives, JUDGING, choice=Choice(judged_since=LATER), spent=Spent(100.0, 130.0))


def test_what_is_chosen_on_comes_before_what_judges(found: PolicyStudy) -> None:
    assert found.judged is not None
    assert (found.chosen.period, found.judged.period) == (TimeWindow(SINCE, LATER), TimeWindow(LATER, WHOLE.end))
    assert (found.chosen.rows, found.judged.rows) == (3600, 1800)
    assert found.recommendation.policy == "every_4_ticks"
    assert found.recommendation.holds
    assert found.shown is found.judged


def test_later_requests_have_no_say_in_the_choice(found: PolicyStudy) -> None:
    lives = lived(POLICIES, seed=0, length=90, a_day=60)
    inside = lives[0].at < lives[0].at[3600]
    turned = [replace(one, score=one.score.copy()) for one in lives]
    for one in turned:
        one.score[~inside] = 0.5
    other = study(turned, JUDGING, choice=Choice(judged_since=LATER))
    assert other.chosen.points == found.chosen.points
    assert (other.recommendation.policy, other.recommendation.sure) == ("every_4_ticks", found.recommendation.sure)
    assert other.recommendation.judged != found.recommendation.judged


def test_the_reference_of_the_choice_stays_that_of_the_judgement() -> None:
    policies = {"first": Distorted(0.0, 3, later=0.5), "second": Distorted(0.3, 2, later=0.0)}
    lives = lived(policies, seed=0, length=90, a_day=60, switch=60)
    found = study(lives, replace(JUDGING, reference=None), choice=Choice(judged_since=LATER))
    assert found.chosen.reference == "first"
    assert found.judged is not None
    assert found.judged.reference == "first"
    assert found.judged["second"].loss.high < 0


def test_trainings_are_told_of_the_whole_life_and_chosen_by_those_before(found: PolicyStudy) -> None:
    assert {p.name: p.trainings for p in found.chosen.points} == {
        "every_tick": 5, "every_4_ticks": 1, "drift": 2, "never": 0,
    }  # fmt: skip
    assert found.judged is not None
    assert [p.trainings for p in found.judged.points] == [8, 2, 3, 0]


def test_without_a_later_part_all_choose() -> None:
    lives = lived(POLICIES, seed=0, length=90, a_day=60)
    found = study(lives, JUDGING)
    assert (found.judged, found.chosen.rows) == (None, 5400)
    assert found.shown is found.chosen
    assert found.saved_cpu_s is None
    assert "worse where chosen" not in header(found)
    assert computing(found) == "the trainings of 4 policies take 162 s of a processor"


@pytest.mark.parametrize("at", [SINCE, SINCE + days(90), SINCE - days(1)])
def test_a_time_outside_of_what_was_lived_parts_nothing(at) -> None:
    with pytest.raises(ValueError, match=r"to be judged since .*; lived was \[2013-01-01"):
        study(lived(POLICIES, seed=0), JUDGING, choice=Choice(judged_since=at))


def test_the_last_third_of_the_ticks_judges_if_nobody_says_otherwise() -> None:
    assert last_part(CALENDAR, TimeWindow(SINCE, SINCE + days(27 * 7))) == SINCE + days(18 * 7)
    assert last_part(CALENDAR, TimeWindow(SINCE, SINCE + days(14))) is None


def test_the_table_holds_a_row_for_each_policy_from_the_cheapest_on(found: PolicyStudy) -> None:
    head, lines = header(found, unit="USD"), rows(found)
    assert [line[0] for line in lines] == ["never", "every_4_ticks", "drift", "every_tick"]
    assert all(len(line) == len(head) for line in lines)
    told = dict(zip(head, lines[1], strict=True))
    assert found.judged is not None
    point = found.judged["every_4_ticks"]
    assert told["trainings"] == "2"
    assert told["CPU s"] == "20"
    assert told["compute [USD]"] == "0.2"
    assert told["log_loss"].startswith(f"{point.quality.value:.4f} [")
    assert told["worse than every_tick"].startswith(f"{point.loss.value:+.4f} [")
    assert told["on the front by trainings"] == "yes, 100%"
    text = text_table(head, lines)
    assert len({len(line) for line in text}) == 1
    assert basis(found).startswith(
        "chosen on 3,600 requests in [2013-01-01 00:00, 2013-03-02 00:00); judged on 1,800 in"
    )
    assert computing(found).endswith(" once (62 s saved); the whole replay took 130 s")


def test_it_is_told_as_json(found: PolicyStudy) -> None:
    told = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert told["recommendation"]["policy"] == "every_4_ticks"
    assert [p["name"] for p in told["judged"]["policies"]] == list(POLICIES)
    assert told["timelines"]["never"] == {"trainings": [SINCE.isoformat()], "promotions": [SINCE.isoformat()]}
    few = study(lived(POLICIES, seed=0, length=4), replace(JUDGING, metric=RocAuc()))
    untold = json.loads(json.dumps(few.as_dict(), allow_nan=False))
    assert untold["chosen"]["policies"][0]["by_cpu"] == {"on": False, "share": None}


def test_the_picture_has_each_policy_in_its_place_the_front_as_a_line_and_a_ring(found: PolicyStudy) -> None:
    root = ET.fromstring(picture(found, "trainings"))
    dots = {dot[0].text.split(":")[0]: dot for dot in root.iter(f"{SVG}circle") if len(dot)}
    assert set(dots) == set(POLICIES)
    x, y = ({name: float(dot.attrib[axis]) for name, dot in dots.items()} for axis in ("cx", "cy"))
    assert x["never"] < x["every_4_ticks"] < x["drift"] < x["every_tick"]
    assert y["never"] < y["drift"] < y["every_4_ticks"] < y["every_tick"]  # more loss is further up
    (line,) = (found.attrib["points"].split() for found in root.iter(f"{SVG}polyline"))
    assert line == [f"{x[n]:.1f},{y[n]:.1f}" for n in ("never", "every_4_ticks", "every_tick")]
    (ring,) = (dot for dot in root.iter(f"{SVG}circle") if not len(dot))
    assert (float(ring.attrib["cx"]), float(ring.attrib["cy"])) == (x["every_4_ticks"], y["every_4_ticks"])
    spans = [found.attrib for found in root.iter(f"{SVG}line") if found.attrib["x1"] == found.attrib["x2"]]
    heights = {float(s["x1"]): abs(float(s["y1"]) - float(s["y2"])) for s in spans}
    assert heights[x["every_tick"]] == 0 < heights[x["every_4_ticks"]] < heights[x["never"]]


def test_a_metric_that_is_better_when_higher_is_drawn_as_it_is() -> None:
    found = study(lived(POLICIES, seed=0), replace(JUDGING, metric=RocAuc()))
    root = ET.fromstring(picture(found, "cpu_s"))
    y = {dot[0].text.split(":")[0]: float(dot.attrib["cy"]) for dot in root.iter(f"{SVG}circle") if len(dot)}
    assert y["never"] > y["every_tick"]
    assert "higher is better" in picture(found, "cpu_s")


def test_thumbnails_are_seen_at_once(found: PolicyStudy) -> None:
    ticks = CALENDAR.ticks(WHOLE)
    for small in (thumbnail(found, "trainings"), thumbnail(found, "cpu_s"), small_timeline(found, ticks)):
        assert small.startswith("![")
        assert len(small) < LIMIT
    assert "recommended" in thumbnail(found, "cpu_s")


def test_the_timeline_marks_the_ticks_of_trainings(found: PolicyStudy) -> None:
    ticks = CALENDAR.ticks(WHOLE)
    root = ET.fromstring(timeline(found, ticks))
    cells = [rect[0].text for rect in root.iter(f"{SVG}rect") if len(rect)]
    assert len(cells) == len(POLICIES) * len(ticks)
    assert sum(cell.endswith(": promoted") for cell in cells) == len(POLICIES)
    assert sum(cell.endswith(": trained, not promoted") for cell in cells) == 8 + 2 + 3


def test_the_page_fetches_nothing_and_holds_the_recommendation(found: PolicyStudy) -> None:
    words = {"never": "stays <with> its first"}
    page = study_page("rain", found, words=words, ticks=CALENDAR.ticks(WHOLE), unit="USD")
    assert page.startswith("<!doctype html>")
    assert "every_4_ticks is the cheapest that is surely within 0.002 of every_tick" in page
    assert "stays &lt;with&gt; its first" in page
    assert page.count("<svg") == 3
    assert page.count('<tr class="taken">') == 1
    assert not re.search(r"<script|(src|href)=|url\(|@import", page)


def test_too_little_data_makes_a_page_that_says_so() -> None:
    found = study(lived(POLICIES, seed=0, length=4), JUDGING)
    page = study_page("rain", found, words={}, ticks=CALENDAR.ticks(TimeWindow(SINCE, SINCE + days(4))))
    assert "cannot be told: insufficient data (160 rows" in page
    assert "quality against trainings: insufficient data" in page
    assert thumbnail(found, "cpu_s").endswith("insufficient data")
