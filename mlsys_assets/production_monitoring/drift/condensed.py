"""Large columns: exact distances without sorting the rows that none of them depends on.

A row's cell is the sign, the exponent and the first bits of its distance from the column's middle: cells are in the
order of the values, and counting a million rows into them takes a tenth of sorting them. Between the ends of a cell
both distribution functions are known. Where they cannot cross in it, the area between them depends on the sums of its
values alone; where they cannot be as far apart in it as they are elsewhere, the largest gap does not depend on it at
all. Such a cell's rows are one value, their mean, that counts as many, and so are those of a cell in which all are
equal. All others are sorted.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.metrics import Floats
from mlsys_assets.production_monitoring.drift.number_distances import equal_widths
from mlsys_assets.production_monitoring.drift.numbers import DECILES, Moments, Numbers, at_shares, moments
from mlsys_assets.production_monitoring.drift.summary import QUANTILES

LARGE: Final = 200_000
"""So many rows before, and counting them into cells is quicker than to sort them."""
BITS: Final = 19
"""Of a number's 32, those that name its cell: the most of a normal column lies in cells of a few ten-thousandths."""
FEW: Final = 100
"""In fewer cells than this, distinct values must be told from cells."""
SEVERAL: Final = 10_000
"""In fewer, many rows may be equal."""
HEAVY: Final = 0.1
"""The share of the rows in cells that matter from which it is then looked whether those hold one value each."""
SAMPLED: Final = 1_001
"""Rows that a column's middle is taken from."""

Numeric = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class Large:
    """One side of a large numeric column, not sorted.

    Parameters
    ----------
    values
        (n,) finite float32 or float64 in any order, n > 0.
    rows
        How many rows there are, with those that miss.
    middle
        What cells are finest around: the same on both sides.
    ends
        The smallest and the largest value.
    """

    values: Numeric
    rows: int
    middle: float
    ends: tuple[float, float]

    @classmethod
    def of(cls, found: Numeric, middle: float | None = None) -> "Large | None":
        """Return (n,) numbers, NaN for what is missing; None where all are, or one is infinite.

        ``middle`` is the other side's, if there is one.
        """
        values = found[~np.isnan(found)] if len(found) and np.isnan(found.min()) else found
        if not len(values):
            return None
        ends = float(values.min()), float(values.max())
        if not np.isfinite(ends).all():
            return None
        if middle is None:
            middle = float(np.median(values[:: -(-len(values) // SAMPLED)]))
        return cls(values, len(found), middle, ends)

    @cached_property
    def cells(self) -> NDArray[np.intp]:
        """(n,) the cell of each value."""
        return _cells(self.values, self.middle).astype(np.intp)  # as what it counts and looks up would make it

    @cached_property
    def counts(self) -> NDArray[np.intp]:
        """(2^BITS,) how many values each cell has."""
        found: NDArray[np.intp] = np.bincount(self.cells, minlength=1 << BITS)
        return found

    @cached_property
    def sums(self) -> Floats:
        """(2^BITS,) the sum of the values in each cell."""
        return np.asarray(np.bincount(self.cells, weights=self.values, minlength=1 << BITS), dtype=np.float64)

    @cached_property
    def moments(self) -> Moments:
        """Mean, standard deviation, skewness and excess kurtosis."""
        return moments(self.values)

    def rounded(self) -> "Large | None":
        """Return the numbers as single precision holds them; None if one is then infinite."""
        with np.errstate(over="ignore"):
            single = self.values.astype(np.float32, copy=False)
        return self if single is self.values else Large.of(_padded(single, self.rows), self.middle)

    def sorted(self) -> Numbers:
        """Return all numbers in order."""
        return Numbers.sorted(_padded(self.values, self.rows))


def condensed(before: Large, now: Large) -> tuple[Numbers, Numbers]:
    """Return both sides as few numbers of which all distances are those of all rows."""
    used = np.flatnonzero(before.counts + now.counts)
    first, second = (np.cumsum(side.counts[used]) for side in (before, now))
    shares, opened = np.array(QUANTILES), _may_matter(first / first[-1], second / second[-1])
    for up_to, asked in ((first, np.concatenate([DECILES, shares])), (second, shares)):
        opened[np.searchsorted(up_to, at_shares(asked, int(up_to[-1])), side="right")] = True
    ends = min(before.ends[0], now.ends[0]), max(before.ends[1], now.ends[1])
    single = before.values.dtype == now.values.dtype == np.float32
    edges = equal_widths(ends, len(before.values) + len(now.values), single=single)
    at = np.searchsorted(used, _cells(edges.astype(np.result_type(before.values, now.values)), before.middle))
    opened[at[at < len(used)]] = True  # of an edge between two cells, the one above
    few, rows = len(used) < FEW, before.counts[used[opened]].sum() + now.counts[used[opened]].sum()
    tied = few or (len(used) < SEVERAL and rows > HEAVY * (first[-1] + second[-1]))
    constant = _constant(before, now)[used] if tied else np.full(len(used), np.nan)
    opened = np.isnan(constant) & (few | opened)
    return _condensed(before, used, opened, constant), _condensed(now, used, opened, constant)


def _constant(before: Large, now: Large) -> Floats:
    """Return (2^BITS,) the one value that all rows of a cell have on both sides; NaN where they have several."""
    found = np.zeros(1 << BITS)
    for side in (before, now):
        found[side.cells] = side.values
    other = [side.cells[side.values != found[side.cells]] for side in (before, now)]
    for cells in other:
        found[cells] = np.nan
    return found


def _may_matter(first: Floats, second: Floats) -> NDArray[np.bool_]:
    """Return (c,) in which cells two distribution functions, given at their ends, may cross or be farthest apart."""
    highest = first - np.append(0.0, second[:-1])
    lowest = np.append(0.0, first[:-1]) - second
    farthest = np.abs(first - second).max()
    found: NDArray[np.bool_] = ((lowest < 0) & (highest > 0)) | (np.maximum(highest, -lowest) >= farthest)
    return found


def _condensed(side: Large, used: NDArray[np.intp], opened: NDArray[np.bool_], constant: Floats) -> Numbers:
    """Return the values of opened cells in order, and one for all of each other cell."""
    marked = np.zeros(1 << BITS, dtype=np.bool_)
    marked[used[opened]] = True
    own = np.sort(side.values[marked[side.cells]]).astype(np.float64)
    counts = side.counts[used]
    closed = ~opened & (counts > 0)
    several, alike = counts[closed].astype(np.float64), constant[closed]
    means = np.where(np.isnan(alike), side.sums[used[closed]] / several, alike)
    values, weights = np.concatenate([own, means]), np.append(np.ones(len(own)), several)
    order = np.argsort(values, kind="stable")
    n = len(side.values)
    return Numbers(
        values[order],
        weights[order],
        float(side.rows - n),
        side.rows,
        float(side.rows),
        known=n,
        known_size=float(n),
        moments=side.moments,
        single=side.values.dtype == np.float32,
    )


def _cells(values: Numeric, middle: float) -> NDArray[np.int32]:
    """Return (n,) the cell of each value: never lower for a higher one."""
    with np.errstate(over="ignore"):
        off = np.subtract(values, values.dtype.type(middle)).astype(np.float32, copy=False)
    off += np.float32(0)  # no −0, which would be below 0
    bits = off.view(np.int32)
    order = bits >> 31  # of negative numbers, the larger the bits the lower they are
    order &= 0x7FFFFFFF
    order ^= bits
    order >>= 32 - BITS
    order += 1 << (BITS - 1)
    return order


def _padded(values: Numeric, rows: int) -> Numeric:
    return np.append(values, np.full(rows - len(values), np.nan, dtype=values.dtype))
