"""Metrics of decisions at a threshold, of either class, and what a precision–recall curve is held against."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from mlsys_assets.measures.metrics import Floats, PrAuc, Weights
from mlsys_assets.mistakes import none_of, out_of_range

CLASSES = (0, 1)


class _AtThreshold(Protocol):
    """What the metrics below have in common."""

    @property
    def threshold(self) -> float: ...

    @property
    def of(self) -> int: ...


@dataclass(frozen=True)
class Precision:
    """Of the rows said to be of a class, the share that is.

    Parameters
    ----------
    threshold
        The score from which on a row is said to be of class 1.
    of
        The class, 0 or 1.
    """

    threshold: float = 0.5
    of: int = 1
    higher_is_better: bool = True

    @property
    def name(self) -> str:
        """``precision``, or ``precision_of_0``."""
        return _named("precision", self)

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        return _mistakes(self.name, self)

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) precisions; NaN in a draw where no row is said to be of the class."""
        right, said, _ = _counts(self, label, score, weights)
        return _shares(right, said)


@dataclass(frozen=True)
class Recall:
    """Of the rows of a class, the share that is said to be. Parameters as of ``Precision``."""

    threshold: float = 0.5
    of: int = 1
    higher_is_better: bool = True

    @property
    def name(self) -> str:
        """``recall``, or ``recall_of_0``."""
        return _named("recall", self)

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        return _mistakes(self.name, self)

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) recalls; NaN in a draw without rows of the class."""
        right, _, there = _counts(self, label, score, weights)
        return _shares(right, there)


@dataclass(frozen=True)
class F1:
    """The harmonic mean of precision and recall (van Rijsbergen 1979). Parameters as of ``Precision``."""

    threshold: float = 0.5
    of: int = 1
    higher_is_better: bool = True

    @property
    def name(self) -> str:
        """``f1``, or ``f1_of_0``."""
        return _named("f1", self)

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        return _mistakes(self.name, self)

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) F1 scores; NaN in a draw where the class is neither there nor said to be."""
        right, said, there = _counts(self, label, score, weights)
        return _shares(2 * right, said + there)


@dataclass(frozen=True)
class Prevalence:
    """The share of positives: the precision of acting on rows at random, at every recall."""

    name: str = "prevalence"
    higher_is_better: bool = True

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) shares; NaN in a draw without rows."""
        return _shares(weights.totals(label), weights.totals(np.ones(len(label))))


@dataclass(frozen=True)
class PrAucGain:
    """Average precision above the prevalence of the same rows, which scores at random have: 0 is no skill."""

    name: str = "pr_auc_gain"
    higher_is_better: bool = True

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) gains; NaN in a draw without positives."""
        return PrAuc().draws(label, score, weights) - Prevalence().draws(label, score, weights)


def _counts(metric: _AtThreshold, label: Floats, score: Floats, weights: Weights) -> tuple[Floats, Floats, Floats]:
    """Return (b,) rows rightly said to be of the class, all said to be, and all that are."""
    said, there = (score >= metric.threshold) == (metric.of == 1), (label > 0) == (metric.of == 1)
    right, claimed, present = (weights.totals(rows.astype(np.float64)) for rows in (said & there, said, there))
    return right, claimed, present


def _shares(part: Floats, whole: Floats) -> Floats:
    shares: Floats = np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)
    return shares


def _named(word: str, metric: _AtThreshold) -> str:
    return word if metric.of == 1 else f"{word}_of_{metric.of}"


def _mistakes(name: str, metric: _AtThreshold) -> list[str]:
    what = f"metric {name!r}"
    return out_of_range(f"{what}: threshold", metric.threshold) + none_of(f"{what}: of", metric.of, CLASSES)
