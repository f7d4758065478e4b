"""The thin shells around the triggers: what is due is asked for, verdicts are recorded once, one decision is taken."""

from typing import Any

import dagster as dg

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.clocks import StoredClock, clock_of
from mlsys_assets.home_data import home_lacks
from mlsys_assets.retraining.assets import decided
from mlsys_assets.retraining.controller import Controller
from mlsys_assets.retraining.trigger import Trigger
from mlsys_assets.system import MLSystem
from mlsys_resources.resources import Resources

TRAINING = "the training that was decided on has not ended"
EVERY_MINUTE = "* * * * *"
SECONDS_BETWEEN = 30
SECONDS_BETWEEN_SIMULATED = 5
"""How often a sensor looks: a simulated clock may be moved by a person who watches."""


def build_schedules(system: MLSystem) -> list[dg.ScheduleDefinition]:
    """Return the schedule of the ticks and, for a simulated clock, the one that moves it."""
    if not system.triggers:
        return []
    return [_tick_schedule(system), *([_clock_schedule(system)] if system.simulated_from else [])]


def build_sensors(system: MLSystem) -> list[dg.SensorDefinition]:
    """Return a sensor for each trigger that looks at data, the arbiter, and the one that catches up."""
    if not system.triggers:
        return []
    watching = [_trigger_sensor(system, trigger) for trigger in system.triggers if not trigger.by_clock]
    return [*watching, _arbiter_sensor(system), _catch_up_sensor(system)]


def _begin_tick(controller: Controller, *, by: str) -> dg.RunRequest | dg.SkipReason:
    """Ask the triggers that look at the clock alone, and request the run that brings the tick in."""
    if controller.training_wanted():
        return dg.SkipReason(TRAINING)
    due = controller.due()
    if due is None:
        return dg.SkipReason(controller.waits_for)
    if (lacks := home_lacks(controller.instance, controller.system, due.window)) is not None:
        return dg.SkipReason(lacks)
    for trigger in controller.system.triggers:
        if trigger.by_clock:
            controller.ask(trigger, due.as_of)
    if controller.is_monitored(due.as_of):
        return dg.SkipReason(f"the tick that ends at {due.as_of:%Y-%m-%d %H:%M} is there; the arbiter decides next")
    return controller.request(adapter.tick_job(controller.system), due.as_of, window=due.window, by=by)


def _tick_schedule(system: MLSystem) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"{system.name}_tick",
        job_name=adapter.tick_job(system),
        cron_schedule=EVERY_MINUTE if system.simulated_from else adapter.cron(system),
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="When a tick has ended: asks the triggers that look at the clock alone, and brings the tick in.",
        tags={"system": system.name},
    )
    def tick(
        context: dg.ScheduleEvaluationContext, stores: dg.ResourceParam[Resources]
    ) -> dg.RunRequest | dg.SkipReason:
        return _begin_tick(Controller(system, stores, context.instance), by="schedule")

    return tick


def _catch_up_sensor(system: MLSystem) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"{system.name}_catch_up",
        job_name=adapter.tick_job(system),
        description="Brings in overdue ticks one after the other: after an outage, after a failed run, or when a "
        "simulated clock was moved. Does what the schedule of the ticks does, as soon as the decision before is taken.",
        **_often(system),
    )
    def catch_up(
        context: dg.SensorEvaluationContext, stores: dg.ResourceParam[Resources]
    ) -> dg.RunRequest | dg.SkipReason:
        return _begin_tick(Controller(system, stores, context.instance), by="catch_up")

    return catch_up


def _trigger_sensor(system: MLSystem, trigger: Trigger) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"{system.name}_retrain_by_{trigger.name}",
        job_name=adapter.training_job(system),
        description=f"Asks whether to retrain by {trigger.name} as of each tick's end, and records the verdict; the "
        "arbiter decides.",
        **_often(system),
    )
    def sensor(context: dg.SensorEvaluationContext, stores: dg.ResourceParam[Resources]) -> dg.SkipReason:
        controller = Controller(system, stores, context.instance)
        due = controller.due()
        if controller.training_wanted():
            return dg.SkipReason(TRAINING)
        if due is None:
            return dg.SkipReason(controller.waits_for)
        if not controller.is_monitored(due.as_of):
            return dg.SkipReason(f"the tick that ends at {due.as_of:%Y-%m-%d %H:%M} is not monitored yet")
        controller.ask(trigger, due.as_of)
        context.update_cursor(system.calendar.key(due.as_of))
        said = controller.verdicts(due.as_of)[trigger.name]
        return dg.SkipReason(f"as of {due.as_of:%Y-%m-%d %H:%M}: {said.verdict}: {said.reason}")

    return sensor


def _arbiter_sensor(system: MLSystem) -> dg.SensorDefinition:
    @dg.sensor(
        name=f"{system.name}_arbiter",
        job_name=adapter.training_job(system),
        description="Takes one decision from the triggers' verdicts as of each tick's end, and requests the training.",
        **_often(system),
    )
    def arbiter(
        context: dg.SensorEvaluationContext, stores: dg.ResourceParam[Resources]
    ) -> dg.SensorResult | dg.RunRequest | dg.SkipReason:
        controller = Controller(system, stores, context.instance)
        if controller.training_wanted():
            return _training(controller)
        due = controller.due()
        if due is None:
            return dg.SkipReason(controller.waits_for)
        answered = controller.verdicts(due.as_of)
        missing = [t.name for t in system.triggers if t.name not in answered]
        if missing or not controller.is_monitored(due.as_of):
            return dg.SkipReason(f"as of {due.as_of:%Y-%m-%d %H:%M} waits for {', '.join(missing) or 'monitoring'}")
        controller.decide(due.as_of)
        context.update_cursor(system.calendar.key(due.as_of))
        asked = _training(controller)
        told = {"run_requests": [asked]} if isinstance(asked, dg.RunRequest) else {"skip_reason": asked}
        return dg.SensorResult(asset_events=[decided(controller)], **told)

    return arbiter


def _training(controller: Controller) -> dg.RunRequest | dg.SkipReason:
    """Request the training that was decided on, or say what was decided instead."""
    last = controller.decided
    if last is None or not controller.training_wanted():
        return dg.SkipReason(f"as of {last.as_of:%Y-%m-%d %H:%M}: {last.reason}" if last else "nothing due")
    return controller.request(adapter.training_job(controller.system), last.as_of)


def _clock_schedule(system: MLSystem) -> dg.ScheduleDefinition:
    @dg.schedule(
        name=f"{system.name}_clock",
        job_name=adapter.tick_job(system),
        cron_schedule=EVERY_MINUTE,
        execution_timezone="UTC",
        description="Moves the simulated clock on by a tick a minute, once all that was due is done. Start it to watch "
        "the system live through its data.",
        tags={"system": system.name},
    )
    def clock(context: dg.ScheduleEvaluationContext, stores: dg.ResourceParam[Resources]) -> dg.SkipReason:
        controller, clock = Controller(system, stores, context.instance), clock_of(system, stores)
        if not isinstance(clock, StoredClock):
            return dg.SkipReason("the wall clock moves by itself")
        if controller.due() is not None or controller.training_wanted():
            return dg.SkipReason("what is due is not done yet")
        end, now = system.calendar.end, clock.now()
        if end is not None and now >= end:
            return dg.SkipReason(controller.waits_for)
        clock.advance(system.calendar.tick_of(now).end)
        return dg.SkipReason(f"the clock of {system.name} stands at {clock.now():%Y-%m-%d %H:%M}")

    return clock


def _often(system: MLSystem) -> dict[str, Any]:
    return {
        "default_status": dg.DefaultSensorStatus.RUNNING,
        "minimum_interval_seconds": SECONDS_BETWEEN_SIMULATED if system.simulated_from else SECONDS_BETWEEN,
        "tags": {"system": system.name},
    }
