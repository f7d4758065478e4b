"""What a sensor does in a tick does not grow with what happened before: counted in statements, rows and their steps."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

import dagster as dg
import pytest
import sqlalchemy as sa

from mlsys_assets import (
    Learning,
    Retraining,
    days,
    hours,
)
from mlsys_assets.dagster_adapter import tick_job, training_job
from mlsys_assets.retraining.by_function import trigger
from mlsys_assets.retraining.controller import Controller
from mlsys_assets.retraining.history import REMEMBERED, History
from mlsys_assets.retraining.sensors import build_sensors
from mlsys_assets.retraining.training_cost import TrainingCost
from mlsys_assets.retraining.trigger import ask
from mlsys_assets.retraining.worth_it import WorthIt
from mlsys_resources.operations_records import Conflict
from mlsys_resources.operations_rows import ModelVersion
from mlsys_resources.operations_store import OperationsStore

from .lived_hours import NOW, record

LITTLE, MUCH = 56, 112
"""Ticks that are past: more than are remembered, and twice as many."""
SPREAD = 0.01
"""What steps differ by without history: a new connection asks for its schema, and the busy machine has more of them."""


@dataclass
class Work:
    """What was asked of all databases: statements, rows they gave, and steps they took for it."""

    statements: int = 0
    rows: int = 0
    steps: int = 0


@contextmanager
def counted() -> Iterator[Work]:
    """Count what every SQLite database is asked."""
    work, asking = Work(), False

    def step() -> None:
        work.steps += asking

    def before(connection, _cursor, statement, parameters, *_rest) -> None:
        nonlocal asking
        asking, driver = False, connection.connection.driver_connection
        work.statements += 1
        if statement.lstrip().upper().startswith("SELECT"):
            work.rows += driver.execute(f"SELECT count(*) FROM ({statement})", parameters).fetchone()[0]
        driver.set_progress_handler(step, 1)
        asking = True

    sa.event.listen(sa.Engine, "before_cursor_execute", before)
    try:
        yield work
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", before)
        asking = False


def look(controller: Controller) -> list[str]:
    """Let every sensor look once, and return what they say."""
    said = []
    for sensor in build_sensors(controller.system):
        context = dg.build_sensor_context(
            controller.instance, sensor_name=sensor.name, resources={"stores": controller.stores}
        )
        said.append(sensor.evaluate_tick(context).skip_message)
    return said


def test_the_work_of_a_tick_does_not_grow_with_history(live) -> None:
    """Every trigger is asked, the decision is taken, a run is looked for: what is read for it is the same."""
    done, said = [], []
    for ticks in (LITTLE, MUCH):
        controller = live(ticks)
        with counted() as work:
            said.append(look(controller) + look(controller))  # the last to look asks a trigger for which another waits
            controller.request(tick_job(controller.system), NOW)
        done.append(work)
        assert controller.decided.as_of == NOW
    assert [(work.statements, work.rows) for work in done] == [(done[0].statements, done[0].rows)] * 2
    assert abs(done[1].steps - done[0].steps) <= SPREAD * done[0].steps  # twice the ticks, and not a hundredth more
    assert done[0].statements
    assert done[0].rows
    assert done[0].steps > done[0].rows
    assert said[0] == said[1]


def test_the_last_training_is_known_however_long_ago_it_was(live) -> None:
    controller = live(1)
    store, long_ago = controller.stores.operations, NOW - days(1000)
    record(store, long_ago - days(1), "training_set", "training_set", "adequate", {"labelled": 50})
    record(store, long_ago, "training_set", "training_set", "adequate", {"labelled": 70})
    record(store, long_ago, "gate", "champion", "pass", {"challenger": "x", "recent_test x roc_auc": 0.7})
    record(store, NOW - days(2), "training_set", "training_set", "insufficient data", {"labelled": 5})
    found = controller.history(NOW)
    assert (found.trained.as_of, found.trained.labelled, found.trained.reference) == (long_ago, 70, {"roc_auc": 0.7})
    assert found.attempts == (long_ago, NOW - days(2))


def test_every_attempt_that_a_limit_counts_is_known(live) -> None:
    """The arbiter's limits may reach further back than what a trigger remembers."""
    controller = live(1)
    counted_still = NOW - hours(REMEMBERED + 1)
    assert NOW - controller.system.retraining.within < counted_still
    for as_of in (counted_still, NOW - hours(3)):
        record(controller.stores.operations, as_of, "training_set", "training_set", "adequate", {"labelled": 50})
    assert controller.history(NOW).attempts == (counted_still, NOW - hours(3))


def test_a_training_as_of_now_is_not_history(live) -> None:
    controller = live(1)
    record(controller.stores.operations, NOW, "training_set", "training_set", "adequate", {"labelled": 5})
    assert controller.history(NOW).trainings == ()


def test_whether_anything_was_promoted_is_known_and_a_promotion_as_of_now_is_not(live) -> None:
    controller = live(0)
    store = controller.stores.operations
    record(store, NOW - days(1000), "promotion", "champion", "held", {})
    record(store, NOW, "promotion", "champion", "promoted", {})
    assert not controller.history(NOW).promoted
    record(store, NOW - days(900), "promotion", "champion", "promoted", {})
    assert controller.history(NOW).promoted


@trigger
def storms(known: History) -> bool:
    """There was a storm."""
    return known.now is not None and known.now.labelled == 100


@trigger(by_clock=True)
def monday(known: History) -> bool:
    """It is Monday."""
    return known.as_of.weekday() == 0


@trigger
def hangs(_known: History) -> bool:
    """Never returns."""
    while True:
        pass


@trigger
def floods(_known: History) -> list[dg.RunRequest]:
    """Asks for a hundred trainings at once."""
    return [dg.RunRequest(run_key=str(n), job_name="lived_training") for n in range(100)]


def test_ones_own_trigger_is_a_sensor_like_the_others(live, monkeypatch) -> None:
    """Sound, endless or mad: a verdict on record each, and one decision from them all."""
    monkeypatch.setattr(ask, "__kwdefaults__", {"deadline_s": 0.2})
    controller = live(12)
    own = replace(controller.system, triggers=(monday, storms, hangs, floods), retraining=Retraining(storms & monday))
    controller = replace(controller, system=own)
    names = [sensor.name for sensor in build_sensors(own)]
    assert [n for n in names if "retrain_by" in n] == [f"lived_retrain_by_{n}" for n in ("storms", "hangs", "floods")]
    controller.ask(monday, NOW)  # as the schedule of the ticks does
    for sensor in [s for s in build_sensors(own) if "retrain_by" in s.name]:
        context = dg.build_sensor_context(
            controller.instance, sensor_name=sensor.name, resources={"stores": controller.stores}
        )
        assert not sensor.evaluate_tick(context).run_requests
    controller.decide(NOW)
    assert {name: d.verdict for name, d in controller.verdicts(NOW).items()} == {
        "monday": "yes", "storms": "yes", "hangs": "error", "floods": "error",
    }  # fmt: skip
    assert controller.verdicts(NOW)["storms"].reason == "There was a storm."
    assert controller.verdicts(NOW)["hangs"].reason == "it did not answer within 0.2 s"
    assert controller.verdicts(NOW)["floods"].reason.startswith("it answered [RunRequest(")
    assert (controller.decided.verdict, controller.decided.reason) == ("train", "monday and storms said yes")
    assert isinstance(controller.request(training_job(own), NOW), dg.RunRequest)


def promoted(store: OperationsStore, at: datetime, version: int, trained: datetime, revision: int) -> None:
    """Let a version that was trained then become champion."""
    model = ModelVersion("lived", version, "x", f"content {version}", "0" * 64, f"run {version}", trained, "here")
    store.record_model(model)
    store.set_alias(
        "lived", "champion", version=version, content_hash=model.content_hash, as_of=at, expected_revision=revision,
        reason="because",
    )  # fmt: skip


@pytest.mark.parametrize(("refit", "held_out"), [(True, days(5)), (False, days(0))])
def test_what_trainings_gained_is_read_as_far_back_as_it_is_asked_for(live, refit, held_out) -> None:
    """Also of a champion that was trained before, and of one that was put back."""
    controller = live(1)
    worth = WorthIt(price=1, over=days(7), looks_back=days(30))
    policy = Retraining(cost=TrainingCost(fixed=1), worth_it=worth)
    store = controller.stores.operations
    for n in (40, 20, 10):
        at, ends = (
            NOW - days(n),
            {f"recent_test log_loss minus champion {end}": -n / 100 for end in ("value", "low", "high")},
        )
        record(store, at, "training_set", "training_set", "adequate", {"labelled": 50})
        record(store, at, "gate", "champion", "pass", {"challenger": "x", **ends})
    first, second = NOW - days(40), NOW - days(20)
    promoted(store, first, 1, first, 0)
    promoted(store, second, 2, second, 1)
    promoted(store, NOW - days(15), 1, first, 2)  # put back
    with pytest.raises(Conflict):
        promoted(store, NOW - days(12), 3, NOW - days(12), 0)  # came too late, and never stood
    system = replace(controller.system, retraining=policy, learning=Learning(refit=refit))
    found = replace(controller, system=system).history(NOW)
    assert [(t.changes["log_loss"].value, t.ahead) for t in found.trainings] == [
        (-0.2, days(20) - held_out), (-0.1, days(30) - held_out),
    ]  # fmt: skip
    assert found.champion == first
    unasked = controller.history(NOW)  # nobody asks, so nothing more is read
    assert [t.changes for t in unasked.trainings][:-1] == []
    assert (unasked.champion, unasked.trained.ahead) == (None, None)
