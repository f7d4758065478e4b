"""Metrics of probability scores, each also for many reweightings of the same rows at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SMALLEST = 1e-15
"""Log loss clips probabilities here, so that one certain error costs much, not everything."""
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
            (n,) 0 or 1.
        score
            (n,) probabilities.
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
    """

    block: NDArray[np.intp]
    counts: Floats

    @classmethod
    def once(cls, n: int) -> "Weights":
        """Return the one draw in which each of n rows counts once."""
        return cls(np.zeros(n, dtype=np.intp), np.ones((1, 1)))

    def of(self, rows: NDArray[np.bool_]) -> "Weights":
        """Return the weights of some of the rows."""
        return Weights(self.block[rows], self.counts)

    def totals(self, values: Floats) -> Floats:
        """Return (b,) the weighted sum of (n,) row values in each draw."""
        sums = np.bincount(self.block, weights=values, minlength=self.counts.shape[1])
        return self.counts @ sums


def value(metric: Metric, label: Floats, score: Floats) -> float:
    """Return a metric of rows that each count once; NaN where it cannot be told."""
    return float(metric.draws(label, score, Weights.once(len(label)))[0])


@dataclass(frozen=True)
class LogLoss:
    """Mean negative log likelihood, natural logarithm (Good 1952): rewards calibrated probabilities."""

    name: str = "log_loss"
    higher_is_better: bool = False

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) log losses."""
        p = np.clip(score, SMALLEST, 1 - SMALLEST)
        return _means(-(label * np.log(p) + (1 - label) * np.log1p(-p)), weights)


@dataclass(frozen=True)
class Brier:
    """Mean squared error of the probability (Brier 1950)."""

    name: str = "brier"
    higher_is_better: bool = False

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) Brier scores."""
        return _means((score - label) ** 2, weights)


@dataclass(frozen=True)
class Accuracy:
    """Share of rows on the right side of a threshold; misleads where one class is rare."""

    threshold: float = 0.5
    name: str = "accuracy"
    higher_is_better: bool = True

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) accuracies."""
        return _means(((score >= self.threshold) == (label > 0)).astype(float), weights)


@dataclass(frozen=True)
class RocAuc:
    """Probability that a positive row scores above a negative one, ties counting half (Hanley & McNeil 1982)."""

    name: str = "roc_auc"
    higher_is_better: bool = True

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) areas; NaN in a draw of one class."""
        # Which pairs of rows are in order does not depend on the draw: it is counted once for each pair of blocks.
        blocks = weights.counts.shape[1]
        positive = label > 0
        rising = np.argsort(score[positive])
        above, of = score[positive][rising], weights.block[positive][rising]
        ordered = np.empty((blocks, blocks))
        for block in range(blocks):
            below = np.sort(score[~positive & (weights.block == block)])
            pairs = (np.searchsorted(below, above, "left") + np.searchsorted(below, above, "right")) / 2
            ordered[:, block] = np.bincount(of, weights=pairs, minlength=blocks)
        won = ((weights.counts @ ordered) * weights.counts).sum(axis=1)
        return _divide(won, weights.totals(label) * weights.totals(1 - label))


@dataclass(frozen=True)
class PrAuc:
    """Average precision: the area under the precision–recall curve in steps, without interpolation."""

    name: str = "pr_auc"
    higher_is_better: bool = True

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) average precisions; NaN in a draw without positives."""
        area, found = np.zeros((2, len(weights.counts)))
        for true, both in _ranked(label, score, weights):
            steps = np.diff(true, axis=1, prepend=found[:, None])
            area += (steps * _divide(true, both, otherwise=0.0)).sum(axis=1)
            found = true[:, -1]
        return _divide(area, found)


@dataclass(frozen=True)
class Ece:
    """Expected calibration error (Naeini et al. 2015): mean gap of score and outcome over bins of equal width."""

    bins: int = 20
    name: str = "ece"
    higher_is_better: bool = False

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) calibration errors."""
        blocks = weights.counts.shape[1]
        bin_of = np.minimum((score * self.bins).astype(np.intp), self.bins - 1)
        cell = weights.block * self.bins + bin_of
        gap = np.bincount(cell, weights=score - label, minlength=blocks * self.bins)
        gaps = np.abs(weights.counts @ gap.reshape(blocks, self.bins)).sum(axis=1)
        return _divide(gaps, weights.totals(np.ones(len(label))))


def _means(values: Floats, weights: Weights) -> Floats:
    return _divide(weights.totals(values), weights.totals(np.ones(len(values))))


def _divide(above: Floats, below: Floats, *, otherwise: float = np.nan) -> Floats:
    shares: Floats = np.divide(above, below, out=np.full(np.shape(above), otherwise), where=below != 0)
    return shares


def _ranked(label: Floats, score: Floats, weights: Weights) -> Iterator[tuple[Floats, Floats]]:
    """Yield (draws, thresholds) positives and rows at or above each threshold that a positive stands at, falling."""
    order = np.argsort(-score, kind="stable")
    block, positive = weights.block[order], label[order] > 0
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
        counted = [np.bincount(cell, weights=w, minlength=length * blocks) for w in (positive[rows], None)]
        held = np.cumsum(np.reshape(counted, (2, length, blocks)), axis=1) + reached[:, None]
        reached = held[:, -1]
        yield weights.counts @ held[0].T, weights.counts @ held[1].T
