"""What changed in each tick, what it costs, and what to do: one record that people and triggers read."""

from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa

from mlsys_assets import dagster_adapter as adapter, thumbnails
from mlsys_assets.charts import bars
from mlsys_assets.ledger import DIAGNOSIS, DRIFT, MONITORING, PERFORMANCE
from mlsys_assets.measures.intervals import Estimate, attempt, on_record
from mlsys_assets.monitoring_step import MonitoringStep
from mlsys_assets.production_monitoring import findings
from mlsys_assets.production_monitoring.diagnosing.expected import (
    ESTIMATED,
    NOT_BELIEVED,
    REFERENCE,
    last_comparison,
)
from mlsys_assets.production_monitoring.diagnosing.history import (
    RECENT_DRIFT,
    RECENT_DRIFT_MEANS,
    RECENT_DRIFT_SCHEMA,
    past_of,
    recent_rows,
)
from mlsys_assets.production_monitoring.diagnosing.order import Diagnosing
from mlsys_assets.production_monitoring.diagnosis import Diagnosis
from mlsys_assets.production_monitoring.drift.columns import Reference
from mlsys_assets.production_monitoring.estimated_performance import (
    Comparison,
    estimated_performance,
    not_valid,
    silenced,
)
from mlsys_assets.production_monitoring.performance import MEAN_COST
from mlsys_assets.production_monitoring.reference_scores import ReferenceScores
from mlsys_assets.production_monitoring.revisions import PREDICTED, latest
from mlsys_assets.system import MLSystem
from mlsys_assets.tables import MODEL, TICK
from mlsys_assets.types import CHAMPION, TimeWindow
from mlsys_resources.resources import Resources

STAGE = "production_monitoring"
SHOWN_COLUMNS = 20
LOOKS_BACK = 8
"""Ticks among which the last one is looked for whose labels have come."""


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
        f"labels are known, and how far each feature lies from the time before (`{RECENT_DRIFT}`).",
        metadata={"dagster/column_schema": adapter.arrow_schema(RECENT_DRIFT_SCHEMA, RECENT_DRIFT_MEANS)},
        **adapter.common(system, STAGE, kinds=("numpy", "deltalake")),
    )
    def diagnosis(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Resources]) -> dg.MaterializeResult:
        for step in MonitoringStep.each(context, system, stores):
            making = Diagnosing(
                step.observed(_past(step)),
                system.monitoring,
                system.detective.learner,
                seed=system.seed,
                threads=system.threads,
            )
            found, expected = making.diagnosis(), _Expected(step, making)
            step.write(RECENT_DRIFT, recent_rows(making.distances), RECENT_DRIFT_SCHEMA)
            step.record(DIAGNOSIS, {**found.as_dict(), **expected.evidence}, (found.cause.value, found.reason))
        checks = findings.diagnosis_findings(found)
        return dg.MaterializeResult(
            metadata={**_told(found), **_pictures(making), **expected.metadata},
            check_results=[adapter.check_result(f, asset) for f in checks],
        )

    return [diagnosis]


def _past(step: MonitoringStep) -> dict[str, Any]:
    """Return each feature's distances of the ticks before; those that nobody measured yet are measured now."""
    calendar, usual = step.system.calendar, step.system.monitoring.usual
    first = max(calendar.start, step.window.start - usual.most_windows * calendar.step)
    before = [tick for tick in calendar.ticks(TimeWindow(first, step.window.start)) if tick.end <= step.window.start]
    rows, name = RECENT_DRIFT_SCHEMA.empty_table(), step.system.name
    there: set[Any] = set()
    if step.stores.lake.has(name, RECENT_DRIFT):
        window = (TICK, first, step.window.start)
        rows = step.stores.lake.read(name, RECENT_DRIFT, columns=[TICK, "column", "psi"], window=window)
        there = set(rows[TICK].to_pylist())
    else:
        rows = adapter.in_tick(rows, first).select([TICK, "column", "psi"])
    for tick in before:
        if tick.start not in there:
            earlier = MonitoringStep(step.context, step.system, step.stores, tick)
            pair = earlier.feature_pair()
            if pair.untold or not len(pair.now) or not len(pair.before):
                continue
            measured = recent_rows(Reference.of(pair.before).distances(pair.now))
            earlier.write(RECENT_DRIFT, measured, RECENT_DRIFT_SCHEMA)
            rows = pa.concat_tables([rows, adapter.in_tick(measured, tick.start).select(rows.schema.names)])
    return past_of(rows)


class _Expected:
    """What the tick's metrics are expected to be, and whether that is to be believed."""

    def __init__(self, step: MonitoringStep, making: Diagnosing) -> None:
        self.step, self.estimates, self.reason = step, dict[str, Estimate](), ""
        self.reference: dict[str, float] = {}
        rows = making.seen.predicted
        if making.reference is not None and len(rows):
            self.reference = _on_reference(making.reference, step.system)
            metrics, seed = step.system.metrics, step.system.seed
            self.estimates = estimated_performance(making.reference, rows.score, rows.at, metrics=metrics, seed=seed)
            self.reason = not_valid(making.label_shift, self._matured())

    def _matured(self) -> tuple[Comparison, ...]:
        """Return how the last estimate did whose labels are known by now."""
        step, name, calendar = self.step, self.step.system.name, self.step.system.calendar
        since = max(calendar.start, step.window.start - LOOKS_BACK * calendar.step)
        found = step.stores.operations.decisions(name, MONITORING, since=since, until=step.window.start)
        records = {d.as_of - calendar.step: d.evidence for d in found if d.name == DIAGNOSIS}
        rows = step.stores.lake.read(name, PERFORMANCE, window=(TICK, since, step.window.end))
        mine = [row for row in latest(rows) if row[MODEL] == CHAMPION]
        return last_comparison(records, {row[PREDICTED]: row for row in mine}, step.system.metrics[0].name)

    @property
    def evidence(self) -> dict[str, Any]:
        """What the ledger keeps: also what is not believed, that it can be held against what came."""
        made = {name: e.as_dict() for name, e in self.estimates.items()}
        return {ESTIMATED: made, NOT_BELIEVED: self.reason, REFERENCE: self.reference}

    @property
    def metadata(self) -> dict[str, Any]:
        """What the graph shows."""
        rows = [(name, str(e)) for name, e in silenced(self.estimates, self.reason).items()]
        return {"expected before labels": adapter.markdown_table(("metric", "expected"), rows)} if rows else {}


def _on_reference(reference: ReferenceScores, system: MLSystem) -> dict[str, float]:
    """Return what each metric is on the held-out rows, and what a request costs there."""
    found = {m.name: attempt(m, reference.label, reference.score) for m in system.metrics}
    if system.costs is not None:
        found[MEAN_COST] = system.costs.realised(reference.label, reference.score)
    return {name: on_record(value) for name, value in found.items() if np.isfinite(value)}


def _told(found: Diagnosis) -> dict[str, Any]:
    told = [(s.cause.value, s.test, s.where, s.told) for s in found.symptoms]
    shown = {"cause": found.cause.value, "remedy": found.remedy.value, "why": found.reason}
    shown |= {"costs": str(found.price)} if found.price is not None else {}
    if told:
        shown |= {"symptoms": adapter.markdown_table(("speaks for", "test", "where", "what was seen"), told)}
    if found.untold:
        shown |= {"could not look": adapter.markdown_table(("test", "why"), sorted(found.untold.items()))}
    return shown


def _pictures(making: Diagnosing) -> dict[str, Any]:
    psi = {name: one.psi for name, one in making.distances.items() if np.isfinite(one.psi)}
    worst = dict(sorted(psi.items(), key=lambda item: (-item[1], item[0]))[:SHOWN_COLUMNS])
    if not worst:
        return {}
    title = "stability index against the weeks before"
    return adapter.pictures("moved most", thumbnails.bars(worst, title=title), bars(worst, title=title))
