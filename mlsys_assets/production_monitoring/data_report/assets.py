"""Evidently's report on a tick's data, asked for by hand or by a sensor that somebody starts."""

import json
from pathlib import Path

import dagster as dg

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.ledger import DIAGNOSIS
from mlsys_assets.monitoring_step import MonitoringStep
from mlsys_assets.production_monitoring.data_report.drifted import drifted
from mlsys_assets.production_monitoring.data_report.sides import MOST_COLUMNS, moved_most, side
from mlsys_assets.production_monitoring.diagnosing.history import RECENT_DRIFT
from mlsys_assets.production_monitoring.evidently_report import (
    PAGE,
    VALUES,
    EvidentlyLimits,
    EvidentlyReport,
    evidently_report,
)
from mlsys_assets.production_monitoring.shift_kind.scored_rows import scored
from mlsys_assets.system import MLSystem
from mlsys_assets.tables import PREDICT_AT
from mlsys_assets.types import Finding, Severity
from mlsys_resources.resources import Resources

STAGE = "production_monitoring"
DATA_REPORT = "data_report"
MADE = "evidently_could_report"
CHECKS = {MADE: ("Evidently could make its report within its bounds of time and memory.", False)}
LIMITS = EvidentlyLimits()


class DataReportConfig(dg.Config):
    """What a report may take."""

    columns: int = MOST_COLUMNS
    """Features in it, those that moved most; scores and labels come on top."""
    rows: int = LIMITS.rows
    """Of each side, drawn at random."""
    seconds: int = LIMITS.seconds
    """Wall clock and processor, each."""


def build_assets(system: MLSystem) -> list[dg.AssetsDefinition]:
    """Return Evidently's report; it belongs to no tick's run."""
    asset = adapter.key(system, DATA_REPORT)

    @dg.asset(
        key=asset,
        deps=[adapter.key(system, DIAGNOSIS)],
        partitions_def=adapter.partitions(system),
        check_specs=adapter.check_specs(asset, CHECKS),
        description="Evidently's own report on a tick's features, scores and labels against the reference times: of a "
        "sample, of the columns that moved most, by a process of its own at low priority. Its headline is Evidently's "
        "verdict, not ours: by its defaults a season is drift in every week. What changed and what it costs, the "
        "diagnosis says. Asked for by hand, or by the sensor of the same name, which somebody has to start.",
        **adapter.common(system, STAGE, kinds=("evidently", "html")),
    )
    def data_report(
        context: dg.AssetExecutionContext, config: DataReportConfig, stores: dg.ResourceParam[Resources]
    ) -> dg.MaterializeResult:
        for step in MonitoringStep.each(context, system, stores):
            folder = reports(stores, system) / system.calendar.key(step.window.start).replace(":", "")
            found = _reported(step, config, folder)
        finding = Finding(MADE, found.made, found.reason or "it could", Severity.WARN, {"rows": sum(found.rows)})
        return dg.MaterializeResult(metadata=_told(found), check_results=[adapter.check_result(finding, asset)])

    return [data_report]


def reports(stores: Resources, system: MLSystem) -> Path:
    """Return the folder of a system's reports, which has one for each tick."""
    return stores.home / "reports" / system.name


def _reported(step: MonitoringStep, config: DataReportConfig, folder: Path) -> EvidentlyReport:
    """Make a tick's report beside its folder, and put each of its files in place whole."""
    system = step.system
    pair, times = step.feature_pair(), step.reference_times
    if pair.untold:
        return _placed(EvidentlyReport(None, None, pair.untold), folder)
    names = [name for name in system.feature_schema.names if name not in {system.requests.key, PREDICT_AT}]
    lake, drift = step.stores.lake, [step.window.start]
    told = lake.read(system.name, RECENT_DRIFT, columns=["column", "psi"], ticks=drift)
    columns = moved_most(told, names, most=config.columns)
    before = scored([step.predicted(window).rows for window in times.windows])
    beside = folder.with_name(f".{folder.name}.partial")
    found = evidently_report(
        side(before, pair.before, columns),
        side(step.predicted(step.window).rows, pair.now, columns),
        into=beside,
        at=step.window.end,
        seed=system.seed,
        threshold=system.acts_from(),
        limits=EvidentlyLimits(config.rows, config.seconds, LIMITS.memory, LIMITS.nice),
    )
    placed = _placed(found, folder)
    beside.rmdir()
    return placed


def _placed(found: EvidentlyReport, folder: Path) -> EvidentlyReport:
    """Put a report in the place of an earlier one; without one, there is none any more."""
    if found.page is None or found.values is None:
        for name in (PAGE, VALUES):
            (folder / name).unlink(missing_ok=True)
        return found
    folder.mkdir(parents=True, exist_ok=True)
    page, values = found.page.replace(folder / PAGE), found.values.replace(folder / VALUES)
    return EvidentlyReport(page, values, found.reason, found.rows, found.left_out)


def _told(found: EvidentlyReport) -> dict[str, object]:
    shown: dict[str, object] = {"rows": f"{found.rows[0]:,} of the reference, {found.rows[1]:,} of now"}
    if found.left_out:
        shown["left out"] = adapter.markdown_table(("what", "why"), sorted(found.left_out.items()))
    if found.page is None or found.values is None:
        return shown | {"no report": found.reason}
    far = drifted(json.loads(found.values.read_text(encoding="utf-8"))["metrics"])
    return {
        "page": dg.MetadataValue.url(found.page.as_uri()),
        "values": dg.MetadataValue.url(found.values.as_uri()),
        "drifted, says Evidently": adapter.markdown_table(("column", "distance"), far.items()),
        **shown,
    }
