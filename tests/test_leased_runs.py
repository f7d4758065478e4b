"""A run whose process is killed is ended by the reaper; the step that it left behind commits nothing."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from mlsys_assets import utc
from mlsys_assets.instance import open_instance
from mlsys_assets.leased_runs import executor_of_runs, leased
from mlsys_assets.reaper import Reaper
from mlsys_resources.fence import Fenced
from mlsys_resources.resources import Resources, build_resources

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
