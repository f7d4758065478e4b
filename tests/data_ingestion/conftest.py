"""A small system on one file of events, each delivered at one moment and known at another; things and their codes."""

import csv
import io
from collections.abc import Callable
from datetime import timedelta
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
    Reference,
    Request,
    Requests,
    Rule,
    Source,
    TimeSplit,
    TimeWindow,
    ZeroRule,
    days,
    hours,
    read_moments,
    utc,
)  # fmt: skip
from mlsys_assets.data_ingestion.csv_file import parse_csv
from mlsys_assets.tables import TIMESTAMP


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


CODES = Source(
    "codes", read=lambda w: pa.table({}), raw=(Column("code", "string"),), columns=(Column("code", "string"),),
    derive=lambda raw: raw, key=("code",), snapshot=True,
)  # fmt: skip
KNOWN = {
    "codes": pa.table(
        {"code": ["AA", "BB", "XX"], "known_at": pa.array([*2 * [utc("2012-12-01")], utc("2013-01-09")], TIMESTAMP)}
    )
}


class Things:
    """A source of things that refer to codes, and rows as they are delivered in one week: good ones, and others."""

    week = TimeWindow.of("2013-01-07", "2013-01-14")
    known = KNOWN
    good = ("a{i}", "2013-01-08T00:00:00Z", "AA", "5", "1.5")

    def derive(self, raw: pa.Table) -> pa.Table:
        """Known an hour after they happened."""
        known = pc.add(raw["at"], pa.scalar(timedelta(hours=1), pa.duration("us")))
        return raw.append_column("event_time", raw["at"]).append_column("known_at", known)

    def source(self, **changes) -> Source:
        declared = {
            "read": lambda window: pa.table({}),
            "raw": (
                Column("id", "string", nullable=False),
                Column("at", "timestamp"),
                Column("code", "string"),
                Column("n", "int64", minimum=0, maximum=100),
                Column("x", "float64"),
            ),
            "columns": (Column("id", "string"), Column("code", "string"), Column("n", "int64"), Column("x", "float64")),
            "derive": self.derive,
            "key": ("id",),
            "references": (Reference("code", CODES, "code", allow=("ZZ",)),),
            "rules": (Rule("x at most n", "x", lambda t: pc.less_equal(t["x"], t["n"].cast(pa.float64()))),),
            "header": ("id", "at", "code", "n", "x"),
            "tolerance": 0.5,
            "known_within": (days(-7), days(7)),
        }
        return Source("things", **(declared | changes))

    def raw(self, *rows: tuple[str, ...], good: int = 20) -> pa.Table:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["id", "at", "code", "n", "x"])
        writer.writerows([tuple(part.format(i=i) for part in self.good) for i in range(good)])
        writer.writerows(rows)
        table = parse_csv(text.getvalue().encode())
        table = table.append_column("source_file", pa.repeat("f" * 16, table.num_rows))
        return table.append_column("delivered_at", pa.repeat(pa.scalar(utc("2013-01-08"), TIMESTAMP), table.num_rows))


@pytest.fixture(scope="session")
def things() -> Things:
    """Declare a source of things, and deliver rows of them."""
    return Things()
