"""How far means of a window lie from those of a reference, where rows of a day depend on each other."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.metrics import Floats

INDEPENDENT: Final = 1_000_000
"""Degrees of freedom of rows that are independent: a normal number's, as good as."""


@dataclass(frozen=True)
class Moved:
    """A difference, window minus reference.

    Parameters
    ----------
    value, error
        The difference and its standard error.
    days
        Days of the side that has fewer.
    by_rows
        The standard error if rows were independent.
    """

    value: float
    error: float
    days: int
    by_rows: float = 0.0

    @property
    def p_of_rows(self) -> float:
        """How likely chance alone would give as much if rows were independent."""
        return float(two_sided(np.array([self.value]), np.array([self.by_rows]), INDEPENDENT)[0])

    @property
    def p(self) -> float:
        """How likely chance alone gives as much, Student's t, of as many degrees of freedom as days but one."""
        return float(two_sided(np.array([self.value]), np.array([self.error]), self.days)[0])

    def __str__(self) -> str:
        return f"{self.value:+.4f} (standard error {self.error:.4f}, {self.days} days)"


@dataclass(frozen=True, eq=False)
class Days:
    """The day of each row of a reference and of a window, numbered together: a day that both have is one.

    Parameters
    ----------
    reference, window
        (n,) and (m,) day numbers.
    """

    reference: NDArray[np.intp]
    window: NDArray[np.intp]

    @classmethod
    def of(cls, reference: NDArray[np.datetime64], window: NDArray[np.datetime64]) -> "Days":
        """Return the days of two sets of prediction times."""
        both = np.concatenate([reference, window]).astype("datetime64[D]")
        _, day = np.unique(both, return_inverse=True)
        return cls(day[: len(reference)], day[len(reference) :])

    def within(self, reference: NDArray[np.bool_], window: NDArray[np.bool_]) -> "Days":
        """Return the days of some of the rows of each."""
        return Days(self.reference[reference], self.window[window])

    @property
    def count(self) -> int:
        """One more than the highest number."""
        return int(max(self.reference.max(initial=-1), self.window.max(initial=-1))) + 1

    @property
    def fewer(self) -> int:
        """Days of the side that has fewer."""
        return min(len(np.unique(self.reference)), len(np.unique(self.window)))

    def errors(self, reference: Floats, window: Floats) -> Floats:
        """Return (d,) standard errors of differences, given what each row adds to each: (d, n) and (d, m).

        The larger of the error of independent rows and that of independent days (Liang & Zeger 1986). A day that is
        on both sides counts once, with what it adds to the difference: what it does to both cancels out.
        """
        rows = (reference**2).sum(axis=1) + (window**2).sum(axis=1)
        total = self.count
        sums = _by_day(window, self.window, total) - _by_day(reference, self.reference, total)
        days = (sums**2).sum(axis=1) * (self.fewer / max(self.fewer - 1, 1))
        return np.asarray(np.sqrt(np.maximum(rows, days)), dtype=np.float64)

    def means(self, reference: Floats, window: Floats) -> tuple[Floats, Floats]:
        """Return (d,) differences of means of (d, n) and (d, m) values, and (d,) their standard errors."""
        first, second = reference.mean(axis=1), window.mean(axis=1)
        own = (reference - first[:, None]) / reference.shape[1]
        other = (window - second[:, None]) / window.shape[1]
        return np.asarray(second - first, dtype=np.float64), self.errors(own, other)

    def mean(self, reference: Floats, window: Floats) -> Moved:
        """Return the difference of the means of (n,) and (m,) values."""
        value, error = self.means(reference[None], window[None])
        by_rows = float(np.sqrt(reference.var() / len(reference) + window.var() / len(window)))
        return Moved(float(value[0]), float(error[0]), self.fewer, by_rows)


def two_sided(value: Floats, error: Floats, days: int | NDArray[np.intp]) -> Floats:
    """Return (d,) how likely chance gives as much, either way; 1 where there is neither difference nor error."""
    from scipy.special import stdtr

    t = np.divide(np.abs(value), error, out=np.where(value == 0, 0.0, np.inf), where=error > 0)
    return np.asarray(2 * stdtr(np.maximum(np.asarray(days) - 1, 1), -t), dtype=np.float64)


def _by_day(values: Floats, day: NDArray[np.intp], count: int) -> Floats:
    """Return (d, count) sums of (d, n) values."""
    found = np.zeros((len(values), count))
    order = np.argsort(day, kind="stable")
    present, start = np.unique(day[order], return_index=True)
    found[:, present] = np.add.reduceat(values[:, order], start, axis=1)
    return found
