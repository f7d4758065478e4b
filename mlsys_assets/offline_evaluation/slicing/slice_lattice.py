"""All conjunctions of column values with enough rows and days, and how much each lost beyond what was foretold."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.metrics import Floats
from mlsys_assets.offline_evaluation.slicing.coded_column import CodedColumn
from mlsys_assets.offline_evaluation.slicing.excess_loss import ExcessLoss

Codes = NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class Level:
    """The slices by the values of the same columns.

    Parameters
    ----------
    columns
        The columns' positions, rising.
    code
        (n,) each row's slice, 0 … m−1, or −1 where it is in none that has enough rows.
    rows, days
        (m,) what each slice rests on.
    """

    columns: tuple[int, ...]
    code: Codes
    rows: NDArray[np.intp]
    days: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Sums:
    """What the rows of each of m slices lost beyond what was foretold, and how far that spreads by chance.

    Parameters
    ----------
    excess
        (m,) the sum.
    variance
        (m,) of the sum.
    skew
        (m,) of the sum, as a standardised third moment.
    """

    excess: Floats
    variance: Floats
    skew: Floats


@dataclass(frozen=True, eq=False)
class Lattice:
    """The rows that are sought through.

    Parameters
    ----------
    columns
        Their values.
    block
        (n,) each row's day, 0 … k−1.
    least_rows, least_days
        What a slice must have.
    """

    columns: Sequence[CodedColumn]
    block: NDArray[np.intp]
    least_rows: int
    least_days: int

    def levels(self, depth: int) -> Iterator[Level]:
        """Yield every combination of up to ``depth`` columns with its slices; columns are added to what is left.

        A slice with too few rows has none finer with enough, so its rows are not looked at again (Agrawal and
        Srikant 1994).
        """
        everything = Level((), np.zeros(len(self.block), dtype=np.int32), np.array([len(self.block)]), np.zeros(1, int))
        yield from self._finer(everything, depth)

    def _finer(self, level: Level, depth: int) -> Iterator[Level]:
        first = level.columns[-1] + 1 if level.columns else 0
        rows = np.flatnonzero(level.code >= 0)
        for number in range(first, len(self.columns) if depth > 0 and len(rows) else first):
            found = self._split(level, rows, number)
            if len(found.rows):
                yield found
                yield from self._finer(found, depth - 1)

    @cached_property
    def _frequent(self) -> list[tuple[NDArray[np.int64], int]]:
        """By column, (n,) the codes of values that have enough rows, renumbered, else −1; and how many those are."""
        found = []
        for column in self.columns:
            wide = np.bincount(column.code, minlength=len(column.texts)) >= self.least_rows
            found.append((np.where(wide, np.cumsum(wide) - 1, -1)[column.code].astype(np.int64), int(wide.sum())))
        return found

    def _split(self, level: Level, rows: NDArray[np.intp], number: int) -> Level:
        (own, values), days = self._frequent[number], int(self.block.max()) + 1
        rows = rows[own[rows] >= 0]
        joint = level.code[rows].astype(np.int64) * values + own[rows]
        counted = np.bincount(joint, minlength=len(level.rows) * values)
        wide = counted >= self.least_rows
        kept = wide[joint]
        joint, rows = joint[kept], rows[kept]
        place = np.cumsum(wide) - 1
        cells = np.bincount(place[joint] * days + self.block[rows], minlength=int(wide.sum()) * days)
        seen = np.count_nonzero(cells.reshape(-1, days), axis=1)
        long = seen >= self.least_days
        place = np.where(wide, np.where(long, np.cumsum(long) - 1, -1)[place], -1) if len(long) else place
        code = np.full(len(self.block), -1, dtype=np.int32)
        code[rows] = place[joint]
        return Level((*level.columns, number), code, counted[wide][long], seen[long])


def measured(level: Level, loss: ExcessLoss, block: NDArray[np.intp]) -> Sums:
    """Return what the slices of a level lost, with a variance that allows for what the rows of a day share.

    Labels alone spread as the scores foretell. Where the slices' days spread more than that, the rows of a day share
    an effect, whose size is estimated from all slices of the level together; and no slice's variance is smaller than
    what its own days show.
    """
    rows = np.flatnonzero(level.code >= 0)
    slices, days = len(level.rows), int(block.max()) + 1
    code = level.code[rows]
    cell = code * days + block[rows]

    def by_day(values: Floats | None) -> Floats:
        held = np.bincount(cell, weights=None if values is None else values[rows], minlength=slices * days)
        return held.reshape(slices, days).astype(float)

    def whole(values: Floats) -> Floats:
        return np.bincount(code, weights=values[rows], minlength=slices).astype(float)

    excess, count, swing = by_day(loss.excess), by_day(None), by_day(loss.swing)
    total, foretold, shared = excess.sum(axis=1), whole(loss.variance), (swing**2).sum(axis=1)
    share = count / level.rows[:, None]
    around = ((excess - share * total[:, None]) ** 2).sum(axis=1)
    observed = around / (1 - (share**2).sum(axis=1))  # the mean was taken from the same days
    effect = max(0.0, float((observed - foretold).sum()) / max(float(shared.sum()), np.finfo(float).tiny))
    variance = np.maximum(foretold + effect * shared, observed)
    safe = np.where(variance > 0, variance, np.inf)
    return Sums(total, safe, whole(loss.third) / safe**1.5)
