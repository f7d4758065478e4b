"""The population stability index: how far counts in bins are from what they were, and what of it is chance."""

from typing import Final

import numpy as np

from mlsys_assets.measures.metrics import Floats

MODERATE, LARGE = 0.1, 0.25
"""From here on a PSI is a moderate, a large change: the rule of thumb of Siddiqi 2006."""

SMOOTHING: Final = 0.5
"""Rows added to every bin that is not empty throughout, on both sides, so that an empty one is far, not infinitely."""

RARE: Final = 3.0902
"""Standard deviations that a normal number exceeds once in a thousand times: what chance does more often is no change
of a column."""


def psi(before: Floats, now: Floats) -> float:
    """Return the population stability index Σ (q − p) ln(q / p) of (b,) counts; NaN if there are none on a side.

    It is the Kullback–Leibler divergence there and back. Siddiqi 2006, ch. 8; bins empty on both sides say nothing.

    >>> million = 1e9
    >>> round(psi(np.array([2, 2]) * million, np.array([3, 1]) * million), 6)  # (3/4 − 2/4) ln 3
    0.274653
    """
    if before.sum() == 0 or now.sum() == 0:
        return float(np.nan)
    used = before + now > 0
    p, q = (counts[used] + SMOOTHING for counts in (before, now))
    p, q = p / p.sum(), q / q.sum()
    return float(((q - p) * np.log(q / p)).sum())


def expected_psi(bins: int, n_before: int, n_now: int) -> float:
    """Return the mean of the PSI under no change: (bins − 1)(1/n + 1/m) (Yurdakul 2018).

    Two samples of 100 rows in 10 bins have 0.18 by chance, which the rule of thumb would call moderate.
    """
    return (bins - 1) * _per_degree(bins, n_before, n_now)


def chance_psi(bins: int, n_before: int, n_now: int) -> float:
    """Return the PSI that is exceeded once in a thousand times under no change: below it, a PSI need not alarm.

    The PSI is then (1/n + 1/m) times a chi-square of bins − 1 degrees of freedom (Yurdakul 2018), whose quantile is
    that of Wilson & Hilferty 1931 (at most 4% too large).
    """
    degrees, unit = bins - 1, _per_degree(bins, n_before, n_now)
    if not degrees:
        return 0.0
    spread = 2 / (9 * degrees)
    return float(unit * degrees * (1 - spread + RARE * np.sqrt(spread)) ** 3)


def _per_degree(bins: int, n_before: int, n_now: int) -> float:
    """Return the mean PSI under no change for each bin but the first."""
    if bins < 1 or n_before < 1 or n_now < 1:
        raise ValueError(f"{bins} bins, {n_before} rows before and {n_now} now; each must be at least 1")
    return 1 / n_before + 1 / n_now
