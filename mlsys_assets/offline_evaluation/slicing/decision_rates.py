"""Rates of decisions: which share of which rows was acted on, or was decided rightly."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np

from mlsys_assets.measures.metrics import Floats

Counted = tuple[Floats, Floats]
"""(n,) whether a row counts as a hit, and (n,) whether it counts at all; a hit always counts."""


@runtime_checkable
class Rate(Protocol):
    """A share of rows, by their labels and by whether they were acted on."""

    @property
    def name(self) -> str:
        """The field's name for it."""
        ...

    def counted(self, label: Floats, acted: Floats) -> Counted:
        """Return the hits, and the rows that they are a share of.

        Parameters
        ----------
        label
            (n,) 0 or 1.
        acted
            (n,) 1 where the score reached the threshold, else 0.
        """
        ...


@dataclass(frozen=True)
class TruePositiveRate:
    """Share of the positive rows that are acted on: the true positive rate."""

    name: str = "recall"

    def counted(self, label: Floats, acted: Floats) -> Counted:
        """Count positives."""
        return label * acted, label


@dataclass(frozen=True)
class FalsePositiveRate:
    """Share of the negative rows that are acted on."""

    name: str = "false_positive_rate"

    def counted(self, label: Floats, acted: Floats) -> Counted:
        """Count negatives."""
        return (1 - label) * acted, 1 - label


@dataclass(frozen=True)
class SelectionRate:
    """Share of all rows that are acted on."""

    name: str = "selection_rate"

    def counted(self, label: Floats, acted: Floats) -> Counted:
        """Count all rows."""
        return acted, np.ones(len(acted))


@dataclass(frozen=True)
class PositivePredictiveValue:
    """Share of positives among the rows that are acted on."""

    name: str = "precision"

    def counted(self, label: Floats, acted: Floats) -> Counted:
        """Count what is acted on."""
        return label * acted, acted


@dataclass(frozen=True)
class RightlyDecided:
    """Share of the rows that are acted on if and only if they are positive: accuracy at the threshold."""

    name: str = "accuracy"

    def counted(self, label: Floats, acted: Floats) -> Counted:
        """Count all rows."""
        return (label == acted).astype(float), np.ones(len(acted))


DEMOGRAPHIC_PARITY = (SelectionRate(),)
"""Groups are acted on alike (Dwork et al. 2012)."""
EQUALIZED_ODDS = (TruePositiveRate(), FalsePositiveRate())
"""Groups are acted on alike, given their label (Hardt, Price and Srebro 2016)."""


@dataclass(frozen=True, eq=False)
class Decisions:
    """What was decided of n rows, and what they were.

    Parameters
    ----------
    label
        (n,) 0 or 1.
    acted
        (n,) 0 or 1.
    """

    label: Floats
    acted: Floats

    def __len__(self) -> int:
        return len(self.label)


def decisions(label: Floats, score: Floats, *, threshold: float) -> Decisions:
    """Return the decisions to act on every score from the threshold on; ValueError for what is no label or score."""
    if label.shape != score.shape:
        raise ValueError(f"{len(label)} labels and {len(score)} scores; there must be one of each a row")
    if not np.isin(label, (0, 1)).all():
        raise ValueError("labels must be 0 or 1; leave out the rows that have none")
    if not np.isfinite(score).all():
        raise ValueError(f"{int((~np.isfinite(score)).sum())} of {len(score)} scores are not finite")
    return Decisions(label.astype(float), (score >= threshold).astype(float))
