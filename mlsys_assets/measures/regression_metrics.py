"""Metrics of predicted numbers, each also for many reweightings of the same rows at once."""

from dataclasses import dataclass

import numpy as np

from mlsys_assets.measures.metrics import Floats, Weights, divide


@dataclass(frozen=True)
class MeanAbsoluteError:
    """Mean size of the error, in the label's unit."""

    name: str = "mean_absolute_error"
    higher_is_better: bool = False

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) errors."""
        return weights.means(np.abs(label - score))


@dataclass(frozen=True)
class RootMeanSquaredError:
    """Root of the mean squared error, in the label's unit: one large error counts more than many small ones."""

    name: str = "root_mean_squared_error"
    higher_is_better: bool = False

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) errors."""
        return np.sqrt(weights.means((label - score) ** 2))


@dataclass(frozen=True)
class R2:
    """Share of the label's variance that is explained; below 0 for what is worse than the mean."""

    name: str = "r2"
    higher_is_better: bool = True

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) shares; NaN in a draw whose labels are all alike."""
        if not len(label):
            return np.full(len(weights.counts), np.nan)
        centred = label - label.mean()  # else the sums of squares cancel each other
        rows, first, second = (weights.totals(centred**power) for power in range(3))
        spread = second - divide(first**2, rows)
        unexplained = weights.totals((label - score) ** 2)
        return 1 - divide(unexplained, np.where(spread > second * np.finfo(float).eps, spread, 0.0))


@dataclass(frozen=True)
class PinballLoss:
    """Loss of a predicted quantile (Koenker & Bassett 1978): least for the true one.

    Parameters
    ----------
    quantile
        Which: 0.5 is half the mean absolute error.
    """

    quantile: float = 0.5
    name: str = "pinball_loss"
    higher_is_better: bool = False

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) losses."""
        above = label - score
        return weights.means(np.maximum(self.quantile * above, (self.quantile - 1) * above))
