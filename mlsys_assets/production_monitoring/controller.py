"""Decides which faults of a system are told, records that once, and delivers what is left to tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg
from dagster._core.storage.asset_check_execution_record import (
    COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES,
    AssetCheckExecutionRecordStatus,
)

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.ledger import ALERT
from mlsys_assets.production_monitoring.alert_decision import AlertDecision, Before
from mlsys_assets.production_monitoring.alerting import Alerting, Fault, Watch
from mlsys_assets.production_monitoring.faults import LastRun
from mlsys_assets.production_monitoring.quiet import Look, decide
from mlsys_assets.system import MLSystem
from mlsys_assets.types import Finding, Severity
from mlsys_resources.alerts import Delivered, deliver
from mlsys_resources.operations_rows import AlertCheckpoint, AlertRow, Decision
from mlsys_resources.resources import Resources

ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
"""How a run ends by itself: one that a person stopped is no fault."""
LONG_AGO = datetime.fromtimestamp(0, UTC)
"""Before all decisions."""
KEPT_EVERY = 32
"""Decisions after which it is kept what stands, so that a look reads no more than these, however old a system is."""


@dataclass(frozen=True)
class AlertController:
    """Tells the faults of a system by its declaration."""

    system: MLSystem
    stores: Resources
    declared: Alerting

    def diagnosed(
        self, faults: Sequence[Fault], as_of: datetime, *, watch: Watch = Watch.DIAGNOSIS
    ) -> tuple[AlertDecision, ...]:
        """Tell what a tick's diagnosis found by a watch, and put every decision on the ledger, told or not.

        What was decided as of later is not looked at: a tick that is brought in again decides as it did.
        """
        found = self._decided(watch, faults, as_of=as_of, before=as_of)
        for one in found:
            self.stores.operations.record(
                Decision(self.system.name, as_of, ALERT, one.name, one.verdict, one.reason, one.evidence)
            )
        return found

    def watched(self, watch: Watch, faults: Sequence[Fault], as_of: datetime) -> tuple[AlertDecision, ...]:
        """Tell the faults of checks or runs as of when they were looked for: what runs did is not on the ledger."""
        return self._decided(watch, faults, as_of=as_of)

    def deliver(self) -> Delivered:
        """Try what is left to tell."""
        return deliver(self.stores.operations, self.system.name, self.stores.alert_channels)

    def _decided(
        self, watch: Watch, faults: Sequence[Fault], *, as_of: datetime, before: datetime | None = None
    ) -> tuple[AlertDecision, ...]:
        name = self.system.name
        found = decide(Look(name, watch, as_of), faults, self._before(watch, before), self.declared)
        self.stores.operations.record_alerts([_row(one) for one in found if one.changes])
        return found

    def _before(self, watch: Watch, before: datetime | None) -> Before:
        """Return what a watch decided, as of earlier than ``before``: only what is new since the last look is read."""
        outbox, name = self.stores.operations, self.system.name
        kept = outbox.alert_checkpoint(name, watch)
        if kept is not None and before is not None and kept.as_of >= before:
            kept = None
        rows = outbox.alerts(name, after=0 if kept is None else kept.number)
        mine = [row for row in rows if row.evidence["alert"]["watch"] == watch]
        known = [row for row in mine if before is None or row.as_of < before]
        found = (Before() if kept is None else Before.read(kept.state)).after(known)
        if len(rows) >= KEPT_EVERY and len(known) == len(mine):
            latest = max([row.as_of for row in mine] + [LONG_AGO if kept is None else kept.as_of])
            outbox.keep_alert_checkpoint(AlertCheckpoint(name, watch, rows[-1].number, latest, found.values))
        return found


def _row(one: AlertDecision) -> AlertRow:
    alert = one.alert
    channels = alert.channels if one.told else ()
    return AlertRow(
        one.id, one.system, one.as_of, one.name, one.verdict, one.reason, alert.severity, alert.owner, one.subject,
        one.body, channels, one.evidence,
    )  # fmt: skip


def last_checks(instance: dg.DagsterInstance, keys: Sequence[dg.AssetCheckKey]) -> dict[str, list[Finding]]:
    """Return by asset what each check said when it was evaluated last; one that is planned says what it said before."""
    storage, found = instance.event_log_storage, dict[str, list[Finding]]()
    for key, last in storage.get_latest_asset_check_execution_by_key(list(keys)).items():
        record = last
        if record.status not in COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES:
            done = storage.get_asset_check_execution_history(
                key, limit=1, status=set(COMPLETED_ASSET_CHECK_EXECUTION_RECORD_STATUSES)
            )
            if not done:
                continue
            record = done[0]
        said = record.evaluation
        if said is None:
            continue
        error = said.severity is dg.AssetCheckSeverity.ERROR
        passed = record.status is AssetCheckExecutionRecordStatus.SUCCEEDED
        finding = Finding(key.name, passed, said.description or "", Severity.ERROR if error else Severity.WARN)
        found.setdefault(key.asset_key.to_user_string(), []).append(finding)
    return found


def last_runs(instance: dg.DagsterInstance, system: MLSystem) -> list[LastRun]:
    """Return how the last run of each of the system's jobs ended."""
    found = []
    jobs = (
        adapter.data_job, adapter.tick_job, adapter.training_job, adapter.prediction_job, adapter.study_job,
        adapter.data_report_job,
    )  # fmt: skip
    for name in jobs:
        records = instance.get_run_records(dg.RunsFilter(job_name=name(system), statuses=ENDED), limit=1)
        for record in records:
            run = record.dagster_run
            ended = datetime.fromtimestamp(record.end_time or record.update_timestamp.timestamp(), UTC)
            failed = run.status is dg.DagsterRunStatus.FAILURE
            found.append(LastRun(run.job_name, run.run_id, ended, failed, _why(instance, run.run_id) if failed else ""))
    return found


def _why(instance: dg.DagsterInstance, run_id: str) -> str:
    """Return which steps failed, and by what: an error's own text may hold what not everybody is to read."""
    failed = instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
    told = []
    for entry in failed:
        event = entry.dagster_event
        error = event.step_failure_data.error if event is not None else None
        cause = error.cause if error is not None and error.cause is not None else error
        told.append(f"{entry.step_key} by {cause.cls_name if cause is not None else 'an unknown error'}")
    return "; ".join(told)
