"""Aggregates of windows: spans of rows that are sorted by key and time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.features.aggregate import AggregateKind
from mlsys_assets.features.embedded.key_codes import Ints, Positions
from mlsys_assets.features.embedded.ranges import distinct_values, extremes

HOUR = 3_600_000_000
"""Microseconds."""
LARGEST = 2.0**62
"""What a sum of squares must stay below."""

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


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


def share(total: Floats, known: Floats) -> Floats:
    """Return (m,) total by known; NaN where nothing was."""
    found: Floats = np.full(len(total), np.nan)
    np.divide(total, known, out=found, where=known > 0)
    return found


def variance(steps: Ints, squares: Ints, known: Ints, grid: float) -> Floats:
    """Return (m,) the mean squared distance from the mean, of whole steps of a grid; NaN of nothing.

    To rounding of the difference of two sums: relative error 2**-52 × (mean² / variance + 1).
    """
    total = steps.astype(np.float64)
    centred = squares.astype(np.float64) - share(total * total, known.astype(np.float64))
    return share(np.maximum(centred, 0.0), known.astype(np.float64)) * (grid * grid)


def require_exact(magnitude: Floats, span: Span, what: str, grid: float) -> None:
    """Raise ValueError if the squares of some window together leave the range in which they add up exactly."""
    largest = float((magnitude[span.end] - magnitude[span.start]).max(initial=0.0))
    if not largest < LARGEST:
        raise ValueError(
            f"{what}: a window whose squares add up to {largest * grid * grid:g} cannot be summed exactly in steps of "
            f"{grid:g}; give a coarser resolution, or leave infinite values out"
        )


def extreme(kind: AggregateKind, values: Floats, valid: Mask | None, span: Span) -> Floats:
    """Return (m,) the least or greatest known value of each span; NaN where there is none."""
    sign = -1.0 if kind is AggregateKind.MAXIMUM else 1.0
    least = extremes(
        np.where(valid, sign * values, np.inf) if valid is not None else sign * values, span.start, span.end
    )
    some = span.rows() if valid is None else span.total(np.append(0, np.cumsum(valid)))
    return np.where(some > 0, sign * least, np.nan)


def distinct(values: NDArray[np.generic], valid: Mask | None, code: Ints, span: Span) -> Floats:
    """Return (m,) how many different known values each span has."""
    rows = np.arange(len(values)) if valid is None else np.flatnonzero(valid)
    before = np.arange(len(values) + 1) if valid is None else np.append(0, np.cumsum(valid))
    return distinct_values(values[rows], code[rows], before[span.start], before[span.end]).astype(np.float64)


def last_rows(span: Span, counted: Mask | None = None) -> Positions:
    """Return (m,) the last row of each span, of those that count; -1 where there is none."""
    if counted is None:
        return np.where(span.end > span.start, span.end - 1, -1)
    upto = np.append(-1, np.maximum.accumulate(np.where(counted, np.arange(len(counted)), -1)))[span.end]
    return np.where(upto >= span.start, upto, -1)


def first_rows(span: Span, counted: Mask | None = None) -> Positions:
    """Return (m,) the first row of each span, of those that count; -1 where there is none."""
    if counted is None:
        return np.where(span.end > span.start, span.start, -1)
    n = len(counted)
    onward = np.append(np.minimum.accumulate(np.where(counted, np.arange(n), n)[::-1])[::-1], n)[span.start]
    return np.where(onward < span.end, onward, -1)


def latest(happened: Ints, code: Ints, span: Span) -> Positions:
    """Return (m,) the row of each span's key that happened last up to the span's end; -1 where the span is empty.

    ``happened`` and ``code``: (n,) time and key of the rows, by key and then as known. Of rows of
    one time the one known later is taken: it corrects the other.
    """
    rank = np.searchsorted(np.sort(happened), happened)
    packed = code * (len(happened) + 1) + rank
    best = np.maximum.accumulate(np.where(packed == np.maximum.accumulate(packed), np.arange(len(packed)), 0))
    return np.where(span.end > span.start, np.append(best, 0)[span.end - 1], -1)
