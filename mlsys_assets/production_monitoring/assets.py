"""What each tick taught of the model in service: how it does as labels mature, and what shifted."""

from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets import dagster_adapter as adapter, thumbnails
from mlsys_assets.charts import bars, lines
from mlsys_assets.data_labeling.label import settled
from mlsys_assets.features.profile import TRAINING_PROFILE
from mlsys_assets.ledger import DRIFT, PERFORMANCE
from mlsys_assets.measures.stability_index import LARGE
from mlsys_assets.monitoring_step import MonitoringStep
from mlsys_assets.production_monitoring import findings
from mlsys_assets.production_monitoring.cold_start import cold_start
from mlsys_assets.production_monitoring.data_report import assets as data_report
from mlsys_assets.production_monitoring.diagnosing import assets as diagnosing
from mlsys_assets.production_monitoring.drift.profile_drift import (
    DRIFT_MEANS,
    DRIFT_SCHEMA,
    beyond_chance,
    drift as drift_of,
    psi_of_scores,
    unmatched,
)
from mlsys_assets.production_monitoring.performance import affected, matured
from mlsys_assets.production_monitoring.revisions import (
    PREDICTED,
    REVISED_MEANS,
    latest,
    revised,
    revised_schema,
    served,
)
from mlsys_assets.production_monitoring.weekly import assets as weekly
from mlsys_assets.system import MLSystem
from mlsys_assets.tables import (
    BASELINES,
    EVENT_TIME,
    FEATURES,
    KNOWN_AT,
    LABEL,
    LABELS,
    MODEL,
    PREDICT_AT,
    PREDICTIONS,
    SCORE,
    TICK,
)
from mlsys_assets.types import CHAMPION, TimeWindow, days
from mlsys_resources.resources import Resources

STAGE = "production_monitoring"
SHOWN_COLUMNS = 20
SHOWN_TICKS = 26
SCORES_BEFORE = days(28)
"""Scores are held against those of so long before, and errors are told of as long, of one tick at least: of as many
days, however long a tick is."""


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
        schema, first = revised_schema(system.metrics), adapter.tick_window(context).start
        said, labels = _said_before(system, stores, first), _Labels(system, stores)
        for tick in MonitoringStep.each(context, system, stores):
            models = _matured(system, stores, tick.window)
            rows = revised(models, said.select([PREDICTED, MODEL]), as_of=tick.window.end, metrics=system.metrics)
            said = pa.concat_tables([said, rows])
            found = {**labels.evidence(tick.window), "served": served(rows, CHAMPION, system.metrics)}
            tick.write(PERFORMANCE, rows, schema)
            tick.record(PERFORMANCE, found, findings.measured(found["served"], system.metrics))
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
            (shifts, others), scores = _shifts(tick), _score_shift(tick)
            columns = beyond_chance(shifts)
            tick.write(DRIFT, shifts, DRIFT_SCHEMA)
            tick.record(DRIFT, {"columns": columns, "scores": scores}, findings.shifted(columns, scores))
        checks = [findings.features_trained_on(*others), *findings.drift_findings(columns, scores)]
        worst = dict(sorted(columns.items(), key=lambda item: (-item[1], item[0]))[:SHOWN_COLUMNS])
        return dg.MaterializeResult(
            metadata=_largest(worst) if worst else {"drift": "no champion yet"},
            check_results=[adapter.check_result(f, asset) for f in checks],
        )

    return drift


class _Labels:
    """How many labels are known, and how many of them are positive, as of one tick's end after another."""

    def __init__(self, system: MLSystem, stores: Resources) -> None:
        self.system, self.lake = system, stores.lake

    def evidence(self, tick: TimeWindow) -> dict[str, Any]:
        """Return what the ledger keeps of a tick's labels."""
        start, name = self.system.calendar.start, self.system.name
        known = self.lake.read(name, LABELS, columns=[LABEL, KNOWN_AT], window=(KNOWN_AT, start, tick.end))
        new = pc.greater_equal(known[KNOWN_AT], pa.scalar(tick.start, known.schema.field(KNOWN_AT).type))
        before, now = known.filter(pc.invert(new))[LABEL], known.filter(new)[LABEL]
        return {
            "labelled": len(known) - known[LABEL].null_count,
            "label_rate": pc.mean(now).as_py(),
            "label_rate_before": pc.mean(before).as_py(),
            "labels_now": len(now) - now.null_count,
            "labels": self.lake.tick_hashes(name, LABELS, ticks=[tick.start])[tick.start],
        }


def _said_before(system: MLSystem, stores: Resources, start: Any) -> pa.Table:
    """Return all that was said of performance in the ticks before."""
    schema = revised_schema(system.metrics)
    if not stores.lake.has(system.name, PERFORMANCE):
        return schema.empty_table()
    return stores.lake.read(
        system.name, PERFORMANCE, columns=schema.names, window=(TICK, system.calendar.start, start)
    ).cast(schema)


def _matured(system: MLSystem, stores: Resources, tick: TimeWindow) -> dict[str, pa.Table]:
    """Return how champion and baselines did on the ticks of which something became known in this one."""
    key, lake, calendar = system.requests.key, stores.lake, system.calendar
    new = lake.read(system.name, LABELS, columns=[key, EVENT_TIME], window=(KNOWN_AT, tick.start, tick.end))
    oldest = min([tick.start, *([pc.min(new[EVENT_TIME]).as_py()] if len(new) else [])]) - system.label.window
    reach = TimeWindow(calendar.tick_of(max(oldest, calendar.start)).start, tick.end)
    made = lake.read(system.name, PREDICTIONS, window=(PREDICT_AT, reach.start, reach.end))
    if not len(made):
        return {}
    ticks = {t.start for t in affected(made, new, key=key, calendar=calendar)} | {tick.start}
    span = (PREDICT_AT, min(ticks), tick.end)
    known = settled(
        lake.read(system.name, LABELS, window=(KNOWN_AT, min(ticks), tick.end)),
        key=key,
        corrections=system.label.corrections,
    )
    beside = lake.read(system.name, BASELINES, window=span, ticks=sorted(ticks))
    models = {CHAMPION: lake.read(system.name, PREDICTIONS, window=span, ticks=sorted(ticks))}
    models |= {name: beside.filter(pc.equal(beside[MODEL], name)) for name in beside[MODEL].unique().to_pylist()}
    cost = system.costs.realised if system.costs is not None else None
    return {
        name: matured(rows, known, key=key, calendar=calendar, metrics=system.metrics, cost=cost).rows
        for name, rows in models.items()
    }


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


def _shifts(step: MonitoringStep) -> tuple[pa.Table, tuple[Sequence[str], Sequence[str]]]:
    """Return the shift of each feature column against the training of the tick's champion; no rows without one.

    Beside it the columns that are new since then, and those that are gone.
    """
    system, rows = step.system, step.features(step.window)
    if step.champion is None or not len(rows):
        return DRIFT_SCHEMA.empty_table(), ((), ())
    then = step.stores.lake.read(system.name, TRAINING_PROFILE, ticks=[step.champion.as_of])
    now = rows.drop_columns([system.requests.key, PREDICT_AT])
    return drift_of(then, now), unmatched(then, now)


def _score_shift(step: MonitoringStep) -> float | None:
    """Return the shift of the tick's scores against those of the days before; None without either."""
    tick, calendar = step.window, step.system.calendar
    start = max(calendar.start, tick.start - max(SCORES_BEFORE, calendar.step))
    made = step.predictions(TimeWindow(start, tick.end))
    now = np.asarray(pc.greater_equal(made[PREDICT_AT], pa.scalar(tick.start, made.schema.field(PREDICT_AT).type)))
    score = made[SCORE].to_numpy()
    return psi_of_scores(score[~now], score[now]) if now.any() and not now.all() else None


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
