"""Columns and expressions over one row, with the same meaning as over a table's arrays."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from mlsys_assets.features.expression import Expression, probe
from mlsys_assets.features.numpy_table import unknown_column
from mlsys_assets.tables import Column

Record = Mapping[str, Any]
"""One row: plain values by column, moments as microseconds since 1970 UTC, None where a value is missing."""
Scalar = Callable[[Record], Any]
"""Gives a row's value: a number, a truth, a text, or None where it is unknown."""

NUMPY = {
    "int64": np.int64,
    "float64": np.float64,
    "float32": np.float32,
    "bool": np.bool_,
    "string": partial(np.array, dtype=object),  # of one text: it compares to NumPy's truths, which ~ turns around
    "timestamp": lambda microseconds: np.datetime64(microseconds, "us"),
}
"""What an expression is handed in place of a plain value, so that its operators are those of arrays."""
OF_NUMPY = (np.generic, np.ndarray)


class _UnknownValueError(Exception):
    """An expression reads what is missing."""


class _Row(Mapping[str, Any]):
    """One row as an expression reads it: NumPy's scalars, whose operators are those of its arrays."""

    __slots__ = ("kinds", "values_of")

    def __init__(self, values: Record, kinds: Mapping[str, Any]) -> None:
        self.values_of, self.kinds = values, kinds

    def __getitem__(self, name: str) -> Any:
        value = self.values_of[name]
        if value is None or value != value:  # noqa: PLR0124 - NaN is no value
            raise _UnknownValueError
        return self.kinds[name](value)

    def __iter__(self) -> Any:
        return iter(self.kinds)

    def __len__(self) -> int:
        return len(self.kinds)


def scalar(of: str | Expression, columns: Sequence[Column]) -> Scalar:
    """Return what reads a column, or computes an expression, of one row of such a table.

    Raises KeyError for an unknown column. An expression that divides by zero warns, unless NumPy is told not to.
    """
    kinds = {c.name: NUMPY[c.type] for c in columns}
    if isinstance(of, str):
        if of not in kinds:
            raise KeyError(unknown_column(of, list(kinds)))
        return _column(of)
    return _expression(of, kinds)


def is_whole(of: str | Expression, columns: Sequence[Column]) -> bool:
    """Return whether the values are integers or truths, which are summed as they are."""
    return probe(of, columns).values.dtype.kind in "biu"


def _column(name: str) -> Scalar:
    def value(row: Record) -> Any:
        found = row[name]
        return found if found == found else None  # noqa: PLR0124 - NaN is no value

    return value


def _expression(of: Expression, kinds: Mapping[str, Any]) -> Scalar:
    def value(row: Record) -> Any:
        try:
            found = of(_Row(row, kinds))
        except _UnknownValueError:
            return None
        found = found.item() if isinstance(found, OF_NUMPY) else found
        return found if found == found else None  # noqa: PLR0124 - NaN is no value

    return value
