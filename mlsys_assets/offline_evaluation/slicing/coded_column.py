"""A feature column as groups: a whole number a row, and what each number stands for."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

UNKNOWN = "unknown"
"""What the rows without a value are called."""


@dataclass(frozen=True, eq=False)
class CodedColumn:
    """Which group of a column each row belongs to.

    Parameters
    ----------
    name
        The column's.
    code
        (n,) each row's group, 0 … k−1.
    texts
        (k,) the groups in order; ``unknown`` is the last where rows have no value.
    """

    name: str
    code: NDArray[np.intp]
    texts: tuple[str, ...]


def is_number(column: pa.ChunkedArray) -> bool:
    """Return whether a column holds numbers; true and false are categories."""
    return bool(pa.types.is_floating(column.type) or pa.types.is_integer(column.type))


def by_value(features: pa.Table, name: str) -> CodedColumn:
    """Return one group for each value: text as it is, numbers rounded down to whole ones.

    Raises TypeError for a column whose values cannot be told apart, as lists.

    >>> by_value(pa.table({"hour": [17.5, None, 5.0]}), "hour").texts
    ('5', '17', 'unknown')
    """
    column = _column(features, name)
    if pa.types.is_integer(column.type):
        return _whole(column, name)  # never by way of floats, of which large ones are no neighbours
    if is_number(column):
        whole = np.floor(numbers(features, name)) + 0.0  # there is one zero
        known, code = np.unique(whole, return_inverse=True)  # all NaN are one value, the last
        texts = tuple(UNKNOWN if value != value else f"{value:.0f}" for value in known.tolist())  # noqa: PLR0124
        return CodedColumn(name, code.astype(np.intp), texts)
    try:
        coded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    except pa.ArrowNotImplementedError as error:
        told = f"column {name!r} holds {column.type}, whose values are no groups; slice by text, numbers or booleans"
        raise TypeError(told) from error
    found = [UNKNOWN if value is None else str(value) for value in coded.dictionary.to_pylist()]
    texts = tuple(sorted(set(found), key=lambda text: (text == UNKNOWN, text)))
    place = {text: number for number, text in enumerate(texts)}
    position = np.array([place[text] for text in found], dtype=np.intp)
    return CodedColumn(name, position[np.asarray(coded.indices, dtype=np.intp)], texts)


def by_band(features: pa.Table, name: str, edges: Sequence[float]) -> CodedColumn:
    """Return the bands between rising edges, of which each holds its lower edge; those without rows are left out.

    >>> by_band(pa.table({"distance": [200.0, 500.0, 1400.0]}), "distance", (500, 1000)).texts
    ('below 500', '500 to 1000', '1000 and more')
    """
    values = numbers(features, name)
    shown = [f"{edge:g}" for edge in edges]
    if len(set(shown)) < len(shown):
        shown = [str(edge) for edge in edges]
    texts = [f"below {shown[0]}", *(f"{a} to {b}" for a, b in pairwise(shown))]
    texts += [f"{shown[-1]} and more", UNKNOWN]
    band = np.where(np.isnan(values), len(edges) + 1, np.searchsorted(edges, values, side="right"))
    used, code = np.unique(band, return_inverse=True)
    return CodedColumn(name, code.astype(np.intp), tuple(texts[number] for number in used))


def numbers(features: pa.Table, name: str) -> NDArray[np.float64]:
    """Return a column as (n,) float64, NaN where there is no finite value; raises TypeError if it holds none."""
    column = _column(features, name)
    if not is_number(column):
        raise TypeError(f"column {name!r} must hold numbers, got {column.type}; slice it by value")
    values: NDArray[np.float64] = column.cast(pa.float64(), safe=False).to_numpy().copy()
    values[~np.isfinite(values)] = np.nan
    return values


def _whole(column: pa.ChunkedArray, name: str) -> CodedColumn:
    """Return one group for each whole number."""
    null = column.is_null().to_numpy()
    code = np.empty(len(column), dtype=np.intp)
    known, code[~null] = np.unique(column.drop_null().to_numpy(), return_inverse=True)
    code[null] = len(known)
    return CodedColumn(name, code, (*map(str, known.tolist()), *([UNKNOWN] if null.any() else [])))


def _column(features: pa.Table, name: str) -> pa.ChunkedArray:
    if name not in features.schema.names:
        raise KeyError(f"there is no feature column {name!r}; there are {', '.join(features.schema.names)}")
    column = features[name]
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
