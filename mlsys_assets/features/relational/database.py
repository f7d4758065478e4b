"""What is asked of a database differently from one to the next: DuckDB and Spark."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from mlsys_assets.features.numpy_table import NumpyTable
from mlsys_assets.features.request_table import request_columns

if TYPE_CHECKING:
    import ibis.expr.types as ir

Given = Any
"""A table to read: of Arrow, of the backend, or the path of a Parquet file."""
MICROS = {"duckdb": "epoch_us", "pyspark": "unix_micros"}
"""The function that gives a moment as microseconds since 1970, by the database's name."""

_names = count()


@dataclass(frozen=True, eq=False)
class Database:
    """An Ibis backend, with the tables that one pass put there: they go with it.

    Raises ValueError for a backend that is neither DuckDB nor Spark.
    """

    backend: Any
    _held: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        if self.backend.name not in MICROS:
            raise ValueError(f"the backend is {self.backend.name!r}; features are computed on {' or '.join(MICROS)}")

    @contextmanager
    def one_pass(self) -> "Iterator[Database]":
        """Yield the database, and drop at the end what was put there in between."""
        with ExitStack() as held:
            yield Database(self.backend, held)

    def table(self, given: Given) -> "ir.Table":
        """Return a table to ask: of Arrow, of a Parquet file, or of the backend itself."""
        if isinstance(given, str | Path):
            return self._read(given)
        return self._register(readable(given)) if isinstance(given, pa.Table) else given

    def micros(self, moment: "ir.Value") -> "ir.Value":
        """Return a moment as whole microseconds since 1970, UTC."""
        return _micros(MICROS[self.backend.name])(moment)

    def keep(self, expression: "ir.Table") -> "ir.Table":
        """Return a table's rows, computed once; the database may spill them."""
        name, asked = f"mlsys_kept_{next(_names)}", self.backend.compile(expression)
        if self.backend.name == "duckdb":
            self.backend.raw_sql(f"CREATE TEMPORARY TABLE {name} AS {asked}")
            self._held.callback(self.backend.raw_sql, f"DROP TABLE {name}")  # Ibis 12 writes it without the name
        else:
            rows = self.backend.raw_sql(asked).cache()
            rows.createOrReplaceTempView(name)
            self._held.callback(rows.unpersist)
            self._held.callback(rows.sparkSession.catalog.dropTempView, name)
        return self.backend.table(name)

    def fetch(self, expression: "ir.Table") -> pa.Table:
        """Return the rows in Arrow."""
        if self.backend.name == "duckdb":
            return self.backend.to_pyarrow(expression)
        return self.backend.raw_sql(self.backend.compile(expression)).toArrow()  # Ibis would go by way of pandas

    def _read(self, path: str | Path) -> "ir.Table":
        name = f"mlsys_file_{next(_names)}"
        table = self.backend.read_parquet(path, table_name=name)
        self._held.callback(self.backend.raw_sql, f"DROP VIEW {name}")
        return table

    def _register(self, table: pa.Table) -> "ir.Table":
        name = f"mlsys_rows_{next(_names)}"
        if self.backend.name == "duckdb":
            self.backend.con.register(name, table)
            self._held.callback(self.backend.con.unregister, name)
        else:
            session = self.backend.raw_sql("SELECT 1").sparkSession
            session.createDataFrame(table).createOrReplaceTempView(name)
            self._held.callback(session.catalog.dropTempView, name)
        return self.backend.table(name)


def readable(table: pa.Table) -> pa.Table:
    """Return the columns that a feature can read, as every database takes them: plain text, microseconds in UTC."""
    names = [c.name for c in request_columns(table.schema)]
    return pa.table([_plain(table[name]) for name in names], names=names)


def row_numbers(rows: int) -> pa.Array:
    """Return (rows,) 0, 1, ..."""
    return pa.array(range(rows), pa.int64())


def require_moments(table: Any, name: str) -> None:
    """Raise TypeError where a column is no time and, of an Arrow table, ValueError where it has nulls."""
    if isinstance(table, pa.Table):
        NumpyTable(table).moments(name)
    elif not isinstance(table, str | Path) and not table[name].type().is_timestamp():
        raise TypeError(f"column {name!r} must be a timestamp, got {table[name].type()}")


def _plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_timestamp(column.type):
        return column.cast(pa.timestamp("us", tz=column.type.tz)).cast(pa.timestamp("us", tz="UTC"))
    if pa.types.is_integer(column.type):
        return column.cast(pa.int64())
    return column.cast(pa.string()) if pa.types.is_large_string(column.type) else column


def _micros(name: str) -> Any:
    import ibis
    import ibis.expr.datatypes as dt

    @ibis.udf.scalar.builtin(name=name, signature=((dt.timestamp,), dt.int64))
    def micros(moment):  # type: ignore[no-untyped-def]
        ...

    return micros
