"""Whether what a model rests on is alive: its sources send, and what it learned is not too old."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, timedelta
from typing import Any, Final

import numpy as np

from mlsys_assets.production_monitoring.alerting import Fault, Watch
from mlsys_assets.production_monitoring.diagnosing.seen import TablePair
from mlsys_assets.production_monitoring.diagnosis import Symptom
from mlsys_assets.production_monitoring.failures import Arrivals, Failure, FailureClass, failures_of
from mlsys_assets.types import Finding, Severity

ALIVE: Final = "dependencies_are_alive"
FAILURES: Final = "failures"
"""In the evidence of a diagnosis: the failures that are no symptoms of it, with their tags."""
KINDS: Final = "failure kinds"
"""... and how many there are of each kind, the symptoms with them."""
REMEDIES: Final = {
    FailureClass.DEPENDENCY: "start what sends it again, or serve without it",
    FailureClass.STALE_MODEL: "train, or see why trainings do not end in a new champion",
    FailureClass.FEEDBACK_LOOP: "show some of the rest at random, and log how likely each item was to be shown",
}


def arrivals(source: str, pair: TablePair) -> Arrivals:
    """Return when a source's rows came last, and how long it was silent at most in the reference times."""
    gaps = [np.diff(np.sort(at)).max() for at in pair.before_at if len(at) > 1]
    longest = max(gaps, default=None)
    came = [at.max() for at in (*pair.before_at, pair.now_at) if len(at)]
    last = max(came, default=None)
    return Arrivals(
        source,
        None if last is None else last.astype("datetime64[us]").item().replace(tzinfo=UTC),
        None if longest is None else timedelta(microseconds=int(longest / np.timedelta64(1, "us"))),
    )


def alive(failures: Sequence[Failure], *, sources: int) -> Finding:
    """Return whether no source has stopped and no model is too old.

    Parameters
    ----------
    sources
        How many were looked at.
    """
    told = "; ".join(f"{one.kind}: {one.told}" for one in failures)
    evidence: dict[str, Any] = {"sources": sources, "failures": len(failures)}
    for kind in {one.kind for one in failures}:
        evidence[str(kind)] = ", ".join(one.where for one in failures if one.kind is kind)
    return Finding(ALIVE, not failures, told or f"all {sources} sources send", Severity.WARN, evidence)


def on_record(failures: Sequence[Failure], symptoms: Sequence[Symptom]) -> dict[str, Any]:
    """Return failures as the ledger keeps them, with their tags; of the symptoms, which it keeps, how many."""
    kinds = Counter(one.kind.value for one in (*failures, *failures_of(symptoms)))
    told = [{"kind": one.kind.value, "where": one.where, "told": one.told, **one.tags} for one in failures]
    return {FAILURES: told, KINDS: dict(sorted(kinds.items()))}


def faults_on_record(evidence: Mapping[str, Any]) -> tuple[Fault, ...]:
    """Return the failures of a diagnosis' record that are no symptoms of it, as faults."""
    found = [Failure(FailureClass(one["kind"]), one["where"], one["told"]) for one in evidence.get(FAILURES, ())]
    return tuple(
        Fault(
            Watch.DEPENDENCIES, str(one.kind), one.where, _severity(one.kind), one.told, remedy=REMEDIES[one.kind],
            failure=one.kind,
        )
        for one in found
    )  # fmt: skip


def _severity(kind: FailureClass) -> Severity:
    return Severity.ERROR if kind.is_software else Severity.WARN
