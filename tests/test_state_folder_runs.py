"""Runs that a dead owner left are failed and their slots freed; those of one folder go one after the other."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
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
from mlsys_resources.folder_lock import Holder
from mlsys_resources.resources import build_resources
from mlsys_resources.worker import Worker

JULY = datetime(2013, 7, 1, tzinfo=UTC)
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


@pytest.fixture
def environment() -> dict[str, str]:
    return {}


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


def test_leases_that_an_owner_before_left_are_closed_whoever_lives(tmp_path: Path, environment: dict[str, str]) -> None:
    operations = build_resources({"MLSYS_HOME": str(tmp_path)}, clock=lambda: JULY).operations
    for run_id in ("left", "ended"):
        operations.begin_run(run_id, Worker.this(), token=0)
    operations.end_run("ended")
    with own(tmp_path, command="mlsys run", environment=environment):
        assert operations.open_leases() == {}
        found = operations.leases(["left", "ended"])
        assert found["ended"].fenced_at is None
        assert found["left"].reason.startswith(f"mlsys run (process {os.getpid()} on ")
        assert found["left"].reason.endswith("took over the state folder")
    operations.close()


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


OPEN = """
import sys
import dagster as dg
print("ready", flush=True)
for folder in sys.stdin:
    with dg.DagsterInstance.from_config(folder.strip()) as instance:
        instance.get_runs(), instance.all_instigator_state(), instance.get_daemon_heartbeats()
    print("open", flush=True)
"""


@pytest.mark.parametrize("times", [1, pytest.param(10, marks=pytest.mark.prove)])
def test_two_services_that_open_a_new_folder_at_once_find_it_made(
    tmp_path: Path, environment: dict[str, str], times: int
) -> None:
    """Who makes Dagster's tables at once gets in the other's way: the owner does, before it starts the services."""
    services = [start(OPEN) for _ in range(2)]
    try:
        assert [service.stdout.readline() for service in services] == ["ready\n"] * 2
        for n in range(times):
            with own(tmp_path / f"{n}", command="mlsys up", environment=environment):
                for service in services:
                    service.stdin.write(f"{tmp_path / str(n)}\n")
                    service.stdin.flush()
                assert [service.stdout.readline() for service in services] == ["open\n"] * 2
    finally:
        for service in services:
            service.communicate()
