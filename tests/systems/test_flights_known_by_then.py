"""A week of flights is diagnosed from what was known by its end: nothing that came later changes what is said."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from mlsys_assets import LogisticRegression
from mlsys_assets.data_ingestion.ticks import with_tick
from mlsys_assets.held_out import TEST_SCORES
from mlsys_assets.ledger import CHALLENGER, MONITORING
from mlsys_assets.monitoring_step import MonitoringStep
from mlsys_assets.production_monitoring.diagnosing.order import Diagnosing
from mlsys_assets.production_monitoring.diagnosing.seen import Seen
from mlsys_assets.production_monitoring.diagnosis import Cause
from mlsys_assets.tables import (
    EVENT_TIME,
    FEATURES,
    KNOWN_AT,
    LABEL,
    LABELS,
    PREDICT_AT,
    PREDICTIONS,
    SCORE,
    STATE,
    TICK,
    TIMESTAMP,
)
from mlsys_assets.types import TimeWindow, days, utc
from mlsys_resources.lake import Lake

KEY, MODEL = "flight_id", "lightgbm"
SEEN_FROM, SEEN_UNTIL = utc("2013-10-07"), utc("2013-12-02")
SHARE = 6
"""One of so many flights."""
Tables = dict[str, pa.Table]


@dataclass(frozen=True, eq=False)
class Ledger:
    """What the operations store says: one champion, of October."""

    as_of: datetime

    def alias_at(self, system: str, alias: str, at: datetime) -> SimpleNamespace | None:
        return SimpleNamespace(version=1) if at >= self.as_of else None

    def model(self, system: str, version: int) -> SimpleNamespace:
        return SimpleNamespace(version=version, as_of=self.as_of)

    def decisions(self, system: str, decision: str, *, since: datetime, until: datetime) -> list[SimpleNamespace]:
        if decision == MONITORING:
            return []  # no week before was diagnosed
        assert decision == CHALLENGER
        return [SimpleNamespace(evidence={"challenger": MODEL})] if since <= self.as_of <= until else []


def between(rows: pa.Table, column: str, start: datetime, end: datetime) -> pa.Array:
    low, high = (pa.scalar(one, TIMESTAMP) for one in (start, end))
    return pc.and_(pc.greater_equal(rows[column], low), pc.less(rows[column], high))


@pytest.fixture(scope="module")
def week(flights_system) -> TimeWindow:
    return flights_system.calendar.tick_of(utc("2013-11-11"))


@pytest.fixture(scope="module")
def tables(flights_folder, flights_system, flights_tables, flights_fitted) -> Tables:
    """Five weeks and three more: requests with features, labels, sources, and what the champion of October said."""
    features = pq.read_table(flights_folder / "features.parquet")
    features = features.take(pa.array(np.arange(0, len(features), SHARE)))
    held = features.filter(between(features, PREDICT_AT, utc("2013-09-02"), utc("2013-09-30")))
    features = features.filter(between(features, PREDICT_AT, SEEN_FROM, SEEN_UNTIL))
    labels = pq.read_table(flights_folder / "labels.parquet")
    known = labels.filter(pc.is_in(labels[KEY], features[KEY].combine_chunks()))
    asked = (flights_system.requests.source, *flights_system.feature_sources)
    sources = {one.name: one for one in asked if not one.snapshot}
    raw = {name: flights_tables[name].select([*(c.name for c in s.columns), KNOWN_AT]) for name, s in sources.items()}

    def said(rows: pa.Table) -> pa.Table:
        score = flights_fitted[MODEL].predict(rows)
        return rows.select([KEY, PREDICT_AT]).append_column(SCORE, pa.array(score, pa.float64()))

    was = pc.index_in(held[KEY], value_set=labels[KEY].combine_chunks())
    tested = said(held).append_column(LABEL, labels[LABEL].take(was)).append_column("model", [[MODEL] * len(held)])
    return {
        FEATURES: features,
        LABELS: known.select([KEY, LABEL, STATE, EVENT_TIME, KNOWN_AT]),
        PREDICTIONS: said(features),
        TEST_SCORES: tested,
        "held features": held,
        **{name: rows.filter(between(rows, KNOWN_AT, SEEN_FROM, SEEN_UNTIL)) for name, rows in raw.items()},
    }


@pytest.fixture(scope="module")
def looked(flights_system, tmp_path_factory, week) -> Callable[[Tables], tuple[dict[str, object], Seen]]:
    """Return what is said of the week, and what was seen of it, where a lake holds such tables."""
    as_of, system = utc("2013-10-07"), flights_system

    def look(tables: Tables) -> tuple[dict[str, object], Seen]:
        lake = Lake(tmp_path_factory.mktemp("lake"))
        whole = {**tables, FEATURES: pa.concat_tables([tables["held features"], tables[FEATURES]])}
        del whole["held features"]
        for name, rows in whole.items():
            by = PREDICT_AT if PREDICT_AT in rows.column_names else KNOWN_AT
            placed = with_tick(rows, system.calendar, by)
            if name == TEST_SCORES:
                placed = rows.append_column(TICK, pa.array([as_of] * len(rows), TIMESTAMP))
            ticks = sorted(placed[TICK].unique().to_pylist())
            lake.write_ticks(system.name, name, placed, schema=rows.schema, ticks=ticks, run_id="r")
        stores = SimpleNamespace(lake=lake, operations=Ledger(as_of))
        seen = MonitoringStep(None, system, stores, week).observed({})
        return Diagnosing(seen, system.monitoring, LogisticRegression(), seed=0).diagnosis().as_dict(), seen

    return look


@pytest.fixture(scope="module")
def as_it_was(looked, tables) -> tuple[dict[str, object], Seen]:
    return looked(tables)


def test_a_week_is_seen_whole(as_it_was, tables, week) -> None:
    told, seen = as_it_was
    assert told["cause"] != Cause.UNTOLD
    asked = tables[FEATURES].filter(between(tables[FEATURES], PREDICT_AT, week.start, week.end))
    assert seen.ids.to_pylist() == asked.sort_by([(PREDICT_AT, "ascending"), (KEY, "ascending")])[KEY].to_pylist()
    assert len(seen.recent) > 3 * len(seen.predicted) > 2_000
    assert len(seen.held_out) > 3_000


def test_labels_are_those_known_by_then(as_it_was, tables, week) -> None:
    """Of the week by its end; of the weeks before by its start."""
    _, seen = as_it_was
    labels = tables[LABELS]
    for rows, by, since in ((seen.predicted, week.end, week.start), (seen.recent, week.start, week.start - days(28))):
        asked = tables[FEATURES].filter(between(tables[FEATURES], PREDICT_AT, since, by))
        known = labels.filter(pc.less(labels[KNOWN_AT], pa.scalar(by, TIMESTAMP)))
        known = known.filter(pc.is_valid(known[LABEL]))
        expected = pc.sum(pc.is_in(asked[KEY], known[KEY].combine_chunks())).as_py()
        assert rows.known.sum() == expected
        assert 0.9 * len(rows) < expected < len(rows)  # some came later


def flipped(rows: pa.Table) -> pa.Table:
    label = pc.subtract(1.0, rows[LABEL])
    return rows.set_column(rows.column_names.index(LABEL), LABEL, label)


def shuffled(rows: pa.Table, *kept: str) -> pa.Table:
    """Return rows of which all but some columns stand in another order."""
    order = pa.array(np.random.default_rng(0).permutation(len(rows)))
    columns = {name: rows[name] if name in kept else rows[name].take(order) for name in rows.column_names}
    return pa.table(columns, rows.schema)


def later(rows: pa.Table, by: str, end: datetime) -> tuple[pa.Table, pa.Table]:
    is_later = pc.greater_equal(rows[by], pa.scalar(end, TIMESTAMP))
    return rows.filter(pc.invert(is_later)), rows.filter(is_later)


def changed(tables: Tables, end: datetime, how: str) -> Tables:
    """Return the tables otherwise from a moment on."""
    found = dict(tables)
    for name, rows in tables.items():
        if name in (TEST_SCORES, "held features"):
            continue
        by = PREDICT_AT if name in (FEATURES, PREDICTIONS) else KNOWN_AT
        before, after = later(rows, by, end)
        assert 0 < len(after) < len(rows)
        kept = {PREDICT_AT, KNOWN_AT, EVENT_TIME, KEY, STATE} & set(rows.column_names)
        otherwise = {"gone": after.slice(0, 0), "shuffled": shuffled(after, *kept)}[how]
        if name == LABELS and how == "shuffled":
            again = flipped(before)  # and what was known is corrected, too late
            at = again.column_names.index(KNOWN_AT)
            again = again.set_column(at, rows.schema.field(at), pa.array([end] * len(again), TIMESTAMP))
            otherwise = pa.concat_tables([flipped(after), again])
        found[name] = pa.concat_tables([before, otherwise])
    return found


@pytest.mark.parametrize("how", ["gone", "shuffled"])
def test_what_became_known_from_the_weeks_end_on_changes_nothing(as_it_was, looked, tables, week, how) -> None:
    assert looked(changed(tables, week.end, how))[0] == as_it_was[0]


def test_labels_of_the_week_change_what_is_said_of_it_and_no_label_of_the_weeks_before(
    as_it_was, looked, tables, week
) -> None:
    before, after = later(tables[LABELS], KNOWN_AT, week.start)
    told, seen = looked({**tables, LABELS: pa.concat_tables([before, flipped(after)])})
    assert np.array_equal(seen.recent.label, as_it_was[1].recent.label, equal_nan=True)
    assert not np.array_equal(seen.predicted.label, as_it_was[1].predicted.label, equal_nan=True)
    assert told["cause"] == Cause.CONCEPT != as_it_was[0]["cause"]


def test_the_order_in_which_rows_were_written_changes_nothing(as_it_was, looked, tables) -> None:
    random = np.random.default_rng(1)
    mixed = {name: rows.take(pa.array(random.permutation(len(rows)))) for name, rows in tables.items()}
    told, seen = looked({**tables, **{name: mixed[name] for name in (LABELS, PREDICTIONS)}})
    assert told == as_it_was[0]
    assert seen.ids == as_it_was[1].ids
