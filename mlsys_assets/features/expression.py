"""Row-level expressions: one callable over named columns, whichever engine holds the columns."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.features.numpy_table import NumpyTable, Values
from mlsys_assets.tables import TYPES, Column

Expression = Callable[[Mapping[str, Any]], Any]
"""Maps a row's columns to a value with operators alone, such as ``lambda row: row["arr_delay"] > 15``.

Written with operators it means the same over NumPy arrays, over one record and over a query's columns.
"""


class _Reading(Mapping[str, NDArray[Any]]):
    """A table that remembers which of its columns an expression reads."""

    def __init__(self, columns: NumpyTable) -> None:
        self._columns = columns
        self.seen: list[str] = []

    def __getitem__(self, name: str) -> NDArray[Any]:
        values = self._columns[name]
        self.seen.append(name)
        return values

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)


def evaluate(of: str | Expression, columns: NumpyTable) -> Values:
    """Return a column by name or by expression; unknown wherever a column that it read is, or it is NaN."""
    if isinstance(of, str):
        return columns.read(of)
    reading = _Reading(columns)
    with np.errstate(divide="ignore", invalid="ignore"):
        values = np.asarray(of(reading))
    values = np.broadcast_to(values, (columns.num_rows,)) if values.ndim == 0 else values
    if values.shape != (columns.num_rows,):
        raise ValueError(f"an expression must give one value a row; got {values.shape} for {columns.num_rows} rows")
    masks = [mask for name in reading.seen if (mask := columns.read(name).valid) is not None]
    if values.dtype.kind == "f" and np.isnan(values).any():
        masks.append(~np.isnan(values))
    return Values(values, np.logical_and.reduce(masks) if masks else None)


def probe(of: str | Expression, columns: Sequence[Column]) -> Values:
    """Return what ``of`` gives on no rows of such a table: its type, or the error it would raise."""
    return evaluate(of, _no_rows(tuple((c.name, c.type) for c in columns)))


def columns_read(of: str | Expression, columns: Sequence[Column]) -> tuple[str, ...]:
    """Return the columns of such a table that ``of`` is read from, each once, in the order in which it reads them."""
    if isinstance(of, str):
        return (of,)
    reading = _Reading(_no_rows(tuple((c.name, c.type) for c in columns)))
    of(reading)
    return tuple(dict.fromkeys(reading.seen))


@lru_cache
def _no_rows(columns: tuple[tuple[str, str], ...]) -> NumpyTable:
    # Not schema.empty_table(), which imports pandas: a second that every declaration would cost.
    return NumpyTable(pa.table({name: pa.nulls(0, TYPES[kind]) for name, kind in columns}))
