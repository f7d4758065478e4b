"""Distances of two samples of numbers, weighted or not, from each sorted once."""

from typing import Final

import numpy as np

from mlsys_assets.measures.count_distances import jensen_shannon
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.production_monitoring.drift.ks_p_value import ks_p_value
from mlsys_assets.production_monitoring.drift.numbers import Numbers

MOST_VALUES: Final = 20
"""Numbers of so few distinct values before are counted value by value, of more in bins of equal width."""


def gap_and_area(before: Numbers, now: Numbers) -> tuple[float, float]:
    """Return the largest gap of the distribution functions, and the area between them over the finite values.

    The first is the Kolmogorov–Smirnov statistic, the second the Wasserstein distance, in the numbers' unit: equal to
    ``scipy.stats.ks_2samp`` and ``wasserstein_distance`` (Ramdas et al. 2017). NaN if a side has no such values.
    """
    if not before.total or not now.total:
        return float(np.nan), float(np.nan)
    values, gap = _gaps(before, now)
    last = np.append(values[1:] != values[:-1], True)
    farthest = float(min(np.abs(gap[last]).max(), 1.0))
    first, second = before.only_finite(), now.only_finite()
    if first is not before or second is not now:
        return farthest, gap_and_area(first, second)[1]
    return farthest, float((np.abs(gap[:-1]) * np.diff(values)).sum())


def kolmogorov_smirnov_p(gap: float, before: Numbers, now: Numbers) -> float:
    """Return the asymptotic p-value of the largest gap of the distribution functions; NaN if there is none.

    Equal to ``scipy.stats.ks_2samp(method="asymp")``; weighted rows count as their effective number (Kish 1965).
    """
    n, m = before.known_size, now.known_size
    return ks_p_value(gap, n * m / (n + m) if n + m else 0.0)


def shape_distance(before: Numbers, now: Numbers) -> float:
    """Return the Jensen–Shannon distance of the finite values; NaN if a side has none.

    As Evidently counts them: value by value where there are few before, else in bins of equal width over both sides,
    as many as Sturges (1926) advises.
    """
    before, now = before.only_finite(), now.only_finite()
    if not before.total or not now.total or not np.isfinite(np.subtract(*_ends(before, now))):
        return float(np.nan)
    values = _distinct(before.values, most=MOST_VALUES)
    if values is None:
        edges = equal_widths(_ends(before, now), before.known + now.known, single=before.single and now.single)
        inner = [side.below(edges[1:-1]) for side in (before, now)]
        return jensen_shannon(
            *(np.diff(at, prepend=0.0, append=side.total) for at, side in zip(inner, (before, now), strict=True))
        )
    values = np.union1d(values, now.values)
    return jensen_shannon(*(side.at_most(values) - side.below(values) for side in (before, now)))


def mean_difference(before: Numbers, now: Numbers) -> float:
    """Return the standardised mean difference, by the root of the mean of both variances (Austin 2009).

    NaN where a side has no numbers, or where the means differ and nothing varies.
    """
    first, second = before.summary, now.summary
    difference, spread = second.mean - first.mean, np.sqrt((first.sd**2 + second.sd**2) / 2)
    if spread == 0:
        return 0.0 if difference == 0 else float(np.nan)
    return float(difference / spread)


def _gaps(before: Numbers, now: Numbers) -> tuple[Floats, Floats]:
    """Return the values of both in order, and after each of them how far the first distribution function is above."""
    values = np.concatenate([before.values, now.values])
    order = np.argsort(values, kind="stable")  # of two sorted runs: merges them
    # Counts are whole numbers, and so are their products: nothing rounds before the division.
    rises = np.concatenate([_weights(before) * now.total, _weights(now) * -before.total])
    return values[order], np.cumsum(rises[order]) / (before.total * now.total)


def _weights(side: Numbers) -> Floats:
    return np.ones(len(side.values)) if side.weights is None else side.weights


def _distinct(values: Floats, *, most: int) -> Floats | None:
    """Return the distinct of (n,) rising values; None if there are more than so many."""
    first = np.flatnonzero(values[1:] != values[:-1])
    return None if len(first) >= most else np.append(values[first], values[-1])


def equal_widths(ends: tuple[float, float], n: int, *, single: bool) -> Floats:
    """Return the edges of the bins of equal width that Sturges (1926) advises for n values between two ends.

    Those of single precision are computed in it, as ``numpy.histogram_bin_edges`` does.
    """
    kind = np.float32 if single else np.float64
    first, last = (kind(end) for end in ends)
    return np.linspace(first, last, int(np.ceil(np.log2(n) + 1)) + 1, dtype=kind).astype(np.float64)


def _ends(before: Numbers, now: Numbers) -> tuple[float, float]:
    return float(min(before.values[0], now.values[0])), float(max(before.values[-1], now.values[-1]))
