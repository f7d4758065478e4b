"""The weekly page says what the tables say, opens anywhere, and says in words what is missing."""

import re
from dataclasses import replace
from itertools import chain, pairwise
from typing import Any

import numpy as np
import pytest
from weekly_reader import Read

from mlsys_assets.production_monitoring.diagnosis import Cause, Diagnosis, Remedy, Symptom
from mlsys_assets.production_monitoring.weekly.facts import AlertLine, Moved, WeeklyFacts, Wording
from mlsys_assets.production_monitoring.weekly.page import weekly_page
from mlsys_assets.types import TimeWindow, utc

LARGEST = 300_000
NASTY = "<script>alert(1)</script>\"'><img src=x onerror=y>{0}{request}\x00"


def known_numbers(world: Any) -> set[float]:
    """Return all numbers that the tables hold, and the few that follow from them, computed here on their own."""
    last = [row for row in world.performance if row["revision"] == 2 or row["predicted"] == utc("2013-07-29")]
    last = [row for row in last if row["as_of"] <= utc("2013-08-05")]
    found = set[float]()
    for row in last:
        found |= {row["requests"], row["log_loss"], row["mean_cost"]}
        found |= {row["labelled"] / row["requests"], row["positives"] / row["labelled"]}
    at = world.predictions["predict_at"].cast("timestamp[us]").to_numpy()
    nth = (at - np.datetime64("2013-01-07")) // np.timedelta64(7, "D")
    score = world.predictions["score"].to_numpy()
    found |= {float(np.sort(score[nth == n]).mean()) for n in range(30)}
    found |= {2.5 * 529, 1.0 * 529, 4.0 * 529, 529}
    drift = {row["column"]: row for row in world.tables.drift.to_pylist()}
    found |= {drift["wind"]["psi"], drift["sky"]["psi"], abs(drift["wind"]["mean_shift"])}
    sky = world.tables.features["sky"].to_numpy()
    then = {row["category"]: row["count"] / 2000 for row in world.tables.profile.to_pylist() if row["column"] == "sky"}
    found |= {
        float((sky == "grey").mean()),
        float((sky == "blue").mean()),
        float((sky == "pink").mean()),
        *then.values(),
    }
    counts = {0, 1, 2, 3, 4, 26, 28, 30}  # weeks quiet, known and judged, columns, alerts
    return found | counts | {float(np.mean([500 + n for n in range(25, 29)]))}


def test_every_number_on_the_page_is_a_number_of_the_tables(world: Any) -> None:
    page = Read(weekly_page(world.facts()))
    allowed = np.array(sorted(known_numbers(world)))
    assert len(page.numbers) > 200
    for value, said in page.numbers:
        assert page.is_what_it_says(value, said), (value, said)
        assert np.abs(allowed - value).min() <= 1e-12 * max(abs(value), 1), (value, said)
    assert re.findall(r"\d", page.free) == []  # no other number is said


def test_the_table_holds_the_last_revisions_in_order(world: Any) -> None:
    page = Read(weekly_page(world.facts()))
    head = next(row for row in page.rows if row[0] == "week of")
    assert head[1:] == ["days", "outcome known", "as of", "expected", "came", "log loss", "log loss, wet yesterday",
                        "log loss, usual", "cost [EUR]"]  # fmt: skip
    rows = page.rows[page.rows.index(head) + 1 :]
    assert len(rows) == 26
    assert [rows[0][0], rows[1][0], rows[-1][0]] == ["29 July 2013", "22 July 2013", "4 February 2013"]
    told = {(row["predicted"], row["model"], row["revision"]): row for row in world.performance}
    first = told[utc("2013-07-29"), "champion", 1]  # of the last week one revision is known
    assert rows[0][1:] == [
        "529", f"{429 / 529:.1%}", "5 August 2013", rows[0][4], f"{148 / 429:.1%}", f"{first['log_loss']:.4f}",
        *(f"{told[utc('2013-07-29'), name, 1]['log_loss']:.4f}" for name in ("wet_yesterday", "usual")),
        f"{first['mean_cost']:.2f}",
    ]  # fmt: skip
    assert rows[1][2] == f"{508 / 528:.1%}"  # the second revision


def test_the_headline_says_what_happened_what_it_costs_and_what_is_done(world: Any) -> None:
    words = Read(weekly_page(world.facts())).words
    for told in (
        "What used to foretell that a day is wet does so no longer.",
        "The change cost 1,322 EUR on 529 days (between 529 and 2,116; estimated without the outcomes).",
        "The model is trained anew. It learns from what happened from 18 March 2013 to 4 August 2013.",
        "1 alert is open.",
        "It rains otherwise, by .05.",
        "mmd: only 12 rows",
        "28 of 30 weeks were quiet.",
        "In service: the second model.",
    ):
        assert told in words, told


def test_a_week_in_which_a_simple_rule_did_better_is_not_counted(world: Any) -> None:
    facts = world.facts()
    lost = facts.weeks()[3]
    worse = [
        replace(one, metric=9.0) if (one.model, one.week) == ("champion", lost) else one for one in facts.performance
    ]
    assert "In 26 of 26 weeks that can be judged it did better" in Read(weekly_page(facts)).words
    words = Read(weekly_page(replace(facts, performance=tuple(worse)))).words
    assert "In 25 of 26 weeks that can be judged it did better" in words


def test_it_is_one_small_file_that_fetches_nothing_and_runs_nothing(world: Any) -> None:
    html = weekly_page(world.facts())
    page = Read(html)
    assert len(html.encode()) <= LARGEST
    assert page.links == []
    assert page.tags & {"script", "link", "iframe", "img", "object", "embed", "base", "form"} == set()
    assert set(re.findall(r"https?://[^\"'<> ]+", html)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"url\(|@import", html)
    assert weekly_page(world.facts()) == html


def test_every_picture_has_words_for_those_who_do_not_see_it(world: Any) -> None:
    html = weekly_page(world.facts())
    pictures = re.findall(r"<svg[^>]*>", html)
    named = re.findall(r'role="img"[^>]*aria-label="([^"]+)"|<svg[^>]*aria-label="([^"]+)"', html)
    assert len(pictures) == len(named) == 8  # the light, the year, shares, cost, metric, estimates, two columns
    assert all(any(found) for found in named)
    assert 'lang="en"' in html
    levels = [int(level) for level in re.findall(r"<h(\d)", html)]
    assert levels[0] == 1
    assert all(b <= a + 1 for a, b in pairwise(levels))


def test_hostile_names_stay_text(world: Any) -> None:
    facts = world.facts()
    bad = Diagnosis(
        facts.week,
        Cause.SKEW,
        (Symptom(Cause.SKEW, NASTY, NASTY, NASTY, 1, 0),),
        None,
        Remedy.FIX_SERVING,
        None,
        NASTY,
        {NASTY: NASTY},
    )
    hostile = replace(
        facts,
        wording=Wording(*[NASTY] * 6, unit=NASTY, metric=NASTY),
        diagnoses=(*facts.diagnoses[:-1], bad),
        moved=tuple(
            replace(one, column=NASTY, bins=tuple(replace(b, name=NASTY) for b in one.bins)) for one in facts.moved
        ),
        performance=tuple(
            replace(o, model=o.model if o.model == "champion" else o.model + NASTY) for o in facts.performance
        ),
        alerts=(AlertLine.of((facts.as_of, NASTY, NASTY, NASTY, "open")),),
        champion=NASTY,
        planned=(NASTY,),
    )
    page = Read(weekly_page(hostile))
    assert page.tags & {"script", "img"} == set()
    assert page.links == []
    assert "<script>alert(1)</script>" in page.words
    assert "\x00" not in page.words


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (
            {"diagnoses": ()},
            ["This week was not examined.", "No week was examined so far.", "What it costs cannot be told yet."],
        ),
        ({"performance": (), "predicted": ()}, ["No model was in service this week", "No model has served yet."]),
        ({"champion": ""}, ["No model is in service."]),
        ({"alerts": ()}, ["There were none."]),
        ({"compared": 0, "moved": ()}, ["There is nothing to compare them with"]),
        ({"moved": ()}, ["None of 3 columns is far from what it was in training."]),
        ({"wording": Wording("rain", "sky")}, ["No costs are declared for rain", "Its log loss is 0.050 more"]),
    ],
)
def test_what_is_missing_is_said(world: Any, missing: dict[str, Any], said: list[str]) -> None:
    words = Read(weekly_page(replace(world.facts(), **missing))).words
    for told in said:
        assert told in words, (told, words)


def test_without_labels_it_says_so(world: Any) -> None:
    facts = world.facts()
    blank = tuple(replace(one, labelled=0, positives=0, metric=None, cost=None) for one in facts.performance)
    words = Read(weekly_page(replace(facts, performance=blank))).words
    assert "No outcomes are known yet" in words
    assert "not known yet" in words
    assert "nan" not in words.lower()


def test_a_page_of_nothing_is_a_page() -> None:
    page = Read(
        weekly_page(WeeklyFacts(Wording("rain", "sky"), TimeWindow.of("2013-01-07", "2013-01-14"), utc("2013-01-14")))
    )
    assert list(chain(page.numbers)) == []
    assert "This week was not examined." in page.words


def test_a_column_of_few_words_has_a_picture() -> None:
    facts = WeeklyFacts(
        Wording("rain", "sky"), TimeWindow.of("2013-01-07", "2013-01-14"), utc("2013-01-14"), compared=1
    )
    empty = Moved("sky", 0.3, None, 0.0, 0.0, (), numeric=False)
    assert "sky" in Read(weekly_page(replace(facts, moved=(empty,)))).words
