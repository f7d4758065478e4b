"""Flights: a list of the routes most likely late degenerates if it learns of what it shows alone; ours does not."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlsys_assets import MLSystem
from mlsys_assets.data_sampling.rows import LabelledRows, moment
from mlsys_assets.models.predictor import Predictor
from mlsys_assets.production_monitoring.feedback.degeneration import degenerate, trend
from mlsys_assets.production_monitoring.feedback.diversity import by_window
from mlsys_assets.production_monitoring.feedback.exploration import (
    Beliefs,
    EpsilonGreedy,
    Greedy,
    Policy,
    Thompson,
)
from mlsys_assets.production_monitoring.feedback.feedback_log import FeedbackLog, Listed, listed
from mlsys_assets.production_monitoring.feedback.popularity import popularity_gap
from mlsys_assets.production_monitoring.feedback.propensity import LoggedRows, policy_value
from mlsys_assets.production_monitoring.feedback.simulation import live
from mlsys_assets.tables import TIMESTAMP

LEAST_FLIGHTS = 100
SHOWN, DAYS = 10, (56, 126)
"""Routes a day; eight weeks of a random list, as before there is a model, and eighteen of the policy's."""
OURS = FeedbackLog(("carrier", "dest"), 20)
AUTUMN = moment(datetime(2013, 10, 1, tzinfo=UTC))


@pytest.fixture(scope="module")
def late(flights_rows: LabelledRows, flights_tables: dict[str, pa.Table]) -> np.ndarray:
    """How often each route, a carrier's to one airport, was late in the year."""
    plan = flights_tables["schedule"]
    found = pc.index_in(flights_rows.ids, value_set=plan["flight_id"].combine_chunks())
    route = pc.binary_join_element_wise(plan["carrier"].take(found), plan["dest"].take(found), "|")
    known = ~np.isnan(flights_rows.label)
    code = route.combine_chunks().dictionary_encode().indices.to_numpy()[known]
    flown, times = np.bincount(code), np.bincount(code, weights=flights_rows.label[known])
    often = flown >= LEAST_FLIGHTS
    return times[often] / flown[often]


@pytest.mark.parametrize(
    ("policy", "degenerates"),
    [(Greedy(), True), (EpsilonGreedy(0.1), False), (EpsilonGreedy(1.0), False), (Thompson(draws=50), False)],
    ids=str,
)
def test_the_loop_of_the_desks_list_trips_and_one_that_explores_does_not(
    flights_system: MLSystem, late: np.ndarray, policy: Policy, degenerates: bool
) -> None:
    assert 200 < len(late) < 300
    frozen = []
    for seed in range(5):
        one = live(late, policy, shown=SHOWN, days=DAYS, seed=seed)
        found = degenerate(list(by_window(one.log, flights_system.calendar).values()))
        assert found.passed is not degenerates, found.summary
        frozen.append(one.frozen(DAYS[0] + 14))
    print(f"\n{policy}: {found.summary}; of {np.median(frozen):.0%} of the routes nothing was learned in 16 weeks")
    assert bool(np.median(frozen) > 0.7) is degenerates


def test_what_another_list_would_find_is_told_from_an_explored_log(late: np.ndarray) -> None:
    """From 26 weeks that explored a third of the places: the routes truly worst, half of them at random."""
    rng = np.random.default_rng(0)
    target = 0.5 * Greedy().inclusion(Beliefs(late, np.zeros(len(late))), SHOWN, rng) + 0.5 * SHOWN / len(late)
    truth, inside, outside = target @ late / SHOWN, 0, 0
    for seed in range(20):
        log = live(late, EpsilonGreedy(0.3), shown=SHOWN, days=DAYS, seed=100 + seed).log
        assert log.outcome is not None
        day = np.repeat(np.arange(sum(DAYS)), SHOWN)
        found = policy_value(LoggedRows(log.outcome, log.propensity, day), target[log.item])
        inside += found.ips.low <= truth <= found.ips.high
        outside += not found.naive.low <= truth <= found.naive.high
    print(
        f"\nthe truth {truth:.3f} lies in {inside} of 20 intervals; last: {found.ips}, by the log's mean {found.naive}"
    )
    assert inside >= 17


@pytest.fixture(scope="module")
def autumn(
    flights_rows: LabelledRows, flights_tables: dict[str, pa.Table], flights_fitted: dict[str, Predictor]
) -> Listed:
    """The list of October to December by the model fitted as of October."""
    rows = np.flatnonzero(flights_rows.at >= AUTUMN)
    score = flights_fitted["lightgbm"].predict(flights_rows.features.take(pa.array(rows)))
    ids, at = flights_rows.ids.take(pa.array(rows)), pa.array(flights_rows.at[rows]).cast(TIMESTAMP)
    label = pa.array(flights_rows.label[rows], from_pandas=True)
    return listed(
        OURS,
        pa.table({"flight_id": ids, "predict_at": at, "score": score}),
        flights_tables["schedule"],
        pa.table({"flight_id": ids, "label": label}),
        key="flight_id",
    )


def test_the_systems_own_list_is_quiet(flights_system: MLSystem, autumn: Listed) -> None:
    told = autumn.by_tick(flights_system.calendar)
    found = degenerate(list(told.values()))
    gap = popularity_gap(autumn.log)
    print(f"\n{found.summary}; hit rate of popular routes minus that of others {gap}")
    assert found.passed
    assert autumn.nameless == 0
    for one in list(told.values())[1:-1]:
        assert (one.shown, 200 < one.catalogue < 260) == (140, True)
        assert one.reached > 0.95 * one.catalogue  # flights land whether they were on a list or not
        assert 0.1 < one.aggregate < 0.5
        assert 0.5 < one.gini < 0.95
    assert gap.low < 0 < gap.high


def test_were_only_the_listed_routes_learned_of_it_would_not_be_called_a_loop_unless_it_narrows(
    flights_system: MLSystem, autumn: Listed
) -> None:
    alone = replace(autumn, known=np.isin(autumn.at, autumn.log.at) & autumn.known)
    windows = list(alone.by_tick(flights_system.calendar).values())
    assert degenerate(windows).passed
    narrowed = [replace(w, effective=w.effective * 0.8**i, reached=w.distinct) for i, w in enumerate(windows)]
    assert not degenerate(narrowed).passed
    assert trend(narrowed) is not None
