"""Runs of a system's jobs in this process, on the persistent instance, with progress."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

import dagster as dg
from dagster import DagsterEventType
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from mlsys_assets.system import MLSystem
from mlsys_assets.types import TimeWindow

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
"""Failures are raised and told by the caller; Dagster's own log stands in its UI."""


class RunFailed(RuntimeError):
    """A run did not succeed; the message names the step and its error."""


@dataclass(frozen=True)
class Runner:
    """Runs jobs of one system one after the other; raises KeyboardInterrupt if a signal to stop came meanwhile.

    Parameters
    ----------
    definitions
        What `build_definitions` gave.
    instance
        Where runs and events are kept.
    told
        Called with each step's name when it begins: for a display.
    location
        The code location that Dagster's pages show the runs in, if they are to be seen there: on the timeline, which is
        the first page, and with their job.
    """

    system: MLSystem
    definitions: dg.Definitions
    instance: dg.DagsterInstance
    told: Callable[[str], None] = lambda _step: None
    location: str | None = None

    def ticks(self, job: str, window: TimeWindow) -> None:
        """Run ``job`` once for all ticks of ``window``; raises RunFailed."""
        ticks = self.system.calendar.ticks(window)
        first, last = (self.system.calendar.key(tick.start) for tick in (ticks[0], ticks[-1]))
        if first == last:
            self._run(job, partition=first)
        else:
            self._run(job, tags={ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last})

    def as_of(self, job: str, moment: datetime) -> None:
        """Run ``job`` as of a tick's start; raises RunFailed."""
        self._run(job, partition=self.system.calendar.key(moment))

    def request(self, request: dg.RunRequest) -> None:
        """Run what a schedule or a sensor asks for; raises RunFailed."""
        self._run(str(request.job_name), partition=request.partition_key, tags=dict(request.tags))

    def _run(self, name: str, *, partition: str | None = None, tags: dict[str, str] | None = None) -> None:
        job = self.definitions.resolve_job_def(name)
        run_id = str(uuid4())  # named here so that its events can be followed
        self.instance.add_event_listener(run_id, self._follow)
        with never_lost():
            result = job.execute_in_process(
                instance=self.instance, partition_key=partition, tags=tags, run_id=run_id, run_config=QUIET,
                raise_on_error=False,
            )  # fmt: skip
            if self.location is not None:
                self.instance.run_storage.replace_job_origin(result.dagster_run, _origin(self.location, name))
        if not result.success:
            raise RunFailed(_why(name, result))

    def _follow(self, entry: dg.EventLogEntry) -> None:
        event = entry.dagster_event
        if event is not None and event.event_type is DagsterEventType.STEP_START:
            self.told(str(event.step_key).removeprefix(f"{self.system.name}__"))


def _origin(location: str, job: str) -> RemoteJobOrigin:
    """Return where a daemon would have found a job, had it run it: a run in this process comes from nowhere."""
    module = LoadableTargetOrigin(module_name=location)
    place = ManagedGrpcPythonEnvCodeLocationOrigin(module, location)
    return RemoteJobOrigin(RemoteRepositoryOrigin(place, SINGLETON_REPOSITORY_NAME), job)


def _why(job: str, result: dg.ExecuteInProcessResult) -> str:
    checks = [e for e in result.all_events if e.event_type is DagsterEventType.ASSET_CHECK_EVALUATION]
    evaluations = [event.asset_check_evaluation_data for event in checks]
    if blocked := [e for e in evaluations if e.blocking and not e.passed and e.severity is dg.AssetCheckSeverity.ERROR]:
        return f"job {job}, check {blocked[0].check_name}: {blocked[0].description}"
    failed = [event for event in result.all_events if event.is_step_failure]
    if not failed:
        return f"job {job} failed before its first step; see run {result.run_id} in the Dagster UI"
    step, error = failed[0].step_key, failed[0].step_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    message = error.message.strip() if error is not None else "no error was recorded"
    return f"job {job}, step {step}: {message}"


STOPS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def never_lost() -> Iterator[None]:
    """Raise KeyboardInterrupt at the end if a signal to stop came meanwhile, whatever became of it; keep its handlers.

    What a handler raises appears wherever the main thread happens to be. In a callback from C or in a finalizer it is
    printed and dropped, in a Dagster step it is one step's failure. And Dagster, when it is done with the handlers,
    gives SIGTERM that of SIGINT: none, where a shell started the process in the background.

    In another thread than the main one, where no signal arrives, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {stop: signal.getsignal(stop) for stop in STOPS}
    told, tell = os.pipe()
    for end in (told, tell):
        os.set_blocking(end, False)
    before = signal.set_wakeup_fd(tell, warn_on_full_buffer=False)  # written to before any handler is called
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        for stop, handler in handlers.items():
            signal.signal(stop, handler)
        os.close(tell)
        with os.fdopen(told, "rb") as file:
            came = set(file.read() or b"")
        if came & set(STOPS):
            raise KeyboardInterrupt
