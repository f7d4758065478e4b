"""Both sides of a column, read in the form in which they are compared."""

from typing import TypeAlias

import pyarrow as pa

from mlsys_assets.features.named_columns import is_category, is_number
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.production_monitoring.drift.condensed import LARGE, Large, condensed
from mlsys_assets.production_monitoring.drift.numbers import Numbers, is_single, read
from mlsys_assets.production_monitoring.drift.texts import Texts

Side: TypeAlias = Numbers | Texts | str
"""One side of a column, or why it cannot be looked at."""
Prepared: TypeAlias = Side | Large
"""One side as it is kept until it is known what it is compared with."""


def prepared(column: pa.ChunkedArray, weights: Floats | None) -> Prepared:
    """Return a column's numbers or categories, or why it has neither."""
    if is_category(column.type):
        return Texts.of(column, weights)
    if not _holds_numbers(column):
        return f"holds {column.type}; only numbers and text are compared"
    large = Large.of(read(column)) if weights is None and len(column) >= LARGE else None
    return large or Numbers.of(column, weights)


def paired(before: Prepared, kind: pa.DataType, column: pa.ChunkedArray, weights: Floats | None) -> tuple[Side, Side]:
    """Return both sides of a column, the first of which was of a kind.

    Single and double precision are compared in single; nulls alone are of the other side's kind.
    """
    if isinstance(before, Texts) and pa.types.is_null(column.type):
        return before, Texts.of(column, weights)
    if not _holds_numbers(column) or isinstance(before, Texts | str):
        first, now = alone(before), alone(prepared(column, weights))
        if isinstance(first, Numbers) and not first.known and isinstance(now, Texts):
            first = Texts({}, first.missing, first.rows, first.size)
        return first, now
    return _numbers(before, column, weights, single=is_single(kind) or is_single(column.type))


def _numbers(
    before: Numbers | Large, column: pa.ChunkedArray, weights: Floats | None, *, single: bool
) -> tuple[Numbers, Numbers]:
    if isinstance(before, Numbers):
        return before.rounded() if single else before, Numbers.of(column, weights, single=single)
    numbers = read(column, single=single)
    first = before.rounded() if single else before
    second = Large.of(numbers, before.middle) if weights is None else None
    if first is not None and second is not None:
        return condensed(first, second)
    ordered = before.sorted()
    return ordered.rounded() if single else ordered, Numbers.sorted(numbers, weights)


def alone(side: Prepared) -> Side:
    """Return one side that is compared with nothing."""
    return side.sorted() if isinstance(side, Large) else side


def _holds_numbers(column: pa.ChunkedArray) -> bool:
    return is_number(column.type) or bool(pa.types.is_null(column.type))
