"""A run whose process is killed is ended by the reaper; the step that it left behind commits nothing."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.test_utils import create_run_for_test

from mlsys_assets import utc
from mlsys_assets.instance import open_instance
from mlsys_assets.leased_runs import executor_of_runs, leased
from mlsys_assets.reaper import SILENT_LOOKS, Reaper, build_reaper
from mlsys_assets.retraining.controller import OWNER_TAG
from mlsys_resources.fence import Fenced
from mlsys_resources.resources import Resources, build_resources
from mlsys_resources.worker import Worker

JULY = utc("2013-07-01")
PATIENCE_S = 120.0
WRITER = """
import os, sys, time
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pyarrow as pa

from mlsys_assets.instance import open_instance
from mlsys_assets.leased_runs import executor_of_runs, stores_of_runs
from mlsys_resources.operations_rows import Decision, ModelVersion
from mlsys_resources.resources import build_resources

JULY = datetime(2013, 7, 1, tzinfo=UTC)
SCHEMA = pa.schema([pa.field("x", pa.int64())])
FOLDER = Path(os.environ["MLSYS_HOME"])
STORES = build_resources(os.environ, clock=lambda: JULY)

def attempts(stores, run):
    def table(system, name, value):
        rows = pa.table({"x": [value], "tick": pa.array([JULY], pa.timestamp("us", "UTC"))})
        return stores.lake.write_ticks(system, name, rows, schema=SCHEMA, ticks=[JULY], run_id=run)
    model = ModelVersion("rain", 2, "another", "c2", "m2", "r", JULY, "s")
    moved = dict(version=1, content_hash="c1", as_of=JULY, expected_revision=0, reason="better")
    return {
        "a tick": lambda: table("rain", "t", 2), "a table": lambda: table("rain", "new", 2),
        "a decision": lambda: stores.operations.record(Decision("rain", JULY, "gate", "late", "pass", "r")),
        "a model": lambda: stores.operations.record_model(model),
        "an alias": lambda: stores.operations.set_alias("rain", "champion", **moved),
    }

@dg.asset(pool="table")
def written(context, stores: dg.ResourceParam[object]):
    tries = attempts(stores, context.run.run_id)
    rows = pa.table({"x": [1], "tick": pa.array([JULY], pa.timestamp("us", "UTC"))})
    stores.lake.write_ticks("rain", "t", rows, schema=SCHEMA, ticks=[JULY], run_id=context.run.run_id)
    stores.operations.record_model(ModelVersion("rain", 1, "one", "c1", "m1", "r", JULY, "s"))
    if (FOLDER / "go").exists():
        return
    (FOLDER / "asleep").write_text(str(os.getpid()))
    while not (FOLDER / "go").exists():
        time.sleep(0.02)
    said = []
    for what, attempt in tries.items():
        try:
            attempt()
            said.append(f"{what}: written")
        except BaseException as error:
            said.append(f"{what}: {type(error).__name__}: {error}")
    (FOLDER / "said").write_text("\\n".join(said))

defs = dg.Definitions(
    assets=[written], jobs=[dg.define_asset_job("job", [written])], resources={"stores": stores_of_runs(STORES)},
    executor=executor_of_runs(STORES),
)

def job():
    return defs.resolve_job_def("job")

if __name__ == "__main__":
    with open_instance(FOLDER) as instance:
        from writer import job
        done = dg.execute_job(dg.reconstructable(job), instance=instance, run_config={
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}})
        sys.exit(not done.success)
"""


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Resources]:
    made = build_resources({"MLSYS_HOME": str(tmp_path)}, clock=lambda: JULY)
    yield made
    made.operations.close()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with open_instance(tmp_path) as opened:
        yield opened


def run(home: Path, executor: str) -> "subprocess.Popen[bytes]":
    (home / "writer.py").write_text(WRITER)
    paths = os.pathsep.join((str(home), str(Path(__file__).parents[1])))
    own = {"MLSYS_HOME": str(home), "MLSYS_EXECUTOR": executor, "PYTHONPATH": paths}
    return subprocess.Popen([sys.executable, str(home / "writer.py")], env=os.environ | own, start_new_session=True)


def wait_for(path: Path, process: "subprocess.Popen[bytes] | None" = None) -> str:
    until = time.monotonic() + PATIENCE_S
    while not path.exists() or not path.read_text():
        assert time.monotonic() < until, f"{path.name} did not come"
        assert process is None or process.poll() is None
        time.sleep(0.02)
    return path.read_text()


def test_a_step_that_outlives_its_killed_worker_commits_nothing_and_the_repeated_run_gives_the_same(
    tmp_path: Path, stores: Resources, instance: dg.DagsterInstance
) -> None:
    with run(tmp_path, "multiprocess") as worker:
        step = int(wait_for(tmp_path / "asleep", worker))
        (lease,) = stores.operations.open_leases().values()
        assert (lease.pid, lease.worker.lives, step != worker.pid) == (worker.pid, True, True)
        assert Reaper(instance, stores.operations).look({}) == ([], {})  # as long as it lives, it is left alone
        worker.kill()
    try:
        (left,) = instance.get_runs()
        assert left.status is dg.DagsterRunStatus.STARTED
        before = (stores.lake.history("rain", "t"), stores.operations.models("rain"))
        assert Reaper(instance, stores.operations).look({}) == ([left.run_id], {})
        (tmp_path / "go").touch()
        said = wait_for(tmp_path / "said").splitlines()
    finally:
        os.killpg(worker.pid, signal.SIGKILL)
    refused = f"Fenced: run {left.run_id} may write no more since 2013-07-01 00:00:00 UTC (its worker (process "
    for line, what in zip(said, ("a tick", "a table", "a decision", "a model", "an alias"), strict=True):
        assert line.startswith(f"{what}: {refused}{worker.pid} on "), line
    assert (stores.lake.history("rain", "t"), stores.operations.models("rain")) == before
    assert stores.lake.tables("rain") == ("t",)
    assert stores.operations.decisions("rain") == stores.operations.attempts("rain") == ()

    ended = instance.get_run_by_id(left.run_id)
    assert ended.status is dg.DagsterRunStatus.FAILURE
    (event,) = instance.all_logs(left.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
    assert "is gone; what the run has committed stands, and it can commit no more" in event.message
    assert instance.event_log_storage.get_concurrency_info("table").claimed_slots == []
    assert Reaper(instance, stores.operations).look({}) == ([], {})  # once

    hashes = stores.lake.tick_hashes("rain", "t")
    with run(tmp_path, "multiprocess") as again:
        assert again.wait(PATIENCE_S) == 0
    assert stores.lake.tick_hashes("rain", "t") == hashes
    assert stores.operations.open_leases() == {}


def test_a_run_in_one_process_holds_its_lease_to_its_end(tmp_path: Path, stores: Resources) -> None:
    (tmp_path / "go").touch()
    with run(tmp_path, "in_process") as worker:
        assert worker.wait(PATIENCE_S) == 0
    with open_instance(tmp_path) as instance:
        (done,) = instance.get_runs()
    lease = stores.operations.leases([done.run_id])[done.run_id]
    assert (lease.pid, lease.worker.lives, lease.was_lost, lease.fenced_at) == (worker.pid, False, False, None)


# -- the reaper -----------------------------------------------------------------------------------

GONE = replace(Worker.this(), born="never")
ELSEWHERE = Worker("elsewhere", 7, "x")


@pytest.fixture
def started(instance: dg.DagsterInstance, stores: Resources) -> Callable[..., str]:
    def make(worker: Worker | None, status: dg.DagsterRunStatus = dg.DagsterRunStatus.STARTED, **tags: str) -> str:
        run_id: str = create_run_for_test(instance, status=status, tags=tags).run_id
        if worker is not None:
            stores.operations.begin_run(run_id, worker, token=0)
        return run_id

    return make


def test_runs_under_way_are_ended_whose_worker_is_gone_and_no_others(instance, stores, started) -> None:
    at_work = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    gone = {started(GONE, status) for status in at_work}
    kept = {started(Worker.this(), status): status for status in at_work} | {
        started(None, status): status for status in (*at_work, dg.DagsterRunStatus.NOT_STARTED)
    }
    assert set(Reaper(instance, stores.operations).look({})[0]) == gone
    assert {instance.get_run_by_id(run).status for run in gone} == {dg.DagsterRunStatus.FAILURE}
    assert {run: instance.get_run_by_id(run).status for run in kept} == kept
    assert {run for run, lease in stores.operations.leases([*gone, *kept]).items() if lease.fenced_at} == gone


def test_a_run_that_somebody_else_failed_is_fenced_all_the_same_and_one_that_ended_well_is_left(
    instance, stores, started
) -> None:
    failed, done = started(GONE, dg.DagsterRunStatus.FAILURE), started(GONE, dg.DagsterRunStatus.SUCCESS)
    assert Reaper(instance, stores.operations).look({})[0] == [failed]
    assert instance.all_logs(failed, of_type=dg.DagsterEventType.RUN_FAILURE) == []
    assert {run: bool(lease.fenced_at) for run, lease in stores.operations.leases([failed, done]).items()} == {
        failed: True,
        done: False,
    }


def test_a_run_that_was_fenced_before_the_reaper_died_is_failed_by_its_successor(instance, stores, started) -> None:
    run_id = started(Worker.this())
    stores.operations.fence_run(run_id, "its worker is gone")
    assert Reaper(instance, stores.operations).look({})[0] == [run_id]
    assert instance.get_run_by_id(run_id).status is dg.DagsterRunStatus.FAILURE


def test_a_worker_elsewhere_is_gone_after_some_looks_without_a_sign_of_life_whatever_the_clocks_say(
    instance, stores, started
) -> None:
    silent, alive = started(ELSEWHERE), started(ELSEWHERE)
    reaper, heard, looks = Reaper(instance, stores.operations), {}, 0
    while silent in heard or looks == 0:
        ended, heard = reaper.look(heard)
        stores.operations.beat_run(alive)
        looks += 1
        assert looks < 20
    assert (ended, looks, list(heard)) == ([silent], SILENT_LOOKS + 1, [alive])


def test_a_run_of_ours_whose_worker_died_before_its_lease_began_is_ended_after_some_looks(
    instance, stores, started
) -> None:
    ours = {OWNER_TAG: "1"}
    lost, slow = started(None, **ours), started(None, **ours)
    others = [started(None), started(None, dg.DagsterRunStatus.STARTING, **ours)]
    reaper, heard = Reaper(instance, stores.operations), {}
    for _ in range(SILENT_LOOKS):
        ended, heard = reaper.look(heard)
        assert (ended, set(heard)) == ([], {lost, slow})
    stores.operations.begin_run(slow, Worker.this(), token=0)
    assert reaper.look(heard) == ([lost], {})
    assert [run.run_id for run in instance.get_runs() if run.is_finished] == [lost]
    (event,) = instance.all_logs(lost, of_type=dg.DagsterEventType.RUN_FAILURE)
    assert event.message.startswith("its worker was gone before it could say who it is; what the run has committed")
    with pytest.raises(Fenced), leased(stores, lost):  # it was alive, and late
        pytest.fail("it works")
    assert set(stores.operations.leases(others)) == set()


def test_a_lease_of_a_run_that_dagster_knows_nothing_of_is_closed(instance, stores) -> None:
    for run_id, worker in {"gone": GONE, "alive": Worker.this()}.items():
        stores.operations.begin_run(run_id, worker, token=0)
    assert Reaper(instance, stores.operations).look({}) == (["gone"], {})
    assert set(stores.operations.open_leases()) == {"alive"}


class Killed(BaseException):
    """What no code expects, as no code expects to be killed."""


@pytest.mark.parametrize("before", ["fence", "slots", "failure"])
def test_killed_in_the_midst_of_it_the_reaper_has_a_successor_that_does_the_rest(
    instance, stores, started, monkeypatch, before
) -> None:
    def die(*_: object) -> None:
        raise Killed

    run_id = started(GONE)
    instance.event_log_storage.initialize_concurrency_limit_to_default("table")
    assert instance.event_log_storage.claim_concurrency_slot("table", run_id, "step").is_claimed
    owner, method = {
        "fence": (stores.operations, "fence_run"),
        "slots": (instance.event_log_storage, "free_concurrency_slots_for_run"),
        "failure": (instance, "report_run_failed"),
    }[before]
    with monkeypatch.context() as patch:
        patch.setattr(type(owner), method, die)
        with pytest.raises(Killed):
            Reaper(instance, stores.operations).look({})
    assert Reaper(instance, stores.operations).look({}) == ([run_id], {})
    assert stores.operations.leases([run_id])[run_id].fenced_at is not None
    assert instance.get_run_by_id(run_id).status is dg.DagsterRunStatus.FAILURE
    assert instance.event_log_storage.get_concurrency_info("table").claimed_slots == []
    assert Reaper(instance, stores.operations).look({}) == ([], {})


def test_two_reapers_at_once_end_a_run_as_one_does(tmp_path, instance, stores, started) -> None:
    lost, found = {started(GONE) for _ in range(4)}, list[str]()
    kept = started(Worker.this())

    def look() -> None:
        with open_instance(tmp_path) as own:
            mine = build_resources({"MLSYS_HOME": str(tmp_path)}, clock=lambda: JULY)
            found.extend(Reaper(own, mine.operations).look({})[0])
            mine.operations.close()

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(found) == lost
    assert {instance.get_run_by_id(run).status for run in lost} == {dg.DagsterRunStatus.FAILURE}
    assert instance.get_run_by_id(kept).status is dg.DagsterRunStatus.STARTED
    assert {run for run, lease in stores.operations.leases([*lost, kept]).items() if lease.fenced_at} == lost


def test_the_sensor_says_what_it_ended_and_remembers_what_it_heard(instance, stores, started) -> None:
    gone, elsewhere = started(GONE), started(ELSEWHERE)
    reaper, cursor = build_reaper(), None
    for said in (f"ended {gone}", "every run that is under way has its worker"):
        context = dg.build_sensor_context(instance, cursor=cursor, resources={"stores": stores})
        told = reaper.evaluate_tick(context)
        assert told.skip_message == said
        cursor = told.cursor
    assert cursor == f'{{"{elsewhere}": [0, 1]}}'


# -- the lease ------------------------------------------------------------------------------------


def test_a_worker_gives_signs_of_life_until_its_run_is_fenced(stores, monkeypatch) -> None:
    monkeypatch.setattr("mlsys_assets.leased_runs.SECONDS_BETWEEN_BEATS", 0.01)
    with leased(stores, "r"):
        until = time.monotonic() + 20
        while stores.operations.leases(["r"])["r"].beats < 3:
            assert time.monotonic() < until
            time.sleep(0.01)
        stores.operations.fence_run("r", "it hangs")
    lease = stores.operations.leases(["r"])["r"]
    assert (lease.was_lost, lease.reason) == (True, "it hangs")
    with pytest.raises(Fenced, match=r"run r may write no more since .* \(it hangs\)"), leased(stores, "r"):
        pytest.fail("it works")


def test_a_store_that_does_not_answer_for_a_while_stops_no_sign_of_life(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("mlsys_assets.leased_runs.SECONDS_BETWEEN_BEATS", 0.01)
    monkeypatch.setattr("mlsys_resources.database.BUSY_TIMEOUT_S", 0.01)
    stores, tried = build_resources({"MLSYS_HOME": str(tmp_path)}, clock=lambda: JULY), threading.Event()
    beat, until = stores.operations.beat_run, time.monotonic() + 20

    def told(run_id: str) -> None:
        try:
            beat(run_id)
        except sa.exc.OperationalError:
            tried.set()
            raise

    monkeypatch.setattr(stores.operations, "beat_run", told)
    with leased(stores, "r"):
        with closing(sqlite3.connect(tmp_path / "operations.db")) as other:
            other.execute("BEGIN IMMEDIATE")
            assert tried.wait(20)
            before = stores.operations.leases(["r"])["r"].beats
        while stores.operations.leases(["r"])["r"].beats < before + 3:
            assert time.monotonic() < until, "no sign of life any more"
            time.sleep(0.01)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"MLSYS_EXECUTOR": "threads"}, "MLSYS_EXECUTOR is 'threads'; give in_process or multiprocess, or unset it"),
        ({"MLSYS_EXECUTOR": "multiprocess", "MLSYS_EXECUTOR_STEPS": "0"}, "MLSYS_EXECUTOR_STEPS is '0'; give a whole"),
    ],
)
def test_an_executor_that_there_is_not_is_refused(given, why) -> None:
    with pytest.raises(ValueError, match=why):
        executor_of_runs(build_resources(given, clock=lambda: JULY))
