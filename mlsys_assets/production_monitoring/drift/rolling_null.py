"""The rolling null: how the distances of quiet windows are distributed, several statistics at once."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.metrics import Floats

Counts = NDArray[np.intp]

LEAST_SPREAD: Final = 0.2
"""Distances that differ by less than a fifth (on the log scale) are the same."""
EFFICIENCY: Final = 0.37
"""A median of deviations is as sure as the standard deviation of so large a share of the numbers (Rousseeuw and Croux
1993); so is a range of quartiles."""
TO_DEVIATION: Final = 1.4826
"""Turns the median absolute deviation of a normal distribution into its standard deviation."""
NARROWEST: Final = 0.5
"""The largest statistics of windows spread at least by this share of what independent ones would."""


@dataclass(frozen=True, eq=False)
class Law:
    """How the largest of ``m`` numbers is distributed: as the largest of ``m`` Student's t, moved and stretched."""

    middle: float
    stretch: float
    degrees: float
    m: int

    @classmethod
    def of(cls, largest: Floats, m: int) -> "Law":
        """Return the law with the quartiles of (k,) such numbers; those may be of no more than half the range."""
        k = len(largest)
        low, middle, high = np.quantile(largest, (0.25, 0.5, 0.75))
        degrees = max(EFFICIENCY * (k - 1), 1.0)
        plain = cls(0.0, 1.0, degrees, m)
        theirs = plain.quantile(0.75) - plain.quantile(0.25)
        stretch = max((high - low) / theirs, NARROWEST) * np.sqrt(
            1 + 1 / k
        )  # the next is drawn beside the middle's error
        return cls(float(middle), float(stretch), degrees, m)

    def quantile(self, p: float) -> float:
        """Return what is exceeded with probability 1 − p."""
        return self.middle + self.stretch * (self._plain(p) - self._plain(0.5))

    def above(self, numbers: Floats) -> Floats:
        """Return (n,) how likely the largest is as large as each."""
        from scipy.special import stdtr

        plain = (numbers - self.middle) / self.stretch + self._plain(0.5)
        return np.asarray(-np.expm1(self.m * np.log1p(-stdtr(self.degrees, -plain))))

    def _plain(self, p: float) -> float:
        from scipy.special import stdtrit

        return float(stdtrit(self.degrees, p ** (1 / self.m)))


@dataclass(frozen=True, eq=False)
class RollingNull:
    """What the windows before are like.

    ``center`` and ``spread`` are (m,), ``past`` (m, k) how far each window lay above all others, in spreads.
    """

    center: Floats
    spread: Floats
    past: Floats
    law: Law
    limit: float

    @classmethod
    def of(cls, logs: Floats, rate: float) -> "RollingNull":
        """Return it of (m, k) logarithms, NaN where there is none."""
        k = logs.shape[1]
        others = np.where(np.eye(k, dtype=np.bool_), np.nan, logs[:, None, :])
        center, spread = _located(others)
        past = (logs - center) / spread
        past = past[:, ~np.isnan(past).all(axis=0)]
        law = Law.of(np.nanmax(past, axis=0), len(logs))
        return cls(*_located(logs), past, law, law.quantile(1 - rate))

    def chance(self, z: Floats) -> Floats:
        """Return (m,) how often the largest of all is as large as each."""
        return self.law.above(z)


def logarithms(past: Floats, now: Floats) -> tuple[Floats, Floats]:
    """Return (m, k) and (m,) logarithms; a distance of 0 is as small as the smallest of its kind that is none."""
    positive = np.where(past > 0, past, np.inf).min(axis=1)
    floor = np.where(np.isfinite(positive), positive, np.finfo(np.float64).tiny)
    return np.log(np.maximum(past, floor[:, None])), np.log(np.maximum(now, floor))


def _located(numbers: Floats) -> tuple[Floats, Floats]:
    """Return median and spread along the last axis, by the median absolute deviation, and never none."""
    center = _median(numbers)
    spread = TO_DEVIATION * _median(np.abs(numbers - center[..., None]))
    count = np.sum(~np.isnan(numbers), axis=-1)
    return center, _shrunk(np.maximum(spread, LEAST_SPREAD), count)


def _shrunk(spread: Floats, count: Counts) -> Floats:
    """Return (m, …) spreads drawn together, by as much of what they differ by as chance gives (empirical Bayes).

    A spread that few windows tell is as often too small, and its statistic then the most unusual of all.
    """
    logs = np.log(spread)
    middle, differ = logs.mean(axis=0), logs.var(axis=0)
    chance = (1 / (2 * EFFICIENCY * np.maximum(count - 1, 1))).mean(axis=0)
    own = np.where(differ > chance, 1 - chance / np.maximum(differ, chance), 0.0)
    return np.asarray(np.exp(middle + own * (logs - middle)))


def _median(numbers: Floats) -> Floats:
    """Return the median along the last axis without NaN, of which each row has at least one other number."""
    rising = np.sort(numbers, axis=-1)
    count = np.sum(~np.isnan(numbers), axis=-1, keepdims=True)
    low, high = (np.take_along_axis(rising, at, axis=-1)[..., 0] for at in ((count - 1) // 2, count // 2))
    return np.asarray((low + high) / 2)
