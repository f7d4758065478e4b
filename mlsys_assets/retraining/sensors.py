"""The thin shells around the triggers: what is due is asked for, verdicts are recorded once, one decision is taken."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
)

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.clocks import StoredClock, clock_of
from mlsys_assets.retraining.arbiter import TRAIN, decide
from mlsys_assets.retraining.history import History
from mlsys_assets.retraining.ledger import (
    ADEQUATE,
    ARBITER,
    DRIFT,
    FAILED,
    GATE,
    GIVEN_UP,
    MONITORING,
    PERFORMANCE,
    PROMOTION,
    REMEMBERED,
    RETRAINING,
    TRAINING_SET,
    TRIGGER,
    history,
)
from mlsys_assets.retraining.timetable import Due, first_as_of, next_due
from mlsys_assets.retraining.trigger import Answer, Trigger, TriggerVerdict, ask
from mlsys_assets.system import MLSystem
from mlsys_resources.operations_rows import Decision
from mlsys_resources.resources import Resources

ATTEMPTS = 3
"""How often a run is asked for before it is left to a person; those of an earlier owner of the state do not count."""
AS_OF_TAG, OWNER_TAG = "mlsys/as_of", "mlsys/owner"
"""Run tags: as of when the run's decision is taken, and which owner of the state folder asked for it."""
EVERY_MINUTE = "* * * * *"
SECONDS_BETWEEN = 30
SECONDS_BETWEEN_SIMULATED = 5
"""How often a sensor looks: a simulated clock may be moved by a person who watches."""


def build_schedules(system: MLSystem) -> list[dg.ScheduleDefinition]:
    """Return the schedule of the ticks and, for a simulated clock, the one that moves it."""
    if not system.triggers:
        return []
    return [_tick_schedule(system), *([_clock_schedule(system)] if system.simulated_from else [])]


def build_sensors(system: MLSystem) -> list[dg.SensorDefinition]:
    """Return a sensor for each trigger that looks at data, the arbiter, and the one that catches up."""
    if not system.triggers:
        return []
    watching = [_trigger_sensor(system, trigger) for trigger in system.triggers if not trigger.by_clock]
    return [*watching, _arbiter_sensor(system), _catch_up_sensor(system)]


@dataclass(frozen=True)
class Desk:
    """Where a system stands: what is due, what is asked, what was decided, which runs are under way."""

    system: MLSystem
    stores: Resources
    instance: dg.DagsterInstance

    @property
    def decided(self) -> Decision | None:
        """The arbiter's last decision."""
        return self.stores.operations.decision(self.system.name, RETRAINING, ARBITER)

    def due(self) -> Due | None:
        """Return what comes next, if its time has come."""
        calendar, now, decided = self.system.calendar, clock_of(self.system, self.stores).now(), self.decided
        first = first_as_of(calendar, self.system.simulated_from or now)
        found = next_due(calendar, first=first, decided=None if decided is None else decided.as_of)
        return None if found is None or found.as_of > now else found

    def waits(self, due: Due | None) -> str:
        """Return why nothing is to be done, if so."""
        if due is not None:
            return ""
        now, end = clock_of(self.system, self.stores).now(), self.system.calendar.end
        if end is not None and now >= end:
            return f"end of data: the calendar of {self.system.name} ends at {end:%Y-%m-%d %H:%M}"
        return f"the next tick has not ended at {now:%Y-%m-%d %H:%M}"

    def is_monitored(self, as_of: datetime) -> bool:
        """Return whether the tick that ends then is on record, and the run that brought it in has ended well."""
        found = self.stores.operations.decisions(self.system.name, MONITORING, since=as_of, until=as_of)
        return {PERFORMANCE, DRIFT} <= {d.name for d in found} and self._brought_in(as_of)

    def _brought_in(self, as_of: datetime) -> bool:
        """Return whether a run of the tick succeeded, be it asked for here or started by hand."""
        last = self.system.calendar.key(as_of - self.system.calendar.step)
        marks = {AS_OF_TAG: self.system.calendar.key(as_of)}, {PARTITION_NAME_TAG: last}
        job, done = adapter.tick_job(self.system), [dg.DagsterRunStatus.SUCCESS]
        return any(
            self.instance.get_runs(dg.RunsFilter(job_name=job, tags=tags, statuses=done), limit=1) for tags in marks
        )

    def history(self, as_of: datetime) -> History:
        """Return what the ledger knew as of then, as far back as anybody looks: not all that was ever trained."""
        name, store = self.system.name, self.stores.operations
        since = as_of - REMEMBERED * self.system.calendar.step
        limited = min(since, as_of - self.system.retraining.looks_back)
        sets = store.decisions(name, TRAINING_SET, since=limited, until=as_of)
        before = as_of - timedelta(microseconds=1)
        trained = store.decision(name, TRAINING_SET, TRAINING_SET, until=before, verdict=ADEQUATE)
        if trained is not None and trained.as_of < limited:
            sets = (trained, *sets)
        gates = () if trained is None else store.decisions(name, GATE, since=trained.as_of, until=trained.as_of)
        monitoring = store.decisions(name, MONITORING, since=since, until=as_of)
        return history(as_of, training_sets=sets, gates=gates, monitoring=monitoring)

    def verdicts(self, as_of: datetime) -> dict[str, Decision]:
        """Return the triggers' verdicts on record as of then, in declared order."""
        found = {
            d.name: d for d in self.stores.operations.decisions(self.system.name, TRIGGER, since=as_of, until=as_of)
        }
        return {t.name: found[t.name] for t in self.system.triggers if t.name in found}

    def ask(self, trigger: Trigger, as_of: datetime) -> None:
        """Put a trigger's verdict on record, once."""
        if trigger.name in self.verdicts(as_of):
            return
        found = ask(trigger, self.history(as_of))
        self._record(as_of, TRIGGER, trigger.name, found.answer.value, found.reason, found.evidence)

    def decide(self, as_of: datetime) -> None:
        """Put the decision on record; all verdicts must be."""
        verdicts = {
            name: TriggerVerdict(Answer(d.verdict), d.reason, d.evidence) for name, d in self.verdicts(as_of).items()
        }
        found = decide(self.system.retraining, verdicts, self.history(as_of))
        self._record(as_of, RETRAINING, ARBITER, found.verdict, found.reason, found.evidence)

    def training_wanted(self) -> bool:
        """Return whether the last decision was to train, and the training neither ended nor was given up."""
        decided = self.decided
        if decided is None or decided.verdict != TRAIN:
            return False
        found = self.stores.operations.decisions(self.system.name, since=decided.as_of, until=decided.as_of)
        return not any(
            d.kind == PROMOTION or d.name == GIVEN_UP or (d.kind == TRAINING_SET and d.verdict != ADEQUATE)
            for d in found
        )

    def request(self, job: str, as_of: datetime, *, window: Any = None) -> dg.RunRequest | dg.SkipReason:
        """Return the request of a run, unless one is under way or too many have failed."""
        key = self.system.calendar.key(as_of)
        tags = {"system": self.system.name, AS_OF_TAG: key, OWNER_TAG: str(self.stores.token or 0)}
        runs = self.instance.get_runs(dg.RunsFilter(job_name=job, tags={AS_OF_TAG: key}))
        if any(run.status in NOT_FINISHED_STATUSES for run in runs):
            return dg.SkipReason(f"{job} as of {key} is under way")
        if sum(run.tags.get(OWNER_TAG) == tags[OWNER_TAG] for run in runs) >= ATTEMPTS:
            return dg.SkipReason(self._give_up(job, as_of))
        run_key = f"{self.system.name}/{key}" + (f"/{len(runs) + 1}" if runs else "")
        ticks = [self.system.calendar.key(t.start) for t in self.system.calendar.ticks(window)] if window else [key]
        if len(ticks) == 1:
            return dg.RunRequest(run_key=run_key, job_name=job, partition_key=ticks[0], tags=tags)
        span = {ASSET_PARTITION_RANGE_START_TAG: ticks[0], ASSET_PARTITION_RANGE_END_TAG: ticks[-1]}
        return dg.RunRequest(run_key=run_key, job_name=job, tags={**tags, **span})

    def _give_up(self, job: str, as_of: datetime) -> str:
        """Leave a run that always fails to a person: life goes on without a training, not without a tick."""
        told = f"{job} as of {self.system.calendar.key(as_of)} failed {ATTEMPTS} times"
        if job == adapter.training_job(self.system):
            self._record(as_of, RETRAINING, GIVEN_UP, FAILED, f"{told}; the champion stays", {})
        return f"{told}: see its runs, mend the cause, and run it by hand"

    def _record(
        self, as_of: datetime, kind: str, name: str, verdict: str, reason: str, evidence: Mapping[str, Any]
    ) -> None:
        self.stores.operations.record(Decision(self.system.name, as_of, kind, name, verdict, reason, dict(evidence)))


def _begin_tick(desk: Desk) -> dg.RunRequest | dg.SkipReason:
    """Ask the triggers that look at the clock alone, and request the run that brings the tick in."""
    if desk.training_wanted():
        return dg.SkipReason("the training that was decided on has not ended")
    due = desk.due()
    if due is None:
        return dg.SkipReason(desk.waits(due))
    for trigger in desk.system.triggers:
        if trigger.by_clock:
            desk.ask(trigger, due.as_of)
    if desk.is_monitored(due.as_of):
        return dg.SkipReason(f"the tick that ends at {due.as_of:%Y-%m-%d %H:%M} is there; the arbiter decides next")
    return desk.request(adapter.tick_job(desk.system), due.as_of, window=due.window)


def _tick_schedule(system: MLSystem) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"{system.name}_tick",
        job_name=adapter.tick_job(system),
        cron_schedule=EVERY_MINUTE if system.simulated_from else adapter.cron(system),
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="When a tick has ended: asks the triggers that look at the clock alone, and brings the tick in.",
        tags={"system": system.name},
    )
    def tick(
        context: dg.ScheduleEvaluationContext, stores: dg.ResourceParam[Resources]
    ) -> dg.RunRequest | dg.SkipReason:
        return _begin_tick(Desk(system, stores, context.instance))

    return tick


def _catch_up_sensor(system: MLSystem) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"{system.name}_catch_up",
        job_name=adapter.tick_job(system),
        description="Brings in overdue ticks one after the other: after an outage, after a failed run, or when a "
        "simulated clock was moved. Does what the schedule of the ticks does, as soon as the decision before is taken.",
        **_often(system),
    )
    def catch_up(
        context: dg.SensorEvaluationContext, stores: dg.ResourceParam[Resources]
    ) -> dg.RunRequest | dg.SkipReason:
        return _begin_tick(Desk(system, stores, context.instance))

    return catch_up


def _trigger_sensor(system: MLSystem, trigger: Trigger) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"{system.name}_retrain_by_{trigger.name}",
        job_name=adapter.training_job(system),
        description=f"Asks {trigger} as of each tick's end, and records the verdict; the arbiter decides.",
        **_often(system),
    )
    def sensor(context: dg.SensorEvaluationContext, stores: dg.ResourceParam[Resources]) -> dg.SkipReason:
        desk = Desk(system, stores, context.instance)
        due = desk.due()
        if due is None or desk.training_wanted():
            return dg.SkipReason(desk.waits(due) or "the training that was decided on has not ended")
        if not desk.is_monitored(due.as_of):
            return dg.SkipReason(f"the tick that ends at {due.as_of:%Y-%m-%d %H:%M} is not monitored yet")
        desk.ask(trigger, due.as_of)
        context.update_cursor(system.calendar.key(due.as_of))
        said = desk.verdicts(due.as_of)[trigger.name]
        return dg.SkipReason(f"as of {due.as_of:%Y-%m-%d %H:%M}: {said.verdict}: {said.reason}")

    return sensor


def _arbiter_sensor(system: MLSystem) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"{system.name}_arbiter",
        job_name=adapter.training_job(system),
        description="Takes one decision from the triggers' verdicts as of each tick's end, and requests the training.",
        **_often(system),
    )
    def arbiter(
        context: dg.SensorEvaluationContext, stores: dg.ResourceParam[Resources]
    ) -> dg.RunRequest | dg.SkipReason:
        desk = Desk(system, stores, context.instance)
        if not desk.training_wanted():
            due = desk.due()
            if due is None:
                return dg.SkipReason(desk.waits(due))
            answered = desk.verdicts(due.as_of)
            missing = [t.name for t in system.triggers if t.name not in answered]
            if missing or not desk.is_monitored(due.as_of):
                return dg.SkipReason(f"as of {due.as_of:%Y-%m-%d %H:%M} waits for {', '.join(missing) or 'monitoring'}")
            desk.decide(due.as_of)
        decided = desk.decided
        if decided is None or not desk.training_wanted():
            return dg.SkipReason(
                f"as of {decided.as_of:%Y-%m-%d %H:%M}: {decided.reason}" if decided else "nothing due"
            )
        context.update_cursor(system.calendar.key(decided.as_of))
        return desk.request(adapter.training_job(system), decided.as_of)

    return arbiter


def _clock_schedule(system: MLSystem) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"{system.name}_clock",
        job_name=adapter.tick_job(system),
        cron_schedule=EVERY_MINUTE,
        execution_timezone="UTC",
        description="Moves the simulated clock on by a tick a minute, once all that was due is done. Start it to watch "
        "the system live through its data.",
        tags={"system": system.name},
    )
    def clock(context: dg.ScheduleEvaluationContext, stores: dg.ResourceParam[Resources]) -> dg.SkipReason:
        desk, clock = Desk(system, stores, context.instance), clock_of(system, stores)
        if not isinstance(clock, StoredClock):
            return dg.SkipReason("the wall clock moves by itself")
        if desk.due() is not None or desk.training_wanted():
            return dg.SkipReason("what is due is not done yet")
        end, now = system.calendar.end, clock.now()
        if end is not None and now >= end:
            return dg.SkipReason(desk.waits(None))
        clock.advance(system.calendar.tick_of(now).end)
        return dg.SkipReason(f"the clock of {system.name} stands at {clock.now():%Y-%m-%d %H:%M}")

    return clock


def _often(system: MLSystem) -> dict[str, Any]:
    return {
        "default_status": dg.DefaultSensorStatus.RUNNING,
        "minimum_interval_seconds": SECONDS_BETWEEN_SIMULATED if system.simulated_from else SECONDS_BETWEEN,
        "tags": {"system": system.name},
    }
