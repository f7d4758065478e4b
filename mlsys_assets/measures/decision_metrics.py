"""Metrics of decisions: what is found of what there is, and what is right of what is said, at a threshold."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mlsys_assets.measures.metrics import Floats, Weights, divide
from mlsys_assets.mistakes import none_of, out_of_range

THRESHOLD = 0.5
"""From which probability on a row is said to be positive, where nothing else is declared."""
CLASSES = (0, 1)


class _Of(Protocol):
    """What precision, recall and F1 have in common."""

    @property
    def threshold(self) -> float: ...

    @property
    def of(self) -> int: ...


@dataclass(frozen=True)
class Counts:
    """Weighted rows in each draw and class, (b, k): said and so, said and not so, not said and so, neither."""

    true_positive: Floats
    false_positive: Floats
    false_negative: Floats
    true_negative: Floats


def counts(label: Floats, score: Floats, weights: Weights, *, threshold: float = THRESHOLD, of: int = 1) -> Counts:
    """Return the confusion counts of each class in each draw.

    Of a probability of 1, (n,), the one class is ``of``; of several, (n, k), a row is said to be of the likeliest.
    """
    if score.ndim == 1:
        said, so = ((score >= threshold) == (of == 1))[:, None], ((label > 0) == (of == 1))[:, None]
    else:
        classes = np.arange(score.shape[1])
        said, so = score.argmax(axis=1)[:, None] == classes, label[:, None] == classes
    cells = (said & so, said & ~so, ~said & so, ~said & ~so)
    totals = [np.stack([weights.totals(c.astype(float)) for c in cell.T], axis=1) for cell in cells]
    return Counts(*totals)


@dataclass(frozen=True)
class Precision:
    """Of what is said to be of a class, the share that is; of several classes, their mean.

    Parameters
    ----------
    threshold
        The score from which on a row is said to be of class 1.
    of
        The class, 0 or 1.
    """

    threshold: float = THRESHOLD
    of: int = 1
    higher_is_better: bool = True

    @property
    def name(self) -> str:
        """``precision``, or ``precision_of_0``."""
        return _named("precision", self)

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        return _mistakes(self)

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) precisions; NaN where nothing is said to be of a class."""
        c = counts(label, score, weights, threshold=self.threshold, of=self.of)
        return _mean(divide(c.true_positive, c.true_positive + c.false_positive))


@dataclass(frozen=True)
class Recall:
    """Of what is of a class, the share that is found; of several, their mean. Parameters as of ``Precision``."""

    threshold: float = THRESHOLD
    of: int = 1
    higher_is_better: bool = True

    @property
    def name(self) -> str:
        """``recall``, or ``recall_of_0``."""
        return _named("recall", self)

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        return _mistakes(self)

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) recalls; NaN without rows of a class."""
        c = counts(label, score, weights, threshold=self.threshold, of=self.of)
        return _mean(divide(c.true_positive, c.true_positive + c.false_negative))


@dataclass(frozen=True)
class F1:
    """Harmonic mean of precision and recall (van Rijsbergen 1979); of several classes, their mean (macro).

    Parameters as of ``Precision``.
    """

    threshold: float = THRESHOLD
    of: int = 1
    higher_is_better: bool = True

    @property
    def name(self) -> str:
        """``f1``, or ``f1_of_0``."""
        return _named("f1", self)

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        return _mistakes(self)

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) F1; NaN where a class neither is nor is said."""
        c = counts(label, score, weights, threshold=self.threshold, of=self.of)
        return _mean(divide(2 * c.true_positive, 2 * c.true_positive + c.false_positive + c.false_negative))


@dataclass(frozen=True)
class BalancedAccuracy:
    """Mean of the shares found of each class: not misled where one is rare (Brodersen et al. 2010)."""

    threshold: float = THRESHOLD
    name: str = "balanced_accuracy"
    higher_is_better: bool = True

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) balanced accuracies; NaN without rows of a class."""
        c = counts(label, score, weights, threshold=self.threshold)
        found = divide(c.true_positive, c.true_positive + c.false_negative)
        if score.ndim == 1:
            found = np.concatenate([found, divide(c.true_negative, c.true_negative + c.false_positive)], axis=1)
        return _mean(found)


@dataclass(frozen=True)
class MatthewsCorrelation:
    """Correlation of what is said and what is so, of two classes (Matthews 1975): 0 for any constant answer."""

    threshold: float = THRESHOLD
    name: str = "matthews_correlation"
    higher_is_better: bool = True

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) correlations, 0 where all is said or all is so alike; raises ValueError for several classes."""
        if score.ndim > 1:
            raise ValueError(f"{self.name} is of two classes, got scores of {score.shape[1]}")
        c = counts(label, score, weights, threshold=self.threshold)
        said, so = c.true_positive + c.false_positive, c.true_positive + c.false_negative
        unsaid, not_so = c.true_negative + c.false_negative, c.true_negative + c.false_positive
        above = c.true_positive * c.true_negative - c.false_positive * c.false_negative
        return divide(above, np.sqrt(said * so * unsaid * not_so), otherwise=0.0)[:, 0]


def _mean(by_class: Floats) -> Floats:
    mean: Floats = by_class.mean(axis=1)
    return mean


def _named(word: str, metric: _Of) -> str:
    return word if metric.of == 1 else f"{word}_of_{metric.of}"


def _mistakes(metric: Precision | Recall | F1) -> list[str]:
    what = f"metric {metric.name!r}"
    return out_of_range(f"{what}: threshold", metric.threshold) + none_of(f"{what}: of", metric.of, CLASSES)
