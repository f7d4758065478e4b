"""The classifier two-sample test: if a learner tells rows of now from rows before, they are not distributed alike."""

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.features.leakage.learner import Learner
from mlsys_assets.features.leakage.told_apart import NAMED, Told, Unlabelled, adversarial_validation
from mlsys_assets.measures.intervals import Estimate, day_blocks
from mlsys_assets.mistakes import not_one, out_of_range
from mlsys_assets.production_monitoring.diagnosis import Cause, Symptom
from mlsys_assets.production_monitoring.drift.comparable import Comparable, Rows, comparable
from mlsys_assets.production_monitoring.drift.outcome import Outcome

CLASSIFIER: Final = "classifier"
LEAST_AUC: Final = 0.6
"""The AUC from which two sets count as apart: that of one normal column that moved by .36 standard deviations."""
CHANCE: Final = 0.001
"""What chance gives more rarely than this is no chance: one window in a thousand."""
FOLDS_DEPEND: Final = 1.5
"""By how much more the AUC varies than days drawn anew tell: fits of different folds share rows (Nadeau and Bengio
2003), and no two folds' errors are independent. Simulated with days that share weather, seven of them now."""
ROW_BLOCKS: Final = 50
"""Into how many blocks rows are dealt that do not depend on each other."""


@dataclass(frozen=True)
class ClassifierTest:
    """Holds the AUC of a learner, on rows it did not see, against that of none (Lopez-Paz and Oquab 2017).

    Parameters
    ----------
    learner
        What is fitted to tell the sets apart: any candidate, a small one.
    least_auc
        Below it they count as alike, however many rows say otherwise.
    chance
        The p-value at most.
    blocks
        Whether rows of a day may depend on each other, so that none is told by its day's weather alone, or no rows do.

    It cannot signal a change that the learner cannot learn from some 2,000 rows of either, nor one of a set of less
    than four days where days are blocks.
    """

    learner: Learner
    least_auc: float = LEAST_AUC
    chance: float = CHANCE
    blocks: Literal["days", "rows"] = "days"

    def mistakes(self) -> list[str]:
        """Return what is no learner, which numbers are out of range, and what are no blocks."""
        what = "the classifier test"
        return [
            *not_one(f"{what}: learner", self.learner, Learner),
            *out_of_range(f"{what}: least_auc", self.least_auc, least=0.5, most=1),
            *out_of_range(f"{what}: chance", self.chance, above=0, most=0.5),
            *([] if self.blocks in {"days", "rows"} else [f"{what}: blocks are {self.blocks!r}; allowed: days, rows"]),
        ]

    def held(self, before: Unlabelled, now: Unlabelled, *, seed: int, threads: int = 1) -> Outcome:
        """Return how well rows of now are told from rows before; ``seed`` is of the draw, the folds and the fits."""
        both = comparable(before.features, now.features)
        if not both.before.num_columns:
            return Outcome.nothing(CLASSIFIER, "no column that both sets have with a value", both.left_out)
        try:
            told = self._told(before, now, both, seed, threads)
        except Exception as error:  # noqa: BLE001 - a learner may be anybody's: it is named, and other tests still look
            why = f"the learner failed: {type(error).__name__}: {error}"
            return Outcome.nothing(CLASSIFIER, why, both.left_out)
        if not told.auc.sufficient:
            return Outcome.nothing(CLASSIFIER, str(told.auc), both.left_out)
        days = (len(np.unique(day_blocks(at))) for at in (before.at, now.at))
        fewest = min(days) if self.blocks == "days" else min(ROW_BLOCKS, len(before.at), len(now.at))
        return self._outcome(told, chance_of(told.auc, fewest), both.left_out)

    def _told(self, before: Unlabelled, now: Unlabelled, both: Comparable, seed: int, threads: int) -> Told:
        at = (before.at, now.at)
        if self.blocks == "rows":
            random = np.random.default_rng(seed)
            at = (_dealt(len(before.at), random), _dealt(len(now.at), random))
        sets = Rows(at[0], both.before), Rows(at[1], both.now)
        return adversarial_validation(sets, self.learner, seed=seed, threads=threads, folds_of=self.blocks)

    def _outcome(self, told: Told, chance: float, left_out: dict[str, str]) -> Outcome:
        auc = told.auc
        symptom = None
        if auc.value >= self.least_auc and chance <= self.chance:
            most = ", ".join(f"{name} ({one:.2f})" for name, one in told.columns[:NAMED])
            said = (
                f"a classifier tells rows of now from rows before with an AUC of {auc} (p {chance:.1g}; below "
                f"{self.least_auc:g} is alike); by a single column at most by {most}"
            )
            measures = {"low": auc.low, "high": auc.high, "p": chance, "rows": auc.rows, "blocks": auc.blocks}
            symptom = Symptom(Cause.COVARIATE, CLASSIFIER, "features", said, auc.value, self.least_auc, measures)
        return Outcome(CLASSIFIER, auc.value, self.least_auc, chance, separation(auc.value), symptom, "", left_out)


def chance_of(auc: Estimate, fewest: int) -> float:
    """Return how likely an AUC as large is by chance, given how many blocks the smaller set has: one-sided."""
    wide = replace(auc, error=auc.error * FOLDS_DEPEND, blocks=fewest)
    return wide.p_above(0.5)


def separation(auc: float) -> float:
    """Return by how many standard deviations a normal column that has this AUC would have moved; at least 0.

    >>> round(separation(0.76), 2)
    1.0
    """
    from scipy.special import ndtri

    return float(np.sqrt(2) * ndtri(min(max(auc, 0.5), 1 - 1e-9)))


def _dealt(rows: int, random: np.random.Generator) -> NDArray[np.datetime64]:
    """Return (n,) days, as many as there are blocks of rows, dealt out at random."""
    return np.datetime64(0, "us") + random.permutation(rows) % ROW_BLOCKS * np.timedelta64(1, "D")
