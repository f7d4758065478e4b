"""Prefix sums that do not depend on where they begin: a window's sum is the difference of two."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.features.aggregate import Aggregate, AggregateKind
from mlsys_assets.features.embedded.key_codes import Ints, Positions
from mlsys_assets.features.embedded.log import Log
from mlsys_assets.features.expression import Expression
from mlsys_assets.features.numpy_table import Values
from mlsys_assets.types import microseconds

LARGEST = 2.0**62
"""What a sum of grid steps must stay below."""
BLOCK = 4
"""How many half-lives a block of decaying weights spans: within it weights are at most 2**BLOCK times the least."""

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Prefix:
    """Sums over the first k rows for every k: of whole steps of a grid, and of how many (or how heavy) were known.

    ``known`` is None where all rows are; ``known_grid`` is its unit. ``squares`` are those of the steps, modulo 2**64,
    and ``magnitude`` their sum as floats, by which an overflow is seen.
    """

    steps: Ints
    grid: float
    known: Ints | None = None
    known_grid: float = 1.0
    squares: Ints | None = None
    magnitude: Floats | None = None


class Sums:
    """What is computed of a log's rows in one order, once for all windows.

    ``rows``: (n,) positions in the log. ``code``: (n,) their keys' numbers, ascending.
    """

    def __init__(self, log: Log, rows: Positions, code: Ints) -> None:
        self.log, self.rows, self.code = log, rows, code
        self._kept: dict[Aggregate, Prefix] = {}
        self._masks: dict[str | Expression, Mask] = {}

    @cached_property
    def known(self) -> Ints:
        """(n,) when each row became known, microseconds."""
        return self.log.known[self.rows]

    def values(self, aggregate: Aggregate) -> Values:
        """Return (n,) what is aggregated; not valid where it is unknown or the row does not count."""
        if aggregate.of is None:
            return Values(np.ones(len(self.rows), np.bool_), self.counted(aggregate))
        column, counted = self.log.values(aggregate.of), self.counted(aggregate)
        valid = None if column.valid is None else column.valid[self.rows]
        both = [mask for mask in (valid, counted) if mask is not None]
        return Values(column.values[self.rows], np.logical_and.reduce(both) if both else None)

    def counted(self, aggregate: Aggregate) -> Mask | None:
        """Return (n,) which rows the aggregate's ``where`` lets count; None where there is none."""
        if aggregate.where is None:
            return None
        if aggregate.where not in self._masks:
            condition = self.log.values(aggregate.where)
            mask = condition.values if condition.valid is None else condition.values & condition.valid
            self._masks[aggregate.where] = mask[self.rows]
        return self._masks[aggregate.where]

    def prefix(self, aggregate: Aggregate, what: str) -> Prefix | None:
        """Return the prefix sums that an aggregate needs; None where it counts all rows alike."""
        if aggregate.of is None and aggregate.where is None and aggregate.half_life is None:
            return None
        if aggregate not in self._kept:
            weights = None if aggregate.half_life is None else decay(self.known, microseconds(aggregate.half_life))
            self._kept[aggregate] = prefix_sums(self.values(aggregate), aggregate, weights, what)
        return self._kept[aggregate]


def decay(known: Ints, half_life: int) -> Floats:
    """Return (n,) weights in [1, 2**BLOCK) that double each half-life, from the start of each row's block on.

    Blocks begin at whole multiples of their length since 1970, so that a row's weight does not depend on the pass.
    """
    length = BLOCK * half_life
    return np.exp2((known % length) / half_life)


def prefix_sums(column: Values, aggregate: Aggregate, weights: Floats | None, what: str) -> Prefix:
    """Return the prefix sums of a column's known values in steps of the aggregate's resolution.

    Integers add up exactly in any order, so a window's sum is the same wherever the pass began;
    floats do not (Goldberg 1991). Raises ValueError where a sum could leave the range.
    """
    values, grid = column.values, aggregate.resolution
    if weights is not None:
        steps = _steps(values * weights, grid, column.valid, what)
        heavy = _steps(weights, grid, column.valid, what)
        return Prefix(_running(steps), grid, _running(heavy), grid)
    if values.dtype.kind in "bui":
        grid, steps = 1.0, values.astype(np.int64)
        if column.valid is not None:
            steps[~column.valid] = 0
        if values.dtype.kind != "b":
            _check_range(float(np.abs(steps.astype(np.float64)).sum()), what, grid)
    else:
        steps = _steps(values, grid, column.valid, what)
    known = None if column.valid is None else _running(column.valid)
    if aggregate.kind is not AggregateKind.VARIANCE:
        return Prefix(_running(steps), grid, known)
    magnitude = np.append(0.0, np.cumsum(steps.astype(np.float64) ** 2))
    with np.errstate(over="ignore"):
        return Prefix(_running(steps), grid, known, squares=_running(steps * steps), magnitude=magnitude)


def _steps(values: NDArray[np.floating], grid: float, valid: Mask | None, what: str) -> Ints:
    """Return values as whole steps of a grid, to the nearest, halves up; 0 where there is none."""
    with np.errstate(over="ignore"):
        scaled = np.floor(values.astype(np.float64, copy=False) / grid + 0.5)
    if valid is not None:
        scaled[~valid] = 0
    _check_range(float(np.abs(scaled).sum()), what, grid)
    return scaled.astype(np.int64)


def _running(steps: Ints | Mask) -> Ints:
    sums = np.zeros(len(steps) + 1, np.int64)
    np.cumsum(steps, out=sums[1:])
    return sums


def _check_range(total: float, what: str, grid: float) -> None:
    if not total < LARGEST:
        raise ValueError(
            f"{what}: values of {total * grid:g} together cannot be summed exactly in steps of {grid:g}; "
            "give a coarser resolution, or leave infinite values out"
        )
