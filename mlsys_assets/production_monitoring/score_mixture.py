"""A window's scores as a mixture: those of the reference's positives and negatives, in another proportion.

Under label shift, and only then, that is what they are: each class looks as it did, and only the shares differ. The
share follows from the mixture, by the largest likelihood or from a confusion matrix; and whether it is a mixture at
all can be tested, without a label.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from mlsys_assets.measures.intervals import Estimate, bootstrap, spread
from mlsys_assets.measures.metrics import Floats, divide
from mlsys_assets.production_monitoring.reference_scores import ReferenceScores, Times, counted, days_of

CELLS: Final = 20
"""Scores are counted in at most so many cells: enough for the share, few enough for the test of fit."""
DRAWS: Final = 400
HALVINGS: Final = 30
"""Bisections of [0, 1]: to the ninth digit."""
LEAST_APART: Final = 0.1
"""The least true positive rate minus false positive rate (Youden's J) that a share is told from."""


@dataclass(frozen=True, eq=False)
class Counts:
    """How many of the reference's positives and negatives, and of the window's rows, lie in each cell, by draw.

    Parameters
    ----------
    positive, negative, window
        (b, c) each; the first row is no draw, but all rows as they are.
    edges
        (c - 1,) of the cells.
    like
        What an estimate from them rests on.
    """

    positive: Floats
    negative: Floats
    window: Floats
    edges: Floats
    like: Estimate

    @classmethod
    def of(cls, reference: ReferenceScores, score: Floats, at: Times, *, seed: int) -> "Counts":
        """Count both, drawn by day; each must be fit.

        A day that both have rows of is drawn for both at once: what it brought is no difference between them.
        """
        edges = reference.cells(CELLS)
        parts = (
            counted(reference.score, reference.at, edges, of=reference.label),
            counted(reference.score, reference.at, edges, of=1 - reference.label),
            counted(score, at, edges),
        )
        then, now = _days_drawn(days_of(reference.at), days_of(at), seed=seed)
        like = Estimate(np.nan, np.nan, np.nan, len(score), 0, min(len(parts[0]), len(parts[2])))
        return cls(then @ parts[0], then @ parts[1], now @ parts[2], edges, like)

    @property
    def classes(self) -> tuple[Floats, Floats, Floats]:
        """(b, c) how positives, negatives and the window's rows are distributed."""
        p, n, w = (divide(x, np.broadcast_to(x.sum(axis=1, keepdims=True), x.shape)) for x in self._all)
        return p, n, w

    @property
    def priors(self) -> Floats:
        """(b,) the reference's share of positives."""
        positives = self.positive.sum(axis=1)
        return divide(positives, positives + self.negative.sum(axis=1))

    def estimate(self, found: Floats) -> Estimate:
        """Return the estimate of a (b,) number."""
        return spread(float(found[0]), found[1:], like=self.like)

    def estimate_share(self, found: Floats) -> Estimate:
        """Return the estimate of a (b,) share, whose interval lies in [0, 1]."""
        told = self.estimate(found)
        return replace(told, low=max(told.low, 0.0), high=min(told.high, 1.0)) if told.sufficient else told

    @property
    def _all(self) -> tuple[Floats, Floats, Floats]:
        return self.positive, self.negative, self.window


def _days_drawn(then: Times, now: Times, *, seed: int) -> tuple[Floats, Floats]:
    """Return (b, days) how often each day of both is drawn: as many as both share, and as only either has."""
    counts = np.ones((1 + DRAWS, len(then))), np.ones((1 + DRAWS, len(now)))
    shared = np.isin(then, now), np.isin(now, then)
    seeds = np.random.SeedSequence(seed).generate_state(3).tolist()
    if shared[0].any():
        both = bootstrap(np.arange(int(shared[0].sum())), seed=seeds[0], draws=DRAWS).counts
        counts[0][1:, shared[0]], counts[1][1:, shared[1]] = both, both
    for drawn, of_both, own in zip(counts, shared, seeds[1:], strict=True):
        if not of_both.all():
            drawn[1:, ~of_both] = bootstrap(np.arange(int((~of_both).sum())), seed=own, draws=DRAWS).counts
    return counts


def likeliest_share(counts: Counts) -> Floats:
    """Return (b,) the shares of positives that the window's counts are likeliest under.

    Where the EM algorithm of Saerens, Latinne & Decaestecker (2002) ends, with scores calibrated by histogram on the
    reference (Alexandari et al. 2020), found by bisection of the likelihood's slope, which falls throughout.
    """
    positive, negative, window = counts.classes
    apart = positive - negative
    low, high = np.zeros(len(window)), np.ones(len(window))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        mixed = negative + middle[:, None] * apart
        rising = (window * divide(apart, mixed, otherwise=0.0)).sum(axis=1) > 0
        low, high = np.where(rising, middle, low), np.where(rising, high, middle)
    share: Floats = (low + high) / 2
    return share


def standard_error(counts: Counts, share: float) -> float:
    """Return the standard error of the likeliest share minus the reference's, if all rows are independent.

    By the delta method: the likelihood's slope moves with each of the three distributions, and the curvature says how
    far the share moves with it.
    """
    positive, negative, _ = (part[0] for part in counts.classes)
    apart, prior = positive - negative, float(counts.priors[0])
    pull = divide(apart, share * positive + (1 - share) * negative, otherwise=0.0)
    curvature = float((apart * pull).sum())
    if not curvature > 0.0:
        return float(np.nan)
    parts = ((counts.positive[0], share), (counts.negative[0], 1 - share), (counts.window[0], 1.0))
    variance = sum(part**2 * _variance(pull, count) / count.sum() for count, part in parts) / curvature**2
    labelled = counts.positive[0].sum() + counts.negative[0].sum()
    return float(np.sqrt(variance + prior * (1 - prior) / labelled))


def _variance(values: Floats, count: Floats) -> float:
    mean = float(values @ count / count.sum())
    return float((values - mean) ** 2 @ count / count.sum())


def share_by_confusion(counts: Counts, *, threshold: float) -> tuple[Floats, Floats]:
    """Return (b,) shares of positives by the confusion matrix at a threshold, and (b,) how far apart its rates are.

    Black-box shift estimation (Lipton, Wang & Smola 2018): the share above the threshold is the true positive rate
    times the share of positives plus the false positive rate times that of negatives. Where both rates are nearly
    equal the matrix is ill-conditioned, and the share anything.

    Parameters
    ----------
    threshold
        Of the score; the nearest edge of a cell is taken.
    """
    nearest = int(np.abs(counts.edges - threshold).argmin()) if len(counts.edges) else 0  # of one cell, none is above
    above = np.arange(len(counts.edges) + 1) > nearest
    true, false, now = (part[:, above].sum(axis=1) for part in counts.classes)
    return np.clip(divide(now - false, true - false), 0.0, 1.0), true - false


def share_by_cells(counts: Counts) -> Floats:
    """Return (b,) shares of positives by the confusion matrix of all cells: least squares, each cell by its variance.

    Lipton et al. (2018) with cells of score for classes (Garg et al. 2020).
    """
    positive, negative, window = counts.classes
    apart, mixed = positive - negative, np.maximum(window[:1], 1 / counts.window[:1].sum())
    above, below = (apart * (window - negative) / mixed).sum(axis=1), (apart**2 / mixed).sum(axis=1)
    return np.clip(divide(above, below), 0.0, 1.0)


@dataclass(frozen=True)
class Fit:
    """How well a mixture explains a window's scores.

    Parameters
    ----------
    effect
        Cohen's w of what it leaves over, less what chance gives in the mean (Cohen 1988: .1 is small, .3 medium).
    p_value
        How likely as much is left over by chance alone.
    """

    effect: float
    p_value: float


def fit_of(counts: Counts, share: Floats) -> Fit:
    """Return how well the (b,) shares' mixtures explain the window's counts.

    Pearson's chi-square of the cells, against its own distribution over the draws of days, taken for a multiple of a
    chi-square by its mean and variance (Rao & Scott 1984): rows of one day are no independent ones.
    """
    from scipy.special import chdtrc

    positive, negative, window = counts.classes
    mixed = share[:, None] * positive + (1 - share[:, None]) * negative
    over = window - mixed
    expected = np.maximum(mixed[0], 1 / counts.window[0].sum())
    left = float((over[0] ** 2 / expected).sum())
    few = counts.like.blocks / max(counts.like.blocks - 1, 1)
    chance = few * ((over[1:] - over[0]) ** 2 / expected).sum(axis=1)
    mean, variance = float(chance.mean()), float(chance.var())
    if not (mean > 0.0 and variance > 0.0):
        return Fit(float(np.sqrt(left)), float(np.nan))
    scale, freedom = variance / (2 * mean), 2 * mean**2 / variance
    return Fit(float(np.sqrt(max(left - mean, 0.0))), float(chdtrc(freedom, left / scale)))
