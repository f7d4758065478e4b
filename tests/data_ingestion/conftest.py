"""A small system on one file of events, each delivered at one moment and known at another."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlsys_assets import (
    Column,
    CsvFile,
    Daily,
    Gates,
    LogLoss,
    MLSystem,
    NaturalLabel,
    PrAuc,
    Request,
    Requests,
    Source,
    TimeSplit,
    ZeroRule,
    days,
    hours,
    read_moments,
)  # fmt: skip


def _delivered(text: pa.Table) -> pa.ChunkedArray:
    return read_moments(text["delivered"])


def _derive(raw: pa.Table) -> pa.Table:
    rows = raw.append_column("predict_at", raw["known"])
    return rows.append_column("event_time", raw["known"]).append_column("known_at", raw["known"])


@pytest.fixture(scope="session")
def events_of() -> Callable[..., Source]:
    """Declares the events of kind ``a`` in a CSV file with the columns kind, id, delivered, known and v."""

    def declared(path: Path, **changes) -> Source:
        raw = ("kind", "string"), ("id", "string"), ("known", "timestamp"), ("v", "float64")
        own = Column("id", "string", nullable=False), Column("v", "float64"), Column("predict_at", "timestamp")
        defaults = {
            "read": CsvFile(path, delivered=_delivered),
            "where": lambda rows: pc.equal(rows["kind"], "a"),
            "known_within": (days(-2), days(2)),
            "tolerance": 1.0,
        }
        return Source(
            "events", raw=tuple(Column(*c) for c in raw), columns=own, derive=_derive, key=("id",),
            **(defaults | changes),
        )  # fmt: skip

    return declared


@pytest.fixture(scope="session")
def system_of() -> Callable[[Source], MLSystem]:
    """Declares the least system that has a source: four daily ticks from 2013-01-01."""

    def declared(source: Source) -> MLSystem:
        return MLSystem(
            name="small",
            calendar=Daily("2013-01-01", end="2013-01-05"),
            sources=(source,),
            requests=Requests(source, key="id"),
            label=NaturalLabel(
                "hit", source=source, compute=lambda rows: pc.greater(rows["v"], 0), delay=hours(1), window=hours(2)
            ),
            features=(Request("v"),),
            split=TimeSplit(validation=days(1), test=days(1)),
            candidates=(ZeroRule(),),
            metrics=(LogLoss(), PrAuc()),
            gates=Gates(),
        )

    return declared
