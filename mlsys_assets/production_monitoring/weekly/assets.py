"""A page of each tick for people who run no code, and the alerts of its diagnosis."""

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.features.profile import TRAINING_PROFILE
from mlsys_assets.ledger import DIAGNOSIS, DRIFT, MONITORING, PERFORMANCE
from mlsys_assets.monitoring_step import MonitoringStep
from mlsys_assets.production_monitoring import findings
from mlsys_assets.production_monitoring.alert_decision import CLOSED, DIGEST, AlertDecision
from mlsys_assets.production_monitoring.alerting import Watch
from mlsys_assets.production_monitoring.controller import AlertController
from mlsys_assets.production_monitoring.diagnosing.dependencies import faults_on_record
from mlsys_assets.production_monitoring.diagnosing.expected import estimates_on_record
from mlsys_assets.production_monitoring.diagnosis import Diagnosis, diagnosed
from mlsys_assets.production_monitoring.faults import of_diagnosis
from mlsys_assets.production_monitoring.revisions import PREDICTED, latest, revised_schema
from mlsys_assets.production_monitoring.weekly.facts import Forecast, WeeklyFacts
from mlsys_assets.production_monitoring.weekly.gather import WEEKS, YEAR, WeeklyTables, weekly_facts
from mlsys_assets.production_monitoring.weekly.page import weekly_page
from mlsys_assets.production_monitoring.weekly.words import STRIP
from mlsys_assets.system import MLSystem
from mlsys_assets.tables import MODEL, PREDICT_AT, SCORE, TICK
from mlsys_assets.types import CHAMPION, TimeWindow
from mlsys_resources.operations_rows import AlertRow, Decision, ModelVersion
from mlsys_resources.resources import Resources

STAGE = "production_monitoring"
WEEKLY_PAGE = "weekly_page"
SHORT = {str(cause): name for cause, (name, _, _) in STRIP.items()}
"""What a cause is called on a page."""
CHECKS = {findings.ALERTED: ("No fault stands: whatever was wrong is gone.", False)}


def build_assets(system: MLSystem) -> list[dg.AssetsDefinition]:
    """Return the page of each tick, with its alerts."""
    asset = adapter.key(system, WEEKLY_PAGE)

    @dg.asset(
        key=asset,
        deps=[adapter.key(system, table) for table in (PERFORMANCE, DRIFT, DIAGNOSIS)],
        partitions_def=adapter.partitions(system),
        backfill_policy=adapter.SINGLE_RUN,
        check_specs=adapter.check_specs(asset, CHECKS),
        description="One page for each tick in plain words, that opens anywhere: what happened, what it costs and what "
        "is done about it. Before it is written, whoever is to know of a fault is told, once.",
        **adapter.common(system, STAGE, kinds=("html",)),
    )
    def page(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Resources]) -> dg.MaterializeResult:
        alerts = AlertController(system, stores, system.alerting)
        for step in MonitoringStep.each(context, system, stores):
            known = _Known(step)
            faults, others = of_diagnosis(known.diagnoses[-1]), faults_on_record(known.evidence)
            decided = () if faults is None else alerts.diagnosed(faults, step.window.end)
            decided += alerts.diagnosed(others, step.window.end, watch=Watch.DEPENDENCIES)
            path = _written(step, weekly_page(known.facts))
        delivered = alerts.deliver()
        return dg.MaterializeResult(
            metadata={
                "page": dg.MetadataValue.url(path.as_uri()),
                "alerts": adapter.markdown_table(("fault", "decided", "because"), map(_decided, decided)),
                "delivered": str(delivered),
            },
            check_results=[adapter.check_result(findings.alerts_standing(known.standing), asset)],
        )

    return [page]


def _decided(one: AlertDecision) -> tuple[str, str, str]:
    return one.name, one.verdict, one.reason


def _written(step: MonitoringStep, text: str) -> Path:
    """Write a page whole, and return where it is."""
    path = pages(step.stores, step.system) / f"{step.system.calendar.key(step.window.start).replace(':', '')}.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    return partial.replace(path)


def pages(stores: Resources, system: MLSystem) -> Path:
    """Return the folder of a system's pages."""
    return stores.home / "pages" / system.name


class _Known:
    """What is known of a tick by its end, for its page."""

    def __init__(self, step: MonitoringStep) -> None:
        self.step = step
        calendar, store, name = step.system.calendar, step.stores.operations, step.system.name
        since = max(calendar.start, step.window.end - YEAR * calendar.step)
        records = store.decisions(name, MONITORING, since=since, until=step.window.end)
        self.records: dict[datetime, Decision] = {d.as_of: d for d in records if d.name == DIAGNOSIS}

    @cached_property
    def diagnoses(self) -> list[Diagnosis]:
        """Those of the ticks so far, the tick's own last."""
        return [diagnosed(self.records[at].evidence) for at in sorted(self.records)]

    @property
    def evidence(self) -> Mapping[str, Any]:
        """What the tick's diagnosis rests on."""
        return self.records[max(self.records)].evidence

    @property
    def standing(self) -> Mapping[str, AlertRow]:
        """The faults that are not gone, told or not."""
        return {row.name: row for row in self._faults() if row.verdict not in CLOSED}

    @property
    def facts(self) -> WeeklyFacts:
        """What the page tells."""
        step, system = self.step, self.step.system
        lake, window = step.stores.lake, step.window
        first = max(system.calendar.start, window.end - WEEKS * system.calendar.step)
        performance = lake.read(system.name, PERFORMANCE, window=(TICK, system.calendar.start, window.end))
        performance = performance.select(revised_schema(system.metrics).names)
        champion = step.champion
        profile = None if champion is None else lake.read(system.name, TRAINING_PROFILE, ticks=[champion.as_of])
        tables = WeeklyTables(
            system.calendar,
            performance=performance,
            predictions=step.predictions(TimeWindow(first, window.end)).select([PREDICT_AT, SCORE]),
            drift=lake.read(system.name, DRIFT, ticks=[window.start]),
            profile=profile,
            features=step.features(window).drop_columns([system.requests.key, PREDICT_AT]),
        )
        told = "" if champion is None else _said(champion)
        return weekly_facts(
            system.wording,
            window,
            tables,
            as_of=window.end,
            diagnoses=self.diagnoses,
            forecasts=self._forecasts(performance),
            alerts=[_line(row) for row in self._faults()],
            champion=told,
        )

    def _faults(self) -> list[AlertRow]:
        """Return what was last decided on each fault; a digest tells of faults, and is none."""
        last = self.step.stores.operations.last_alerts(self.step.system.name, until=self.step.window.end)
        return [row for row in last if row.verdict != DIGEST]

    def _forecasts(self, performance: pa.Table) -> list[Forecast]:
        metric = self.step.system.metrics[0].name
        found = {row[PREDICTED]: row[metric] for row in latest(performance) if row[MODEL] == CHAMPION}
        step = self.step.system.calendar.step
        told = ((at - step, estimates_on_record(d.evidence, shown=True)) for at, d in sorted(self.records.items()))
        return [Forecast(week, made[metric], found.get(week)) for week, made in told if metric in made]


def _line(row: AlertRow) -> tuple[datetime, str, str, str, str]:
    opened = datetime.fromisoformat(row.evidence["alert"]["opened"])
    severity = {"warn": "warning"}.get(row.severity, row.severity)
    alert = row.evidence["alert"]
    title = f"{SHORT.get(alert['cause'], alert['cause'])}: {alert['where']}"
    return opened, severity, row.owner, title, "closed" if row.verdict in CLOSED else "open"


def _said(champion: ModelVersion) -> str:
    at = champion.as_of
    return f"version {champion.version}, which learned from what was known on {at.day} {at:%B %Y}"
