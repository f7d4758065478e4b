"""The reaper: a run whose process is gone is fenced, failed and gives back what it held, so that it is done again."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

import dagster as dg

from mlsys_resources.operations_rows import RunLease
from mlsys_resources.operations_store import OperationsStore
from mlsys_resources.resources import Resources

NAME = "reaper"
"""The sensor's name: one for all systems, since it ends runs by hand too."""

SECONDS_BETWEEN = 15
"""How often it looks: a run whose process is gone is ended so soon."""

SILENT_LOOKS = 6
"""At how many looks in a row a worker on another machine must have given no sign of life to be taken for gone."""

AT_WORK = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


@dataclass(frozen=True, slots=True)
class Silence:
    """How many signs of life a worker elsewhere had given, and at how many looks in a row it were no more.

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
        """End every run whose worker is gone; return these runs, and what was heard of the workers elsewhere.

        Parameters
        ----------
        heard
            What the look before returned, by run.
        """
        leases = self._leases()
        now = {run: _heard(lease, heard.get(run)) for run, lease in leases.items() if _is_elsewhere(lease)}
        gone = [lease for run, lease in leases.items() if _is_gone(lease, now.get(run))]
        ended = [lease.run_id for lease in gone if self._end(lease)]
        return ended, {run: silence for run, silence in now.items() if run not in ended}

    def _leases(self) -> dict[str, RunLease]:
        """Return the leases of runs that are under way, and those that nobody ended, whatever became of the run."""
        under_way = self.instance.get_runs(filters=dg.RunsFilter(statuses=AT_WORK))
        return self.operations.open_leases() | self.operations.leases(run.run_id for run in under_way)

    def _end(self, lease: RunLease) -> bool:
        """Fence the run, fail it if nobody did, free its slots; return False if it had ended well meanwhile."""
        run = self.instance.get_run_by_id(lease.run_id)  # again: it may have ended since, and its worker with it
        if run is not None and run.is_success:
            return False
        why = f"its worker ({lease.worker}) is gone" if lease.fenced_at is None else str(lease.reason)
        self.operations.fence_run(lease.run_id, why)
        if run is not None and not run.is_finished:
            told = f"{why}; what the run has committed stands, and it can commit no more: it is asked for again"
            self.instance.report_run_failed(run, told)
        self.instance.event_log_storage.free_concurrency_slots_for_run(lease.run_id)
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


def _is_elsewhere(lease: RunLease) -> bool:
    return lease.fenced_at is None and lease.worker is not None and lease.worker.lives is None


def _heard(lease: RunLease, before: Silence | None) -> Silence:
    if before is None or before.beats != lease.beats:
        return Silence(lease.beats)
    return Silence(lease.beats, before.looks + 1)


def _is_gone(lease: RunLease, silence: Silence | None) -> bool:
    """Return whether nobody works at a run any more; of one that is fenced, nobody may."""
    if lease.fenced_at is not None:
        return True
    if silence is not None:
        return silence.looks >= SILENT_LOOKS
    return lease.worker is not None and lease.worker.lives is False
