"""What a training costs by declaration: the same whenever, wherever and how often it is asked."""

from dataclasses import dataclass
from datetime import timedelta

from mlsys_assets.mistakes import out_of_range
from mlsys_assets.retraining.history import History

MILLION = 1_000_000
HIGHEST_COST = 10**12
"""Of anything, in whatever unit: sums of it stay numbers that can be recorded."""


@dataclass(frozen=True)
class TrainingCost:
    """A fixed part and one by the labels that are known, in any one unit: CPU seconds, or money.

    It is declared, not measured: a decision is replayed, and processor time is never the same twice. Measure some
    trainings (``mlsys report`` tells their CPU seconds) and declare what they cost. The labels are all that were known
    as of the training, so that with a shorter training window it is an upper bound.

    >>> TrainingCost(fixed=20, per_million_rows=100).of(300_000)
    50.0

    Parameters
    ----------
    fixed
        What a training costs, however few its rows; one without enough data costs no more.
    per_million_rows
        What a million labels cost besides.
    """

    fixed: float = 0.0
    per_million_rows: float = 0.0

    def mistakes(self) -> list[str]:
        """Return what is wrong with the numbers."""
        found = out_of_range("training cost: fixed", self.fixed, least=0, most=HIGHEST_COST)
        found += out_of_range("training cost: per_million_rows", self.per_million_rows, least=0, most=HIGHEST_COST)
        if not found and not self.fixed and not self.per_million_rows:
            found.append("training cost: fixed and per_million_rows are both 0; declare what a training costs")
        return found

    def of(self, labelled: int) -> float:
        """Return what a training with so many labels costs."""
        return float(self.fixed) + float(self.per_million_rows) * labelled / MILLION

    def next(self, history: History) -> float:
        """Return what a training as of now would cost."""
        if history.now is not None:
            return self.of(history.now.labelled)
        return self.of(history.trained.labelled if history.trained is not None else 0)

    def spent(self, history: History, within: timedelta) -> float:
        """Return what the trainings of the last ``within`` cost; one without enough data cost the fixed part."""
        labelled = {t.as_of: t.labelled for t in history.trainings}
        return sum(self.of(labelled.get(at, 0)) for at in history.attempts if at > history.as_of - within)
