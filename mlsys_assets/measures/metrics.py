"""Metrics of probabilities, each also for many reweightings of the same rows at once.

Every metric takes a probability of the label 1, (n,), or one of each class, (n, k). Metrics of decisions, of numbers
and of rankings stand in files of their own and are used alike.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SMALLEST = float(np.finfo(np.float64).eps)
"""Log loss clips probabilities here, as scikit-learn does: one certain error costs much, not everything."""
CHUNK = 2_000_000
"""Counts held at once by the metrics that need every threshold of every draw: 16 MB."""


@runtime_checkable
class Metric(Protocol):
    """A number that says how well scores foretell labels.

    A metric that the rows cannot tell, such as an AUC of one class, is NaN: insufficient data, not
    an error.
    """

    @property
    def name(self) -> str:
        """The field's name for it, as logged everywhere."""
        ...

    @property
    def higher_is_better(self) -> bool:
        """Whether a larger value is a better model."""
        ...

    def draws(self, label: Floats, score: Floats, weights: "Weights") -> Floats:
        """Return (b,) the metric under each of b weightings.

        Parameters
        ----------
        label
            (n,) 0 or 1; classes numbered from 0; numbers; or relevance, where a ranking is measured.
        score
            (n,) probabilities of 1, numbers or relevances; or (n, k) a probability of each class.
        weights
            How often each row counts in each draw.
        """
        ...


@dataclass(frozen=True, eq=False)
class Weights:
    """How often each row counts in each draw: rows of one block always count alike.

    Parameters
    ----------
    block
        (n,) each row's block, 0 … k−1.
    counts
        (b, k) how often each block was drawn.
    row
        (n,) what each row counts by itself, at least 0; None: 1 each.
    query
        (n,) the query that each row answers, for rankings; None: all rows answer one.
    """

    block: NDArray[np.intp]
    counts: Floats
    row: Floats | None = None
    query: NDArray[np.intp] | None = None

    def __post_init__(self) -> None:
        """Raise ValueError for rows that count for less than nothing, or for no number."""
        if self.row is not None and not (np.isfinite(self.row).all() and (self.row >= 0).all()):
            raise ValueError("row weights must be finite and at least 0")

    @classmethod
    def once(cls, n: int, *, row: Floats | None = None, query: NDArray[np.intp] | None = None) -> "Weights":
        """Return the one draw in which each of n rows counts once."""
        return cls(np.zeros(n, dtype=np.intp), np.ones((1, 1)), row, query)

    @property
    def whole(self) -> "Weights":
        """The one draw in which every block counts once."""
        return replace(self, counts=np.ones((1, self.counts.shape[1])))

    def of(self, rows: NDArray[np.bool_] | NDArray[np.intp]) -> "Weights":
        """Return the weights of some of the rows, or of all in another order."""
        row = None if self.row is None else self.row[rows]
        return Weights(self.block[rows], self.counts, row, None if self.query is None else self.query[rows])

    def weighted(self, values: Floats) -> Floats:
        """Return (n,) values times what each row counts by itself."""
        return values if self.row is None else values * self.row

    def by_block(self, values: Floats) -> Floats:
        """Return (k,) the weighted sum of (n,) row values in each block."""
        sums = np.bincount(self.block, weights=self.weighted(values), minlength=self.counts.shape[1])
        return np.asarray(sums, dtype=np.float64)

    def totals(self, values: Floats) -> Floats:
        """Return (b,) the weighted sum of (n,) row values in each draw."""
        return self.counts @ self.by_block(values)

    def means(self, values: Floats) -> Floats:
        """Return (b,) the weighted mean of (n,) row values in each draw; NaN without rows."""
        return divide(self.totals(values), self.totals(np.ones(len(values))))


def value(
    metric: Metric,
    label: Floats,
    score: Floats,
    *,
    row: Floats | None = None,
    query: NDArray[np.intp] | None = None,
) -> float:
    """Return a metric of rows that each count once, or ``row`` (n,) times; NaN where it cannot be told."""
    return float(metric.draws(label, score, Weights.once(len(label), row=row, query=query))[0])


@dataclass(frozen=True)
class LogLoss:
    """Mean negative log likelihood, natural logarithm (Good 1952): rewards calibrated probabilities."""

    name: str = "log_loss"
    higher_is_better: bool = False

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) log losses."""
        return weights.means(log_losses(label, score))


def log_losses(label: Floats, score: Floats) -> Floats:
    """Return (n,) each row's log loss; raises ValueError for what are no probabilities."""
    require_probabilities(score)
    p = np.clip(score, SMALLEST, 1 - SMALLEST)
    if p.ndim == 1:
        losses: Floats = -(label * np.log(p) + (1 - label) * np.log1p(-p))
        return losses
    of_own: Floats = -np.log(p[np.arange(len(label)), label.astype(np.intp)])
    return of_own


@dataclass(frozen=True)
class Brier:
    """Mean squared error of the probability (Brier 1950); of several classes, summed over them."""

    name: str = "brier"
    higher_is_better: bool = False

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) Brier scores; raises ValueError for what are no probabilities."""
        require_probabilities(score)
        if score.ndim == 1:
            return weights.means((score - label) ** 2)
        return weights.means(((score - _indicators(label, score)) ** 2).sum(axis=1))


@dataclass(frozen=True)
class Accuracy:
    """Share of rows on the right side of a threshold, or of the likeliest class; misleads where a class is rare."""

    threshold: float = 0.5
    name: str = "accuracy"
    higher_is_better: bool = True

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) accuracies."""
        right = score.argmax(axis=1) == label if score.ndim > 1 else (score >= self.threshold) == (label > 0)
        return weights.means(right.astype(float))


@dataclass(frozen=True)
class RocAuc:
    """Probability that a positive row scores above a negative one, ties counting half (Hanley & McNeil 1982).

    Of several classes: the mean over each class against the rest (Provost & Domingos 2001, each class alike).
    """

    name: str = "roc_auc"
    higher_is_better: bool = True

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) areas; NaN in a draw of one class."""
        return each_against_rest(_roc_areas, label, score, weights)


def _roc_areas(label: Floats, score: Floats, weights: Weights) -> Floats:
    # Which pairs of rows are in order does not depend on the draw: it is counted once for each pair of blocks.
    blocks, positive = weights.counts.shape[1], label > 0
    own = np.ones(len(label)) if weights.row is None else weights.row
    rising = np.argsort(score[positive])
    above, of, mine = (part[positive][rising] for part in (score, weights.block, own))
    order = np.lexsort((score[~positive], weights.block[~positive]))
    below, counted = score[~positive][order], np.concatenate([[0.0], np.cumsum(own[~positive][order])])
    starts = np.searchsorted(weights.block[~positive][order], np.arange(blocks + 1))
    ordered = np.empty((blocks, blocks))
    for block, (first, last) in enumerate(pairwise(starts)):
        ranks = [np.searchsorted(below[first:last], above, side) for side in ("left", "right")]
        pairs = (counted[first + ranks[0]] + counted[first + ranks[1]]) / 2 - counted[first]
        ordered[:, block] = np.bincount(of, weights=pairs * mine, minlength=blocks)
    won = ((weights.counts @ ordered) * weights.counts).sum(axis=1)
    return divide(won, weights.totals(positive.astype(float)) * weights.totals((~positive).astype(float)))


@dataclass(frozen=True)
class PrAuc:
    """Average precision: the area under the precision–recall curve in steps, without interpolation.

    Of several classes: the mean over each class against the rest.
    """

    name: str = "pr_auc"
    higher_is_better: bool = True

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) average precisions; NaN in a draw without positives."""
        return each_against_rest(_average_precisions, label, score, weights)


def _average_precisions(label: Floats, score: Floats, weights: Weights) -> Floats:
    area, found = np.zeros((2, len(weights.counts)))
    for true, both in _ranked(label, score, weights):
        steps = np.diff(true, axis=1, prepend=found[:, None])
        area += (steps * divide(true, both, otherwise=0.0)).sum(axis=1)
        found = true[:, -1]
    return divide(area, found)


@dataclass(frozen=True)
class Ece:
    """Expected calibration error (Naeini et al. 2015): mean gap of score and outcome over bins of equal width.

    Never below 0, so that noise alone makes it positive: of few rows it is large, and the difference of two such
    values is biased. Of several classes, it is that of the likeliest one (Guo et al. 2017).
    """

    bins: int = 20
    least: ClassVar[float] = 0.0
    name: str = "ece"
    higher_is_better: bool = False

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) calibration errors; raises ValueError for what are no probabilities."""
        require_probabilities(score)
        if score.ndim > 1:
            label, score = (score.argmax(axis=1) == label).astype(float), score.max(axis=1)
        blocks = weights.counts.shape[1]
        bin_of = np.minimum((score * self.bins).astype(np.intp), self.bins - 1)
        cell = weights.block * self.bins + bin_of
        gap = np.bincount(cell, weights=weights.weighted(score - label), minlength=blocks * self.bins)
        gaps = np.abs(weights.counts @ gap.reshape(blocks, self.bins)).sum(axis=1)
        return divide(gaps, weights.totals(np.ones(len(label))))


def divide(above: Floats, below: Floats, *, otherwise: float = np.nan) -> Floats:
    """Return quotients; ``otherwise`` where they would divide by 0."""
    shares: Floats = np.divide(above, below, out=np.full(np.shape(above), otherwise), where=below != 0)
    return shares


def _indicators(label: Floats, score: Floats) -> Floats:
    """Return (n, k) 1 in the column of each row's class."""
    found: Floats = (label[:, None] == np.arange(score.shape[1])).astype(np.float64)
    return found


def require_probabilities(score: Floats) -> None:
    """Raise ValueError for scores outside [0, 1]."""
    if len(score) and not (score.min() >= 0 and score.max() <= 1):
        raise ValueError(f"scores reach from {score.min():g} to {score.max():g}; probabilities are in [0, 1]")


def each_against_rest(
    binary: Callable[[Floats, Floats, Weights], Floats], label: Floats, score: Floats, weights: Weights
) -> Floats:
    """Return (b,) a metric of two classes; of several, its mean over each class against the rest."""
    if score.ndim == 1:
        return binary(label, score, weights)
    found = [binary((label == k).astype(float), score[:, k], weights) for k in range(score.shape[1])]
    mean: Floats = np.mean(found, axis=0)
    return mean


def _ranked(label: Floats, score: Floats, weights: Weights) -> Iterator[tuple[Floats, Floats]]:
    """Yield (draws, thresholds) positives and rows at or above each threshold that a positive stands at, falling."""
    order = np.argsort(-score, kind="stable")
    block, positive = weights.block[order], label[order] > 0
    own = np.ones(len(label)) if weights.row is None else weights.row[order]
    starts = np.diff(score[order], prepend=np.nan) != 0  # rows of one score stand or fall together
    step = np.cumsum(starts) - 1
    at = np.bincount(step, weights=positive) > 0
    # A row counts from the first such threshold that is not above it.
    entered: NDArray[np.intp] = (np.cumsum(at) - at)[step]
    most, blocks = int(at.sum()), weights.counts.shape[1]
    size = max(1, CHUNK // max(weights.counts.shape))
    reached = np.zeros((2, blocks))
    for first in range(0, most, size):
        length = min(size, most - first)
        rows = slice(*np.searchsorted(entered, (first, first + length)))
        cell = (entered[rows] - first) * blocks + block[rows]
        both = (own[rows] * positive[rows], own[rows])
        counted = [np.bincount(cell, weights=w, minlength=length * blocks) for w in both]
        held = np.cumsum(np.reshape(counted, (2, length, blocks)), axis=1) + reached[:, None]
        reached = held[:, -1]
        yield weights.counts @ held[0].T, weights.counts @ held[1].T
