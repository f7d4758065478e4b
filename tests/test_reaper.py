"""The reaper ends the runs whose worker is gone, all of each, and no others: whoever it is, and whenever it dies."""

import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from mlsys_assets import utc
from mlsys_assets.instance import open_instance
from mlsys_assets.leased_runs import leased
from mlsys_assets.reaper import SILENT_LOOKS, Reaper, build_reaper
from mlsys_assets.retraining.controller import OWNER_TAG
from mlsys_resources.fence import Fenced
from mlsys_resources.resources import Resources, build_resources
from mlsys_resources.worker import Worker

JULY = utc("2013-07-01")
GONE = replace(Worker.this(), born="never")
ELSEWHERE = Worker("elsewhere", 7, "x")


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Resources]:
    made = build_resources({"MLSYS_HOME": str(tmp_path)}, clock=lambda: JULY)
    yield made
    made.operations.close()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with open_instance(tmp_path) as opened:
        yield opened


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
