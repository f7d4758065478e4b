"""How far counts in the same bins lie apart, and whether chance gives as much."""

from typing import Final

import numpy as np

from mlsys_assets.measures.metrics import Floats

LEAST_EXPECTED: Final = 5.0
"""Rows that a bin must be expected to have on either side for the chi-square distribution to hold (Cochran 1954)."""


def chi_square_p(before: Floats, now: Floats) -> float:
    """Return the p-value of Pearson's test that (b,) counts are of one distribution; NaN if there are none on a side.

    Bins of which fewer than ``LEAST_EXPECTED`` rows are expected on a side are one bin; where all are, nothing can be
    told apart, which is a p-value of 1. Where none is, it equals ``scipy.stats.chi2_contingency`` without Yates'
    correction. A test of goodness of fit, which takes the counts before as certain, gives a smaller one.
    """
    if before.sum() == 0 or now.sum() == 0:
        return float(np.nan)
    both = _without_rare(np.stack([before, now]))
    if both.shape[1] == 1:
        return 1.0
    from scipy.special import chdtrc

    expected = np.outer(both.sum(axis=1), both.sum(axis=0)) / both.sum()
    return float(chdtrc(both.shape[1] - 1, ((both - expected) ** 2 / expected).sum()))


def jensen_shannon(before: Floats, now: Floats) -> float:
    """Return the Jensen–Shannon distance of (b,) counts: the root of the mean divergence from their mean (Lin 1991).

    From 0 to √ln 2, as ``scipy.spatial.distance.jensenshannon``; NaN if there are none on a side.
    """
    if before.sum() == 0 or now.sum() == 0:
        return float(np.nan)
    p, q = before / before.sum(), now / now.sum()
    middle = (p + q) / 2
    divergence = sum((part[part > 0] * np.log(part[part > 0] / middle[part > 0])).sum() for part in (p, q))
    return float(np.sqrt(max(divergence, 0.0) / 2))


def total_variation(before: Floats, now: Floats) -> float:
    """Return the share of rows that would have to change bins, 0 to 1; NaN if there are none on a side.

    >>> total_variation(np.array([5.0, 5.0, 0.0]), np.array([5.0, 3.0, 2.0]))
    0.2
    """
    if before.sum() == 0 or now.sum() == 0:
        return float(np.nan)
    return float(np.abs(before / before.sum() - now / now.sum()).sum() / 2)


def _without_rare(both: Floats) -> Floats:
    """Return (2, b) counts in which each bin is expected to have rows enough, or (2, 1)."""
    rows = both.sum(axis=0)
    both = both[:, np.argsort(rows, kind="stable")]
    share = both.sum(axis=1).min() / both.sum()
    expected = np.sort(rows) * share
    rare = int((expected < LEAST_EXPECTED).sum())
    if rare and expected[:rare].sum() < LEAST_EXPECTED:
        rare += 1  # all of them together are still too few: the next joins them
    if not rare:
        return both
    return np.concatenate([both[:, :rare].sum(axis=1, keepdims=True), both[:, rare:]], axis=1)
