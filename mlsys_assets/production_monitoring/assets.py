"""What each tick taught of the model in service: how it does as labels mature, and what shifted."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import pyarrow as pa

from mlsys_assets import dagster_adapter as adapter, thumbnails
from mlsys_assets.charts import bars, lines
from mlsys_assets.data_labeling.label import settled
from mlsys_assets.ledger import DRIFT, PERFORMANCE
from mlsys_assets.measures.stability_index import LARGE
from mlsys_assets.monitored_tick import SCORES_BEFORE, LabelCounts, drifted, performed, said_before
from mlsys_assets.monitoring_step import MonitoringStep
from mlsys_assets.production_monitoring import findings
from mlsys_assets.production_monitoring.cold_start import cold_start
from mlsys_assets.production_monitoring.data_report import assets as data_report
from mlsys_assets.production_monitoring.diagnosing import assets as diagnosing
from mlsys_assets.production_monitoring.drift.profile_drift import (
    DRIFT_MEANS,
    DRIFT_SCHEMA,
)
from mlsys_assets.production_monitoring.revisions import (
    PREDICTED,
    REVISED_MEANS,
    latest,
    revised_schema,
)
from mlsys_assets.production_monitoring.weekly import assets as weekly
from mlsys_assets.system import MLSystem
from mlsys_assets.tables import (
    FEATURES,
    KNOWN_AT,
    LABELS,
    MODEL,
    PREDICT_AT,
    PREDICTIONS,
)
from mlsys_assets.types import TimeWindow
from mlsys_resources.resources import Resources

STAGE = "production_monitoring"
SHOWN_COLUMNS = 20
SHOWN_TICKS = 26


def build_assets(system: MLSystem) -> list[dg.AssetsDefinition]:
    """Return performance, drift, diagnosis and page of each tick, and Evidently's report beside them."""
    return [
        _performance(system),
        _drift(system),
        *diagnosing.build_assets(system),
        *weekly.build_assets(system),
        *data_report.build_assets(system),
    ]


def _performance(system: MLSystem) -> dg.AssetsDefinition:
    asset = adapter.key(system, PERFORMANCE)

    @dg.asset(
        key=asset,
        deps=[adapter.key(system, LABELS), adapter.key(system, PREDICTIONS)],
        partitions_def=adapter.partitions(system),
        backfill_policy=adapter.SINGLE_RUN,
        check_specs=adapter.check_specs(asset, findings.PERFORMANCE_CHECKS),
        description="Champion and baselines on every tick of which labels became known: what was said of it before "
        "stays, as an earlier revision.",
        metadata={"dagster/column_schema": adapter.arrow_schema(revised_schema(system.metrics), REVISED_MEANS)},
        **adapter.common(system, STAGE, kinds=("numpy", "deltalake")),
    )
    def performance(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Resources]) -> dg.MaterializeResult:
        said = said_before(system, stores, adapter.tick_window(context).start)
        labels = LabelCounts(system, stores)
        for tick in MonitoringStep.each(context, system, stores):
            rows, found = performed(tick, said, labels)
            said = pa.concat_tables([said, rows])
        everything = latest(said)
        checks = [
            findings.label_rate(found),
            findings.labels_arrive(everything, step=system.calendar.step, as_of=tick.window.end - system.label.window),
            findings.beats_baselines(everything, system.metrics[0]),
        ]
        return dg.MaterializeResult(
            metadata={
                **_history(system, everything),
                **_cold_start(system, stores, tick.window),
                **adapter.evidence({"labels known": found["labelled"], "label rate": found["label_rate"]}),
            },
            check_results=[adapter.check_result(f, asset) for f in checks],
        )

    return performance


def _drift(system: MLSystem) -> dg.AssetsDefinition:
    asset = adapter.key(system, DRIFT)

    @dg.asset(
        key=asset,
        deps=[adapter.key(system, FEATURES), adapter.key(system, PREDICTIONS)],
        partitions_def=adapter.partitions(system),
        backfill_policy=adapter.SINGLE_RUN,
        check_specs=adapter.check_specs(asset, findings.DRIFT_CHECKS),
        description="How far each feature lies from what the champion was trained on, and its scores from those of "
        "the days before, as population stability indices. Whether a shift costs anything, performance says.",
        metadata={"dagster/column_schema": adapter.arrow_schema(DRIFT_SCHEMA, DRIFT_MEANS)},
        **adapter.common(system, STAGE, kinds=("numpy", "deltalake")),
    )
    def drift(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Resources]) -> dg.MaterializeResult:
        for tick in MonitoringStep.each(context, system, stores):
            found = drifted(tick)
        checks = [findings.features_trained_on(found.new, found.gone)]
        checks += findings.drift_findings(found.columns, found.scores)
        worst = dict(sorted(found.columns.items(), key=lambda item: (-item[1], item[0]))[:SHOWN_COLUMNS])
        return dg.MaterializeResult(
            metadata=_largest(worst) if worst else {"drift": "no champion yet"},
            check_results=[adapter.check_result(f, asset) for f in checks],
        )

    return drift


def _cold_start(system: MLSystem, stores: Resources, tick: TimeWindow) -> dict[str, dg.MarkdownMetadataValue]:
    """Tell the champion's error on what was predicted lately, by how much was known of each request's key."""
    if system.cold_start is None:
        return {}
    key, read = system.requests.key, stores.lake.read
    since = max(system.calendar.start, tick.end - max(SCORES_BEFORE, system.calendar.step))
    asked = (PREDICT_AT, since, tick.end)
    found = cold_start(
        read(system.name, PREDICTIONS, window=asked),
        settled(
            read(system.name, LABELS, window=(KNOWN_AT, since, tick.end)),
            key=key,
            corrections=system.label.corrections,
        ),
        read(system.home(FEATURES), FEATURES, columns=[key, system.cold_start], window=asked),
        key=key,
        count=system.cold_start,
        seed=system.seed,
    )
    rows = [(name, one.rows, one.positives, str(one)) for name, one in found.items()]
    return {"cold start": adapter.markdown_table((system.cold_start, "labelled", "positive", "log loss"), rows)}


def _largest(shifts: Mapping[str, float]) -> dict[str, dg.MarkdownMetadataValue]:
    title = "population stability index"
    large = bars(shifts, title=title, marks={"large": LARGE})
    return adapter.pictures("largest shifts", thumbnails.bars(shifts, title=title), large)


def _history(system: MLSystem, rows: list[dict[str, Any]]) -> dict[str, dg.MarkdownMetadataValue]:
    """Draw the first metric of every model over the last ticks."""
    metric = system.metrics[0].name
    ticks = sorted({row[PREDICTED] for row in rows})[-SHOWN_TICKS:]
    series = {
        model: [next((r[metric] for r in rows if r[PREDICTED] == t and r[MODEL] == model), None) for t in ticks]
        for model in sorted({row[MODEL] for row in rows})
    }
    title = f"{metric} of each predicted tick"
    large = lines([system.calendar.key(t)[5:] for t in ticks], series, title=title)
    return adapter.pictures("performance", thumbnails.lines(series, title=title), large)
