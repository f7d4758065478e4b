"""How rows with a missing value differ from the others: in their labels, and in the values around them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.features.quality.explained import explain_label
from mlsys_assets.features.quality.observed import Observed
from mlsys_assets.measures.intervals import LEAST_BLOCKS, LEAST_OF_EACH_CLASS, Estimate, spread
from mlsys_assets.measures.metrics import Floats, Weights, divide


@dataclass(frozen=True, eq=False)
class Shifts:
    """The differences between rows with and without a value, each with its interval by day.

    Parameters
    ----------
    observed
        The rows.
    expected
        (n, q) the shares in which columns are expected to be missing, by the other columns.
    weights
        How often each day was drawn.
    """

    observed: Observed
    expected: Floats
    weights: Weights

    def means(self, j: int) -> tuple[float, float]:
        """Return the mean label where the j-th column is missing, and where it is present."""
        missing = self.observed.missing[:, j]
        return float(self.observed.label[missing].mean()), float(self.observed.label[~missing].mean())

    def alone(self, j: int) -> Estimate:
        """Return the mean label where a value is missing minus that where it is present."""
        missing, label = self.observed.missing[:, j].astype(np.float64), self.observed.label
        present = 1 - missing
        sums = np.column_stack([missing * label, missing, present * label, present])
        own = self._drawn(sums)
        return self._told(j, divide(own[:, 0], own[:, 1]) - divide(own[:, 2], own[:, 3]))

    def beyond(self, j: int) -> Estimate:
        """Return the difference of the labels given the observed columns: of what both leave unexplained.

        The partially linear regression of Robinson 1988, either side explained on other days.
        """
        return self._given_observed(j, self._unexplained_label)

    def neighbours(self, j: int) -> Estimate:
        """Return how far the values before and after lie from those of present rows, given the observed columns [sd].

        Of a column that changes slowly they stand for the value that is missing; of any other they say nothing.
        """
        column = self.observed.alike[j][0]
        if column not in self.observed.names:
            return Estimate.untold(self.observed.label, 0)
        return self._given_observed(j, _around(self.observed.values[:, self.observed.names.index(column)],
                                               self.observed.missing[:, j]))  # fmt: skip

    @cached_property
    def _unexplained_label(self) -> Floats:
        return self.observed.label - explain_label(self.observed)

    def _given_observed(self, j: int, values: Floats) -> Estimate:
        left = self.observed.missing[:, j] - self.expected[:, j]
        own = self._drawn(np.column_stack([left * (values - values.mean()), left**2]))
        return self._told(j, divide(own[:, 0], own[:, 1]))

    def _drawn(self, sums: Floats) -> Floats:
        """Return (1 + b, …) the totals of (n, …) values: of all rows, and of each draw."""
        by_day = self.observed.by_day(sums)
        found: Floats = np.concatenate([by_day.sum(axis=0)[None], self.weights.counts @ by_day])
        return found

    def _told(self, j: int, values: Floats) -> Estimate:
        """Return the estimate of a value of all rows and of each draw, on the days with and without missing values."""
        missing, label = self.observed.missing[:, j], self.observed.label
        days = min(len(np.unique(self.observed.block[own])) for own in (missing, ~missing))
        like = Estimate(0.0, 0.0, 0.0, len(label), int(missing.sum()), days)
        if min(int(missing.sum()), int((~missing).sum())) < LEAST_OF_EACH_CLASS or days < LEAST_BLOCKS:
            return Estimate.untold(missing.astype(np.float64), days)
        return spread(float(values[0]), values[1:], like=like)


def _around(values: Floats, missing: NDArray[np.bool_]) -> Floats:
    """Return (n,) the mean of the last value before each row and of the next after it; 0 where there is neither."""
    n = len(values)
    at = np.where(missing, -1, np.arange(n))
    before = np.concatenate([[-1], np.maximum.accumulate(at)[:-1]])
    at = np.where(missing, n, np.arange(n))
    after = np.concatenate([np.minimum.accumulate(at[::-1])[::-1][1:], [n]])
    known = np.concatenate([values, [0.0, 0.0]])
    either = np.minimum((before >= 0).astype(np.intp) + (after < n), 2)
    total = np.where(before >= 0, known[before], 0.0) + np.where(after < n, known[after], 0.0)
    found: Floats = total / np.maximum(either, 1)
    return found
