"""Keys as numbers: what is equal has one number, and is sorted by it."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.features.expression import Expression, evaluate
from mlsys_assets.features.numpy_table import NumpyTable, Values

Ints = NDArray[np.int64]
Positions = NDArray[np.intp]

RADIX_CODES = 2**16
"""Up to so many keys NumPy sorts in linear time."""


class KeyCodes:
    """Key columns of a table as numbers, each encoded once; -1 where a key is missing."""

    def __init__(self, columns: NumpyTable) -> None:
        self._columns = columns
        self._kept: dict[str | Expression, tuple[Ints, pa.Array]] = {}

    def codes(self, of: str | Expression) -> tuple[Ints, pa.Array]:
        """Return (n,) positions in a dictionary of distinct values, and the dictionary."""
        if of not in self._kept:
            column = self._columns.arrow(of) if isinstance(of, str) else _arrow(evaluate(of, self._columns))
            self._kept[of] = _encode(column)
        return self._kept[of]

    def codes_in(self, of: str | Expression, dictionary: pa.Array) -> Ints:
        """Return (n,) positions in another table's dictionary; -1 for values it does not have.

        A whole number is the same key as an equal float.
        """
        own, values = self.codes(of)
        if {values.type, dictionary.type} == {pa.int64(), pa.float64()}:
            values, dictionary = _whole(values), _whole(dictionary)
        places = pc.fill_null(pc.index_in(values, value_set=dictionary), -1).to_numpy(zero_copy_only=False)
        found: Ints = np.append(places.astype(np.int64), -1)[own]
        return found


def combine(columns: list[Ints], sizes: list[int], rows: int) -> Ints:
    """Return (rows,) one number for a key of several columns, given each column's; -1 where one is missing."""
    if np.prod([float(s) for s in sizes]) >= 2**62:
        raise ValueError(f"a key of {len(sizes)} columns with {sizes} distinct values is too large; split it")
    code, missing = np.zeros(rows, np.int64), np.zeros(rows, np.bool_)
    for column, size in zip(columns, sizes, strict=True):
        code = code * size + column
        missing |= column < 0
    return np.where(missing, -1, code) if columns else code


def stable_by_code(code: Ints, order: Positions) -> Positions:
    """Return ``order`` without the rows of code -1, stably sorted by code."""
    code = code[order]
    if len(code) and code.min() < 0:
        order, code = order[code >= 0], code[code >= 0]
    small = len(code) and code.max() < RADIX_CODES
    return order[np.argsort(code.astype(np.uint16) if small else code, kind="stable")]


def _arrow(column: Values) -> pa.Array:
    mask = None if column.valid is None else ~column.valid
    return pa.array(column.values, type=pa.string() if column.is_text else None, mask=mask)


def _whole(numbers: pa.Array) -> pa.Array:
    """Return numbers as int64, null where they are none."""
    if numbers.type == pa.int64():
        return numbers
    fits = pc.and_(
        pc.equal(pc.floor(numbers), numbers), pc.and_(pc.greater_equal(numbers, -(2.0**63)), pc.less(numbers, 2.0**63))
    )
    return pc.if_else(fits, numbers, None).cast(pa.int64(), safe=False)


def _encode(column: pa.Array) -> tuple[Ints, pa.Array]:
    if pa.types.is_floating(column.type):
        column = pc.add(column.cast(pa.float64()), 0.0)  # -0.0 is 0.0
        column = pc.if_else(pc.is_nan(column), None, column)  # a key that is not a number is no key
    elif pa.types.is_integer(column.type) or pa.types.is_boolean(column.type):
        column = column.cast(pa.int64())
    encoded = column.dictionary_encode()
    indices = encoded.indices if encoded.indices.null_count == 0 else pc.fill_null(encoded.indices, -1)
    codes: Ints = indices.to_numpy().astype(np.int64)
    return codes, encoded.dictionary
