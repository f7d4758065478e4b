"""What an evaluation's checks find: tests that were looked at in silence, and metrics that mislead."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol

from mlsys_assets.offline_evaluation.champion_gate import RECENT, STATIC
from mlsys_assets.offline_evaluation.evaluation import Evaluation
from mlsys_assets.types import Finding, Severity

SCHEDULED = "scheduled comparison"
"""Why a sealed test is opened where nobody gave another reason: once for each as-of."""

JUDGED = "the refit is held against the champion before it takes its place"
"""Why the static test is opened for the one model that learned from all rows but its own: it is not chosen by that."""
REPORTED, STUDIED = "report on the challenger: nothing is chosen by it", "a study of data: nothing is chosen by it"
"""Why it is opened by what only tells: no look of that kind, and no reason for another."""

READ_ONCE, ACCURACY = "test_read_once", "no_baseline_wins_on_accuracy"
CHECKS = {
    READ_ONCE: ("Nobody looked at a sealed test twice without saying why.", True),
    ACCURACY: ("The zero rule does not win on accuracy; where it does, accuracy says nothing.", False),
}


class Read(Protocol):
    """One opening of a sealed test, as the ledger holds it."""

    @property
    def split(self) -> str:
        """Which test."""
        ...

    @property
    def reason(self) -> str:
        """Why."""
        ...

    @property
    def as_of(self) -> datetime:
        """As of when."""
        ...


def read_once(reads: Iterable[Read], as_of: datetime) -> Finding:
    """Find a test that was opened again as of one time, by other models, without a reason given for it since."""
    told = [r for r in reads if r.as_of == as_of and r.reason not in {REPORTED, STUDIED, JUDGED}]
    opened = Counter((r.split, r.reason == SCHEDULED) for r in told)
    silent = {split: opened[split, True] for split in (RECENT, STATIC)}
    again = [f"{split} {n} times" for split, n in silent.items() if n - 1 > opened[split, False]]
    summary = (
        f"opened without a reason as of {as_of:%Y-%m-%d}: {', '.join(again)}; once is allowed. What was tuned "
        "after a look is no longer tested by it: give `reason` in the run's config, or wait for fresh rows"
        if again
        else "each sealed test was opened once, or with a reason"
    )
    return Finding(READ_ONCE, not again, summary, evidence={f"{k} silent reads": n for k, n in silent.items()})


def accuracy_misleads(found: Iterable[Evaluation], *, baselines: Sequence[str], decides: str) -> Finding:
    """Find a baseline that no model beats on accuracy; ``decides`` names the metric to look at instead."""
    recent = {e.model: e.whole.get("accuracy") for e in found if e.split == RECENT}
    rates = {name: e.value for name, e in recent.items() if e is not None and e.sufficient}
    best = max((v for k, v in rates.items() if k in baselines), default=None)
    beaten = {} if best is None else {k: v for k, v in rates.items() if k not in baselines and v <= best}
    summary = (
        f"a baseline's accuracy {best:.3f} is not beaten by "
        + ", ".join(f"{k} ({v:.3f})" for k, v in beaten.items())
        + f": positives are rare, so look at {decides} and the precision–recall curve, as the gate does"
        if beaten
        else "no baseline wins on accuracy, or accuracy is not among the metrics"
    )
    return Finding(ACCURACY, not beaten, summary, Severity.WARN, dict(rates))
