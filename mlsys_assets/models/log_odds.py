"""Log-odds: the scale on which probabilities are shifted and stretched, and the line that recalibrates them."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.models.linear_predictor import logistic

Floats = NDArray[np.float64]

EDGE: Final = 1e-6
"""Log-odds are taken of scores at least this far from 0 and 1: no file of rows shows what is rarer than one in a
million, and one certain error would outweigh all others."""
ROUNDS: Final = 100
"""The most Newton steps: a line that needs more has no optimum, as where a score separates the classes."""
LONGEST_STEP: Final = 4.0
"""The most a slope or an intercept, of standardized log-odds, moves in one step: far from the optimum Newton's own
step would overshoot."""
SETTLED: Final = 1e-10
"""Steps shorter than this end the search."""


def log_odds(score: Floats) -> Floats:
    """Return (n,) log(p / (1 - p)) of (n,) probabilities, finite for 0 and 1 too.

    >>> log_odds(np.array([0.5, 0.8])).round(3).tolist()
    [0.0, 1.386]
    """
    p = np.clip(score, EDGE, 1 - EDGE)
    return np.log(p) - np.log1p(-p)


def fit_lines(at: Floats, count: Floats, positive: Floats) -> tuple[Floats, Floats]:
    """Return (b,) slopes and (b,) intercepts of b logistic regressions on one number, by Newton's method.

    Parameters
    ----------
    at
        (m,) the number, such as log-odds.
    count
        (b, m) how much stands at each, in each regression.
    positive
        (b, m) how much of it is positive.

    A regression without a finite optimum, of one class, of classes that the number separates, or of a single
    number, gives NaN.
    """
    centre, scale = float(at.mean()) if len(at) else 0.0, float(at.std()) if len(at) else 0.0
    if not scale > 0.0:
        nothing = np.full(len(count), np.nan)
        return nothing, nothing.copy()
    x = (at - centre) / scale
    total = count.sum(axis=1)
    mean = np.divide(positive.sum(axis=1), total, out=np.full(len(count), np.nan), where=total > 0)
    slope, intercept = np.where(np.isfinite(mean), 0.0, np.nan), log_odds(mean)
    step = np.full((2, len(count)), np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):  # what has no optimum becomes NaN, which is the answer
        for _ in range(ROUNDS):
            step = np.clip(_step(x, count, positive, (slope, intercept)), -LONGEST_STEP, LONGEST_STEP)
            slope, intercept = slope + step[0], intercept + step[1]
            if not (np.abs(step) > SETTLED).any():
                break
    ended = (np.abs(step) <= SETTLED).all(axis=0)
    slope, intercept = np.where(ended, slope, np.nan), np.where(ended, intercept, np.nan)
    return slope / scale, intercept - slope * centre / scale


def _step(x: Floats, count: Floats, positive: Floats, line: tuple[Floats, Floats]) -> Floats:
    p = logistic(line[0][:, None] * x + line[1][:, None])
    over, weight = positive - count * p, count * p * (1 - p)
    level, lean = over.sum(axis=1), over @ x
    h0, h1, h2 = weight.sum(axis=1), weight @ x, weight @ (x * x)
    newton: Floats = np.stack([h0 * lean - h1 * level, h2 * level - h1 * lean]) / (h0 * h2 - h1 * h1)
    return newton
