"""A run is asked for once: until it fails, and not when it is done, by whoever looks."""

import dagster as dg
import pytest

from mlsys_assets import (
    hours,
)
from mlsys_assets.dagster_adapter import tick_job, training_job
from mlsys_assets.retraining.controller import AS_OF_TAG, ATTEMPTS, LOSSES, OWNER_TAG
from mlsys_resources.fence import Fenced
from mlsys_resources.operations_runs import CLAIMED_FOR
from mlsys_resources.worker import Worker

from .lived_hours import NOW, monitor, record, run


def test_a_run_that_is_under_way_is_not_asked_for_again(live) -> None:
    controller = live(1)
    job, as_of = tick_job(controller.system), NOW + hours(1)
    tags = {AS_OF_TAG: controller.system.calendar.key(as_of), OWNER_TAG: "0"}
    assert isinstance(controller.request(job, as_of), dg.RunRequest)
    status = dg.DagsterRunStatus
    for now, free in {
        status.NOT_STARTED: False, status.STARTING: False, status.STARTED: False, status.CANCELING: False,
        status.FAILURE: True, status.CANCELED: True,
    }.items():  # fmt: skip
        found = dg.DagsterRun(job, tags=tags, status=now)
        controller.instance.run_storage.add_run(found)
        asked = controller.request(job, as_of)
        assert isinstance(asked, dg.RunRequest if free else dg.SkipReason), now
        assert free or "is under way" in asked.skip_message
        controller.instance.delete_run(found.run_id)


def test_a_run_that_failed_is_asked_for_again_under_a_key_of_its_own(live) -> None:
    """A daemon starts no second run under a key that it has seen; and one run, asked for twice, has one key."""
    controller = live(1)
    job, as_of = tick_job(controller.system), NOW + hours(1)
    tags = {AS_OF_TAG: controller.system.calendar.key(as_of), OWNER_TAG: "0"}
    keys = []
    for _ in range(ATTEMPTS):
        keys.append(controller.request(job, as_of).run_key)
        assert controller.request(job, as_of).run_key == keys[-1]
        controller.instance.run_storage.add_run(dg.DagsterRun(job, tags=tags, status=dg.DagsterRunStatus.FAILURE))
    assert len(set(keys)) == ATTEMPTS
    assert f"failed {ATTEMPTS} times" in controller.request(job, as_of).skip_message


def test_a_run_is_asked_for_again_once_those_before_it_can_write_no_more(live) -> None:
    """Also where Dagster failed it, not the reaper: a step may have outlived it."""
    controller = live(1)
    job, as_of, operations = tick_job(controller.system), NOW + hours(1), controller.stores.operations
    tags = {AS_OF_TAG: controller.system.calendar.key(as_of), OWNER_TAG: "0"}
    run = dg.DagsterRun(job, tags=tags, status=dg.DagsterRunStatus.FAILURE)
    controller.instance.run_storage.add_run(run)
    assert isinstance(controller.request(job, as_of), dg.RunRequest)
    with operations.at_work(run.run_id), pytest.raises(Fenced, match="it has ended, and was asked for again"):
        operations.check_fence()


def test_losing_its_process_is_no_fault_of_a_run_but_it_is_not_lost_for_ever(live) -> None:
    """The faults of its own before and between are counted as ever."""
    controller = live(1)
    job, as_of, operations = tick_job(controller.system), NOW + hours(1), controller.stores.operations
    tags = {AS_OF_TAG: controller.system.calendar.key(as_of), OWNER_TAG: "0"}

    def ended(*, lost: bool) -> None:
        assert isinstance(controller.request(job, as_of), dg.RunRequest)
        run = dg.DagsterRun(job, tags=tags, status=dg.DagsterRunStatus.FAILURE)
        controller.instance.run_storage.add_run(run)
        operations.begin_run(run.run_id, Worker.this(), token=0)
        if not lost:
            operations.end_run(run.run_id)

    ended(lost=False)
    for _ in range(LOSSES - 1):
        ended(lost=True)
    ended(lost=False)
    ended(lost=True)
    asked = controller.request(job, as_of)
    assert f"failed {ATTEMPTS - 1} times and lost its process {LOSSES} times: see its runs" in asked.skip_message


def test_a_tick_that_is_brought_in_while_somebody_looks_is_not_asked_for_again(live) -> None:
    """Who looks at it when its run has not ended, and then at its runs, finds none that is under way."""
    controller = live(1)
    job, as_of = tick_job(controller.system), NOW + hours(1)
    assert not controller.is_monitored(as_of)
    monitor(controller.stores.operations, as_of)
    run(controller, job, as_of)
    assert "has come to its end" in controller.request(job, as_of).skip_message


def test_a_training_that_ends_while_somebody_looks_is_neither_asked_for_again_nor_given_up(live) -> None:
    controller = live(1)
    job, key = training_job(controller.system), controller.system.calendar.key(NOW)
    record(controller.stores.operations, NOW, "retraining", "arbiter", "train", {})
    assert controller.training_wanted()
    for _ in range(ATTEMPTS - 1):
        failed = dg.DagsterRun(job, tags={AS_OF_TAG: key, OWNER_TAG: "0"}, status=dg.DagsterRunStatus.FAILURE)
        controller.instance.run_storage.add_run(failed)
    assert isinstance(controller.request(job, NOW), dg.RunRequest)
    record(controller.stores.operations, NOW, "promotion", "champion", "promoted", {})
    run(controller, job, NOW)
    assert "has come to its end" in controller.request(job, NOW).skip_message
    assert [d.name for d in controller.stores.operations.decisions("lived", "retraining", since=NOW)] == ["arbiter"]


def test_of_two_who_ask_for_a_run_at_once_one_does_until_it_came_to_nothing(live) -> None:
    """The schedule and the sensor that catches up: Dagster takes a key of each for another one."""
    controller = live(1)
    job, as_of, operations = tick_job(controller.system), NOW + hours(1), controller.stores.operations
    asked = controller.request(job, as_of, by="schedule")
    assert controller.request(job, as_of, by="schedule").run_key == asked.run_key  # lost on its way: it asks again
    assert "was asked for a moment ago" in controller.request(job, as_of, by="catch_up").skip_message
    before = operations._clock
    operations._clock = lambda: before() + CLAIMED_FOR
    assert controller.request(job, as_of, by="catch_up").run_key == asked.run_key
    assert isinstance(controller.request(job, as_of, by="schedule"), dg.SkipReason)
