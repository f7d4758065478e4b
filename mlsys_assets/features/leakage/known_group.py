"""What knowing a row's group is worth: to a probe, and to whoever knows what was missed in the group's past."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.features.leakage.suspicion import Suspicion
from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.measures.metrics import Floats, RocAuc, Weights
from mlsys_assets.types import Scalar, Severity

MOST_GAP: Final = 0.03
"""The AUC that an evaluation surely owes to groups it knows, from which on it is not to be believed: several times what
decides between two models.

Of flights until September, a probe gains 0.021 at most of carriers, airports, aircraft and flight numbers, and no lower
end is above 0.014; their past is worth 0.006 at most, and no lower end is above 0.002.
"""
FEW: Final = 50
"""Training rows from which on a group may honestly be learned: as many as a category needs for an output of its own."""
NOTED_GAP: Final = 0.02
"""What somebody should look at: half as much again as the highest lower end of flights."""
ADVICE: Final = (
    "Keep each group in one part of the split, and leave out what names it; or, where every later row will be of a "
    "group that is known, say so."
)


@dataclass(frozen=True)
class WithinHalves:
    """The mean AUC of the halves: they are scored by probes that need not agree on a level, and count alike.

    So the better of two probes gains nothing: what it gives the half that it was trained on, it gives the other too.
    """

    half: NDArray[np.intp]
    name: str = "roc_auc_within_halves"
    higher_is_better: bool = True

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) means of areas; NaN in a draw of one class in either half."""
        halves = (self.half == k for k in np.unique(self.half))
        areas = [RocAuc().draws(label[rows], score[rows], weights.of(rows)) for rows in halves]
        mean: Floats = np.mean(areas, axis=0)
        return mean


@dataclass(frozen=True)
class KnownGroup:
    """How much better rows of other days are ranked by what knows their group.

    Parameters
    ----------
    name
        The column, or the array, that names the group.
    groups
        How many there are in training.
    straddling
        The share of later rows whose group stands in training.
    each
        How many training rows such a group has, the median over later rows.
    declared
        Whether somebody said that its rows belong together, so that later ones will be of other groups.
    seen, unseen
        The AUC of a probe that was trained on rows of their group, and of one that was not.
    gap
        Their difference, on the same rows.
    known
        The AUC of the latter's log odds, moved by what it missed in the group's rows of training.
    gain
        How much that exceeds ``unseen``.
    """

    name: str
    groups: int
    straddling: float
    each: float
    declared: bool
    seen: Estimate
    unseen: Estimate
    gap: Estimate
    known: Estimate
    gain: Estimate

    @property
    def sufficient(self) -> bool:
        """Whether it can be told."""
        return self.gap.sufficient

    @property
    def worth(self) -> Estimate:
        """What knowing it is surely worth: the gap, or the gain where that is."""
        return max(self.gap, self.gain, key=lambda one: one.low)

    @property
    def suspicions(self) -> tuple[Suspicion, ...]:
        """What is suspect about it.

        Of categories of many rows, such as countries, a model may learn how they are, and later rows are of the same:
        that it knows little of others is told, and is no leak. What rows of a small group tell of each other is, and
        so is what is known of groups that were declared: later rows will be of others.
        """
        if not self.sufficient or self.worth.low <= NOTED_GAP:
            return ()
        leaks = self.worth.low > MOST_GAP and (self.declared or self.each < FEW)
        return (self._suspicion(Severity.ERROR if leaks else Severity.WARN),)

    def _suspicion(self, severity: Severity) -> Suspicion:
        seen = (
            f"tells the answer of other rows: where it was left out, a probe ranks other days with an AUC of "
            f"{self.unseen.value:.3f}; trained on it with {self.seen.value:.3f}, a gap of {self.gap}; with what it "
            f"missed in the group's past {self.known.value:.3f}, a gain of {self.gain}"
        )
        because = (
            f"Rows of a group share their label, and {self.straddling:.0%} are of groups in training, of "
            f"{self.each:.0f} rows each."
        )
        evidence: dict[str, Scalar] = {
            "gap": self.gap.value, "gap low": self.gap.low, "gain": self.gain.value, "gain low": self.gain.low,
            "seen": self.seen.value, "unseen": self.unseen.value, "known": self.known.value,
            "straddling": self.straddling, "rows each": self.each,
        }  # fmt: skip
        return Suspicion((self.name,), severity, seen, because, ADVICE, evidence)
