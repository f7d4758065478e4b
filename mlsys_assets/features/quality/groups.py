"""Groups of rows that are looked at one by one: by a category, by a number's ranges, by month."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.features.named_columns import is_category, read_numbers
from mlsys_assets.measures.metrics import Floats

MOST_GROUPS: Final = 200
"""Groups of a category that are looked at: the largest."""
RANGES: Final = 4
"""Ranges of as nearly equal count as ties allow."""
MOSTLY_NOTHING: Final = 0.5
"""From this share of zeros on, a number that is never below is told in two: nothing, and something."""

Mask = NDArray[np.bool_]


class Grouping(Protocol):
    """A way to deal rows into groups; every declared slice is one."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...

    def groups(self, features: pa.Table) -> Iterator[tuple[str, Mask]]:
        """Yield each group that has rows: what it is called, and (n,) which rows are in it."""
        ...


@dataclass(frozen=True)
class ByCategory:
    """One group for each of a column's most frequent categories.

    >>> [name for name, _ in ByCategory("origin").groups(pa.table({"origin": ["EWR", "JFK", "EWR", None]}))]
    ['EWR', 'JFK']
    """

    column: str

    @property
    def name(self) -> str:
        """The column."""
        return self.column

    def groups(self, features: pa.Table) -> Iterator[tuple[str, Mask]]:
        """Yield the categories, the most frequent first."""
        yield from most_frequent(features[self.column], MOST_GROUPS)


@dataclass(frozen=True)
class ByRange:
    """Ranges of a number: nothing and something where it is mostly 0, else four of as many rows.

    >>> rain = pa.table({"rain": [0.0, 0.0, 0.0, 0.2, None]})
    >>> [(name, int(rows.sum())) for name, rows in ByRange("rain").groups(rain)]
    [('0', 3), ('above 0', 1)]
    """

    column: str

    @property
    def name(self) -> str:
        """The column."""
        return self.column

    def groups(self, features: pa.Table) -> Iterator[tuple[str, Mask]]:
        """Yield the ranges, the lowest first; none of a column with a single value."""
        values = read_numbers(features, (self.column,))[0]
        known = values[np.isfinite(values)]
        if not len(known) or known.min() == known.max():
            return
        if known.min() == 0 and (known == 0).mean() >= MOSTLY_NOTHING:
            yield "0", values == 0
            yield "above 0", values > 0
            return
        edges = np.unique(np.quantile(known, np.arange(1, RANGES) / RANGES, method="inverted_cdf"))
        ends = [-np.inf, *edges.tolist(), np.inf]
        for low, high in pairwise(ends):
            if (own := (values > low) & (values <= high)).any():
                yield _range(low, high), own


def most_frequent(column: pa.ChunkedArray, most: int) -> Iterator[tuple[str, Mask]]:
    """Yield the most frequent of a column's categories, the first of them first, with (n,) where each stands."""
    coded = column.combine_chunks().cast(pa.string()).dictionary_encode()
    code = np.asarray(pc.fill_null(coded.indices, -1))
    counts = np.bincount(code[code >= 0], minlength=len(coded.dictionary))
    for k in np.argsort(-counts, kind="stable")[:most]:
        yield str(coded.dictionary[int(k)]), code == k


def by_default(features: pa.Table) -> tuple[Grouping, ...]:
    """Return a grouping by each column that holds categories."""
    return tuple(ByCategory(field.name) for field in features.schema if is_category(field.type))


def months(at: NDArray[np.datetime64]) -> Iterator[tuple[str, Mask]]:
    """Yield each month (UTC) with (n,) which rows are of it, in order of time."""
    month = at.astype("datetime64[M]")
    for one in np.unique(month):
        yield str(one), month == one


def membership(groups: Sequence[tuple[str, Mask]], *, rows: int) -> NDArray[np.float32]:
    """Return (g, n) 1 where a row is in a group."""
    return np.array([own for _, own in groups], dtype=np.float32).reshape(len(groups), rows)


def standard_error(values: Floats, block: NDArray[np.intp]) -> float:
    """Return the standard error of a mean of (n,) values, those of one block depending on each other as they will."""
    if not len(values):
        return float(np.nan)
    sums = np.bincount(block, weights=values - values.mean())
    blocks = len(np.unique(block))
    return float(np.sqrt((sums**2).sum() * blocks / max(blocks - 1, 1)) / len(values))


def _range(low: float, high: float) -> str:
    if low == -np.inf:
        return f"up to {high:.4g}"
    return f"above {low:.4g}" if high == np.inf else f"{low:.4g} to {high:.4g}"
