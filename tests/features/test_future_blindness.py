from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.features.aggregate import count, last, mean, rate
from mlsys_assets.features.embedded import log as log_module
from mlsys_assets.features.embedded.engine import compute
from mlsys_assets.features.feature import Feature
from mlsys_assets.features.future_blindness import Outcomes, Sample, future_blindness
from mlsys_assets.features.lookup import Lookup
from mlsys_assets.features.request import Request
from mlsys_assets.features.scheduled import Scheduled
from mlsys_assets.features.trailing import Trailing
from mlsys_assets.tables import Column
from mlsys_assets.types import days, hours, microseconds, minutes, utc

TIME = pa.timestamp("us", tz="UTC")
START = np.datetime64("2013-03-10T00:00", "us")
OUTCOMES = Outcomes("trip", ("finished",))


def _source(name: str, *columns: Column) -> Source:
    return Source(name, read=lambda window: pa.table({}), raw=(), columns=(Column("trip", "string"), *columns),
                  derive=lambda t: t, key=("trip",))  # fmt: skip


PLACE, DELAY = Column("place", "string"), Column("delay", "float64")
FINISHED = _source("finished", PLACE, DELAY)
READINGS = _source("readings", PLACE, Column("heat", "float64"))
PLAN = _source("plan", PLACE, Column("predict_at", "timestamp"))
FEATURES: tuple[Feature, ...] = (
    Request("place"),
    Lookup(READINGS, by="place", columns=("heat",), max_age=hours(6)),
    Trailing(FINISHED, by="place", over=(hours(3), days(2)), n=count(), delay=mean("delay"), last=last("delay"),
             late=rate(lambda row: row["delay"] > 10)),
    Scheduled(PLAN, by="place", around=hours(2), max_age=days(2), n=count()),
)  # fmt: skip


def _minutes(values: Any) -> Any:
    return np.asarray(values).astype("timedelta64[m]")


def _table(event: Any, known: Any, **columns: Any) -> pa.Table:
    times = {"event_time": pa.array(event, TIME), "known_at": pa.array(known, TIME)}
    return pa.table({name: pa.array(values) for name, values in columns.items()} | times)


@pytest.fixture(scope="module")
def world() -> tuple[pa.Table, dict[str, pa.Table]]:
    """Trips planned a day ahead, asked for an hour before; readings known an hour after they are taken."""
    random = np.random.default_rng(0)
    n = 400
    trip, place = np.array([f"t{i}" for i in range(n)]), random.choice(["A", "B"], n)
    planned = START + _minutes(np.sort(random.integers(0, 10 * 24 * 12, n)) * 5)
    delay = random.integers(-20, 60, n).astype(float)
    finished = planned + _minutes(30 + delay)
    taken = START + _minutes(np.arange(0, 10 * 24 * 60, 30))
    where = random.choice(["A", "B"], len(taken))
    asked = planned - np.timedelta64(1, "h")
    plan = _table(planned, planned - np.timedelta64(1, "D"), trip=trip, place=place, predict_at=asked)
    plan = plan.set_column(2, "predict_at", plan["predict_at"].cast(pa.timestamp("us")).cast(TIME))
    tables = {
        "plan": plan,
        "finished": _table(finished, finished, trip=trip, place=place, delay=delay),
        "readings": _table(taken, taken + np.timedelta64(1, "h"), trip=np.arange(len(taken)).astype(str), place=where,
                           heat=random.normal(size=len(taken))),
    }  # fmt: skip
    return plan, tables


def _check(requests: pa.Table, tables: Mapping[str, pa.Table], rows: int = 60) -> Any:
    engine = partial(compute, FEATURES, key="trip")
    return future_blindness(engine, requests, tables, outcomes=OUTCOMES, sample=Sample(rows))


def test_the_engine_is_blind_to_the_future(world: Any) -> None:
    finding = _check(*world)
    assert finding.passed
    assert finding.evidence["rows"] >= 60
    assert "no feature of" in finding.summary


def test_a_prediction_time_after_the_outcome_is_found(world: Any) -> None:
    requests, tables = world
    late = pa.compute.add(requests["predict_at"], pa.scalar(hours(2), pa.duration("us")))
    finding = _check(requests.set_column(2, "predict_at", late), tables)
    assert not finding.passed
    assert finding.evidence["guilty"] > 0
    assert "prediction time later than the outcome" in finding.summary


def test_a_window_past_the_prediction_time_is_found(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead = microseconds(minutes(90))
    monkeypatch.setattr(log_module.Log, "rank", lambda log, requests, back: np.searchsorted(
        log.known, requests.at - back + ahead, side="right"))  # fmt: skip
    # The log is cut at the last prediction time, so that the bug needs later requests to show.
    monkeypatch.setattr(log_module.Log, "__init__", _uncut(log_module.Log.__init__))
    finding = _check(*world)
    assert not finding.passed
    assert "place_n_3h" in finding.evidence["worst"] or finding.evidence["columns"] > 3


def _uncut(original: Any) -> Any:
    far = int(utc("2014-01-01").timestamp()) * 1_000_000
    return lambda log, table, source, *, since, until: original(log, table, source, since=since, until=far)


def test_event_time_in_place_of_known_at_is_found(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "KNOWN_AT", "event_time")
    finding = _check(*world)
    assert not finding.passed
    assert "place_heat" in finding.evidence["worst"]


def test_an_engine_that_peeks_at_values_alone_is_found(world: Any) -> None:
    requests, tables = world

    def peeks(asked: pa.Table, given: Mapping[str, pa.Table]) -> pa.Table:
        peak = pa.compute.max(given["finished"]["delay"])  # of all rows, whenever known
        return pa.table({"trip": asked["trip"], "at": asked["predict_at"], "peak": pa.repeat(peak, len(asked))})

    finding = future_blindness(peeks, requests, tables, outcomes=OUTCOMES, sample=Sample(5))
    assert finding.evidence == {"rows": 5, "guilty": 5, "columns": 1, "worst": "peak"}


def test_a_sample_takes_whole_prediction_times_and_repeats_itself() -> None:
    at = np.array([3, 1, 3, 2, 1, 3], dtype=np.int64)
    groups = Sample(rows=3, seed=1).groups(at)
    assert [g.tolist() for g in groups] == [g.tolist() for g in Sample(rows=3, seed=1).groups(at)]
    assert all(set(np.flatnonzero(at == at[g[0]])) == set(g.tolist()) for g in groups)
    assert sorted(np.concatenate(Sample(rows=99).groups(at)).tolist()) == list(range(6))
    assert Sample().groups(np.empty(0, np.int64)) == []
