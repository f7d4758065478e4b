"""Prior correction: scores moved to another share of positives, told from predictions whose labels are not known yet.

Two witnesses can tell that the share of positives has changed before labels do. The model's own scores can, if
nothing but the share changed (label shift: the features of positives stay as they were, and those of negatives). Where
the features shift too, or their relation to the label does, the same scores come of other shares, and the estimate is
confidently wrong: no test on unlabelled scores finds that out. Another model's scores of the same requests can,
if that model follows the world by what it reads, as the trailing late rate of other flights.

Neither is believed for its interval alone. ``Trust`` asks that a shift is credible, and large enough to matter; and
``on_trial`` how the same correction did on earlier predictions, whose labels are known by now.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.intervals import LEVEL, Estimate, bootstrap, day_blocks, difference
from mlsys_assets.measures.metrics import LogLoss
from mlsys_assets.mistakes import out_of_range
from mlsys_assets.models.linear_predictor import logistic
from mlsys_assets.models.log_odds import EDGE, log_odds

Floats = NDArray[np.float64]

CELLS: Final = 300
"""Scores are counted in at most so many cells for the interval's draws: finer than any interval."""
HALVINGS: Final = 50
"""Bisections of [0, 1]: to the last bit that matters."""
LEAST_DAYS: Final = 5
"""Of fewer days nothing is told. A window must be short to follow a season, so that its interval is a guide only."""
LEAST_SHIFT: Final = 0.4
"""A change of log-odds worth correcting: from .24 to .17, or to .32."""


def estimate_prior(score: Floats, *, train_prior: float) -> float:
    """Return the share of positives that the scores of unlabelled rows are likeliest under, if only the share changed.

    The maximum of the likelihood that the EM algorithm of Saerens, Latinne & Decaestecker (2002) climbs to, found by
    bisection: there is one, unless every score is the prior itself, which is then returned. 0 or 1 says that the
    scores are no mixture of what training saw: more than the share has changed. Estimates by a confusion matrix
    (Lipton et al. 2018) rest on the same assumption; with calibrated scores this one is the better (Alexandari et al.
    2020).

    Parameters
    ----------
    score
        (n,) calibrated probabilities, as of a world of ``train_prior``.
    train_prior
        The share of positives that they were calibrated to.

    Raises ValueError for no scores, scores outside [0, 1], and a prior that is not between 0 and 1.
    """
    _require(score, train_prior=train_prior)
    return float(_likeliest(np.ones((1, len(score))), score, train_prior)[0])


def correct(score: Floats, *, train_prior: float, new_prior: float) -> Floats:
    """Return (n,) probabilities for a world where the share of positives is another (Saerens et al. 2002, eq. 2.4).

    >>> correct(np.array([0.2, 0.5]), train_prior=0.2, new_prior=0.5).round(3).tolist()
    [0.5, 0.8]
    """
    _require(score, train_prior=train_prior, new_prior=new_prior)
    return shifted(score, _odds(new_prior) - _odds(train_prior))


def shifted(score: Floats, by: float | Floats) -> Floats:
    """Return (n,) probabilities whose log-odds are moved; those not moved stay as they are, to the last bit."""
    return np.where(np.asarray(by) == 0.0, score, logistic(log_odds(score) + by))


@dataclass(frozen=True)
class PriorShift:
    """How far the share of positives has moved, in log-odds, with its interval by day; NaN where days are too few.

    Parameters
    ----------
    log_odds, low, high
        The new share's log-odds minus the old one's.
    new_prior
        The new share.
    rows, days
        What it rests on.
    """

    log_odds: float
    low: float
    high: float
    new_prior: float
    rows: int
    days: int

    @property
    def sufficient(self) -> bool:
        """Whether there are enough days to tell."""
        return bool(np.isfinite(self.low))

    def __str__(self) -> str:
        if not self.sufficient:
            return f"insufficient data ({self.rows} predictions on {self.days} days)"
        return (
            f"{self.log_odds:+.2f} [{self.low:+.2f}, {self.high:+.2f}] in log-odds, to a share of {self.new_prior:.3f}"
        )


def own_shift(score: Floats, at: NDArray[np.datetime64], *, train_prior: float, seed: int) -> PriorShift:
    """Return the shift that a window of unlabelled scores tells of itself; right only if nothing but the share changed.

    Parameters
    ----------
    score, at
        (n,) probabilities, and when each was predicted.
    train_prior
        The share of positives that the scores were calibrated to.
    seed
        Of the bootstrap.

    Raises ValueError for scores that are no probabilities, and for other times than scores.
    """
    if len(score) != len(at):
        raise ValueError(f"{len(score)} scores at {len(at)} times; there must be one of each a prediction")
    if not len(score):
        return _shift(np.zeros(0), np.nan, np.nan, at)
    whole = estimate_prior(score, train_prior=train_prior)
    block = day_blocks(at)
    cell, places = _cells(score)
    days = int(block.max()) + 1
    counts = np.bincount(block * CELLS + cell, minlength=days * CELLS).reshape(days, CELLS).astype(np.float64)
    drawn = bootstrap(block, seed=seed).counts @ counts
    used = drawn.any(axis=0)
    priors = _likeliest(drawn[:, used], places[used], train_prior)
    return _shift(log_odds(priors) - _odds(train_prior), _odds(whole) - _odds(train_prior), whole, at)


def reference_shift(score: Floats, reference: Floats, at: NDArray[np.datetime64], *, seed: int) -> PriorShift:
    """Return how far another model's mean score of the same requests lies from this one's.

    Both are predictions of shares of positives (Bella et al. 2010, probability average); the other's is the better
    where it is calibrated throughout, as a model that reads what happened lately may be.

    Parameters
    ----------
    score, reference, at
        (n,) this model's probabilities, the other's, and when each was predicted.
    seed
        Of the bootstrap.
    """
    if len(score) != len(reference):
        raise ValueError(f"both models score the same requests, got {len(score)} and {len(reference)} scores")
    if not len(score):
        return _shift(np.zeros(0), np.nan, np.nan, at)
    for one in (score, reference):
        _require(one)
    weights = bootstrap(day_blocks(at), seed=seed)
    rows = weights.totals(np.ones(len(score)))
    own, other = (log_odds(weights.totals(v) / rows) for v in (score, reference))
    return _shift(other - own, _odds(float(reference.mean())) - _odds(float(score.mean())), float(reference.mean()), at)


@dataclass(frozen=True)
class Trust:
    """When a shift is believed enough to correct by it.

    Parameters
    ----------
    least
        The smallest change of log-odds worth correcting.
    """

    least: float = LEAST_SHIFT

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        return out_of_range("trust in a prior shift: least", self.least, least=0)

    def allows(self, shift: PriorShift) -> bool:
        """Return whether a shift is credible, its interval on one side of 0, material, and of a mixture at all."""
        one_side = shift.low > 0.0 or shift.high < 0.0  # never of NaN
        return one_side and abs(shift.log_odds) >= self.least and EDGE < shift.new_prior < 1 - EDGE

    def corrected(self, score: Floats, shift: PriorShift) -> Floats:
        """Return (n,) scores moved by the shift where it is allowed, else the scores themselves."""
        return shifted(score, shift.log_odds) if self.allows(shift) else score


def on_trial(
    label: Floats, scores: tuple[Floats, Floats], at: NDArray[np.datetime64], *, seed: int
) -> tuple[bool, Estimate]:
    """Return whether a correction has earned its use: log loss credibly lower, by day, on earlier predictions.

    Log loss and not the calibration error: that one falls by chance where scores are moved at random.

    Parameters
    ----------
    label
        (n,) of earlier predictions, known by now.
    scores
        (n,) as corrected then, label-free, and (n,) as they were.
    at
        (n,) when each was predicted.
    seed
        Of the bootstrap.
    """
    found = difference(LogLoss(), label, scores, weights=bootstrap(day_blocks(at), seed=seed))
    return found.sufficient and found.high < 0.0, found


def _cells(score: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Return (n,) the cell that each score is counted in, and (CELLS,) each cell's mean score, 0 where it has none.

    Cells hold equal shares of the rows and of the positives foretold, taken together: where positives are rare, those
    of equal width hold all rows in one, and those of equal rows all positives.
    """
    order = np.argsort(score, kind="stable")
    told = np.arange(1, len(score) + 1) / len(score)
    positives = np.cumsum(score[order])
    if positives[-1] > 0:
        told = (told + positives / positives[-1]) / 2
    cell = np.empty(len(score), dtype=np.intp)
    cell[order] = np.minimum((told * CELLS).astype(np.intp), CELLS - 1)
    rows, sums = np.bincount(cell, minlength=CELLS), np.bincount(cell, weights=score, minlength=CELLS)
    return cell, sums / np.maximum(rows, 1)


def _likeliest(count: Floats, score: Floats, train_prior: float) -> Floats:
    """Return (b,) the likeliest shares under (b, m) counts of (m,) scores: where the likelihood's slope is 0."""
    positive, negative = score / train_prior, (1 - score) / (1 - train_prior)
    low, high = np.zeros(len(count)), np.ones(len(count))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        mixed = negative + middle[:, None] * (positive - negative)
        rising = (count * ((positive - negative) / mixed)).sum(axis=1) > 0
        low, high = np.where(rising, middle, low), np.where(rising, high, middle)
    return (low + high) / 2 if (positive != negative).any() else np.full(len(count), train_prior)


def _shift(drawn: Floats, whole: float, new_prior: float, at: NDArray[np.datetime64]) -> PriorShift:
    days = len(np.unique(at.astype("datetime64[D]")))
    low, high = np.nan, np.nan
    if days >= LEAST_DAYS:
        low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return PriorShift(whole, float(low), float(high), new_prior, len(at), days)


def _odds(prior: float) -> float:
    return float(log_odds(np.array([prior]))[0])


def _require(score: Floats, **priors: float) -> None:
    if not len(score):
        raise ValueError("a prior is told from scores, got none; take a longer window")
    if not ((score >= 0.0) & (score <= 1.0)).all():
        wrong = score[~((score >= 0.0) & (score <= 1.0))]
        raise ValueError(f"scores must lie in [0, 1], got {wrong[0]} ({len(wrong)} such scores)")
    for name, prior in priors.items():
        if not 0.0 < prior < 1.0:
            raise ValueError(f"{name} must lie between 0 and 1, got {prior}")
