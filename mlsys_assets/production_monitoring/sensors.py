"""What tells a system's faults while it runs: failed checks and runs, and whatever was not delivered yet."""

from collections.abc import Sequence

import dagster as dg

from mlsys_assets.clocks import clock_of
from mlsys_assets.production_monitoring.alerting import Alerting, Watch
from mlsys_assets.production_monitoring.controller import AlertController, last_checks, last_runs
from mlsys_assets.production_monitoring.faults import of_findings, of_runs
from mlsys_assets.system import MLSystem
from mlsys_resources.resources import Resources

SECONDS_BETWEEN = 30
SECONDS_BETWEEN_SIMULATED = 5
"""How often it looks: a simulated clock may be moved by a person who watches."""


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
    """Return the checks of assets, in their order."""
    return [key for one in assets if isinstance(one, dg.AssetsDefinition) for key in one.check_keys]
