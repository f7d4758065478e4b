"""Rows as numbers: equal rows get equal codes, unequal rows unequal ones, whatever the types of their columns."""

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Codes = NDArray[np.int64]
"""(n,) one code a row."""

BITS = {2: pa.int16(), 4: pa.int32(), 8: pa.int64()}
"""Bytes of a float to the integer that holds its bits."""
MOST = 2**62
"""Codes stay below this: they are numbered anew before a product could overflow."""


def row_codes(tables: tuple[pa.Table, pa.Table]) -> tuple[Codes, Codes]:
    """Return a code for each row of two tables of the same columns; rows are equal exactly if their codes are.

    Values are told apart as ``table_hash`` does, but for NaN, which is equal to itself whatever its bits: null, 0 and
    -0.0 are three values, and two nulls are equal. Without columns, all rows are equal.

    >>> before, after = pa.table({"x": [1, None]}), pa.table({"x": [None, 2]})
    >>> [codes.tolist() for codes in row_codes((before, after))]
    [[0, 1], [1, 2]]
    """
    rows = sum(table.num_rows for table in tables)
    codes, most = np.zeros(rows, dtype=np.int64), 1
    for columns in zip(*(table.columns for table in tables), strict=True):
        own, different = _numbered(pa.chunked_array([bits(c) for column in columns for c in _chunks(column)]))
        if most * different > MOST:
            codes, most = _numbered(pa.chunked_array([codes]))
        codes, most = codes * different + own, most * different
    codes, _ = _numbered(pa.chunked_array([codes]))
    return codes[: tables[0].num_rows], codes[tables[0].num_rows :]


def bits(values: pa.Array) -> pa.Array:
    """Return floats as integers of their bits, every NaN as one; other values as they are."""
    if not pa.types.is_floating(values.type):
        return values
    one = pc.if_else(pc.is_nan(values), pa.scalar(float("nan"), values.type), values)
    return one.view(BITS[values.type.bit_width // 8])


def ranks(codes: Codes) -> Codes:
    """Return for each row how many rows of its code stand before it.

    >>> ranks(np.array([7, 3, 7, 7])).tolist()
    [0, 0, 1, 2]
    """
    order = np.argsort(codes, kind="stable")
    ordered = codes[order]
    first = np.searchsorted(ordered, ordered, side="left")
    found = np.empty_like(order)
    found[order] = np.arange(len(order)) - first
    return found


def _chunks(column: pa.ChunkedArray) -> Iterable[pa.Array]:
    plain = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
    return plain.chunks or [pa.nulls(0, plain.type)]


def _numbered(values: pa.ChunkedArray) -> tuple[Codes, int]:
    """Return which of the different values each is, and how many there are; null is one of them."""
    joined = pa.concat_arrays(values.chunks)
    found = pc.dictionary_encode(joined, null_encoding="encode")
    return found.indices.to_numpy(zero_copy_only=False).astype(np.int64), max(1, len(found.dictionary))
