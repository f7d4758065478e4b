"""Concordance of matched rows: how well a column tells two rows apart that are alike in another column.

Rows of one day are put in the order of the other column, and a positive is compared with the negatives next to it:
what the two columns tell together, whatever the form of it (a difference, a ratio, a clock), and nothing of what a
day's rows share. It is the AUC of a column within strata as fine as can be (the matched design of Breslow & Day 1980,
ch. 7).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import View
from mlsys_assets.features.leakage.binned import Codes
from mlsys_assets.features.named_columns import is_category, read_numbers
from mlsys_assets.measures.intervals import day_blocks
from mlsys_assets.measures.metrics import Floats, divide

NEXT: Final = (1, 2, 3)
"""How far apart two matched rows may stand in the order: near enough to be alike, far enough to be many."""
AT_RANDOM: Final = tuple(range(1, 9))
"""How far apart two rows may stand that only share their day."""

Numbers = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Matchable:
    """Rows that can be matched: (n, d) numbers, missing ones lowest; labels; days; in random order."""

    names: tuple[str, ...]
    numbers: Numbers
    others: tuple[tuple[str, Codes], ...]
    positive: NDArray[np.bool_]
    day: Codes

    @classmethod
    def of(cls, view: View, *, seed: int) -> "Matchable":
        """Return a view's rows, shuffled, so that equal values stand in no order of time."""
        shuffled = np.random.default_rng(seed).permutation(len(view))
        fields = view.features.schema
        names = tuple(field.name for field in fields if not is_category(field.type))
        numbers = read_numbers(view.features, names)[:, shuffled].T
        numbers = np.ascontiguousarray(np.where(np.isnan(numbers), -np.finfo(np.float32).max, numbers))
        texts = [field.name for field in fields if is_category(field.type)]
        others = tuple((name, _codes(view.features[name])[shuffled]) for name in texts)
        return cls(names, numbers, others, view.label[shuffled] > 0, day_blocks(view.at)[shuffled])

    def alone(self) -> Floats:
        """Return (d,) each column's concordance among rows of one day."""
        return self._concordance(np.argsort(self.day, kind="stable"), AT_RANDOM)

    def given(self, name: str) -> Floats:
        """Return (d,) each column's concordance among rows of one day that are alike in a column."""
        return self._concordance(self._order(name), NEXT)

    def wins(self, column: str, given: str | None = None) -> tuple[Floats, Floats]:
        """Return (k,) how much more often a day's positives are above than below, and how many pairs were compared."""
        order, apart = (np.argsort(self.day, kind="stable"), AT_RANDOM) if given is None else (self._order(given), NEXT)
        above, below = self._pairs(order, apart)
        values = self.numbers[:, self.names.index(column)]
        days = int(self.day.max(initial=-1)) + 1
        sign = np.sign(values[above].astype(np.float64) - values[below])
        won = np.bincount(self.day[above], weights=sign, minlength=days)
        return won.astype(np.float64), np.bincount(self.day[above], minlength=days).astype(np.float64)

    def _order(self, name: str) -> Codes:
        key = dict(self.others)[name] if name in dict(self.others) else self.numbers[:, self.names.index(name)]
        return np.lexsort((key, self.day.astype(np.min_scalar_type(self.day.max(initial=0)))))  # few bits sort soonest

    def _concordance(self, order: Codes, apart: tuple[int, ...]) -> Floats:
        above, below = self._pairs(order, apart)
        first, second = self.numbers.take(above, axis=0), self.numbers.take(below, axis=0)
        won = (first > second).sum(axis=0, dtype=np.int32) - (first < second).sum(axis=0, dtype=np.int32)
        return np.asarray(0.5 + won / (2 * max(len(above), 1)))

    def _pairs(self, order: Codes, apart: tuple[int, ...]) -> tuple[Codes, Codes]:
        """Return the positive and the negative row of each pair of one day that stand so far apart in an order."""
        positive, day, found = self.positive[order], self.day[order], []
        for step in apart:
            unlike = np.flatnonzero((positive[:-step] != positive[step:]) & (day[:-step] == day[step:]))
            first, second, late = order[unlike], order[unlike + step], positive[unlike]
            found.append((np.where(late, first, second), np.where(late, second, first)))
        return tuple(np.concatenate(side) for side in zip(*found, strict=True))  # type: ignore[return-value]


def share_won(won: Floats, compared: Floats) -> Floats:
    """Return concordances, either way, at least 0.5, from sums of wins and of pairs."""
    return 0.5 + np.abs(divide(won, compared, otherwise=0.0)) / 2


def _codes(column: pa.ChunkedArray) -> Codes:
    encoded = column.combine_chunks().cast(pa.string()).dictionary_encode(null_encoding="encode")
    return np.asarray(encoded.indices).astype(np.intp)
