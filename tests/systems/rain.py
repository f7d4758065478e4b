"""A second system in one file: will it rain at this airport within three hours? Daily ticks, hourly requests."""

from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets import (
    DELIVERED_AT,
    Column,
    Daily,
    Gates,
    GroupRate,
    Invariant,
    LightGBM,
    LogLoss,
    MLSystem,
    NaturalLabel,
    PrAuc,
    Request,
    Requests,
    RocAuc,
    RowsAlone,
    Slice,
    SliceFinder,
    Source,
    SourceKind,
    Support,
    TimeSplit,
    TimeWindow,
    Trailing,
    ZeroRule,
    days,
    hours,
    mean,
    rate,
)  # fmt: skip
from mlsys_assets.systems.flights.files import FlightsFiles

FILE = FlightsFiles.installed().weather
LAG, OUTCOME = hours(1), hours(4)
"""An observation is known when its hour is over, its outcome when the third hour after it is."""
AHEAD = ("precip_1", "precip_2", "precip_3")
"""Precipitation in the three hours after an observation."""
HUMID = "humid_3"
"""Relative humidity in the third of them."""
NAMED = (Column("origin", "string", nullable=False), Column("time_hour", "timestamp", nullable=False))
MEASURED = (
    Column("precip", "float64", nullable=False, minimum=0), Column("humid", "float64"), Column("pressure", "float64"),
)  # fmt: skip


def with_hours_ahead(window: TimeWindow) -> pa.Table:
    """Read each record with the next three hours at its airport; what joins records is a reader's, not a table's.

    An hour that the file lacks stays null: it was not dry, it was not observed.
    """
    raw = FILE(TimeWindow(window.start, window.end + OUTCOME))
    hour, there = raw[DELIVERED_AT].cast(pa.timestamp("s", tz="UTC")), _at(raw["origin"], raw["time_hour"])
    for h, name in enumerate(AHEAD, start=1):
        then = pc.strftime(_later(hour, hours(h)), format="%Y-%m-%dT%H:%M:%SZ")
        found = pc.index_in(_at(raw["origin"], then), value_set=there.combine_chunks())
        raw = raw.append_column(name, raw["precip"].take(found))
    return raw.append_column(HUMID, raw["humid"].take(found))


def _at(origin: pa.ChunkedArray, hour: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(origin, hour, " ")


def _later(moment: pa.ChunkedArray, by: timedelta) -> pa.ChunkedArray:
    return pc.add(moment, pa.scalar(by, pa.duration("s")))


def _named(raw: pa.Table) -> pa.Table:
    return raw.append_column("observation", _at(raw["origin"], pc.strftime(raw["time_hour"], format="%Y-%m-%dT%H")))


def _observed(raw: pa.Table) -> pa.Table:
    known = _later(raw["time_hour"], LAG)
    rows = _named(raw).append_column("predict_at", known)
    return rows.append_column("event_time", raw["time_hour"]).append_column("known_at", known)


def _wettest(raw: pa.Table) -> pa.ChunkedArray:
    return pc.max_element_wise(*(raw[name] for name in AHEAD), skip_nulls=False)


def _outcomes(raw: pa.Table) -> pa.Table:
    known = _later(raw["time_hour"], OUTCOME)
    rows = _named(raw).append_column("rain", _wettest(raw)).append_column("humid", raw[HUMID])
    return rows.append_column("event_time", known).append_column("known_at", known)


def _source(name: str, *columns: Column, **declared) -> Source:
    named = (Column("observation", "string", nullable=False), Column("origin", "string", nullable=False))
    return Source(name, key=("observation",), columns=(*named, *columns), kind=SourceKind.THIRD_PARTY, **declared)


def _told_later(name: str, *columns: Column, where) -> Source:
    raw = (*NAMED, *(Column(name, "float64", minimum=0) for name in (*AHEAD, HUMID)))
    return _source(
        name, *columns, read=with_hours_ahead, raw=raw, derive=_outcomes, where=where, known_within=(OUTCOME, OUTCOME)
    )


weather = _source(
    "weather", *MEASURED, Column("predict_at", "timestamp"),
    read=FILE, raw=(*NAMED, *MEASURED), derive=_observed, known_within=(LAG, LAG),
)  # fmt: skip
outcomes = _told_later(
    "outcomes", Column("rain", "float64"), Column("humid", "float64"), where=lambda raw: pc.is_valid(_wettest(raw))
)
unobserved = _told_later("unobserved", where=lambda raw: pc.is_null(_wettest(raw)))

rain = MLSystem(
    name="rain",
    calendar=Daily("2013-01-01", end="2013-04-01"),
    sources=(weather, outcomes, unobserved),
    requests=Requests(weather, key="observation"),
    label=NaturalLabel(
        "rain",
        source=outcomes,
        compute=lambda rows: pc.greater(rows["rain"], 0),
        delay=hours(3),
        window=hours(6),
        never={"unobserved": unobserved},
    ),
    features=(
        Request("origin", "precip", "humid", "pressure"),
        Trailing(weather, by="origin", over=(hours(3), hours(12)), wet=mean("precip"), damp=mean("humid")),
        Trailing(weather, by=(), over=hours(3), rain=rate(lambda r: r["precip"] > 0)),
    ),
    split=TimeSplit(validation=days(14), test=days(14), static_test=(TimeWindow.of("2013-01-14", "2013-01-24"),)),
    candidates=(ZeroRule(), GroupRate(by=("origin",)), LightGBM(rounds=30, leaves=7)),
    metrics=(LogLoss(), RocAuc(), PrAuc()),
    slices=(Slice("origin"),),
    slice_finder=SliceFinder(),
    behavior=(RowsAlone(), Invariant("observation")),
    gates=Gates(beats_baselines=(PrAuc(),), support=Support(least_of_each_class=30)),
)
