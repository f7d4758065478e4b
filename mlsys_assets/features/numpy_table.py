"""A table's columns as NumPy arrays, each with which of its values are known."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.tables import TYPES


@dataclass(frozen=True, eq=False)
class Values:
    """A column's values and which of them are known; ``valid`` is None where all are."""

    values: NDArray[Any]
    valid: NDArray[np.bool_] | None

    @property
    def is_text(self) -> bool:
        """Whether the values are strings."""
        return self.values.dtype.kind in "OU"

    @property
    def is_condition(self) -> bool:
        """Whether the values are true or false."""
        return self.values.dtype.kind == "b"

    @property
    def is_time(self) -> bool:
        """Whether the values are moments or durations, which no feature holds."""
        return self.values.dtype.kind in "mM"


class NumpyTable(Mapping[str, NDArray[Any]]):
    """A table's columns as NumPy arrays, converted when first asked for, in the order of ``rows``.

    Whole numbers are read as int64. A missing number, text, truth or moment reads as NaN or 0, "", False, 1970:
    `expression.evaluate` keeps what comes of it out of the result. ``rows``: positions to pick, all in order if not
    given.
    """

    def __init__(self, table: pa.Table, rows: NDArray[np.intp] | None = None) -> None:
        self.table = table
        self._rows = rows
        self._kept: dict[str, Values] = {}

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.read(name).values

    def __iter__(self) -> Iterator[str]:
        return iter(self.table.column_names)

    def __len__(self) -> int:
        return len(self.table.column_names)

    @property
    def num_rows(self) -> int:
        """How many rows each column has."""
        return len(self.table) if self._rows is None else len(self._rows)

    def read(self, name: str) -> Values:
        """Return the column and which of its values are known; raises KeyError if there is none."""
        if name not in self._kept:
            column = _to_numpy(self._column(name))
            if self._rows is not None:
                valid = None if column.valid is None else column.valid[self._rows]
                column = Values(column.values[self._rows], valid)
            self._kept[name] = column
        return self._kept[name]

    def arrow(self, name: str) -> pa.Array:
        """Return the column as it is, a dictionary as its values; raises KeyError if there is none."""
        column = self._column(name).combine_chunks()
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        return column if self._rows is None else column.take(pa.array(self._rows))

    def moments(self, name: str) -> NDArray[np.int64]:
        """Return a time column as microseconds since 1970, UTC; raises where it is no time or has nulls."""
        column = self._column(name)
        if not pa.types.is_timestamp(column.type):
            raise TypeError(f"column {name!r} must be a timestamp, got {column.type}")
        if column.null_count:
            raise ValueError(f"column {name!r} has {column.null_count} nulls; every row must have a time")
        values: NDArray[np.int64] = column.cast(pa.timestamp("us", tz=column.type.tz)).cast(pa.int64()).to_numpy()
        return values if self._rows is None else values[self._rows]

    def _column(self, name: str) -> pa.ChunkedArray:
        if name not in self.table.column_names:
            raise KeyError(unknown_column(name, self.table.column_names))
        return self.table[name]


def unknown_column(name: str, known: Sequence[str]) -> str:
    """Return the message for a column that does not exist."""
    near = get_close_matches(name, known, n=1)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    return f"unknown column {name!r}.{guess} Columns: {', '.join(known)}"


def clashing(source: str, name: Mapping[str, object]) -> str:
    """Return the message for two rows of one name, given by column, of which neither corrects the other."""
    return (
        f"{source}: two rows named {dict(name)} became known at one moment, so that neither corrects the other; "
        "quarantine one, or give the correction its own known_at"
    )


def _to_numpy(column: pa.ChunkedArray) -> Values:
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if len(column) == 0:
        return Values(_nothing(column.type), None)
    valid = None if column.null_count == 0 else column.is_valid().to_numpy()
    if pa.types.is_timestamp(column.type):
        values = _filled(column.cast(pa.timestamp("us")), np.datetime64(0, "us")).to_numpy()
    elif pa.types.is_floating(column.type):
        values = column.to_numpy()
        missing = np.isnan(values)
        valid = ~missing if missing.any() else None
    elif pa.types.is_boolean(column.type):
        values = _filled(column, False).to_numpy()
    elif pa.types.is_integer(column.type):
        values = _filled(column.cast(pa.int64()), 0).to_numpy()
    elif pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        values = _filled(column, "").to_numpy()
    else:
        raise TypeError(f"a column of type {column.type} cannot be used in a feature; allowed: {', '.join(TYPES)}")
    return Values(values, valid)


def _filled(column: pa.ChunkedArray, value: object) -> pa.ChunkedArray:
    """Return the column with nulls replaced; without any, as it is."""
    return pc.fill_null(column, pa.scalar(value, column.type)) if column.null_count else column


def _nothing(kind: pa.DataType) -> NDArray[Any]:
    """Return no values of a type, without Arrow's to_numpy, which imports pandas: a second at every declaration."""
    if pa.types.is_timestamp(kind):
        return np.empty(0, dtype="datetime64[us]")
    if pa.types.is_floating(kind):
        return np.empty(0, dtype=f"f{kind.bit_width // 8}")
    if pa.types.is_integer(kind):
        return np.empty(0, dtype=np.int64)
    if pa.types.is_boolean(kind):
        return np.empty(0, dtype=np.bool_)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return np.empty(0, dtype=object)
    raise TypeError(f"a column of type {kind} cannot be used in a feature; allowed: {', '.join(TYPES)}")
