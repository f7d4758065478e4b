"""A second system in one file: will it rain at this airport within three hours? Daily ticks, hourly requests."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets import (
    Column,
    Daily,
    Gates,
    GroupRate,
    LightGBM,
    LogLoss,
    MLSystem,
    NaturalLabel,
    PrAuc,
    Request,
    Requests,
    RocAuc,
    Slice,
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
from mlsys_assets.systems.flights.sources import FlightsFiles

FILE = FlightsFiles.installed().weather
RAW = (
    Column("origin", "string", nullable=False),
    Column("time_hour", "timestamp", nullable=False),
    Column("precip", "float64", nullable=False, minimum=0),
    Column("humid", "float64"),
    Column("pressure", "float64"),
)
HOUR = pa.scalar(timedelta(hours=1), pa.duration("us"))


def _observed(raw: pa.Table) -> pa.Table:
    name = pc.binary_join_element_wise(raw["origin"], pc.strftime(raw["time_hour"], format="%Y-%m-%dT%H"), " ")
    known = pc.add(raw["time_hour"], HOUR)
    raw = raw.append_column("observation", name).append_column("predict_at", known)
    return raw.append_column("event_time", raw["time_hour"]).append_column("known_at", known)


def _outcomes(raw: pa.Table) -> pa.Table:
    observed = _observed(raw)
    start = raw["time_hour"].cast(pa.timestamp("us")).to_numpy()
    wet = dict(zip(zip(raw["origin"].to_pylist(), start, strict=True), raw["precip"].to_pylist(), strict=True))
    ahead = [
        max(wet.get((origin, at + np.timedelta64(h, "h")), 0.0) for h in (1, 2, 3))
        for origin, at in zip(raw["origin"].to_pylist(), start, strict=True)
    ]
    known = pc.add(raw["time_hour"], pa.scalar(timedelta(hours=4), pa.duration("us")))
    kept = observed.select(["observation", "origin"]).append_column("rain", pa.array(ahead))
    return kept.append_column("event_time", known).append_column("known_at", known)


def _source(name: str, derive, *columns: Column) -> Source:
    return Source(
        name, read=FILE, raw=RAW, derive=derive, key=("observation",), kind=SourceKind.THIRD_PARTY,
        columns=(Column("observation", "string", nullable=False), Column("origin", "string", nullable=False), *columns),
    )  # fmt: skip


weather = _source(
    "weather", _observed, Column("precip", "float64"), Column("humid", "float64"), Column("pressure", "float64"),
    Column("predict_at", "timestamp"),
)  # fmt: skip
outcomes = _source("outcomes", _outcomes, Column("rain", "float64"))

rain = MLSystem(
    name="rain",
    calendar=Daily("2013-01-01", end="2013-04-01"),
    sources=(weather, outcomes),
    requests=Requests(weather, key="observation"),
    label=NaturalLabel(
        "rain", source=outcomes, compute=lambda rows: pc.greater(rows["rain"], 0), delay=hours(3), window=hours(6)
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
    gates=Gates(support=Support(least_of_each_class=30)),
)
