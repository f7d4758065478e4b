"""The time machine: a system's own schedule, sensors and jobs, driven through history by its simulated clock."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import dagster as dg
from dagster._core.execution.build_resources import wrap_resources_for_execution

from mlsys_assets.clocks import StoredClock, clock_of
from mlsys_assets.dagster_adapter import tick_job, training_job
from mlsys_assets.home_data import home_lacks
from mlsys_assets.ledger import (
    ARBITER,
    GATE,
    GIVEN_UP,
    LEAKS,
    MONITORING,
    PERFORMANCE,
    RETRAINING,
    TRAINING_SET,
)
from mlsys_assets.production_monitoring.sensors import look
from mlsys_assets.retraining.controller import Controller
from mlsys_assets.retraining.sensors import build_schedules, build_sensors
from mlsys_assets.retraining.timetable import Due, first_as_of, next_due
from mlsys_assets.runs import RunFailed, Runner, never_lost
from mlsys_assets.system import MLSystem
from mlsys_assets.types import CHAMPION
from mlsys_resources.resources import Resources

MOST_ROUNDS = 6
"""Rounds of schedule and sensors that one decision may take: a run for its data, and three of its training."""


def require_replayable(system: MLSystem) -> None:
    """Raise ValueError unless the system has a clock of its own and something that decides."""
    if system.simulated_from is None:
        raise ValueError(
            f"{system.name} lives on the wall clock, and only what has a simulated one can be replayed; "
            "declare simulated_from"
        )
    if not system.triggers:
        raise ValueError(
            f"{system.name} has no triggers, so that nothing decides when to train; declare at least one, such as "
            "Every(days(28)), or run its jobs by hand"
        )


class OpenInstanceContext(dg.ScheduleEvaluationContext):
    """What a schedule is evaluated with, on an instance that is open already.

    The one that `build_schedule_context` gives opens the instance anew for each evaluation, which takes a tenth of a
    second, most of it to read the history of Dagster's own tables.

    Parameters
    ----------
    instance
        Where runs are kept.
    at
        When the schedule is due.
    resources
        By the names under which the schedule asks for them.
    repository
        The definitions that hold it.
    """

    def __init__(
        self, instance: dg.DagsterInstance, *, at: datetime, resources: Mapping[str, object], repository: object
    ) -> None:
        super().__init__(
            instance.get_ref(),
            scheduled_execution_time=at,
            resources=wrap_resources_for_execution(resources),
            repository_def=repository,
        )
        self._instance = instance


@dataclass(frozen=True)
class Replay:
    """Lives a system's past as its daemon would have, on the persistent instance, one run after the other.

    Parameters
    ----------
    runner
        Runs the jobs.
    stores
        The system's stores, which hold its clock.
    doing
        Given the work that begins, in words; the context lasts as long as it does.
    failed
        Told why a training failed, which is tried again, and at last given up.
    """

    runner: Runner
    stores: Resources
    doing: Callable[[str], AbstractContextManager[None]]
    failed: Callable[[str], None] = lambda _why: None

    @property
    def system(self) -> MLSystem:
        """The system that is replayed."""
        return self.runner.system

    def run(self, until: datetime) -> Iterator[datetime]:
        """Live on, from where the clock stands, up to decisions as of ``until``; yield each as-of when it is settled.

        A training that fails is tried again and then given up, as by the daemon. Raises ValueError for a system that
        cannot be replayed, RunFailed if a tick's run fails or the system that it reuses has not come so far; started
        again, it goes on there.
        """
        require_replayable(self.system)
        if self._controller.training_wanted():
            yield self._settled()
        while (due := self._next()) is not None and due.as_of <= until:
            if (lacks := home_lacks(self.runner.instance, self.system, due.window)) is not None:
                raise RunFailed(lacks)
            self._clock.advance(max(due.as_of, self._clock.now()))
            yield self._settled()

    @cached_property
    def _controller(self) -> Controller:
        return Controller(self.system, self.stores, self.runner.instance)

    @cached_property
    def _clock(self) -> StoredClock:
        clock = clock_of(self.system, self.stores)
        assert isinstance(clock, StoredClock)  # noqa: S101 - of what can be replayed
        return clock

    def _next(self) -> Due | None:
        decided, calendar = self._controller.decided, self.system.calendar
        first = first_as_of(calendar, self.system.simulated_from or calendar.start)
        return next_due(calendar, first=first, decided=None if decided is None else decided.as_of)

    def _settled(self) -> datetime:
        """Ask schedule and sensors, and run what they request, until the next decision is taken and done."""
        wanted = self._controller.training_wanted()
        before = None if wanted or self._controller.decided is None else self._controller.decided.as_of
        for _ in range(MOST_ROUNDS):
            self._round()
            decided = self._controller.decided
            if decided is not None and decided.as_of != before and not self._controller.training_wanted():
                self._look()
                return decided.as_of
        raise RunFailed(
            f"{self.system.name}: what is due at {self._clock.now():%Y-%m-%d %H:%M} is not done after {MOST_ROUNDS} "
            "rounds; `mlsys up` shows what schedule and sensors say"
        )

    def _round(self) -> None:
        context = OpenInstanceContext(
            self.runner.instance,
            at=self._clock.now(),
            resources=self.stores.for_dagster(),
            repository=self._repository,
        )
        self._run(self._asked(self._schedule, context).run_requests or ())
        for sensor in self._sensors:
            context = dg.build_sensor_context(
                self.runner.instance,
                sensor_name=sensor.name,
                resources=self.stores.for_dagster(),
                repository_def=self._repository,
            )
            found = self._asked(sensor, context)
            for event in found.asset_events:
                self.runner.instance.report_runless_asset_event(event)
            self._run(found.run_requests or ())

    @staticmethod
    def _asked(who: dg.ScheduleDefinition | dg.SensorDefinition, context: Any) -> Any:
        """Return what a schedule or a sensor answers; Dagster has the handlers of signals meanwhile."""
        with never_lost(), context:
            return who.evaluate_tick(context)

    @cached_property
    def _schedule(self) -> dg.ScheduleDefinition:
        return next(s for s in build_schedules(self.system) if s.name == f"{self.system.name}_tick")

    @cached_property
    def _sensors(self) -> list[dg.SensorDefinition]:
        return build_sensors(self.system)

    def _look(self) -> None:
        """Tell what checks and runs say to whom it belongs, as the daemon's sensor does."""
        look(self.system, self.stores, self.system.alerting, instance=self.runner.instance, checks=self._checks)

    @cached_property
    def _checks(self) -> list[dg.AssetCheckKey]:
        """The checks of the system's own assets."""
        keys = self.runner.definitions.resolve_asset_graph().asset_check_keys
        return sorted((key for key in keys if key.asset_key.path[0] == self.system.name), key=str)

    @cached_property
    def _repository(self) -> object:
        return self.runner.definitions.get_repository_def()

    def _run(self, requests: Sequence[dg.RunRequest]) -> None:
        words = {
            tick_job(self.system): "tick",
            training_job(self.system): "training",
        }
        for request in requests:
            with self.doing(words[request.job_name]):
                try:
                    self.runner.request(request)
                except RunFailed as failed:
                    if request.job_name == tick_job(self.system):
                        self._look()
                        raise
                    if self._controller.training_wanted():  # else the ledger knows of it, as of too few labels
                        self.failed(str(failed))


def tick_told(system: MLSystem, stores: Resources, as_of: datetime) -> str:
    """Return in a line what was decided as of a time, and how the tick before it was predicted."""
    found = {(d.kind, d.name): d for d in stores.operations.decisions(system.name, since=as_of, until=as_of)}
    parts = [f"{d.verdict}: {d.reason}" for d in [found.get((RETRAINING, ARBITER))] if d is not None]
    parts += [d.reason for d in [found.get((RETRAINING, GIVEN_UP))] if d is not None]
    sets = [found.get((TRAINING_SET, TRAINING_SET))]
    parts += [f"the training set {d.verdict}: {d.reason}" for d in sets if d is not None and d.verdict == LEAKS]
    parts += [f"gate {d.verdict}" for d in [found.get((GATE, CHAMPION))] if d is not None]
    monitored = found.get((MONITORING, PERFORMANCE))
    return "; ".join(parts) + (f" | {monitored.reason.split('; ')[-1]}" if monitored is not None else "")
