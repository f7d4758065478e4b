"""A week's facts are those that were known then."""

from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.features.profile import profile
from mlsys_assets.production_monitoring.drift.profile_drift import drift
from mlsys_assets.production_monitoring.weekly.facts import AlertState, Wording
from mlsys_assets.production_monitoring.weekly.gather import WeeklyTables, weekly_facts
from mlsys_assets.types import Calendar, TimeWindow, days, utc


def test_what_came_to_be_known_later_is_left_out(world: Any) -> None:
    middle = TimeWindow.of("2013-03-04", "2013-03-11")  # the ninth week
    now = weekly_facts(
        Wording("rain", "sky"),
        middle,
        world.tables,
        as_of=middle.end,
        diagnoses=world.diagnoses,
        forecasts=world.forecasts,
        alerts=world.alerts,
    )
    assert max(one.week for one in now.performance) == middle.start
    assert all(one.as_of <= middle.end for one in now.performance)
    assert now.served is not None
    assert now.served.labelled == 408  # of its first revision
    assert now.diagnosis is world.diagnoses[8]
    assert (len(now.diagnoses), now.forecasts, now.alerts) == (9, (), ())
    assert [one.week for one in now.predicted][-1] == middle.start


def test_a_page_written_anew_tells_more_of_its_own_weeks_and_of_no_later_ones(world: Any) -> None:
    middle = TimeWindow.of("2013-03-04", "2013-03-11")
    later = weekly_facts(Wording("rain", "sky"), middle, world.tables, as_of=utc("2013-08-05"))
    assert max(one.week for one in later.performance) == middle.start
    assert later.served is not None
    assert later.served.labelled == 488  # of its second revision


def test_the_year_has_53_weeks_and_performance_26(world: Any) -> None:
    facts = world.facts(diagnoses=world.diagnoses * 3)
    assert len(facts.diagnoses) == 53
    assert len(facts.weeks()) == len(facts.predicted) == 26


def test_baselines_are_ranked_by_the_metric_in_its_direction(world: Any) -> None:
    facts = world.facts()
    assert facts.baselines(3) == ["wet_yesterday", "usual", "coin"]
    assert replace(facts, wording=replace(facts.wording, higher_is_better=True)).baselines(1) == ["coin"]


def test_the_bins_of_what_moved_are_counted_as_numpy_counts_them(world: Any) -> None:
    facts = world.facts()
    assert [one.column for one in facts.moved] == ["sky", "wind"] or [one.column for one in facts.moved] == [
        "wind",
        "sky",
    ]
    wind = next(one for one in facts.moved if one.column == "wind")
    values = world.tables.features["wind"].to_numpy()
    rows = [r for r in world.tables.profile.to_pylist() if r["column"] == "wind"]
    edges = np.array([r["upper"] for r in rows if r["upper"] is not None])
    expected = [*np.bincount(np.searchsorted(edges, values), minlength=len(edges) + 1) / 500, 0.0]
    assert [b.now for b in wind.bins] == pytest.approx(expected)
    assert [b.then for b in wind.bins] == pytest.approx([r["count"] / 2000 for r in rows])
    assert wind.bins[0].name == f"to {edges[0]:.4g}".replace("-", "−")
    assert wind.bins[-1].name == "missing"


def test_a_column_that_changed_its_type_or_is_gone_is_left_out() -> None:
    rng = np.random.default_rng(0)
    then = pa.table({"a": rng.normal(size=900), "b": rng.normal(size=900)})
    now = pa.table({"a": rng.normal(size=900) + 2, "b": rng.normal(size=900) + 2})
    tables = WeeklyTables(
        Calendar(utc("2013-01-07"), step=days(7)),
        drift=drift(profile(then), now),
        profile=profile(then),
        features=pa.table({"a": ["text"] * 900}),
    )
    facts = weekly_facts(Wording("s", "o"), TimeWindow.of("2013-01-07", "2013-01-14"), tables, as_of=utc("2013-01-14"))
    assert (facts.compared, facts.moved) == (2, ())


def test_nothing_moves_in_an_empty_week() -> None:
    then = pa.table({"a": np.arange(900.0)})
    empty = then.slice(0, 0)
    tables = WeeklyTables(
        Calendar(utc("2013-01-07"), step=days(7)),
        drift=drift(profile(then), empty),
        profile=profile(then),
        features=empty,
        predictions=pa.table(
            {"predict_at": pa.array([], pa.timestamp("us", "UTC")), "score": pa.array([], pa.float64())}
        ),
    )
    facts = weekly_facts(Wording("s", "o"), TimeWindow.of("2013-01-07", "2013-01-14"), tables, as_of=utc("2013-01-14"))
    assert (facts.moved, facts.predicted, facts.performance) == ((), (), ())


def test_every_state_but_closed_is_open(world: Any) -> None:
    facts = world.facts(
        alerts=[(utc("2013-07-30"), "w", "o", "t", state) for state in ("open", "acknowledged", "closed")]
    )
    assert [one.state for one in facts.alerts] == [AlertState.OPEN, AlertState.OPEN, AlertState.CLOSED]
