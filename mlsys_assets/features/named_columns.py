"""Reading feature columns by name: from a table or a single row to NumPy, and nothing by position."""

from collections import Counter
from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

MISSING = -1
"""The code of a category that is null."""
UNSEEN = -2
"""The code of a category that was not there when the map was frozen."""

Value: TypeAlias = str | tuple[str, ...]
"""A category: the text of one column, or the texts of several columns that are taken together."""

PLAIN: Final = frozenset({float, bool, NoneType, np.float32, np.float64})
"""The types of a row's numbers that need no closer look."""


class ColumnError(ValueError):
    """A table or row that lacks a column, or holds it in a type that cannot be read as declared."""


def read_numbers(rows: pa.Table | Mapping[str, object], names: Sequence[str]) -> NDArray[np.float32]:
    """Return (d, n) float32 with NaN for what is missing; booleans are 0 and 1.

    Raises ColumnError that names every column that is absent, or that holds no numbers.
    """
    require(rows, names)
    if isinstance(rows, pa.Table):
        numbers = np.empty((len(names), rows.num_rows), dtype=np.float32)
        for j, name in enumerate(names):
            numbers[j] = _numbers(rows[name], name)
        return numbers
    values = [rows[name] for name in names]
    if not PLAIN.issuperset(map(type, values)):
        values = [_number(value, name) for name, value in zip(names, values, strict=True)]
    return _narrowed(np.array([np.nan if value is None else value for value in values], dtype=np.float64))[:, None]


def read_codes(rows: pa.Table | Mapping[str, object], name: str, positions: Mapping[str, int]) -> NDArray[np.int32]:
    """Return (n,) the position of each value in a frozen map, ``MISSING`` or ``UNSEEN``.

    Raises ColumnError if the column is absent or holds no text.
    """
    require(rows, (name,))
    if isinstance(rows, pa.Table):
        return _codes(rows[name], name, positions)
    value = rows[name]
    if value is not None and not isinstance(value, str):
        raise ColumnError(f"column {name!r} must hold text, got {value!r}; convert it where it is made")
    return np.array([MISSING if value is None else positions.get(value, UNSEEN)], dtype=np.int32)


def read_values(
    rows: pa.Table | Mapping[str, object], names: Sequence[str]
) -> tuple[list[Value | None], NDArray[np.intp]]:
    """Return the distinct values of a column of text, or of several columns together, and (n,) which each row has.

    Together they are one tuple, and missing (None) where any of them is. The order of the values is not told.
    Raises ColumnError if a column is absent or holds no text.
    """
    require(rows, names)
    parts = [_values(rows, name) for name in names]
    if len(parts) == 1:
        return list(parts[0][0]), parts[0][1]
    codes = np.zeros(len(parts[0][1]), dtype=np.int64)
    for values, own in parts:
        codes = codes * len(values) + own
    combined, which = np.unique(codes, return_inverse=True)
    columns: list[list[str | None]] = []
    for values, _ in reversed(parts):
        combined, own = np.divmod(combined, max(len(values), 1))
        columns.insert(0, [values[j] for j in own])
    return [_together(parts) for parts in zip(*columns, strict=True)], which


def require(rows: pa.Table | Mapping[str, object], names: Sequence[str]) -> None:
    """Raise ColumnError unless every column is there, and in a table once; others are ignored."""
    present = rows.schema.names if isinstance(rows, pa.Table) else rows
    absent = [name for name in names if name not in present]
    if absent:
        raise ColumnError(f"missing column(s) {absent}; there are {sorted(present)}: were they renamed?")
    if isinstance(rows, pa.Table):
        asked = set(names)
        require_once([name for name in present if name in asked])


def require_once(names: Sequence[str]) -> None:
    """Raise ColumnError if a name stands twice."""
    if len(set(names)) < len(names):
        repeated = [name for name, count in Counter(names).items() if count > 1]
        raise ColumnError(f"column(s) {repeated} stand twice; rename or drop all but one")


def is_category(kind: pa.DataType) -> bool:
    """Return whether a column of this type holds categories: text, or a dictionary of text."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def is_number(kind: pa.DataType) -> bool:
    """Return whether a column of this type can be read as numbers."""
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind))


def _numbers(column: pa.ChunkedArray, name: str) -> NDArray[np.float32]:
    if not is_number(column.type) and not pa.types.is_null(column.type):
        raise ColumnError(f"column {name!r} must hold numbers, got {column.type}; convert it where it is made")
    if pa.types.is_float32(column.type):
        numbers: NDArray[np.float32] = column.to_numpy()
        return numbers
    return _narrowed((column.cast(pa.int8()) if pa.types.is_boolean(column.type) else column).to_numpy())


def _narrowed(numbers: NDArray[np.number]) -> NDArray[np.float32]:
    """Return float32 by way of float64, so that a table and a row round alike."""
    with np.errstate(over="ignore"):  # beyond float32 is infinite, which the declared rule meets
        return numbers.astype(np.float64, copy=False).astype(np.float32)


def _number(value: object, name: str) -> float:
    if value is None:
        return np.nan
    if not isinstance(value, int | float | np.number | np.bool_):
        raise ColumnError(f"column {name!r} must hold a number, got {value!r}; convert it where it is made")
    try:
        return float(value)
    except OverflowError:  # an integer of more than 308 digits
        return np.inf if value > 0 else -np.inf


def _codes(column: pa.ChunkedArray, name: str, positions: Mapping[str, int]) -> NDArray[np.int32]:
    if pa.types.is_null(column.type):
        return np.full(len(column), MISSING, dtype=np.int32)
    if not is_category(column.type):
        raise ColumnError(f"column {name!r} must hold text, got {column.type}; convert it where it is made")
    encoded = column.combine_chunks() if pa.types.is_dictionary(column.type) else column
    if pa.types.is_dictionary(column.type):
        own = [MISSING if v is None else positions.get(v, UNSEEN) for v in encoded.dictionary.to_pylist()]
        indices = pc.fill_null(encoded.indices.cast(pa.int64()), len(own)).to_numpy(zero_copy_only=False)
        taken: NDArray[np.int32] = np.array([*own, MISSING], dtype=np.int32)[indices]
        return taken
    known = pc.index_in(encoded, value_set=pa.array(list(positions), encoded.type))
    found: NDArray[np.int32] = pc.fill_null(known, UNSEEN).to_numpy().astype(np.int32, copy=False)
    if not encoded.null_count:
        return found
    return np.where(encoded.is_null().to_numpy(), np.int32(MISSING), found)


def _values(rows: pa.Table | Mapping[str, object], name: str) -> tuple[list[str | None], NDArray[np.intp]]:
    """Return the distinct values of one column and (n,) the position of each row's."""
    if not isinstance(rows, pa.Table):
        value = rows[name]
        if value is not None and not isinstance(value, str):
            raise ColumnError(f"column {name!r} must hold text, got {value!r}; convert it where it is made")
        return [None if value is None else str(value)], np.zeros(1, dtype=np.intp)
    column = rows[name]
    if pa.types.is_null(column.type):
        return [None], np.zeros(len(column), dtype=np.intp)
    if not is_category(column.type):
        raise ColumnError(f"column {name!r} must hold text, got {column.type}; convert it where it is made")
    if pa.types.is_string_view(column.type):
        column = column.cast(pa.large_string())
    whole = column.combine_chunks()
    encoded = whole if pa.types.is_dictionary(whole.type) else whole.dictionary_encode()
    values = [*encoded.dictionary.to_pylist(), None]
    codes = pc.fill_null(encoded.indices.cast(pa.int64()), len(values) - 1).to_numpy(zero_copy_only=False)
    return values, codes.astype(np.intp, copy=False)


def _together(parts: tuple[str | None, ...]) -> Value | None:
    texts = tuple(part for part in parts if part is not None)
    return texts if len(texts) == len(parts) else None
