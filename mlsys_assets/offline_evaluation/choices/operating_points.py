"""Every decision rule that scores allow: act from one of their values on, or never."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from mlsys_assets.measures.costs import CostMatrix
from mlsys_assets.measures.metrics import Floats

NEVER: Final = float(np.nextafter(1.0, 2.0))
"""A threshold that no probability reaches."""
ALWAYS: Final = 0.0
"""A threshold that every probability reaches."""


@dataclass(frozen=True, eq=False)
class OperatingPoints:
    """What acting from each distinct score on gives, falling, after never acting at all.

    Parameters
    ----------
    threshold
        (m + 1,) NEVER, then the m distinct scores, falling.
    acted
        (m + 1,) rows at or above each.
    true_positives
        (m + 1,) positives among them.
    rows, positives
        Of all.
    """

    threshold: Floats
    acted: Floats
    true_positives: Floats
    rows: int
    positives: int

    @classmethod
    def of(cls, label: Floats, score: Floats) -> "OperatingPoints":
        """Return the points of (n,) labels of 0 or 1 and (n,) probabilities; raises ValueError for anything else."""
        if len(label) != len(score):
            raise ValueError(f"{len(score)} scores for {len(label)} rows; give one a row, in the order of the rows")
        if odd := int((~((score >= 0) & (score <= 1))).sum()):
            raise ValueError(f"{odd} of {len(score)} scores are no probabilities in [0, 1]; calibrate or scale them")
        if odd := int((~((label == 0) | (label == 1))).sum()):
            raise ValueError(f"{odd} of {len(label)} labels are neither 0 nor 1; leave out what is not labelled")
        order = np.argsort(-score, kind="stable")
        falling = score[order]
        ends = np.flatnonzero(np.diff(falling, append=np.nan) != 0)  # rows of one score are acted on together
        true = np.concatenate([[0.0], np.cumsum(label[order])[ends]])
        acted = np.concatenate([[0.0], ends + 1.0])
        return cls(np.concatenate([[NEVER], falling[ends]]), acted, true, len(label), int(label.sum()))

    @property
    def recall(self) -> Floats:
        """(m + 1,) of the positives, the share acted on."""
        return self.true_positives / max(self.positives, 1)

    @property
    def precision(self) -> Floats:
        """(m + 1,) of what is acted on, the share that is positive; NaN where nothing is."""
        shares = np.full(len(self.acted), np.nan)
        np.divide(self.true_positives, self.acted, out=shares, where=self.acted > 0)
        return shares

    @property
    def share(self) -> Floats:
        """(m + 1,) of all rows, the share acted on."""
        return self.acted / max(self.rows, 1)

    def mean_cost(self, costs: CostMatrix) -> Floats:
        """Return (m + 1,) the mean cost of a row."""
        false_positives, missed = self.acted - self.true_positives, self.positives - self.true_positives
        left = self.rows - self.acted - missed
        total: Floats = (
            self.true_positives * costs.true_positive
            + false_positives * costs.false_positive
            + missed * costs.false_negative
            + left * costs.true_negative
        )
        return total / max(self.rows, 1)

    def spans(self) -> tuple[Floats, Floats]:
        """Return (m + 1,) the lowest and the highest threshold that decides alike."""
        return np.append(np.nextafter(self.threshold[1:], np.inf), ALWAYS), self.threshold
