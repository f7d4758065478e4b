"""The slice finder: in which conjunctions of column values a model does worse than its own scores foretell."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.measures.intervals import LEAST_BLOCKS, day_blocks
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.mistakes import none_of, not_all, out_of_range
from mlsys_assets.offline_evaluation.slicing.coded_column import CodedColumn, by_band, by_value, is_number, numbers
from mlsys_assets.offline_evaluation.slicing.excess_loss import ExcessLoss
from mlsys_assets.offline_evaluation.slicing.found_slices import FoundSlice, SliceSearch
from mlsys_assets.offline_evaluation.slicing.slice_lattice import Lattice, Level, measured

WHOLE = (5, 31)
"""How many whole values a number may take to be sliced by value: hours, days of a week or of a month."""
FLAG = 2
"""A number that holds nothing but whole values may take this few."""
BANDS = 5
"""Into how many bands of equal numbers of rows any other number is cut."""
DEEPEST = 4
MOST_COLUMNS = 16
"""696 combinations: a second or two, and 150 MB, for 60,000 rows."""
MOST_FOUND = 10
SYMMETRIC = 1e-6
"""A skewness below this is none."""


@dataclass(frozen=True)
class SliceFinder:
    """Looks at every conjunction of up to ``depth`` column values that has rows and days enough.

    The sum of a slice's excess losses is held against its spread: that of labels drawn from the scores, widened by
    what the rows of a day share, which is estimated from the data. A skewed sum is made normal by the cube root
    (Wilson and Hilferty 1931). All slices count as looked at (Bonferroni), so the intervals hold together; signs
    drawn for whole days would not do, since a fortnight has too few to tell thousands of slices apart. The plainest
    slice is found first. A coarser one takes its place unless the finer one is surely worse than the rest of the
    coarser one. Then what was found is taken as foretold, and the search goes on with what is left.

    Parameters
    ----------
    columns
        Feature columns: categories by value, numbers by whole value if these are few, else in bands of equal numbers
        of rows. Empty means every category and every number with few whole values.
    depth
        Columns in a conjunction at most.
    least_rows, least_days
        What a slice must have to be looked at.
    alpha
        How often anything at all may be found where nothing is wrong.
    """

    columns: tuple[str, ...] = ()
    depth: int = 3
    least_rows: int = 15
    least_days: int = LEAST_BLOCKS
    alpha: float = 0.05

    def mistakes(self, columns: Sequence[str]) -> list[str]:
        """Return what is wrong with the declaration, given the feature columns."""
        what = "slice finder"
        found = not_all(f"{what}: columns", self.columns, str)
        if not found:
            found = [m for name in self.columns for m in none_of(f"{what}: a column", name, columns)]
            if len(self.columns) > MOST_COLUMNS:
                found.append(f"{what}: {len(self.columns)} columns; at most {MOST_COLUMNS} can be combined in time")
        found += out_of_range(f"{what}: depth", self.depth, whole=True, least=1, most=DEEPEST)
        for name in ("least_rows", "least_days"):
            found += out_of_range(f"{what}: {name}", getattr(self, name), whole=True, least=2)
        return found + out_of_range(f"{what}: alpha", self.alpha, above=0, most=0.5)

    def find(self, features: pa.Table, loss: ExcessLoss, at: NDArray[np.datetime64]) -> SliceSearch:
        """Return the slices that lose more than foretold.

        Parameters
        ----------
        features
            (n, d) feature columns.
        loss
            Of the same n rows, such as ``surprise(label, score)``.
        at
            (n,) prediction times; the rows of a UTC day are not taken as independent.
        """
        if not len(features) == len(loss) == len(at):
            told = f"{len(features)} rows of features, {len(loss)} losses and {len(at)} times"
            raise ValueError(f"{told}; there must be one of each a row")
        block = day_blocks(at)
        columns = [c for c in (_coded(features, n) for n in self._names(features)) if len(c.texts) > 1]
        levels = list(Lattice(columns, block, self.least_rows, self.least_days).levels(self.depth)) if len(at) else []
        if not levels:
            return SliceSearch((), 0, len(at), self.alpha)
        return _Search(columns, levels, loss, block, self.alpha).run()

    def _names(self, features: pa.Table) -> tuple[str, ...]:
        if self.columns:
            return self.columns
        there = [field.name for field in features.schema if not pa.types.is_nested(field.type)]
        chosen = [n for n in there if not is_number(features[n]) or _is_whole(features, n)]
        return tuple(chosen[:MOST_COLUMNS])


class _Search:
    """One search: the slices of all levels in a row, and what each of them still loses beyond what is accounted for."""

    def __init__(
        self,
        columns: Sequence[CodedColumn],
        levels: Sequence[Level],
        loss: ExcessLoss,
        block: NDArray[np.intp],
        alpha: float,
    ) -> None:
        self.columns, self.levels, self.alpha = columns, levels, alpha
        sums = [measured(level, loss, block) for level in levels]
        self.excess, self.variance, self.skew = (
            np.concatenate([getattr(one, name) for one in sums]) for name in ("excess", "variance", "skew")
        )
        self.rows, self.days = (np.concatenate([getattr(one, name) for one in levels]) for name in ("rows", "days"))
        self.starts = np.cumsum([0, *(len(level.rows) for level in levels)])
        self.place = {level.columns: number for number, level in enumerate(levels)}
        self.limit = NormalDist().inv_cdf(1 - alpha / (2 * len(self.rows)))

    def run(self) -> SliceSearch:
        found: list[FoundSlice] = []
        while len(found) < MOST_FOUND:
            normal = _normal(self.excess / np.sqrt(self.variance), self.skew)
            best = int(np.argmax(normal))
            if normal[best] < self.limit:
                break
            chosen = self._coarsest(best, normal)
            found.append(self._told(chosen, normal[chosen]))
            self._account_for(chosen)
        return SliceSearch(tuple(found), len(self.rows), len(self.levels[0].code), self.alpha)

    def _level(self, number: int) -> tuple[Level, NDArray[np.intp]]:
        """Return a slice's level, and the rows that it holds."""
        place = int(np.searchsorted(self.starts, number, side="right")) - 1
        level = self.levels[place]
        return level, np.flatnonzero(level.code == number - self.starts[place])

    def _coarsest(self, number: int, normal: Floats) -> int:
        """Return the slice, or a coarser one that is as bad throughout."""
        level, rows = self._level(number)
        for left_out in level.columns if len(level.columns) > 1 else ():
            place = self.place[tuple(c for c in level.columns if c != left_out)]
            coarser = int(self.starts[place] + self.levels[place].code[rows[0]])
            if normal[coarser] >= self.limit and not self._is_worse_than_rest(number, coarser):
                return self._coarsest(coarser, normal)
        return number

    def _is_worse_than_rest(self, finer: int, coarser: int) -> bool:
        rest = self.rows[coarser] - self.rows[finer]
        if rest == 0:
            return False
        gap = self.excess[finer] / self.rows[finer] - (self.excess[coarser] - self.excess[finer]) / rest
        spread = self.variance[finer] / self.rows[finer] ** 2
        spread += max(self.variance[coarser] - self.variance[finer], 0.0) / rest**2
        return bool(gap >= self.limit * math.sqrt(spread))

    def _told(self, number: int, normal: float) -> FoundSlice:
        level, rows = self._level(number)
        values = {c.name: c.texts[c.code[rows[0]]] for c in (self.columns[i] for i in level.columns)}
        n, mean = int(self.rows[number]), float(self.excess[number] / self.rows[number])
        unit, skew = math.sqrt(self.variance[number]) / n, float(self.skew[number])
        low, high = (mean - _standardised(side * self.limit, skew) * unit for side in (1, -1))
        p_value = min(1.0, len(self.rows) * math.erfc(normal / math.sqrt(2)))
        return FoundSlice(values, mean, low, high, n, int(self.days[number]), p_value)

    def _account_for(self, number: int) -> None:
        """Take what a slice lost as foretold, in all slices that share rows with it."""
        _, rows = self._level(number)
        mean = self.excess[number] / self.rows[number]
        for start, level in zip(self.starts, self.levels, strict=False):
            code = level.code[rows]
            shared = np.bincount(code[code >= 0], minlength=len(level.rows))
            self.excess[start : start + len(shared)] -= mean * shared


def _normal(standardised: Floats, skew: Floats) -> Floats:
    """Return sums of known skewness as normal deviates: a gamma's cube root is nearly normal."""
    slight = np.abs(skew) < SYMMETRIC
    safe = np.where(slight, 1.0, skew)
    found = 6 / safe * (np.cbrt(1 + safe * standardised / 2) - 1) + safe / 6
    return np.where(slight, standardised, found)


def _standardised(normal: float, skew: float) -> float:
    """Return the inverse of ``_normal``."""
    if abs(skew) < SYMMETRIC:
        return normal
    return 2 / skew * ((skew / 6 * (normal - skew / 6) + 1) ** 3 - 1)


def _is_whole(features: pa.Table, name: str) -> bool:
    values = numbers(features, name)
    known = values[~np.isnan(values)]
    few = len(np.unique(np.floor(known)))
    return few <= WHOLE[1] and few >= (FLAG if (known == np.floor(known)).all() else WHOLE[0])


def _coded(features: pa.Table, name: str) -> CodedColumn:
    if name in features.schema.names and is_number(features[name]) and not _is_whole(features, name):
        values = numbers(features, name)
        known = values[~np.isnan(values)]
        if len(known):
            return by_band(features, name, np.unique(np.quantile(known, np.arange(1, BANDS) / BANDS)).tolist())
    return by_value(features, name)
