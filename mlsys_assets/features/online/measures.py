"""What a source's rows add to running sums, and how an aggregate is read from them."""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from math import floor
from typing import Any

import numpy as np

from mlsys_assets.features.aggregate import IN_ORDER, Aggregate, AggregateKind
from mlsys_assets.features.embedded.sums import BLOCK
from mlsys_assets.features.embedded.windows import HOUR
from mlsys_assets.features.expression import Expression
from mlsys_assets.features.online.rows import Rows
from mlsys_assets.features.online.scalars import is_whole
from mlsys_assets.tables import Column

Field = Callable[[Rows, int, int, int], Any]
"""Reads an aggregate of the rows [start, end) as of a time, microseconds; None where there is nothing."""
Evaluated = Sequence[Any]
"""What the scalars of a source give for one row, in their order."""

LARGEST = 2**62
"""What a row may add to a sum, in steps, and less."""
EXTREME = (AggregateKind.MINIMUM, AggregateKind.MAXIMUM)


@dataclass(frozen=True)
class Sum:
    """One running sum: of a value, or of its square, on a grid; of rows that count."""

    of: str | Expression | None
    where: str | Expression | None
    grid: float
    half_life: timedelta | None = None
    squared: bool = False


@dataclass(frozen=True)
class Raw:
    """Values kept as they are: where the order or the values themselves matter."""

    of: str | Expression
    where: str | Expression | None


def is_whole_of(aggregate: Aggregate, columns: Sequence[Column]) -> bool:
    """Return whether an aggregate is of integers or truths, which are summed as they are."""
    return aggregate.of is None or is_whole(aggregate.of, columns)


def needs(aggregate: Aggregate, *, whole: bool) -> tuple[list[Sum], list[Raw]]:
    """Return which sums and values an aggregate is read from; ``whole``: of integers or truths."""
    kind, of, where = aggregate.kind, aggregate.of, aggregate.where
    grid = 1.0 if whole and aggregate.half_life is None else aggregate.resolution
    if kind in (*EXTREME, AggregateKind.DISTINCT) and of is not None:
        return [], [Raw(of, where)]
    if kind in IN_ORDER:
        counted = [] if where is None else [Sum(None, where, 1.0)]
        return counted, [Raw(of, None)] if of is not None else []
    if of is None and where is None and aggregate.half_life is None:
        return [], []
    plain = Sum(of, where, grid, aggregate.half_life)
    return ([plain, Sum(of, where, grid, squared=True)] if kind is AggregateKind.VARIANCE else [plain]), []


def inputs_of(found: Sum, places: Mapping[Any, int], what: str) -> Callable[[Evaluated, int], tuple[int, int]]:
    """Return what gives a row's step and weight from its scalars and the time at which it became known."""
    of = None if found.of is None else places[found.of]
    where = None if found.where is None else places[found.where]
    grid, squared = found.grid, found.squared
    half_life = None if found.half_life is None else found.half_life // timedelta(microseconds=1)

    def steps(value: float, unit: float) -> int:
        try:
            step = value if type(value) is int else floor(value / unit + 0.5)
        except OverflowError:
            step = LARGEST
        step = step * step if squared else step
        if abs(step) >= LARGEST:
            raise ValueError(
                f"{what}: {value:g} cannot be summed exactly in steps of {unit:g}; give a coarser resolution, or leave "
                "infinite values out"
            )
        return step

    def plain(values: Evaluated, known: int) -> tuple[int, int]:
        value = values[of]  # type: ignore[index]
        return (0, 0) if value is None else (steps(value, grid), 1)

    def filtered(values: Evaluated, known: int) -> tuple[int, int]:
        value = 1 if of is None else values[of]
        if value is None or (where is not None and not values[where]):
            return 0, 0
        if half_life is None:
            return steps(value, grid), 1
        weight = float(np.exp2((known % (BLOCK * half_life)) / half_life))
        return steps(value * weight, grid), steps(weight, grid)

    return filtered if of is None or where is not None or half_life is not None else plain


def raw_of(found: Raw, places: Mapping[Any, int]) -> Callable[[Evaluated], Any]:
    """Return what gives the value that is kept of a row; None where it does not count."""
    of, where = places[found.of], None if found.where is None else places[found.where]

    def value(values: Evaluated) -> Any:
        return values[of] if where is None or values[where] else None

    return value


@dataclass
class Reads:
    """What is read of a window, and into which slots of the result; means and counts of rows are read without a call.

    ``means``: slot, place of the sum, its grid. ``rows``: slots. ``others``: slot, and what reads it.
    """

    means: list[tuple[int, int, float]] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    others: list[tuple[int, Field]] = field(default_factory=list)

    def add(self, slot: int, aggregate: Aggregate, sums: Sequence[int], raws: Sequence[int], grid: float) -> None:
        """Add an aggregate, given where its sums and values lie among the rows'."""
        kind = aggregate.kind
        if kind in (AggregateKind.MEAN, AggregateKind.RATE) and aggregate.half_life is None:
            self.means.append((slot, sums[0], grid))
        elif kind is AggregateKind.COUNT and not sums:
            self.rows.append(slot)
        else:
            self.others.append((slot, _field(aggregate, sums, raws, grid)))

    def fill(self, rows: Rows, start: int, end: int, at: int, out: list[Any]) -> None:
        """Put what is read of rows [start, end), as of a time, into its slots."""
        for slot in self.rows:
            out[slot] = float(end - start)
        for slot, k, grid in self.means:
            count = rows.counts[k]
            known = end - start if count is None else count[end] - count[start]
            if known:
                total = rows.sums[k]
                out[slot] = (total[end] - total[start]) * grid / known
        for slot, read in self.others:
            out[slot] = read(rows, start, end, at)


def _field(aggregate: Aggregate, sums: Sequence[int], raws: Sequence[int], grid: float) -> Field:
    kind = aggregate.kind
    if kind in (*EXTREME, AggregateKind.DISTINCT):
        return _distinct(raws[0]) if kind is AggregateKind.DISTINCT else _extreme(raws[0], kind)
    if kind in IN_ORDER:
        return _in_order(kind, sums[0] if sums else None, raws[0] if raws else None)
    if aggregate.half_life is not None:
        return _fading(kind, sums[0], grid, aggregate.half_life // timedelta(microseconds=1))
    return _variance(sums[0], sums[1], grid) if kind is AggregateKind.VARIANCE else _total(sums[0], grid)


def _total(k: int, grid: float) -> Field:
    def total(rows: Rows, start: int, end: int, at: int) -> float:
        sums = rows.sums[k]
        return (sums[end] - sums[start]) * grid

    return total


def _variance(k: int, squares: int, grid: float) -> Field:
    def variance(rows: Rows, start: int, end: int, at: int) -> float | None:
        sums, counts = rows.sums[k], rows.counts[k]
        known = end - start if counts is None else counts[end] - counts[start]
        if not known:
            return None
        total = float(sums[end] - sums[start])
        centred = float(rows.sums[squares][end] - rows.sums[squares][start]) - total * total / known
        return max(centred, 0.0) / known * (grid * grid)

    return variance


def _distinct(k: int) -> Field:
    def distinct(rows: Rows, start: int, end: int, at: int) -> float:
        return float(len({v for v in rows.raws[k][start:end] if v is not None}))

    return distinct


def _extreme(k: int, kind: AggregateKind) -> Field:
    best: Callable[[Any], Any] = min if kind is AggregateKind.MINIMUM else max

    def extreme(rows: Rows, start: int, end: int, at: int) -> float | None:
        values = [v for v in rows.raws[k][start:end] if v is not None]
        return float(best(values)) if values else None

    return extreme


def _in_order(kind: AggregateKind, counted: int | None, raw: int | None) -> Field:
    def place(rows: Rows, start: int, end: int) -> int:
        counts = None if counted is None else rows.counts[counted]
        if counts is None or counts[end] - counts[start] == end - start:
            found = start if kind is AggregateKind.HISTORY else end - 1
        elif kind is AggregateKind.HISTORY:
            found = bisect_left(counts, counts[start] + 1) - 1
        else:
            found = bisect_left(counts, counts[end]) - 1
        return found if start <= found < end and (counts is None or counts[end] > counts[start]) else -1

    def value(rows: Rows, start: int, end: int, at: int) -> Any:
        row = place(rows, start, end)
        if row < 0:
            return None
        return (at - rows.known[row]) / HOUR if raw is None else rows.raws[raw][row]

    return value


def _fading(kind: AggregateKind, k: int, grid: float, half_life: int) -> Field:
    length = BLOCK * half_life

    def fading(rows: Rows, start: int, end: int, at: int) -> float | None:
        times, sums, counts = rows.time, rows.sums[k], rows.counts[k]
        assert counts is not None  # noqa: S101 - of what decays
        total = known = 0.0
        while start < end:  # block by block, from the oldest on
            begin = times[start] // length * length
            stop = bisect_left(times, begin + length, start, end)
            weight = float(np.exp2((begin - at) / half_life))
            total += (sums[stop] - sums[start]) * grid * weight
            known += (counts[stop] - counts[start]) * grid * weight
            start = stop
        if kind in (AggregateKind.COUNT, AggregateKind.SUM):
            return total
        return total / known if known > 0 else None

    return fading
