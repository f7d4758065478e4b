"""What makes numbers of different units alike: scalers, each a shift and a divisor learned from Train."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.features.preprocessing.number import WIDEST
from mlsys_assets.mistakes import not_one, out_of_range


class Scaling(NamedTuple):
    """The output is (value - center) / scale, within the bounds."""

    center: float
    scale: float
    bounds: tuple[float, float] = (-WIDEST, WIDEST)


@runtime_checkable
class Scaler(Protocol):
    """Chooses how a number is moved and scaled."""

    def mistakes(self, what: str) -> list[str]:
        """Return what is wrong with the declaration."""
        ...

    def scaling(self, values: NDArray[np.float64]) -> Scaling:
        """Return how (n,) values, n at least 1, are moved and scaled; one that does not vary is moved only."""
        ...


@dataclass(frozen=True)
class Standard:
    """Zero mean and unit variance."""

    def mistakes(self, what: str) -> list[str]:
        """There is nothing to declare."""
        return []

    def scaling(self, values: NDArray[np.float64]) -> Scaling:
        """Return mean and standard deviation."""
        return Scaling(float(values.mean()), float(values.std()) if np.ptp(values) > 0 else 1.0)


@dataclass(frozen=True)
class MinMax:
    """The training range becomes low to high; what lies beyond it goes on beyond, unless it is clipped.

    Parameters
    ----------
    low, high
        What the smallest and the largest training value become.
    clip
        Whether values beyond the training range become low and high too; else at most ±1e6.
    """

    low: float = 0.0
    high: float = 1.0
    clip: bool = False

    def mistakes(self, what: str) -> list[str]:
        """Return ends that are no numbers or in no order."""
        found = [
            *out_of_range(f"{what}: low", self.low, least=-WIDEST, most=WIDEST),
            *out_of_range(f"{what}: high", self.high, least=-WIDEST, most=WIDEST),
        ]
        if not found and self.low >= self.high:
            found = [f"{what}: low is {self.low:g} and high is {self.high:g}; low must be below high"]
        return found + not_one(f"{what}: clip", self.clip, bool)

    def scaling(self, values: NDArray[np.float64]) -> Scaling:
        """Return the shift and the divisor that take the range to low and high."""
        width = float(np.ptp(values)) or 1.0
        scale = width / (self.high - self.low)
        bounds = (float(self.low), float(self.high)) if self.clip else (-WIDEST, WIDEST)
        return Scaling(float(values.min()) - self.low * scale, scale, bounds)


@dataclass(frozen=True)
class Robust:
    """Zero median and an interquartile range of one: a few huge values move neither."""

    def mistakes(self, what: str) -> list[str]:
        """There is nothing to declare."""
        return []

    def scaling(self, values: NDArray[np.float64]) -> Scaling:
        """Return median and interquartile range; 1 where half of all values are the same."""
        lower, median, upper = np.percentile(values, [25, 50, 75])
        return Scaling(float(median), float(upper - lower) or 1.0)
