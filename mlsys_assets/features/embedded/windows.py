"""Aggregates of windows from prefix sums that do not depend on where they begin."""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.features.aggregate import AggregateKind
from mlsys_assets.features.embedded.key_codes import Ints, Positions
from mlsys_assets.features.numpy_table import Values

HOUR = 3_600_000_000
"""Microseconds."""
LARGEST = 2.0**62
"""What a sum of grid steps must stay below."""
PAIRS_AT_ONCE = 1_000_000
"""How many request-row pairs are held in memory at once."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Prefix:
    """Sums of a column's first k values for every k, in whole steps of a grid, and how many were known.

    ``known`` is None where all values are.
    """

    steps: Ints
    known: Ints | None
    grid: float


class Windows(Protocol):
    """For each request, the rows that count."""

    def total(self, prefix: Ints) -> Ints:
        """Return (m,) the sum over each request's rows of the column whose prefix sums are given."""
        ...

    def rows(self) -> Ints:
        """Return (m,) how many rows each request has."""
        ...


@dataclass(frozen=True, eq=False)
class Span:
    """Rows [start, end) of each request."""

    start: Positions
    end: Positions

    def total(self, prefix: Ints) -> Ints:
        """Return (m,) the difference of the prefix sums at the two ends."""
        return prefix[self.end] - prefix[self.start]

    def rows(self) -> Ints:
        """Return (m,) how long each span is."""
        return (self.end - self.start).astype(np.int64)


@dataclass(frozen=True, eq=False)
class Filtered:
    """Rows [start, end) of each request that became known in (since, until]: read one by one."""

    span: Span
    known: Ints
    since: Ints
    until: Ints

    @cached_property
    def _count(self) -> Ints:
        return self.total(np.arange(len(self.known) + 1))

    def rows(self) -> Ints:
        """Return (m,) how many rows pass."""
        return self._count

    def total(self, prefix: Ints) -> Ints:
        """Return (m,) the sum over the rows that pass."""
        values, lengths = np.diff(prefix), self.span.rows()
        out = np.zeros(len(lengths), np.int64)
        batches = np.cumsum(lengths) // PAIRS_AT_ONCE
        for batch in np.unique(batches):
            part = np.flatnonzero(batches == batch)
            ends = np.cumsum(lengths[part])
            request = np.repeat(part, lengths[part])
            row = np.arange(len(request)) + np.repeat(self.span.start[part] - ends + lengths[part], lengths[part])
            known = self.known[row]
            counted = np.where((known > self.since[request]) & (known <= self.until[request]), values[row], 0)
            sums = np.append(0, np.cumsum(counted))
            out[part] = sums[ends] - sums[ends - lengths[part]]
        return out


def prefix_sums(column: Values, resolution: float, what: str) -> Prefix:
    """Return the prefix sums of a column's known values in steps of ``resolution``.

    Integers add up exactly in any order, so a window's sum is the same wherever the pass began;
    floats do not (Goldberg 1991). Raises ValueError where a sum could leave the range.
    """
    values, grid = column.values, resolution
    if values.dtype.kind == "b":
        steps, grid = values.astype(np.int64), 1.0
    elif values.dtype.kind in "iu":
        steps, grid = values.astype(np.int64), 1.0
        _check_range(float(np.abs(steps.astype(np.float64)).sum()), what, grid)
    else:
        scaled = np.rint(values / resolution)
        if column.valid is not None:
            scaled[~column.valid] = 0
        _check_range(float(np.abs(scaled).sum()), what, grid)
        steps = scaled.astype(np.int64)
    if column.valid is not None:
        steps[~column.valid] = 0
    return Prefix(_running(steps), None if column.valid is None else _running(column.valid), grid)


def aggregate_values(kind: AggregateKind, windows: Windows, prefix: Prefix | None) -> Floats:
    """Return (m,) a count, sum, mean or rate of each request's rows; NaN for a mean of nothing."""
    if prefix is None:
        return windows.rows().astype(np.float64)
    total: Floats = windows.total(prefix.steps).astype(np.float64) * prefix.grid
    if kind in (AggregateKind.COUNT, AggregateKind.SUM):
        return total
    known = windows.rows() if prefix.known is None else windows.total(prefix.known)
    mean: Floats = np.full(len(total), np.nan)
    np.divide(total, known, out=mean, where=known > 0)
    return mean


def last_rows(span: Span) -> Positions:
    """Return (m,) the last row of each span; -1 where it is empty."""
    return np.where(span.end > span.start, span.end - 1, -1)


def latest(happened: Ints, code: Ints, span: Span) -> Positions:
    """Return (m,) the row of each span's key that happened last up to the span's end; -1 where the span is empty.

    ``happened`` and ``code``: (n,) time and key of the rows, by key and then as known. Of rows of
    one time the one known later is taken: it corrects the other.
    """
    rank = np.searchsorted(np.sort(happened), happened)
    packed = code * (len(happened) + 1) + rank
    best = np.maximum.accumulate(np.where(packed == np.maximum.accumulate(packed), np.arange(len(packed)), 0))
    return np.where(span.end > span.start, np.append(best, 0)[span.end - 1], -1)


def _running(steps: NDArray[np.int64] | NDArray[np.bool_]) -> Ints:
    sums = np.zeros(len(steps) + 1, np.int64)
    np.cumsum(steps, out=sums[1:])
    return sums


def _check_range(total: float, what: str, grid: float) -> None:
    if not total < LARGEST:
        raise ValueError(
            f"{what}: values of {total * grid:g} together cannot be summed exactly in steps of {grid:g}; "
            "give a coarser resolution, or leave infinite values out"
        )
