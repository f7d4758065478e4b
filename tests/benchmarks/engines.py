"""What features cost: of a year in one pass, of a week, of ten years, and online, event by event and read by read."""

import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from comparison import CPU, Comparison, Cost, call

SAME = 0.999
"""Ties in known time, which the floor does not settle, leave a few rows apart."""
TIMES = 10
"""By how much the year is made longer."""
EXPONENT = 1.1
READS = 2_000


def features() -> Iterator[Comparison]:
    """All feature columns of the year, against bare NumPy."""
    from features_floor import floor

    flights, compute, tables = _year()
    asked = tables["schedule"]
    _check_equal(compute(flights.features, asked, tables, key="flight_id"), floor(flights.features, asked, tables))
    yield Comparison(
        f"{len(flights.feature_columns)} features, {len(asked):,} rows",
        "bare NumPy",
        lambda: call(lambda: compute(flights.features, asked, tables, key="flight_id")),
        lambda: call(lambda: floor(flights.features, asked, tables)),
        goal=2.0,
    )


def increment() -> Iterator[Comparison]:
    """A week's features, of the rows within reach that the week's run reads, against the year's in one pass."""
    from mlsys_assets.features.feature import reads
    from mlsys_assets.types import TimeWindow

    flights, compute, tables = _year()
    week = TimeWindow.of("2013-07-08", "2013-07-15")
    asked = _within(tables["schedule"], "predict_at", week)
    reach = reads(flights.features)
    near = {
        name: table
        if reach.get(name) is None
        else _within(table, "known_at", TimeWindow(week.start - reach[name], week.end))
        for name, table in tables.items()
    }
    yield Comparison(
        f"a week: {len(asked):,} rows",
        "the year in one pass",
        lambda: call(lambda: compute(flights.features, asked, near, key="flight_id")),
        lambda: call(lambda: compute(flights.features, tables["schedule"], tables, key="flight_id")),
        goal=0.05,
        judged=(CPU,),
    )


def growth() -> Iterator[Comparison]:
    """Ten times the rows, of ten years one after the other."""
    flights, compute, tables = _year()
    longer = {name: _repeated(table) for name, table in tables.items()}
    yield Comparison(
        f"{len(longer['schedule']):,} rows",
        f"{len(tables['schedule']):,} rows",
        lambda: call(lambda: compute(flights.features, longer["schedule"], longer, key="flight_id")),
        lambda: call(lambda: compute(flights.features, tables["schedule"], tables, key="flight_id")),
        goal=TIMES**EXPONENT,
        judged=(CPU,),
        once=True,
    )


def online() -> Iterator[Comparison]:
    """A read of 25 features of one entity against one row of SQLite, and an update against 50 µs."""
    from mlsys_assets.features.online.engine import OnlineFeatures, records

    flights, _, tables = _year()
    arrivals = next(s for s in flights.sources if s.name == "arrivals")
    state = OnlineFeatures(_of_one_entity(arrivals), flights.requests.columns)
    rows = list(records(tables["arrivals"].slice(0, 60_000), tables["arrivals"].column_names))
    for row in rows:
        state.update("arrivals", row)
    at, carriers = rows[-1]["known_at"], [row["carrier"] for row in rows[:READS]]
    with tempfile.TemporaryDirectory(prefix="mlsys-bench-") as folder:
        database = sqlite3.connect(Path(folder) / "rows.db")
        columns = ", ".join(f"x{i} REAL" for i in range(len(state.names)))
        database.execute(f"CREATE TABLE rows (carrier TEXT PRIMARY KEY, {columns})")
        for carrier in set(carriers):
            marks = ", ".join("?" * (len(state.names) + 1))
            database.execute(f"INSERT INTO rows VALUES ({marks})", (carrier, *range(len(state.names))))
        database.commit()
        yield Comparison(
            f"reads of {len(state.names)} features, {READS:,} ×",
            "a row of SQLite",
            lambda: call(lambda: [state.read({"carrier": carrier}, at) for carrier in carriers]),
            lambda: call(
                lambda: [
                    database.execute("SELECT * FROM rows WHERE carrier = ?", (carrier,)).fetchone()
                    for carrier in carriers
                ]
            ),
            goal=2.0,
        )
        database.close()
    whole = OnlineFeatures(flights.features, flights.requests.columns)
    events = records(tables["arrivals"].slice(0, 60_000), whole.columns_read("arrivals"))
    for _ in range(30_000):
        whole.update("arrivals", next(events))
    yield Comparison(
        f"an arrival, {len(whole.names)} features, {READS:,} ×",
        "50 µs each",
        lambda: call(lambda: [whole.update("arrivals", next(events)) for _ in range(READS)]),
        lambda: Cost(READS * 50e-6, READS * 50e-6),
        goal=1.0,
    )


def _of_one_entity(source: object) -> tuple:
    from mlsys_assets import Trailing, age, count, days, hours, mean, rate

    over = (hours(3), hours(24), days(7), days(14), days(28))
    return (
        Trailing(source, by="carrier", over=over, n=count(), late=rate(lambda row: row["arr_delay"] > 15),
                 delay=mean("arr_delay"), air=mean("air_time"), since=age()),
    )  # fmt: skip


def _year() -> tuple:
    from mlsys_assets.features.embedded.engine import compute
    from mlsys_assets.systems.flights.files import FlightsFiles
    from mlsys_assets.systems.flights.sources import build_sources
    from mlsys_assets.systems.flights.system import flights
    from mlsys_assets.types import TimeWindow

    window = TimeWindow.of("2012-12-01", "2014-02-01")
    return flights, compute, _read(build_sources(FlightsFiles.installed()).all(), window)


def _read(sources: tuple, window: object) -> dict:
    """Return every table's rows of a window."""
    from mlsys_assets.data_ingestion.validation import ingest

    known: dict = {}
    for source in sources:
        known[source.name] = ingest(source, source.read(window), window=window, known=known).accepted
    return known


def _within(table: pa.Table, column: str, window: object) -> pa.Table:
    start, end = pa.scalar(window.start), pa.scalar(window.end)
    return table.filter(pc.and_(pc.greater_equal(table[column], start), pc.less(table[column], end)))


def _repeated(table: pa.Table) -> pa.Table:
    """Return a table with a year like it after it, and so on; the weekdays stay."""
    parts = []
    for n in range(TIMES):
        shift = pa.scalar(n * 364 * 86_400_000_000, pa.duration("us"))
        columns = [pc.add(column, shift) if pa.types.is_timestamp(column.type) else column for column in table.columns]
        parts.append(pa.table(columns, names=table.column_names))
    return pa.concat_tables(parts).combine_chunks()


def _check_equal(ours: pa.Table, theirs: dict) -> None:
    """Stop unless the two give the same numbers: else their times say nothing."""
    for name, found in theirs.items():
        if not pa.types.is_string(ours[name].type):
            same = np.isclose(ours[name].to_numpy(), found, rtol=1e-4, atol=1e-3, equal_nan=True).mean()
            if same < SAME:
                sys.exit(f"{name} is the same in {same:.4%} of the rows only")
