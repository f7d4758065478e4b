"""What tells a system's faults while it runs, and what asks for reports that nothing waits for."""

from collections.abc import Sequence
from datetime import datetime

import dagster as dg

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.clocks import clock_of
from mlsys_assets.ledger import DIAGNOSIS, MONITORING
from mlsys_assets.production_monitoring.alerting import Alerting, Watch
from mlsys_assets.production_monitoring.controller import AlertController, last_checks, last_runs
from mlsys_assets.production_monitoring.faults import of_findings, of_runs
from mlsys_assets.production_monitoring.findings import ALERTED
from mlsys_assets.system import MLSystem
from mlsys_assets.types import days
from mlsys_resources.resources import Resources

SECONDS_BETWEEN = 30
SECONDS_BETWEEN_SIMULATED = 5
"""How often it looks: a simulated clock may be moved by a person who watches."""

REPORTED_EVERY = days(7)
"""How much later the ticks of two reports are at least."""


def build_sensors(
    system: MLSystem, alerting: Alerting, checks: Sequence[dg.AssetCheckKey]
) -> list[dg.SensorDefinition]:
    """Return the sensor that tells a system's faults.

    Parameters
    ----------
    checks
        The checks of the system's assets.
    """

    @dg.sensor(
        name=f"{system.name}_alerts",
        description="Tells failed checks and failed runs to whom they belong, each once while it stands, and delivers "
        "what could not be delivered before. What is told and what is not stands in the operations store.",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=SECONDS_BETWEEN_SIMULATED if system.simulated_from else SECONDS_BETWEEN,
        tags={"system": system.name},
    )
    def alerts(context: dg.SensorEvaluationContext, stores: dg.ResourceParam[Resources]) -> dg.SkipReason:
        return look(system, stores, alerting, instance=context.instance, checks=checks)

    return [alerts]


def data_report_sensor(system: MLSystem) -> dg.SensorDefinition:
    """Return the sensor that asks for Evidently's report on a diagnosed tick, once a week; nobody started it yet."""

    @dg.sensor(
        name=adapter.data_report_job(system),
        job_name=adapter.data_report_job(system),
        description="Asks for Evidently's report on the last tick that is diagnosed, once a week of the system's clock "
        "at most. It waits until somebody starts it: a report takes seconds, and decides nothing.",
        default_status=dg.DefaultSensorStatus.STOPPED,
        minimum_interval_seconds=SECONDS_BETWEEN,
        tags={"system": system.name},
    )
    def data_report(
        context: dg.SensorEvaluationContext, stores: dg.ResourceParam[Resources]
    ) -> dg.RunRequest | dg.SkipReason:
        calendar, now = system.calendar, clock_of(system, stores).now()
        last = None if context.cursor is None else datetime.fromisoformat(context.cursor)
        told = stores.operations.decisions(system.name, MONITORING, since=last or calendar.start, until=now)
        ended = max((d.as_of for d in told if d.name == DIAGNOSIS), default=None)
        if ended is None or (last is not None and ended - last < REPORTED_EVERY):
            return dg.SkipReason("no tick is diagnosed of which a report is due")
        context.update_cursor(ended.isoformat())
        tick = calendar.key(ended - calendar.step)
        return dg.RunRequest(run_key=f"{system.name}/{tick}", partition_key=tick, tags={"system": system.name})

    return data_report


def look(
    system: MLSystem,
    stores: Resources,
    alerting: Alerting,
    *,
    instance: dg.DagsterInstance,
    checks: Sequence[dg.AssetCheckKey],
) -> dg.SkipReason:
    """Tell what checks and runs say as of the system's clock, and deliver what is left; the same is told once."""
    controller, as_of = AlertController(system, stores, alerting), clock_of(system, stores).now()
    failed = of_findings(last_checks(instance, checks), warnings=alerting.check_warnings)
    found = [
        *controller.watched(Watch.CHECKS, failed, as_of),
        *controller.watched(Watch.RUNS, of_runs(last_runs(instance, system)), as_of),
    ]
    told = sum(one.told for one in found)
    return dg.SkipReason(f"{told} told of {len(found)}; {controller.deliver()}")


def checks_of(assets: Sequence[dg.AssetsDefinition | dg.AssetSpec]) -> list[dg.AssetCheckKey]:
    """Return the checks of assets, in their order, but the one of alerts: that faults stand is no fault of its own."""
    keys = [key for one in assets if isinstance(one, dg.AssetsDefinition) for key in one.check_keys]
    return [key for key in keys if key.name != ALERTED]
