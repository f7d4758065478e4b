"""How steadily a column is distributed over time: its stability index from each period to the next."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.features.named_columns import is_category
from mlsys_assets.features.profile import Categories, Ranges, read_sorted, read_texts
from mlsys_assets.features.quality.sample import spaced
from mlsys_assets.measures.intervals import A_DAY
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.measures.stability_index import expected_psi, psi
from mlsys_assets.mistakes import not_long, out_of_range
from mlsys_assets.types import DeclarationError, days, microseconds

PERIOD: Final = days(28)
"""Whole weeks: no weekday is more often in one period than in the next."""
SAMPLED: Final = 5_000
"""Rows of each period that are counted: of so many, chance alone gives a stability index of .004 in ten bins."""
LEAST_ROWS: Final = 200
"""Periods of fewer rows are passed over: chance alone gives them a moderate change."""


@dataclass(frozen=True)
class DriftRate:
    """How far a column is from what it was a period before.

    Parameters
    ----------
    mean, most
        The population stability index from one period to the next, less what chance gives in the mean and never
        below 0: its mean over the pairs, and its largest; NaN where there is no pair.
    pairs
        How many pairs of periods.
    """

    mean: float
    most: float
    pairs: int


@dataclass(frozen=True)
class ColumnDrift:
    """How the drift of columns is measured: in bins of the earlier of two consecutive periods.

    Bins are those of the training profile: deciles of a number, the most frequent categories of a text, what is
    missing. That rows of a day are alike is not made up for: where a period has few days, a column of the weather
    moves more than one of the plan even if both are steady.

    Parameters
    ----------
    period
        How long each is; counted back from the last row; a first one that lacks more than a day is left out.
    rows
        At most so many of each period, evenly spaced.
    """

    period: timedelta = PERIOD
    rows: int = SAMPLED

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        found = not_long("column drift: period", self.period)
        return found + out_of_range("column drift: rows", self.rows, whole=True, least=LEAST_ROWS)

    def rates(self, rows: Train | Validation) -> dict[str, DriftRate]:
        """Return each column's rate of drift; raises DeclarationError for mistakes, ColumnError for odd columns."""
        if wrong := self.mistakes():
            raise DeclarationError("column drift", wrong)
        periods = list(self._periods(rows.at))
        return {name: self._rate(name, rows.features[name], periods) for name in rows.features.schema.names}

    def _periods(self, at: NDArray[np.datetime64]) -> Iterator[NDArray[np.intp]]:
        """Yield which rows are counted of each period, in order of time."""
        stamp, length = at.astype("datetime64[us]").astype(np.int64), microseconds(self.period)
        if not len(stamp):
            return
        back = (stamp.max() - stamp) // length
        whole = (np.ptp(stamp) + min(microseconds(A_DAY), length // 2)) // length
        order = np.argsort(stamp, kind="stable")
        for number in range(int(whole) - 1, -1, -1):
            own = order[back[order] == number]
            if len(own) >= LEAST_ROWS:
                yield own[spaced(len(own), self.rows)]

    def _rate(self, name: str, column: pa.ChunkedArray, periods: list[NDArray[np.intp]]) -> DriftRate:
        parts = [column.take(pa.array(own)) for own in periods]
        if is_category(column.type):
            texts = [read_texts(part, name) for part in parts]
            binned = [(Categories.of(before), before, now) for before, now in pairwise(texts)]
            counted = [(bins.tally(before).counts, bins.tally(now).counts) for bins, before, now in binned]
        else:
            numbers = [read_sorted(part, name) for part in parts]
            ranges = [(Ranges.of(before), before, now) for before, now in pairwise(numbers)]
            counted = [(bins.tally(before).counts, bins.tally(now).counts) for bins, before, now in ranges]
        found = [_beyond_chance(before, now) for before, now in counted]
        if not found:
            return DriftRate(np.nan, np.nan, 0)
        return DriftRate(float(np.mean(found)), float(np.max(found)), len(found))


def _beyond_chance(before: Floats, now: Floats) -> float:
    """Return the stability index of (b,) counts less what chance gives in the mean, never below 0."""
    used = int((before + now > 0).sum())
    return max(psi(before, now) - expected_psi(used, int(before.sum()), int(now.sum())), 0.0)
