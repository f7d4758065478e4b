"""What changed in each tick, what it costs, and what to do: one record that people and triggers read."""

import dagster as dg

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.diagnosed_tick import DiagnosedTick
from mlsys_assets.ledger import DIAGNOSIS, DRIFT, PERFORMANCE
from mlsys_assets.monitoring_step import MonitoringStep
from mlsys_assets.production_monitoring import findings
from mlsys_assets.production_monitoring.diagnosing import shown
from mlsys_assets.production_monitoring.diagnosing.history import (
    RECENT_DRIFT,
    RECENT_DRIFT_MEANS,
    RECENT_DRIFT_SCHEMA,
)
from mlsys_assets.production_monitoring.failures import failures_of
from mlsys_assets.system import MLSystem
from mlsys_resources.resources import Resources

STAGE = "production_monitoring"


def build_assets(system: MLSystem) -> list[dg.AssetsDefinition]:
    """Return the diagnosis of each tick."""
    asset = adapter.key(system, DIAGNOSIS)

    @dg.asset(
        key=asset,
        deps=[adapter.key(system, table) for table in (PERFORMANCE, DRIFT)],
        partitions_def=adapter.partitions(system),
        backfill_policy=adapter.SINGLE_RUN,
        check_specs=adapter.check_specs(asset, findings.DIAGNOSIS_CHECKS),
        description="What changed in each tick: a bug of the data or of serving, the features, the share of positives, "
        "or what features mean; what it costs, and what to do. Beside it, what each metric is expected to be before "
        "labels are known, whether the list that is shown stays diverse, how many requests are edge cases, which "
        f"failures are seen, and how far each feature lies from the time before (`{RECENT_DRIFT}`).",
        metadata={"dagster/column_schema": adapter.arrow_schema(RECENT_DRIFT_SCHEMA, RECENT_DRIFT_MEANS)},
        **adapter.common(system, STAGE, kinds=("numpy", "deltalake")),
    )
    def diagnosis(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Resources]) -> dg.MaterializeResult:
        for step in MonitoringStep.each(context, system, stores):
            tick = DiagnosedTick(step)
            tick.write()
        return dg.MaterializeResult(
            metadata=_shown(tick), check_results=[adapter.check_result(f, asset) for f in tick.findings]
        )

    return [diagnosis]


def _shown(tick: DiagnosedTick) -> dict[str, object]:
    """Return what the graph shows of a tick's diagnosis."""
    return {
        **shown.of_diagnosis(tick.found),
        **shown.of_columns(tick.making),
        **shown.of_expected(tick.expected),
        **shown.of_list(tick.list),
        **shown.of_odd(tick.odd),
        **shown.of_failures([*tick.others, *failures_of(tick.found.symptoms)]),
    }
