"""What knowing a row's group is worth: to a probe, and by the group's rate alone."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.features.leakage.suspicion import Suspicion
from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.measures.metrics import Floats, RocAuc, Weights
from mlsys_assets.types import Scalar, Severity

MOST_GAP: Final = 0.05
"""What a probe surely loses of its AUC where a row's group was left out, if it knew rows by their group.

Of flights until September, carriers, airports and aircraft give 0.03 at most, and no lower end above 0.01.
"""
ALONE: Final = 0.65
"""An AUC that the rate of a row's group reaches by itself if the group holds the answer. Of flights, 0.56."""
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
    """How much better later rows are ranked by what knows their group.

    Parameters
    ----------
    name
        The column, or the array, that names the group.
    groups
        How many there are in training.
    straddling
        The share of later rows whose group stands in training.
    seen, unseen
        The AUC of a probe that was trained on rows of their group, and of one that was not.
    gap
        Their difference, on the same rows.
    alone
        The AUC of the group's rate in training, which sees no column.
    lead
        How much that exceeds ``unseen``: what all columns tell of rows of other groups.
    """

    name: str
    groups: int
    straddling: float
    seen: Estimate
    unseen: Estimate
    gap: Estimate
    alone: Estimate
    lead: Estimate

    @property
    def sufficient(self) -> bool:
        """Whether it can be told."""
        return self.gap.sufficient

    @property
    def suspicions(self) -> tuple[Suspicion, ...]:
        """What is suspect about it."""
        if not self.sufficient:
            return ()
        found = []
        if self.gap.low > MOST_GAP:
            seen = (
                f"is known to the probe: it ranks later rows with an AUC of {self.seen.value:.3f} where their group "
                f"was trained on, {self.unseen.value:.3f} where it was left out: a gap of {self.gap}"
            )
            because = f"Rows of {self.straddling:.0%} are of groups in training, and the model knows them by that."
            found.append(self._suspicion(seen, because))
        if self.alone.low > ALONE and self.lead.low > 0:
            seen = (
                f"alone ranks later rows with an AUC of {self.alone} by its rate in training, all columns with "
                f"{self.unseen.value:.3f} where the group is not known"
            )
            found.append(self._suspicion(seen, "Rows of a group share their label, and stand in both parts."))
        return tuple(found)

    def _suspicion(self, seen: str, because: str) -> Suspicion:
        evidence: dict[str, Scalar] = {
            "gap": self.gap.value, "gap low": self.gap.low, "seen": self.seen.value, "unseen": self.unseen.value,
            "alone": self.alone.value, "straddling": self.straddling,
        }  # fmt: skip
        return Suspicion((self.name,), Severity.ERROR, seen, because, ADVICE, evidence)
