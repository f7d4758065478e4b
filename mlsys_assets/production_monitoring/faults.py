"""What is a fault: the cause that a diagnosis names, a check that failed, a job whose last run failed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from mlsys_assets.production_monitoring.alerting import Fault, Watch
from mlsys_assets.production_monitoring.diagnosis import SHIFTS, Cause, Diagnosis, Remedy, Symptom
from mlsys_assets.production_monitoring.failures import FailureClass, failures_of
from mlsys_assets.types import Finding, Severity

FAILED_CHECK, FAILED_RUN = "failed check", "failed run"
NO_REASON = "it left no reason"
EVERYWHERE = "requests"
"""Where a shift of the world is: in whatever is asked for. In which columns it shows most changes from tick to tick."""
QUIET = frozenset({Cause.NOTHING, Cause.UNTOLD})
"""Causes that are no fault."""
LEAST_SIZE = 1e-12
"""A limit that is smaller is none: how large a symptom is in its measure cannot be told."""


@dataclass(frozen=True)
class LastRun:
    """How the last run of a job that has ended did, as of when it ended."""

    job: str
    run_id: str
    ended: datetime
    failed: bool
    told: str = ""


def of_diagnosis(diagnosis: Diagnosis) -> tuple[Fault, ...] | None:
    """Return the faults of a diagnosis: of a bug one for each place, of a shift one; None if it could not look.

    Symptoms of causes that come after the first are what it explains, and are no faults of their own. A shift is none
    unless it is known to cost something, with its whole interval: most do not, and nobody is to be woken for them.
    """
    if diagnosis.cause is Cause.UNTOLD:
        return None
    if diagnosis.cause in QUIET or (diagnosis.cause in SHIFTS and not _costs(diagnosis)):
        return ()
    loss = None if diagnosis.price is None else diagnosis.price.total
    remedy = "" if diagnosis.remedy is Remedy.NOTHING else str(diagnosis.remedy)
    own = [symptom for symptom in diagnosis.symptoms if symptom.cause is diagnosis.cause]
    if diagnosis.cause in SHIFTS:
        size = max((found for s in own if (found := _size(s)) is not None), default=None)
        cause, told, failure = str(diagnosis.cause), diagnosis.reason, _failure(own[0])
        return (Fault(Watch.DIAGNOSIS, cause, EVERYWHERE, Severity.WARN, told, size, loss, remedy, failure),)
    worst: dict[str, Symptom] = {}
    for symptom in own:
        worst.setdefault(symptom.where, symptom)
    return tuple(
        Fault(Watch.DIAGNOSIS, str(s.cause), where, Severity.ERROR, s.told, _size(s), loss, remedy, _failure(s))
        for where, s in worst.items()
    )


def of_findings(findings: Mapping[str, Iterable[Finding]], *, warnings: bool) -> tuple[Fault, ...]:
    """Return the faults of checks.

    Parameters
    ----------
    findings
        By asset, what its checks found last.
    warnings
        Also of checks that failed with severity WARN.
    """
    return tuple(
        Fault(Watch.CHECKS, FAILED_CHECK, f"{asset}: {finding.name}", finding.severity, finding.summary)
        for asset, found in findings.items()
        for finding in found
        if not finding.passed and (warnings or finding.severity is Severity.ERROR)
    )


def of_runs(runs: Iterable[LastRun]) -> tuple[Fault, ...]:
    """Return the faults of jobs: those whose last run failed."""
    return tuple(
        Fault(Watch.RUNS, FAILED_RUN, run.job, Severity.ERROR, f"run {run.run_id} failed: {run.told or NO_REASON}")
        for run in runs
        if run.failed
    )


def _costs(diagnosis: Diagnosis) -> bool:
    """Return whether it is known to cost something, with its whole interval."""
    price = diagnosis.price
    if price is None:
        return False
    cost = price.log_loss if price.money is None else price.money
    return cost.sufficient and cost.low > 0


def _failure(symptom: Symptom) -> FailureClass | None:
    return next((one.kind for one in failures_of([symptom])), None)


def _size(symptom: Symptom) -> float | None:
    """Return how many times its limit a symptom is."""
    return symptom.size / symptom.limit if symptom.limit > LEAST_SIZE else None
