"""The reaper: a run whose process is gone is fenced, failed and gives back what it held, so that it is done again."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import dagster as dg

from mlsys_assets.retraining.controller import OWNER_TAG
from mlsys_resources.operations_rows import RunLease
from mlsys_resources.operations_store import OperationsStore
from mlsys_resources.resources import Resources

NAME = "reaper"
"""The sensor's name: one for all systems, since it ends runs by hand too."""

SECONDS_BETWEEN = 15
"""How often it looks: a run whose process is gone is ended so soon."""

SILENT_LOOKS = 6
"""At how many looks in a row nobody must have given a sign of life to be taken for gone, where nobody can look: of a
worker on another machine, and of one that died between the run's begin and its lease's."""

AT_WORK = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


@dataclass(frozen=True, slots=True)
class Silence:
    """How many signs of life somebody unseen had given, and at how many looks in a row it were no more.

    Counted, not timed: clocks of two machines may differ by hours.
    """

    beats: int
    looks: int = 0


@dataclass(frozen=True)
class Reaper:
    """Ends the runs whose worker is gone, in the order in which nothing of them can be committed afterwards.

    Of runs that never began, whose process died while it loaded the code, Dagster's own run monitoring takes care.
    """

    instance: dg.DagsterInstance
    operations: OperationsStore

    def look(self, heard: Mapping[str, Silence]) -> tuple[list[str], dict[str, Silence]]:
        """End every run whose worker is gone; return these runs, and what was heard of the workers unseen.

        Parameters
        ----------
        heard
            What the look before returned, by run.
        """
        leases = self._leases()
        now = {run: _heard(lease, heard.get(run)) for run, lease in leases.items() if _is_unseen(lease)}
        gone = [run for run, lease in leases.items() if _is_gone(lease, now.get(run))]
        ended = [run for run in gone if self._end(run, leases[run])]
        return ended, {run: silence for run, silence in now.items() if run not in ended}

    def _leases(self) -> dict[str, RunLease | None]:
        """Return the leases of runs that are under way, and those that nobody ended, whatever became of the run.

        None of a run that we asked for, whose process has begun and not come to its lease: or never will.
        """
        under_way = self.instance.get_runs(filters=dg.RunsFilter(statuses=AT_WORK))
        ours = [run.run_id for run in under_way if run.status is dg.DagsterRunStatus.STARTED and OWNER_TAG in run.tags]
        known = self.operations.open_leases() | self.operations.leases(run.run_id for run in under_way)
        return dict.fromkeys(ours) | known

    def _end(self, run_id: str, lease: RunLease | None) -> bool:
        """Fence the run, free its slots, fail it if nobody did; return False if it had ended well meanwhile.

        In this order: a reaper that dies between two of them leaves a run to which its successor does all.
        """
        run = self.instance.get_run_by_id(run_id)  # again: it may have ended since, and its worker with it
        if run is not None and run.is_success:
            return False
        why = _why(lease)
        self.operations.fence_run(run_id, why)
        self.instance.event_log_storage.free_concurrency_slots_for_run(run_id)
        if run is not None and not run.is_finished:
            told = f"{why}; what the run has committed stands, and it can commit no more: it is asked for again"
            self.instance.report_run_failed(run, told)
        return True


def build_reaper() -> dg.SensorDefinition:
    """Return the sensor that looks for runs whose worker is gone, of all systems of the instance."""

    @dg.sensor(
        name=NAME,
        description="Ends runs whose process is gone: such a run is fenced, so that a step that it left behind commits "
        "nothing, failed, and gives back the slots that it held. What it was to do is asked for again.",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=SECONDS_BETWEEN,
    )
    def reaper(context: dg.SensorEvaluationContext, stores: dg.ResourceParam[Resources]) -> dg.SkipReason:
        heard = {run: Silence(*told) for run, told in json.loads(context.cursor or "{}").items()}
        ended, heard = Reaper(context.instance, stores.operations).look(heard)
        context.update_cursor(json.dumps({run: [s.beats, s.looks] for run, s in heard.items()}))
        return dg.SkipReason(f"ended {', '.join(ended)}" if ended else "every run that is under way has its worker")

    return reaper


def _is_unseen(lease: RunLease | None) -> bool:
    """Return whether nobody can look, from here, whether somebody works at a run."""
    if lease is None:
        return True
    return lease.fenced_at is None and lease.worker is not None and lease.worker.lives is None


def _heard(lease: RunLease | None, before: Silence | None) -> Silence:
    beats = 0 if lease is None else lease.beats
    return Silence(beats) if before is None or before.beats != beats else Silence(beats, before.looks + 1)


def _is_gone(lease: RunLease | None, silence: Silence | None) -> bool:
    """Return whether nobody works at a run any more; of one that is fenced, nobody may."""
    if silence is not None:
        return silence.looks >= SILENT_LOOKS
    if lease is None or lease.fenced_at is not None:
        return True
    return lease.worker is not None and lease.worker.lives is False


def _why(lease: RunLease | None) -> str:
    if lease is None:
        return "its worker was gone before it could say who it is"
    return f"its worker ({lease.worker}) is gone" if lease.fenced_at is None else str(lease.reason)
