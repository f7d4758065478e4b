"""Worlds whose scores, labels and truths are known: two normals a class, or a day's weather that moves everything."""

import numpy as np

from mlsys_assets.production_monitoring.reference_scores import ReferenceScores

LEARNED = 0.22
START = np.datetime64("2013-09-01", "us")
LATER = np.datetime64("2013-11-01", "us")


def moments(rng: np.random.Generator, n: int, days: int, start: np.datetime64) -> np.ndarray:
    return start + np.sort(rng.integers(0, days * 24, n)).astype("timedelta64[h]")


def classes(share: float, n: int, *, seed: int, days: int = 7, start=LATER, apart: float = 0.7, learned=LEARNED):
    """Scores, labels, times: each class as it always is, calibrated to a share of ``learned``."""
    rng = np.random.default_rng(seed)
    label = (rng.uniform(size=n) < share).astype(float)
    x = rng.normal(np.where(label > 0, apart, -apart), 1.0)
    score = 1 / (1 + np.exp(-(2 * apart * x + np.log(learned / (1 - learned)))))
    return score, label, moments(rng, n, days, start)


def reference_of_classes(*, seed: int = 0, n: int = 20_000, share: float = LEARNED) -> ReferenceScores:
    return ReferenceScores(*classes(share, n, seed=10_000 + seed, days=30, start=START))


def weather(n: int, *, seed: int, days: int = 7, start=LATER, moved: float = 0.0, daily: float = 0.0, unknown=0.0):
    """Scores, labels, times: P(Y|X) stays. Scores are too steep and too high.

    ``moved`` is the features' shift, ``daily`` the deviation of a day's, ``unknown`` that of what no score knows.
    """
    rng = np.random.default_rng(seed)
    at = moments(rng, n, days, start)
    day = (at - start).astype("timedelta64[D]").astype(int)
    x = rng.normal(-1.4 + moved, 1.1, n) + rng.normal(0, daily, days)[day]
    chance = 1 / (1 + np.exp(-(x + rng.normal(0, unknown, days)[day])))
    return 1 / (1 + np.exp(-(1.3 * x + 0.3))), (rng.uniform(size=n) < chance).astype(float), at


def reference_of_weather(*, seed: int = 0, n: int = 20_000, days: int = 30, daily=0.0, unknown=0.0) -> ReferenceScores:
    return ReferenceScores(*weather(n, seed=10_000 + seed, days=days, start=START, daily=daily, unknown=unknown))
