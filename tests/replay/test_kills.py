"""Killed with -9 in a live run, whoever it is: what comes of it is what comes of weeks in which nobody died."""

import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any

import dagster as dg
import psutil
import pytest
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from mlsys_assets import FixedClock, utc
from mlsys_assets.instance import open_instance
from mlsys_resources.operations_rows import Decision
from mlsys_resources.resources import Resources, build_resources

PATIENCE_S = 900.0
UNTIL = utc("2013-04-16")
STEP_START = dg.DagsterEventType.STEP_START
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

    def victim(self, what: str, run_id: str, step: str) -> psutil.Process:
        """Return the process that is to be killed, in the midst of that step."""
        services = {p.cmdline()[2]: p for p in psutil.Process(self.process.pid).children() if len(p.cmdline()) > 2}
        if what == "daemon":
            return services["dagster._daemon"]
        if what == "code server":
            return next(p for p in services["dagster._daemon"].children(recursive=True) if "grpc" in p.cmdline())
        lease = self.until("its lease", lambda: self.stores.operations.leases([run_id]).get(run_id))
        if what == "worker":
            return psutil.Process(lease.pid)
        begun = self.instance.all_logs(run_id, of_type=dg.DagsterEventType.STEP_WORKER_STARTED)
        told = next(e.dagster_event for e in reversed(begun) if e.dagster_event.step_key == step)
        return psutil.Process(int(told.event_specific_data.metadata["pid"].value))

    def decisions(self, until: datetime) -> tuple[Decision, ...]:
        return self.stores.operations.decisions("rain", until=until)

    def at_step(self, number: int, known: set[str]) -> tuple[str, str]:
        """Wait until so many steps have begun, of runs that are not known; return the last one's run and name."""

        def begun() -> tuple[str, str] | None:
            new = [run.run_id for run in reversed(self.instance.get_runs()) if run.run_id not in known]
            steps = [(run, e.dagster_event.step_key) for run in new
                     for e in self.instance.all_logs(run, of_type=STEP_START)]  # fmt: skip
            return steps[-1] if len(steps) >= number else None

        return self.until(f"step {number}", begun)


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


BORN = utc("2013-03-05")
NEVER = utc("2012-01-01")


def lived(instance: dg.DagsterInstance, since: datetime, until: datetime) -> list[dg.DagsterRun]:
    """Return the runs of what was done as of a time after ``since``."""
    return [run for run in instance.get_runs() if since < utc(run.tags["mlsys/as_of"]) <= until]


def number_of_steps(life, since: datetime, until: datetime) -> int:
    with open_instance(life.folder) as instance:
        steps = [instance.all_logs(run.run_id, of_type=STEP_START) for run in lived(instance, since, until)]
    return sum(map(len, steps))


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
        at = Random(f"{self.victim} {self.seed}").randint(1, number_of_steps(six_weeks, self.since, self.until))
        executor = {"MLSYS_EXECUTOR": "multiprocess"} if self.victim == "step" else {}
        wanted, last = six_weeks.decisions(until=self.until), f"{self.until:%Y-%m-%d}"
        with up(home, {**environment, **executor}) as services:
            known = {run.run_id for run in services.instance.get_runs()}
            with mlsys(home, "clock", "rain", "--to", last, environment=environment) as moved:
                assert last in moved.communicate()[0]
            run_id, step = services.at_step(at, known)
            services.victim(self.victim, run_id, step).kill()
            services.until("the end", lambda: services.decisions(self.until) == wanted)
            services.until("quiet", lambda: not services.instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)))
            run = services.instance.get_run_by_id(run_id)
            assert run.is_success is (self.victim in {"daemon", "code server"})
            once = succeeded(services.instance, self.since, self.until)
            assert services.instance.event_log_storage.get_concurrency_run_ids() == set()
        with open_instance(six_weeks.folder) as instance:
            assert once == succeeded(instance, self.since, self.until)
        assert set(once.values()) == {1}
        hold_the_same(mlsys, home, six_weeks, self.until, environment)


def test_a_week_in_which_a_run_loses_its_worker_comes_to_the_same(up, mlsys, born, six_weeks, tmp_path) -> None:
    home = shutil.copytree(born, tmp_path / "home")
    Kill("worker", 1, BORN, utc("2013-03-12")).survived(up, mlsys, home, six_weeks, {})


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
        first = services.victim("daemon", "", "")
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
