"""Whether errors are independent of one another, and how much too narrow an interval is that takes them to be.

Rows of one day share its weather: their errors are alike, and so an interval must draw days, not rows.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import View
from mlsys_assets.measures.intervals import LEAST_BLOCKS, day_blocks
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.offline_evaluation.behavior.sensor_noise import Readings
from mlsys_assets.types import Finding, Severity

LAGS: Final = 24
"""Steps of time over which errors are held against one another: a day of hours."""
ALPHA: Final = 0.01
"""The share of sound data that a check calls unsound."""
LEAST_CELLS: Final = 100
"""Fewer places and hours with rows than this, and no correlation is told."""


@dataclass(frozen=True)
class Dependence:
    """How errors hang together.

    Parameters
    ----------
    autocorrelation
        (k,) of the errors of a place at one step of time and 1 … k steps later.
    statistic, p_value
        Ljung and Box's (1978), under independence chi-squared with k degrees of freedom.
    design_effect
        By how much the variance of a mean over days exceeds that of independent rows (Kish 1965).
    cells, days
        Places and steps with rows; UTC days.
    """

    autocorrelation: tuple[float, ...]
    statistic: float
    p_value: float
    design_effect: float
    cells: int
    days: int

    @property
    def sufficient(self) -> bool:
        """Whether there were places, hours and days enough."""
        return self.cells >= LEAST_CELLS and self.days >= LEAST_BLOCKS and not np.isnan(self.p_value)

    @property
    def too_narrow(self) -> float:
        """How many times narrower an interval is that draws rows than one that draws days."""
        return float(np.sqrt(self.design_effect))

    @property
    def finding(self) -> Finding:
        """Whether errors are independent."""
        name = "errors_are_independent"
        if not self.sufficient:
            told = f"insufficient data: {self.cells} places and hours on {self.days} days"
            return Finding(name, True, told, Severity.WARN, {"cells": self.cells, "days": self.days})
        independent = self.p_value >= ALPHA
        told = (
            f"errors of a place one step apart correlate by {self.autocorrelation[0]:.2f} (Ljung–Box "
            f"{self.statistic:.0f} over {len(self.autocorrelation)} lags, p {self.p_value:.2g}); an interval that "
            f"draws rows is {self.too_narrow:.1f} times narrower than one that draws days"
        )
        advice = "" if independent else ": believe only intervals that draw whole days"
        evidence = {
            "autocorrelation at lag 1": self.autocorrelation[0], "statistic": self.statistic, "p": self.p_value,
            "design effect": self.design_effect, "cells": self.cells, "days": self.days,
        }  # fmt: skip
        return Finding(name, independent, told + advice, Severity.WARN, evidence)


def dependence(rows: View, score: Floats, *, readings: Readings, lags: int = LAGS) -> Dependence:
    """Return how the errors of scores hang together, by place and step of time, beyond what all have in common.

    A mere bias is no dependence: of hours with many rows and with few it would be a larger error and a smaller.

    Parameters
    ----------
    rows
        (n, …) rows with labels.
    score
        (n,) probabilities.
    readings
        The places, as the origin, and the steps of time, as the hour.
    lags
        How many steps.
    """
    if len(score) != len(rows) or not np.isfinite(rows.label - score).all():
        raise ValueError(f"{len(rows)} rows need as many scores, got {len(score)}; and no label or score may be NaN")
    place, time = readings.numbers(rows)
    residual = rows.label - score
    series = _series(place, time, residual - residual.mean() if len(residual) else residual)
    found, pairs = autocorrelation(*series, lags=lags)
    statistic, p_value = ljung_box(found, pairs, n=len(series[0]))
    effect = design_effect(residual, day_blocks(rows.at))
    days = len(np.unique(day_blocks(rows.at)))
    return Dependence(tuple(found.tolist()), statistic, p_value, effect, len(series[0]), days)


def _series(
    place: NDArray[np.int64], time: NDArray[np.int64], residual: Floats
) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Return place, time and error of each cell: a sum over the root of its rows, of one variance if independent."""
    start = time.min(initial=0)
    span = int(time.max(initial=0) - start) + 1
    cell, inverse, count = np.unique(place * span + (time - start), return_inverse=True, return_counts=True)
    value = np.bincount(inverse, weights=residual, minlength=len(cell)) / np.sqrt(count)
    return cell // span, cell % span, np.asarray(value)


def autocorrelation(
    place: NDArray[np.int64], time: NDArray[np.int64], value: Floats, *, lags: int
) -> tuple[Floats, NDArray[np.int64]]:
    """Return (lags,) autocorrelations and the pairs that each rests on; steps without a value are left out.

    Parameters
    ----------
    place, time
        (n,) which series, and which step in it; no pair stands twice.
    value
        (n,) what correlates.
    lags
        How many steps.
    """
    stride = int(np.ptp(time)) + lags + 1 if len(time) else 1
    cell = place * stride + (time - time.min(initial=0))
    order = np.argsort(cell)
    cell, centred = cell[order], (value - value.mean())[order] if len(value) else value
    variance = float(np.mean(centred**2)) if len(value) else 0.0
    found, pairs = np.full(lags, np.nan), np.zeros(lags, dtype=np.int64)
    for k in range(1, lags + 1):
        later = np.minimum(np.searchsorted(cell, cell + k), len(cell) - 1) if len(cell) else cell
        both = cell[later] == cell + k
        pairs[k - 1] = both.sum()
        if pairs[k - 1] and variance > 0:
            found[k - 1] = np.mean(centred[both] * centred[later[both]]) / variance
    return found, pairs


def ljung_box(correlation: Floats, pairs: NDArray[np.int64], *, n: int) -> tuple[float, float]:
    """Return Ljung and Box's (1978) statistic and its p-value, with pairs left out where values are missing.

    Of a series without gaps it is n (n + 2) Σ r² / (n − k), r with n in its denominator.
    """
    from scipy.stats import chi2

    used = (pairs > 0) & np.isfinite(correlation)
    if not used.any():
        return float(np.nan), float(np.nan)
    statistic = float((pairs[used] * correlation[used] ** 2).sum() * (n + 2) / n)
    return statistic, float(chi2.sf(statistic, int(used.sum())))


def design_effect(values: Floats, block: NDArray[np.intp]) -> float:
    """Return the variance of the mean of (n,) values by blocks, relative to that of independent rows (Kish 1965).

    NaN for fewer than two blocks, and for values that are all alike.
    """
    n, blocks = len(values), len(np.unique(block))
    if blocks < 2 or np.ptp(values) == 0:  # noqa: PLR2004 - a variance needs two
        return float(np.nan)
    centred = values - values.mean()
    sums = np.bincount(block, weights=centred)
    by_blocks = (sums**2).sum() * blocks / (blocks - 1)
    return float(by_blocks / ((centred**2).sum() * n / (n - 1)))
