"""The p-value of a Kolmogorov–Smirnov statistic, in time that does not grow with the rows."""

from typing import Final

import numpy as np

SURE: Final = 0.03
"""n d² below which no statistic of chance is: the p-value is 1 to the last bit."""
TAIL: Final = 2.2
"""n d² from which the two-sided p-value is twice the one-sided one (Simard & L'Ecuyer 2011)."""
SUMMED: Final = 2_000
"""Terms of the one-sided sum that are summed: of more, every so many-th, as it is smooth."""


def ks_p_value(gap: float, n: float) -> float:
    """Return the p-value of a largest gap between two distribution functions of n effective rows; NaN for NaN.

    Equal to ``scipy.stats.kstwo.sf(gap, round(n))``, which SciPy's ``ks_2samp(method="asymp")`` takes with
    n = n₁ n₂ / (n₁ + n₂), and which sums n terms where the p-value is small: half a second for a million rows.
    """
    if np.isnan(gap):
        return float(np.nan)
    whole = max(round(n), 1)
    squared = whole * gap * gap
    if whole > SUMMED and squared < SURE:
        return 1.0
    if whole > SUMMED and squared >= TAIL and gap < 1:
        return min(2 * _one_sided(gap, whole), 1.0)
    from scipy.stats import kstwo

    return float(np.clip(kstwo.sf(gap, whole), 0.0, 1.0))


def _one_sided(gap: float, n: int) -> float:
    """Return d Σ (n over j) (d + j/n)^(j−1) (1 − d − j/n)^(n−j) (Smirnov 1944), as an integral by trapezoids."""
    from scipy.special import gammaln

    step = -(-n // SUMMED)
    j = np.arange(0, int(n * (1 - gap)), step, dtype=np.float64)
    reached = gap + j / n
    below = reached < 1
    j, reached = j[below], reached[below]
    ways = gammaln(n + 1) - gammaln(j + 1) - gammaln(n - j + 1)
    return float(gap * step * np.exp(ways + (j - 1) * np.log(reached) + (n - j) * np.log1p(-reached)).sum())
