"""A world of hourly readings at two places, and requests whose outcomes come hours later."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.data_sampling.views import Train
from mlsys_assets.features.aggregate import mean
from mlsys_assets.features.key import Key
from mlsys_assets.features.leakage.availability import availability
from mlsys_assets.features.leakage.day_sample import DaySample
from mlsys_assets.features.leakage.joins import Join, joins_of
from mlsys_assets.features.lookup import Lookup
from mlsys_assets.features.trailing import Trailing
from mlsys_assets.tables import Column
from mlsys_assets.types import Severity, TimeWindow, days, hours

TIME = pa.timestamp("us", tz="UTC")
START, HOUR = np.datetime64("2013-03-01T00:00", "us"), np.timedelta64(1, "h")
DAYS = 60
PLACES = np.array(["A", "B"])


def _source(name: str, *columns: Column, **declared) -> Source:
    return Source(name, read=lambda window: pa.table({}), raw=(), columns=columns, derive=lambda t: t,
                  key=(columns[0].name,), **declared)  # fmt: skip


TRIP, PLACE = Column("trip", "string"), Column("place", "string")
PLAN = _source("plan", TRIP, PLACE, Column("size", "float64"), Column("predict_at", "timestamp"))
READINGS = _source("readings", PLACE, Column("heat", "float64"), Column("sky", "string"))
FINISHED = _source("finished", TRIP, PLACE, Column("size", "float64"), Column("delay", "float64"))
SITES = _source("sites", Column("site", "string"), Column("height", "float64"), snapshot=True)
FEATURES = (
    Lookup(READINGS, by="place", columns=("heat",), max_age=hours(6)),
    Trailing(FINISHED, by="place", over=days(2), delay=mean("delay")),
    Lookup(SITES, by=Key("place", "place", "site"), columns=("height",)),
)
JOINS = joins_of(PLAN, (PLAN, READINGS, FINISHED, SITES), FEATURES, key="trip")


@dataclass(frozen=True)
class World:
    """Tables, and for each trip its place, its moment, and the hour that it is in."""

    tables: dict[str, pa.Table]
    trip: np.ndarray
    place: np.ndarray
    at: np.ndarray
    heat: np.ndarray
    delay: np.ndarray

    @property
    def hour(self) -> np.ndarray:
        """(n,) the number of the last reading known."""
        return ((self.at - START) // HOUR).astype(int) - 1

    def heat_after(self, lag: int) -> np.ndarray:
        """(n,) the reading so many hours after the last one known."""
        return self.heat[self.place, np.clip(self.hour + lag, 0, self.heat.shape[1] - 1)]

    def audit(self, *, joins: tuple[Join, ...] = JOINS, seed: int = 0, **columns: object):
        """Audit a training set of these columns."""
        features = pa.table({name: pa.array(values) if not isinstance(values, pa.Array) else values
                             for name, values in columns.items()})  # fmt: skip
        window = TimeWindow.of("2013-03-01", "2013-06-01")
        rows = Train(pa.array(self.trip), self.at, features, np.zeros(len(self.at)), window)
        sample = DaySample.of(rows, self.tables["plan"], key="trip", seed=seed)
        return availability(sample, self.tables, joins, requests="plan", key="trip")


def _table(event: np.ndarray, known: np.ndarray, **columns: np.ndarray) -> pa.Table:
    times = {"event_time": pa.array(event, TIME), "known_at": pa.array(known, TIME)}
    return pa.table({name: pa.array(values) for name, values in columns.items()} | times)


@pytest.fixture(scope="module")
def world() -> World:
    """Readings that wander, known an hour after; trips asked for at any minute, finished one to nine hours later."""
    random = np.random.default_rng(0)
    n, steps = 6_000, DAYS * 24
    place = random.integers(0, 2, n)
    at = np.sort(START + HOUR * 24 * 3 + random.integers(0, (DAYS - 6) * 24 * 60, n) * np.timedelta64(1, "m"))
    heat = np.round(np.cumsum(random.normal(0, 1.5, (2, steps)), axis=1), 1)
    began = np.tile(START + np.arange(steps) * HOUR, 2)
    done = at + random.integers(60, 540, n) * np.timedelta64(1, "m")
    delay, size = np.round(random.normal(0, 20, n)), np.round(random.normal(50, 9, n), 2)
    trip = np.array([f"t{i}" for i in range(n)])
    tables = {
        "plan": _table(at + HOUR, at - 24 * HOUR, trip=trip, place=PLACES[place], size=size),
        "readings": _table(began, began + HOUR, place=np.repeat(PLACES, steps), heat=heat.ravel(),
                           sky=random.choice(["clear", "grey", "rain"], 2 * steps)),
        "finished": _table(done, done, trip=trip, place=PLACES[place], size=size, delay=delay),
        "sites": _table(np.repeat(START, 2), np.repeat(START, 2), site=PLACES, height=np.array([12.5, 99.25])),
    }  # fmt: skip
    return World(tables, trip, place, at, heat, delay)


def test_a_lookup_is_a_copy_of_what_was_known(world):
    audit = world.audit(heat=world.heat_after(0))
    (copy,) = audit.copies
    assert (copy.source, copy.source_column, copy.by, copy.own) == ("readings", "heat", "place", False)
    assert (copy.known, copy.only_later) == (1, 0)
    assert audit.finding.passed
    assert audit.finding.evidence["copies"] == 1


@pytest.mark.parametrize("lag", [1, 4, 20])
def test_a_later_reading_is_found_and_named(world, lag):
    audit = world.audit(clean=world.heat_after(0), leak=world.heat_after(lag))
    (suspicion,) = audit.suspicions
    assert suspicion.columns == ("leak",)
    assert suspicion.severity is Severity.ERROR
    assert suspicion.evidence["source_column"] == "readings.heat"
    assert "Lookup of readings by place" in suspicion.remedy
    # The last reading known is half an hour old in the mean, so that the one after it is as far ahead.
    assert suspicion.evidence["lead_minutes"] == pytest.approx(60 * lag - 30, abs=10)
    assert not audit.finding.passed


def test_the_shares_are_those_that_a_look_at_every_record_finds(world):
    values = world.heat_after(3)
    (copy,) = [c for c in world.audit(leak=values).copies if c.leaks]
    sampled = _oracle_rows(world)
    known, later = _oracle(world, values, sampled)
    assert copy.rows == len(sampled)
    assert copy.known == pytest.approx(known.mean())
    assert copy.only_later == pytest.approx((later & ~known).mean())


def _oracle_rows(world: World) -> np.ndarray:
    rows = Train(pa.array(world.trip), world.at, pa.table({"x": world.at.astype(np.int64).astype(float)}),
                 np.zeros(len(world.at)), TimeWindow.of("2013-03-01", "2013-06-01"))  # fmt: skip
    sample = DaySample.of(rows, world.tables["plan"], key="trip", seed=0)
    return np.array([int(name[1:]) for name in sample.requests["trip"].to_pylist()])


def _oracle(world: World, values: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    readings = world.tables["readings"]
    place, heat = np.array(readings["place"].to_pylist()), readings["heat"].to_numpy()
    known_at = readings["known_at"].cast(pa.timestamp("us")).to_numpy()
    known, later = [], []
    for i in rows:
        same = (place == PLACES[world.place[i]]) & (heat == values[i])
        ahead = (known_at[same] - world.at[i]) / np.timedelta64(1, "D")
        known.append(((ahead <= 0) & (ahead >= -2)).any())
        later.append(((ahead > 0) & (ahead <= 2)).any())
    return np.array(known), np.array(later)


def test_gaps_filled_from_the_next_reading_are_found_among_clean_values(world):
    gap = np.random.default_rng(1).random(world.heat.shape) < 0.1
    heat = np.where(gap, np.nan, world.heat)
    readings = world.tables["readings"].set_column(1, "heat", pa.array(heat.ravel(), from_pandas=True))
    there = replace(world, heat=heat, tables=world.tables | {"readings": readings})
    clean, filled = there.heat_after(0), heat.copy()
    for step in range(heat.shape[1] - 2, -1, -1):
        filled[:, step] = np.where(np.isnan(filled[:, step]), filled[:, step + 1], filled[:, step])
    audit = there.audit(clean=pa.array(clean, from_pandas=True), filled=replace(there, heat=filled).heat_after(0))
    assert [s.columns for s in audit.suspicions] == [("filled",)]
    (copy,) = [c for c in audit.copies if c.leaks]
    assert copy.known > 0.85  # most of it is clean
    assert copy.only_later > 0.03


def test_the_outcome_of_the_request_itself_is_found(world):
    audit = world.audit(delay=world.delay)
    (suspicion,) = audit.suspicions
    assert suspicion.evidence["source_column"] == "finished.delay"
    assert "the request's own record" in suspicion.seen
    assert "Leave it out" in suspicion.remedy


def test_what_an_outcome_repeats_of_the_plan_was_known(world):
    audit = world.audit(size=world.tables["plan"]["size"].combine_chunks())
    (copy,) = audit.copies
    assert (copy.source, copy.own, copy.known, copy.leaks) == ("plan", True, 1, False)


def test_what_a_plan_says_of_later_readings_does_not_vouch_for_them(world):
    heat = world.heat_after(6)
    plan = world.tables["plan"].append_column("then_heat", pa.array(heat))
    joins = joins_of(replace(PLAN, columns=(*PLAN.columns, Column("then_heat", "float64"))),
                     (PLAN, READINGS, FINISHED), FEATURES, key="trip")  # fmt: skip
    audit = replace(world, tables=world.tables | {"plan": plan}).audit(then_heat=heat, joins=joins)
    (suspicion,) = audit.suspicions
    assert suspicion.evidence["source_column"] == "readings.heat"


def test_texts_are_looked_for_too(world):
    sky = np.array(world.tables["readings"]["sky"].to_pylist()).reshape(2, -1)
    texts = np.array([f"{s}-{i}" for i, s in enumerate(sky.ravel())]).reshape(sky.shape)
    readings = world.tables["readings"].set_column(2, "sky", pa.array(texts.ravel()))
    there = replace(world, heat=texts, tables=world.tables | {"readings": readings})
    assert there.audit(sky=there.heat_after(0)).finding.passed
    assert [s.columns for s in there.audit(sky=there.heat_after(2)).suspicions] == [("sky",)]


def test_a_snapshot_joined_under_another_name_is_a_copy(world):
    (copy,) = world.audit(height=np.array([12.5, 99.25])[world.place]).copies
    assert (copy.source, copy.source_column, copy.known, copy.leaks) == ("sites", "height", 1, False)


def test_what_is_no_copy_is_not_accused(world):
    random = np.random.default_rng(2)
    n = len(world.at)
    heat = np.stack([world.heat_after(-k) for k in range(6)])
    audit = world.audit(
        mean=heat.mean(axis=0),
        of_one=world.heat_after(0),  # a trailing mean with one record in its window
        old=world.heat_after(-70),  # older than what is held against it
        count=random.poisson(12, n).astype(float),
        few=random.integers(0, 3, n).astype(float),
        zero=np.zeros(n),
        constant=np.full(n, world.heat[0, 700]),
        nothing=pa.nulls(n, pa.float32()),
        untyped=pa.nulls(n),
        noise=random.normal(size=n),
        day=((world.at - START) // (24 * HOUR)).astype(float) % 7,
    )
    assert audit.finding.passed, audit.finding.summary
    assert audit.sufficient


def test_what_another_source_repeats_later_was_known(world):
    """Bulletins tell each reading again, six hours after: what was known by the first is not found only later."""
    readings = world.tables["readings"]
    late = pc.add(readings["known_at"], pa.scalar(hours(6), pa.duration("us")))
    bulletins = readings.set_column(readings.column_names.index("known_at"), "known_at", late)
    there = replace(world, tables=world.tables | {"bulletins": bulletins})
    source = _source("bulletins", *READINGS.columns)
    joins = joins_of(PLAN, (PLAN, READINGS, source), FEATURES, key="trip")
    assert there.audit(heat=world.heat_after(0), joins=joins).finding.passed
    alone = there.audit(heat=world.heat_after(0), joins=joins_of(PLAN, (PLAN, source), FEATURES, key="trip"))
    assert [s.evidence["source_column"] for s in alone.suspicions] == ["bulletins.heat"]


def test_what_copies_known_delays_under_one_key_is_not_accused_under_another(world):
    """The last delay known at a place: many trips share it, some of them end with the same one."""
    order = np.argsort(world.tables["finished"]["known_at"].cast(pa.int64()).to_numpy(), kind="stable")
    done = world.tables["finished"]["known_at"].cast(pa.timestamp("us")).to_numpy()[order]
    last = np.full(len(world.at), np.nan)
    for place in (0, 1):
        mine = np.flatnonzero(world.place == place)
        there = world.place[order] == place
        found = np.searchsorted(done[there], world.at[mine], side="right") - 1
        last[mine] = np.where(found >= 0, world.delay[order][there][np.maximum(found, 0)], np.nan)
    assert world.audit(last=pa.array(last, from_pandas=True)).finding.passed


def test_a_reading_known_at_the_very_moment_is_known(world):
    whole = replace(world, at=START + HOUR * 24 * 3 + np.arange(len(world.at)) // 6 * HOUR)
    whole = replace(whole, at=whole.at[: len(world.at)])
    audit = whole.audit(heat=whole.heat_after(0))
    assert audit.copies[0].known == 1
    assert audit.finding.passed


def test_too_few_days_are_not_enough(world):
    few = world.at < world.at[0] + 36 * HOUR
    short = replace(world, trip=world.trip[few], place=world.place[few], at=world.at[few])
    audit = short.audit(leak=short.heat_after(4))
    assert not audit.sufficient
    assert "insufficient data" in audit.finding.summary
    assert audit.finding.evidence["sufficient"] is False


def test_requests_that_the_plan_does_not_have_are_left_out(world):
    lost = replace(world, trip=np.array([f"draw 1 {trip}" for trip in world.trip]))
    audit = lost.audit(leak=lost.heat_after(4))
    assert (audit.sufficient, audit.rows) == (False, 0)


def test_the_joins_are_by_shared_texts_and_by_declared_keys():
    assert Join("finished", (("trip", "trip"),), own=True, whole=True) in JOINS
    assert Join("readings", (("place", "place"),)) in JOINS
    assert Join("sites", (("place", "site"),), whole=True) in JOINS
    assert len(JOINS) == len(set(JOINS)) == 6
