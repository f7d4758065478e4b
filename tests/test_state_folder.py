"""One owner a state folder; what a dead one left behind can write no more, and its runs are failed."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.test_utils import create_run_for_test
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from mlsys_assets.instance import open_instance
from mlsys_assets.state_folder import fail_orphans, own
from mlsys_resources.fence import Fenced
from mlsys_resources.folder_lock import Holder, StateFolderBusy
from mlsys_resources.operations_rows import Decision
from mlsys_resources.resources import Resources, build_resources

JULY = datetime(2013, 7, 1, tzinfo=UTC)
SCHEMA = pa.schema([pa.field("x", pa.int64())])
PATIENCE_S = 60

OWNER = """
import os, subprocess, sys
from pathlib import Path
from mlsys_assets.state_folder import own

with own(Path(sys.argv[1]), command="mlsys up", environment=os.environ) as owned:
    if len(sys.argv) > 2:
        print(subprocess.Popen([sys.executable, "-c", *sys.argv[2:]]).pid, flush=True)
    else:
        print(owned.token, flush=True)
    sys.stdin.readline()
"""

CHILD = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
import pyarrow as pa
from mlsys_resources import parquet_files
from mlsys_resources.fence import Fenced
from mlsys_resources.operations_rows import Decision
from mlsys_resources.resources import build_resources

JULY = datetime(2013, 7, 1, tzinfo=UTC)
where, stops = sys.argv[1], [1]

def stop():
    if stops and stops.pop():
        os.kill(os.getpid(), signal.SIGSTOP)

def clock():  # asked when the row is made, before it is written
    if where == "operations":
        stop()
    return JULY

write = parquet_files.write
def stopped_write(*given, **more):  # the file is there, and the commit is not
    made = write(*given, **more)
    if where == "lake":
        stop()
    return made
parquet_files.write = stopped_write

stores = build_resources(os.environ, clock=clock)
def to_lake():
    stores.lake.write_snapshot("flights", "t", pa.table({"x": [2]}), schema=pa.schema([("x", pa.int64())]), run_id="2")
def to_operations():
    stores.operations.record(Decision("flights", JULY, "gate", "g", "pass", "by an orphan"))
tries = {"lake": to_lake, "operations": to_operations}
said = []
for name in sorted(tries, key=lambda name: name != where):
    try:
        tries[name]()
        said.append(f"{name} wrote")
    except Fenced as error:
        said.append(f"{name} fenced: {error}")
Path(sys.argv[2]).write_text("\\n".join([*said, "end"]))
"""

POOLED = """
import os, sys, time
from pathlib import Path
import dagster as dg
from mlsys_assets.state_folder import own

@dg.asset(pool="table")
def slow():
    print("working", flush=True)
    time.sleep(600)

defs = dg.Definitions(assets=[slow], jobs=[dg.define_asset_job("job", [slow])], executor=dg.in_process_executor)
with own(Path(sys.argv[1]), command="mlsys run", environment=os.environ) as owned:
    defs.resolve_job_def("job").execute_in_process(instance=owned.instance, run_config={
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}})
"""


def start(code: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def until(done: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not done():
        assert time.monotonic() < end
        time.sleep(0.02)


def stores_of(environment: dict[str, str]) -> Resources:
    return build_resources(environment, clock=lambda: JULY)


@pytest.fixture
def environment() -> dict[str, str]:
    return {}


# -- one owner ------------------------------------------------------------------------------------


def test_the_second_process_is_told_who_is_there(tmp_path: Path, environment: dict[str, str]) -> None:
    with start(OWNER, str(tmp_path)) as first:
        assert first.stdout.readline() == "1\n"
        told = rf"{tmp_path} is in use by mlsys up \(process {first.pid} on "
        with pytest.raises(StateFolderBusy, match=told), own(tmp_path, command="mlsys run", environment=environment):
            pass
        assert environment == {}
        done = subprocess.run(
            [sys.executable, "-m", "mlsys_assets.cli", "run", "--home", str(tmp_path)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(f"mlsys: {tmp_path} is in use by mlsys up (process {first.pid} on ")
        assert "Traceback" not in done.stderr
        stores_of({"MLSYS_HOME": str(tmp_path), "MLSYS_FENCE": "1"}).operations.check_fence()  # it lost nothing by that
        first.communicate("\n")
    with own(tmp_path, command="mlsys run", environment=environment) as owned:
        assert owned.token == 2


def test_an_owner_killed_leaves_the_folder_free_and_the_next_has_a_greater_token(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    tokens = []
    for _ in range(2):
        with start(OWNER, str(tmp_path)) as owner:
            tokens.append(int(owner.stdout.readline()))
            owner.kill()
    with own(tmp_path, command="mlsys run", environment=environment) as owned:
        assert [*tokens, owned.token] == [1, 2, 3]


def test_the_environment_holds_home_and_token_while_the_folder_is_owned(tmp_path: Path) -> None:
    before = {"MLSYS_FENCE": "99", "MLSYS_HOME": "elsewhere", "OTHER": "x"}  # as of an owner that is gone
    environment = dict(before)
    home = tmp_path / "new" / "home"
    with pytest.raises(KeyError), own(home, command="mlsys run", environment=environment) as owned:  # noqa: PT012
        assert environment == {"MLSYS_FENCE": "1", "MLSYS_HOME": str(home), "OTHER": "x"}
        stores = stores_of(environment)
        assert (owned.home, stores.home, stores.token, owned.token) == (home, home, 1, 1)
        assert stores.operations.record(Decision("flights", JULY, "gate", "g", "pass", "may write"))
        stores.operations.close()
        raise KeyError
    assert environment == before


def test_a_damaged_record_is_a_clear_error_and_the_folder_is_free_again(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    (tmp_path / "operations.db").write_bytes(b"no database at all " * 500)
    for _ in range(2):
        with (
            pytest.raises(RuntimeError, match=r"operations.db'\) cannot be opened .*whole \(mlsys doctor\)"),
            own(tmp_path, command="mlsys run", environment=environment),
        ):
            pass
    assert environment == {}


# -- orphans --------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["lake", "operations"])
def test_a_child_stopped_in_the_midst_of_a_write_can_commit_nothing_after_a_takeover(
    tmp_path: Path, where: str, environment: dict[str, str]
) -> None:
    home, result = tmp_path / "home", tmp_path / "result"
    with start(OWNER, str(home), CHILD, where, str(result)) as owner:
        child = int(owner.stdout.readline())
        state = Path(f"/proc/{child}/stat")
        until(lambda: state.read_text().split()[2] == "T")
        owner.kill()
        try:
            with own(home, command="mlsys run", environment=environment) as owned:
                assert owned.token == 2
                mine = stores_of(environment)
                mine.lake.write_snapshot("flights", "t", pa.table({"x": [1]}), schema=SCHEMA, run_id="1")
                os.kill(child, signal.SIGCONT)
                until(lambda: result.exists() and result.read_text().endswith("end"))
                first, second, _ = result.read_text().splitlines()
                for said in (first, second):
                    assert "fenced: another process took over the state folder: mlsys run (process " in said
                assert mine.lake.read("flights", "t")["x"].to_pylist() == [1]
                assert [commit.run_id for commit in mine.lake.history("flights", "t")][0] == "1"  # noqa: RUF015
                assert mine.operations.decisions("flights") == ()
                mine.operations.close()
        finally:
            os.kill(child, signal.SIGCONT)
            os.kill(child, signal.SIGKILL)


def test_a_child_of_a_living_owner_writes(tmp_path: Path) -> None:
    """The counterpart: stopped and let go on, with nobody taking over."""
    home, result = tmp_path / "home", tmp_path / "result"
    with start(OWNER, str(home), CHILD, "lake", str(result)) as owner:
        child = int(owner.stdout.readline())
        until(lambda: Path(f"/proc/{child}/stat").read_text().split()[2] == "T")
        os.kill(child, signal.SIGCONT)
        until(lambda: result.exists() and result.read_text().endswith("end"))
        assert result.read_text() == "lake wrote\noperations wrote\nend"
        owner.communicate("\n")


def test_who_was_not_started_by_the_owner_writes_no_table(tmp_path: Path, environment: dict[str, str]) -> None:
    """As Dagster's own web pages, opened on the folder while `mlsys run` is at work."""
    other = stores_of({"MLSYS_HOME": str(tmp_path)})
    rows = pa.table({"x": [1]}).append_column("tick", pa.array([JULY], pa.timestamp("us", "UTC")))

    def write() -> None:
        other.lake.write_ticks("rain", "rows", rows, schema=SCHEMA, ticks=[JULY], run_id="by hand")

    with (
        own(tmp_path, command="mlsys run", environment=environment),
        pytest.raises(Fenced, match="in use by mlsys run"),
    ):
        write()
    assert not other.lake.has("rain", "rows")
    write()
    assert other.lake.has("rain", "rows")


# -- runs -----------------------------------------------------------------------------------------


def test_a_run_of_a_killed_process_is_failed_and_its_slots_are_free(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    with start(POOLED, str(tmp_path)) as owner:
        assert owner.stdout.readline() == "working\n"
        owner.kill()
    with open_instance(tmp_path) as instance:
        (left,) = instance.get_runs()
        assert left.status is dg.DagsterRunStatus.STARTED
        assert instance.event_log_storage.get_concurrency_info("table").active_run_ids == {left.run_id}

    with own(tmp_path, command="mlsys run", environment=environment) as owned:
        assert owned.orphans == (left.run_id,)
        (run,) = owned.instance.get_runs()
        assert run.status is dg.DagsterRunStatus.FAILURE
        (event,) = owned.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)
        assert event.message.startswith(f"mlsys run (process {os.getpid()} on ")
        assert "had left this run STARTED" in event.message
        info = owned.instance.event_log_storage.get_concurrency_info("table")
        assert (info.claimed_slots, info.pending_steps, info.slot_count) == ([], [], 1)
    with own(tmp_path, command="mlsys run", environment=environment) as owned:
        assert owned.orphans == ()
        assert len(owned.instance.all_logs(left.run_id, of_type=dg.DagsterEventType.RUN_FAILURE)) == 1


def test_every_run_that_is_not_finished_is_failed_and_no_other(tmp_path: Path) -> None:
    location = ManagedGrpcPythonEnvCodeLocationOrigin(
        LoadableTargetOrigin(module_name="mlsys_assets.systems.workspace")
    )
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(location, "__repository__"), "flights_train")  # who queues has one
    with open_instance(tmp_path) as instance:
        runs = {
            status: create_run_for_test(instance, status=status, remote_job_origin=origin)
            for status in dg.DagsterRunStatus
        }
        failed = fail_orphans(instance, Holder.this("mlsys up", since=JULY))
        unfinished = [status for status in dg.DagsterRunStatus if status in NOT_FINISHED_STATUSES]
        assert sorted(failed) == sorted(runs[status].run_id for status in unfinished)
        assert len(failed) >= 5
        for status, run in runs.items():
            wanted = dg.DagsterRunStatus.FAILURE if status in unfinished else status
            assert instance.get_run_by_id(run.run_id).status is wanted


def test_slots_of_a_run_that_ended_and_gave_nothing_back_are_free(tmp_path: Path) -> None:
    with open_instance(tmp_path) as instance:
        run = create_run_for_test(instance, status=dg.DagsterRunStatus.FAILURE)
        storage = instance.event_log_storage
        storage.initialize_concurrency_limit_to_default("table")
        assert storage.claim_concurrency_slot("table", run.run_id, "step").is_claimed
        storage.claim_concurrency_slot("table", run.run_id, "another step")
        assert fail_orphans(instance, Holder.this("mlsys up", since=JULY)) == ()
        info = storage.get_concurrency_info("table")
        assert (info.claimed_slots, info.pending_steps) == ([], [])


def test_runs_of_one_folder_go_one_after_the_other(tmp_path: Path) -> None:
    with open_instance(tmp_path) as instance:
        limits = instance.get_concurrency_config()
        assert limits.run_queue_config.max_concurrent_runs == 1
        assert limits.pool_config.default_pool_limit == 1
        assert instance.run_monitoring_enabled
        assert instance.run_monitoring_max_runtime_seconds > 0
        assert instance.run_monitoring_settings["free_slots_after_run_end_seconds"] > 0
