"""Little's test of missing completely at random, for rows of which those of one day may depend on each other."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.features.quality.observed import Observed
from mlsys_assets.measures.intervals import LEAST_BLOCKS, LEAST_OF_EACH_CLASS
from mlsys_assets.measures.metrics import Floats

DIRECTIONS: Final = 20
"""In so many directions, those in which the observed columns vary most, means are compared at most."""
DAYS_EACH: Final = 5
"""Days there must be for each direction: of fewer, their covariance is not known."""
FLAT: Final = 1e-9
"""A direction with less of the variance than this is none."""


@dataclass(frozen=True)
class Mcar:
    """What Little's test says of one column's missing values.

    Parameters
    ----------
    d2
        The squared distance of the observed columns' means, missing against present rows, in units of what chance
        gives; NaN where the data cannot tell.
    directions
        How many differences it sums: what is expected of ``d2`` by chance.
    days
        What it rests on: as many days as would tell as much if each held as many missing rows.
    p_value
        How likely so large a distance is if values are missing completely at random.
    """

    d2: float
    directions: int
    days: float
    p_value: float


def little(observed: Observed) -> list[Mcar]:
    """Return the test of each of the q ways to be missing.

    Of one incomplete column, Little's d² (1988) is Hotelling's T² of the other columns' means between the rows with
    and those without a value. Here the covariance of that difference is that of sums over days, so that an hour's
    rows, which share its weather, do not count as many; F of as many degrees of freedom as effective days allow.
    """
    covariance = observed.values.T @ observed.values / max(len(observed.values), 1)
    mean = observed.values.mean(axis=0)
    covariance -= np.outer(mean, mean)
    columns = observed.values.T.copy()  # of which some are taken for each test
    return [_tested(observed, j, columns, covariance) for j in range(len(observed.alike))]


def _tested(observed: Observed, j: int, columns: Floats, covariance: Floats) -> Mcar:
    missing, tells = observed.missing[:, j], observed.tells(j)
    days = min(_effective(observed, missing), _effective(observed, ~missing))
    enough = min(int(missing.sum()), int((~missing).sum())) >= LEAST_OF_EACH_CLASS and days >= LEAST_BLOCKS
    if not enough or not len(tells):
        return Mcar(np.nan, 0, days, np.nan)
    directions = _directions(covariance[np.ix_(tells, tells)])[:, : int(days) // DAYS_EACH]
    k = directions.shape[1]
    scores = columns[tells].T @ directions
    sums = observed.by_day((missing - missing.mean())[:, None] * (scores - scores.mean(axis=0)))
    total, blocks = sums.sum(axis=0), len(sums)
    spread = sums - total / blocks
    d2 = float(total @ np.linalg.pinv(spread.T @ spread * blocks / (blocks - 1), hermitian=True) @ total)
    return Mcar(d2, k, days, _p_value(d2, k, days))


def _directions(covariance: Floats) -> Floats:
    """Return (p, k) the principal directions of a (p, p) covariance, the widest first, each of variance 1."""
    variance, vectors = np.linalg.eigh(covariance)
    kept = np.argsort(-variance)[:DIRECTIONS]
    kept = kept[variance[kept] > FLAT * variance.sum()]
    found: Floats = vectors[:, kept] / np.sqrt(variance[kept])
    return found


def _effective(observed: Observed, chosen: NDArray[np.bool_]) -> float:
    """Return how many days of equal counts would tell as much as those of the chosen rows (Kish 1965)."""
    counts = observed.by_day(chosen.astype(np.float64))
    squares = float((counts**2).sum())
    return float(counts.sum() ** 2 / squares) if squares else 0.0


def _p_value(d2: float, k: int, days: float) -> float:
    """Return how likely Hotelling's T² of so many days is as large by chance."""
    from scipy.special import fdtrc

    return float(fdtrc(k, days - k, d2 * (days - k) / (k * (days - 1))))
