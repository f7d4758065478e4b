"""Killed with -9 in a live run, whoever it is: what comes of it is what comes of weeks in which nobody died."""

import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import dagster as dg
import psutil
import pytest
from dagster._core.scheduler.instigation import TickStatus
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from mlsys_assets import FixedClock, utc
from mlsys_assets.instance import open_instance
from mlsys_resources.operations_rows import Decision
from mlsys_resources.resources import Resources, build_resources

PATIENCE_S = 900.0
UNTIL = utc("2013-04-16")
STEP_START, STEP_SUCCESS = dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_SUCCESS
STEP_WORKER = dg.DagsterEventType.STEP_WORKER_STARTED
UNFINISHED = list(NOT_FINISHED_STATUSES)


@dataclass
class Up:
    """A system that lives under ``mlsys up``, on files or on a server, seen from outside."""

    process: "subprocess.Popen[str]"
    home: Path
    environment: Mapping[str, str]
    instance: dg.DagsterInstance

    @property
    def stores(self) -> Resources:
        return build_resources({"MLSYS_HOME": str(self.home), **self.environment}, clock=FixedClock(UNTIL).now)

    def until(self, what: str, found: Callable[[], Any]) -> Any:
        """Wait for something while the services work, and return it."""
        end = time.monotonic() + PATIENCE_S
        while not (seen := found()):
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < end, f"{what} did not come; runs: {self.runs()}"
            time.sleep(0.1)
        return seen

    def runs(self) -> list[tuple[str, str, str]]:
        runs = self.instance.get_runs()
        return [(run.job_name, run.tags.get("mlsys/as_of", ""), run.status.value) for run in runs]

    def kill(self, victim: str) -> str | None:
        """Kill who works now, or is about to; return the run that was under way in it, if it is a run's process."""
        (daemon,) = [p for p in psutil.Process(self.process.pid).children() if "dagster._daemon" in _command(p)]
        if victim == "daemon":
            daemon.kill()
        elif victim == "code server":
            # all of them: the daemon has a new one each minute, and lets those before end by themselves
            servers = [p for p in daemon.children(recursive=True) if "grpc" in _command(p)]
            killed = [_killed(server.pid) for server in servers]
            assert any(killed)
        else:
            return self.until(f"a {victim} at work", self._kill_step if victim == "step" else self._kill_worker)
        return None

    def kill_unwatched(self) -> str:
        """Kill a worker, and the code server that started it first, which would tell at once; return its run."""

        def kill() -> str | None:
            for run, lease in self.stores.operations.open_leases().items():
                with suppress(psutil.NoSuchProcess):
                    server = psutil.Process(lease.pid).parent()
                    assert "grpc" in server.cmdline()
                    server.kill()
                    return run if _killed(lease.pid) else None
            return None

        return self.until("a worker at work", kill)

    def _kill_worker(self) -> str | None:
        return next((run for run, lease in self.stores.operations.open_leases().items() if _killed(lease.pid)), None)

    def _kill_step(self) -> str | None:
        """Kill the last step that began, if it did not end: of a run that goes on, which other steps end well."""
        for run in self.stores.operations.open_leases():
            events = [e.dagster_event for e in self.instance.all_logs(run, of_type={STEP_WORKER, STEP_SUCCESS})]
            if events and events[-1].event_type is STEP_WORKER:
                pid = int(events[-1].event_specific_data.metadata["pid"].value)
                if _killed(pid):
                    return run
        return None

    def decisions(self, until: datetime) -> tuple[Decision, ...]:
        return self.stores.operations.decisions("rain", until=until)

    def wait_for_step(self, number: int, since: datetime, until: datetime) -> None:
        """Wait until so many steps have begun, of what is done as of a time after ``since``."""
        self.until(f"step {number}", lambda: steps_begun(self.instance, since, until) >= number)


def _command(process: psutil.Process) -> list[str]:
    """Return what a process was started by; nothing, if it is gone."""
    with suppress(psutil.NoSuchProcess):
        return process.cmdline()
    return []


def _killed(pid: int) -> bool:
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        process.kill()
    except psutil.NoSuchProcess:
        return False
    return True


@pytest.fixture
def up(mlsys, monkeypatch) -> Callable[..., Any]:
    """Run the services on a folder, with what is set besides."""

    @contextmanager
    def running(home: Path, environment: Mapping[str, str]) -> Iterator[Up]:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)  # Dagster reads there where its history is
        with mlsys(home, "up", "--port", "0", "--mlflow-port", "0", environment=environment) as process:
            try:
                for line in process.stdout:
                    if "Ctrl-C" in line:
                        break
                else:
                    pytest.fail(process.stderr.read())
                with open_instance(home, environment) as instance:
                    yield Up(process, home, environment, instance)
            finally:
                process.send_signal(signal.SIGINT)
                process.communicate()

    return running


UNWATCHED = "worker that nobody watches"
BORN = utc("2013-03-05")
NEVER = utc("2012-01-01")


def lived(instance: dg.DagsterInstance, since: datetime, until: datetime) -> list[dg.DagsterRun]:
    """Return the runs of what was done as of a time after ``since``."""
    return [run for run in instance.get_runs() if since < utc(run.tags["mlsys/as_of"]) <= until]


def steps_begun(instance: dg.DagsterInstance, since: datetime, until: datetime) -> int:
    return sum(len(instance.all_logs(run.run_id, of_type=STEP_START)) for run in lived(instance, since, until))


def succeeded(instance: dg.DagsterInstance, since: datetime, until: datetime) -> Counter[tuple[str, str]]:
    """Return how often which run ended well."""
    return Counter((r.job_name, r.tags["mlsys/as_of"]) for r in lived(instance, since, until) if r.is_success)


def outcome(stores: Resources, until: datetime) -> dict[str, object]:
    """Return all that a life has come to, by content: what is decided, promoted and written."""
    operations, lake = stores.operations, stores.lake
    found: dict[str, object] = {
        "ledger": [d.content_hash for d in operations.decisions("rain", until=until)],
        "champion": [(a.content_hash, a.as_of) for a in operations.attempts("rain") if a.as_of <= until],
    }
    for table in lake.tables("rain"):
        assert lake.damages("rain", table) == []
        found[table] = {tick: said for tick, said in lake.tick_hashes("rain", table).items() if tick < until}
    return found


def all_asked(instance: dg.DagsterInstance, since: float) -> bool:
    """Return whether each schedule and sensor that is on was asked after a moment, and could be."""
    states = [s for s in instance.all_instigator_state() if s.is_running]
    last = [instance.get_ticks(s.instigator_origin_id, s.selector_id, limit=1) for s in states]
    done = {TickStatus.SKIPPED, TickStatus.SUCCESS}
    return bool(last) and all(told and told[0].timestamp > since and told[0].status in done for told in last)


def hold_the_same(mlsys, home: Path, six_weeks, until: datetime, environment: Mapping[str, str]) -> None:
    """Hold that all is as in a life in which nothing happened, and that nothing is amiss."""
    stores = build_resources({"MLSYS_HOME": str(home), **environment}, clock=FixedClock(until).now)
    mine, theirs = outcome(stores, until), outcome(six_weeks.stores, until)
    assert [what for what in theirs if mine.get(what) != theirs[what]] == []
    assert mine.keys() == theirs.keys()
    with mlsys(home, "doctor", "rain", environment=environment) as process:
        said, wrong = process.communicate()
    assert process.returncode == 0, said + wrong


@dataclass(frozen=True)
class Kill:
    """Who is killed, when: a seed says at which of all steps."""

    victim: str
    seed: int
    since: datetime
    until: datetime

    def survived(self, up, mlsys, home: Path, six_weeks, environment: Mapping[str, str]) -> None:
        """Live on under ``mlsys up``, kill on the way, and hold that it came to the same."""
        with open_instance(six_weeks.folder) as instance:
            steps, theirs = steps_begun(instance, self.since, self.until), succeeded(instance, self.since, self.until)
        at = Random(f"{self.victim} {self.seed}").randint(1, steps)
        executor = {"MLSYS_EXECUTOR": "multiprocess"} if self.victim == "step" else {}
        wanted, last = six_weeks.decisions(until=self.until), f"{self.until:%Y-%m-%d}"
        with up(home, {**environment, **executor}) as services:
            with mlsys(home, "clock", "rain", "--to", last, environment=environment) as moved:
                assert last in moved.communicate()[0]
            services.wait_for_step(at, self.since, self.until)
            hit = services.kill_unwatched() if self.victim == UNWATCHED else services.kill(self.victim)
            killed_at = time.time()
            services.until("the end", lambda: services.decisions(self.until) == wanted)
            services.until("quiet", lambda: not services.instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)))
            failed = services.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
            assert [run.run_id for run in failed] == ([hit] if hit else [])
            if self.victim == UNWATCHED:  # else its code server tells, mostly before the reaper looks
                assert services.stores.operations.leases([hit])[hit].reason.startswith("its worker (process ")
            once = succeeded(services.instance, self.since, self.until)
            assert services.instance.event_log_storage.get_concurrency_run_ids() == set()
            services.until("sensors that work again", lambda: all_asked(services.instance, killed_at))
        assert once == theirs
        assert set(once.values()) == {1}
        hold_the_same(mlsys, home, six_weeks, self.until, environment)


def test_a_week_in_which_a_run_loses_its_worker_and_nobody_tells_comes_to_the_same(
    up, mlsys, born, six_weeks, tmp_path
) -> None:
    home = shutil.copytree(born, tmp_path / "home")
    Kill(UNWATCHED, 1, BORN, utc("2013-03-12")).survived(up, mlsys, home, six_weeks, {})


@pytest.mark.prove
@pytest.mark.parametrize("store", ["files", "server"])
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("victim", ["step", "worker", "daemon", "code server"])
def test_six_weeks_in_which_somebody_is_killed_come_to_the_same(
    request, up, mlsys, born, six_weeks, tmp_path, victim, seed, store
) -> None:
    home, files = tmp_path / "home", store == "files"
    if files:
        shutil.copytree(born, home)
    else:
        home.mkdir()
    environment = {} if files else request.getfixturevalue("databases")
    Kill(victim, seed, BORN if files else NEVER, UNTIL).survived(up, mlsys, home, six_weeks, environment)


@pytest.mark.prove
def test_a_second_daemon_beside_the_first_changes_nothing(up, mlsys, born, six_weeks, tmp_path) -> None:
    """It asks what the first asks, and launches what the first has asked for: what is done twice is the same."""
    home = shutil.copytree(born, tmp_path / "home")
    wanted = six_weeks.decisions(until=UNTIL)
    with up(home, {}) as services:
        children = psutil.Process(services.process.pid).children()
        first = next(p for p in children if "dagster._daemon" in _command(p))
        alike = {"env": first.environ(), "cwd": home, "start_new_session": True}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(first.cmdline(), **alike, **quiet) as second:
            try:
                with mlsys(home, "clock", "rain", "--to", f"{UNTIL:%Y-%m-%d}") as moved:
                    moved.communicate()
                services.until("the end", lambda: services.decisions(UNTIL) == wanted)
                services.until("quiet", lambda: not services.instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)))
                assert second.poll() is None
            finally:
                second.terminate()
    hold_the_same(mlsys, home, six_weeks, UNTIL, {})
