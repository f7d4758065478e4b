"""The control loop of a system: what is due, what was decided, which runs are under way or asked for next."""

from collections.abc import Callable, Mapping, Sequence
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
from mlsys_assets.clocks import clock_of
from mlsys_assets.ledger import (
    ADEQUATE,
    ARBITER,
    DIAGNOSIS,
    DRIFT,
    FAILED,
    GATE,
    GIVEN_UP,
    MONITORING,
    PERFORMANCE,
    PROMOTED,
    PROMOTION,
    RETRAINING,
    TRAIN,
    TRAINING_SET,
    TRIGGER,
)
from mlsys_assets.retraining.arbiter import decide
from mlsys_assets.retraining.history import REMEMBERED, Champions, History, history
from mlsys_assets.retraining.timetable import Due, first_as_of, next_due
from mlsys_assets.retraining.trigger import Answer, Trigger, TriggerVerdict, ask
from mlsys_assets.system import MLSystem
from mlsys_assets.types import CHAMPION, TimeWindow
from mlsys_resources.operations_rows import WON, Decision, RunLease
from mlsys_resources.resources import Resources

ATTEMPTS = 3
"""How often a run may fail before it is left to a person; those of an earlier owner of the state do not count."""
LOSSES = 5
"""How often a run may lose its process besides, which is no fault of its own: or it is, as where memory runs out."""
AS_OF_TAG, OWNER_TAG = "mlsys/as_of", "mlsys/owner"
"""Run tags: as of when the run's decision is taken, and which owner of the state folder asked for it."""


@dataclass(frozen=True)
class Controller:
    """Reads from ledger, clock and runs where a system stands, records what is decided and asks for the next run.

    Parameters
    ----------
    asks
        Returns a trigger's verdict, whatever it does.
    """

    system: MLSystem
    stores: Resources
    instance: dg.DagsterInstance
    asks: Callable[[Trigger, History], TriggerVerdict] = ask

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

    @property
    def waits_for(self) -> str:
        """Why nothing is due."""
        now, end = clock_of(self.system, self.stores).now(), self.system.calendar.end
        if end is not None and now >= end:
            return f"end of data: the calendar of {self.system.name} ends at {end:%Y-%m-%d %H:%M}"
        return f"the next tick has not ended at {now:%Y-%m-%d %H:%M}"

    def is_monitored(self, as_of: datetime) -> bool:
        """Return whether the tick that ends then is on record, and the run that brought it in has ended well."""
        found = self.stores.operations.decisions(self.system.name, MONITORING, since=as_of, until=as_of)
        return {PERFORMANCE, DRIFT, DIAGNOSIS} <= {d.name for d in found} and self._brought_in(as_of)

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
        gains = self.system.retraining.worth_it is not None
        gates = () if trained is None else self._gates(trained.as_of, min(limited, trained.as_of) if gains else None)
        monitoring = store.decisions(name, MONITORING, since=since, until=as_of)
        promoted = store.decision(name, PROMOTION, CHAMPION, until=before, verdict=PROMOTED) is not None
        champion = store.alias(name, CHAMPION)
        promoted &= champion is None or champion.version not in store.retired(name)  # one that is retired is none
        return history(
            as_of,
            training_sets=sets,
            gates=gates,
            monitoring=monitoring,
            promoted=promoted,
            champions=self._champions() if gains else None,
        )

    def _gates(self, last: datetime, since: datetime | None) -> tuple[Decision, ...]:
        """Return the last training's gate; and where gains are asked for, all since then."""
        return self.stores.operations.decisions(self.system.name, GATE, since=since or last, until=last)

    def _champions(self) -> Champions:
        """Return which champion stood when: each became one as of its training, and again by a rollback."""
        system, trained = self.system, dict[int, datetime]()
        won = [m for m in self.stores.operations.attempts(system.name, CHAMPION) if m.outcome == WON]
        stood = tuple((move.as_of, trained.setdefault(move.version, move.as_of)) for move in won)
        held_out = system.split.validation + system.split.test if system.learning.refit else timedelta(0)
        return Champions(stood, held_out)

    def verdicts(self, as_of: datetime) -> dict[str, Decision]:
        """Return the triggers' verdicts on record as of then, in declared order."""
        found = {
            d.name: d for d in self.stores.operations.decisions(self.system.name, TRIGGER, since=as_of, until=as_of)
        }
        return {t.name: found[t.name] for t in self.system.triggers if t.name in found}

    def said(self, last: int) -> dict[datetime, dict[str, str]]:
        """Return what triggers and arbiter said as of each of the last ticks, in declared order, the arbiter last."""
        if self.decided is None:
            return {}
        until, names = self.decided.as_of, [t.name for t in self.system.triggers]
        since = until - (last - 1) * self.system.calendar.step
        found: dict[datetime, dict[str, str]] = {}
        for kind, wanted in ((TRIGGER, names), (RETRAINING, [ARBITER])):
            decisions = self.stores.operations.decisions(self.system.name, kind, since=since, until=until)
            for d in sorted(decisions, key=lambda d: d.as_of):
                if d.name in wanted:
                    found.setdefault(d.as_of, dict.fromkeys([*names, ARBITER], ""))[d.name] = d.verdict
        return {at: found[at] for at in sorted(found)}

    def ask(self, trigger: Trigger, as_of: datetime) -> None:
        """Put a trigger's verdict on record, once."""
        if trigger.name in self.verdicts(as_of):
            return
        found = self.asks(trigger, self.history(as_of))
        self._record(as_of, TRIGGER, trigger.name, found.answer.value, found.reason, found.evidence)

    def decide(self, as_of: datetime) -> None:
        """Put the decision on record; all verdicts must be."""
        verdicts = {
            name: TriggerVerdict(Answer(d.verdict), d.reason, d.evidence) for name, d in self.verdicts(as_of).items()
        }
        found = decide(self.system.retraining, verdicts, self.history(as_of), triggers=self.system.triggers)
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

    def request(
        self, job: str, as_of: datetime, *, window: TimeWindow | None = None, by: str = ""
    ) -> dg.RunRequest | dg.SkipReason:
        """Return the request of a run, unless it is under way, done, asked for by somebody else, or failed too often.

        ``by``: who asks, where there are several; Dagster knows the keys of each, and not whether two have one.
        """
        key = self.system.calendar.key(as_of)
        tags = {"system": self.system.name, AS_OF_TAG: key, OWNER_TAG: str(self.stores.token or 0)}
        runs = self.instance.get_runs(dg.RunsFilter(job_name=job, tags={AS_OF_TAG: key}))
        if any(run.status in NOT_FINISHED_STATUSES for run in runs):
            return dg.SkipReason(f"{job} as of {key} is under way")
        if runs and self._is_done(job, as_of):  # since it was looked at
            return dg.SkipReason(f"{job} as of {key} has come to its end")
        leases = self._fenced(runs)
        mine = [run.run_id for run in runs if run.tags.get(OWNER_TAG) == tags[OWNER_TAG]]
        lost = sum(run in leases and leases[run].was_lost for run in mine)
        if len(mine) - lost >= ATTEMPTS or lost >= LOSSES:
            return dg.SkipReason(self._give_up(job, as_of, failed=len(mine) - lost, lost=lost))
        run_key = f"{self.system.name}/{key}" + (f"/{len(runs) + 1}" if runs else "")
        if by and not self.stores.operations.claim_run(f"{tags[OWNER_TAG]}/{job}/{run_key}", by=by):
            return dg.SkipReason(f"{job} as of {key} was asked for a moment ago")
        ticks = [self.system.calendar.key(t.start) for t in self.system.calendar.ticks(window)] if window else [key]
        if len(ticks) == 1:
            return dg.RunRequest(run_key=run_key, job_name=job, partition_key=ticks[0], tags=tags)
        span = {ASSET_PARTITION_RANGE_START_TAG: ticks[0], ASSET_PARTITION_RANGE_END_TAG: ticks[-1]}
        return dg.RunRequest(run_key=run_key, job_name=job, tags={**tags, **span})

    def _is_done(self, job: str, as_of: datetime) -> bool:
        """Return whether there is nothing left for a run to do."""
        return self.is_monitored(as_of) if job == adapter.tick_job(self.system) else not self.training_wanted()

    def _fenced(self, runs: Sequence[dg.DagsterRun]) -> dict[str, RunLease]:
        """Fence runs that have ended, and return their leases.

        Whoever ended them, what one of them left behind must not write beside its successor.
        """
        operations = self.stores.operations
        leases = operations.leases(run.run_id for run in runs)
        for run in runs:
            if run.run_id not in leases or leases[run.run_id].fenced_at is None:
                operations.fence_run(run.run_id, "it has ended, and was asked for again")
        return leases

    def _give_up(self, job: str, as_of: datetime, *, failed: int, lost: int) -> str:
        """Leave a run that always fails to a person: life goes on without a training, not without a tick."""
        told = f"{job} as of {self.system.calendar.key(as_of)} failed {failed} times"
        told += f" and lost its process {lost} times" if lost else ""
        if job == adapter.training_job(self.system):
            self._record(as_of, RETRAINING, GIVEN_UP, FAILED, f"{told}; the champion stays", {})
        return f"{told}: see its runs, mend the cause, and run it by hand"

    def _record(
        self, as_of: datetime, kind: str, name: str, verdict: str, reason: str, evidence: Mapping[str, Any]
    ) -> None:
        self.stores.operations.record(Decision(self.system.name, as_of, kind, name, verdict, reason, dict(evidence)))
