"""What decisions cost, by month: the champion's, and what the baselines' would have."""

import dagster as dg
import pyarrow as pa

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.charts import bars
from mlsys_assets.data_labeling.label import settled
from mlsys_assets.decision_step import DecisionStep
from mlsys_assets.history_page import history_page
from mlsys_assets.ledger import PROMOTION
from mlsys_assets.measures.costs import CostMatrix
from mlsys_assets.report import report as told_of, trainings
from mlsys_assets.system import MLSystem
from mlsys_assets.tables import BASELINES, KNOWN_AT, LABELS, PREDICT_AT, PREDICTIONS
from mlsys_assets.thumbnails import bars as small
from mlsys_assets.types import TimeWindow
from mlsys_assets.value_analysis.decided import decided
from mlsys_assets.value_analysis.monthly import MonthlyCost, monthly
from mlsys_assets.value_analysis.studies import assets as studies
from mlsys_resources.resources import Resources

STAGE = "value_analysis"
TABLE, REPORT = "monthly_cost", "report"
PAGE = "report.html"
SCHEMA = pa.schema(
    [
        pa.field("month", pa.string(), nullable=False),
        pa.field("model", pa.string(), nullable=False),
        pa.field("labelled", pa.int64(), nullable=False),
        pa.field("mean", pa.float64()),
        pa.field("total", pa.float64()),
        pa.field("verdict", pa.string(), nullable=False),
    ]
)

MEANS = {
    "month": "the month of the predictions",
    "model": "the champion, or a baseline by name",
    "labelled": "predictions whose label is known",
    "mean": "cost of one",
    "total": "cost of all",
    "verdict": "told, or why not",
}


def build_assets(system: MLSystem) -> list[dg.AssetsDefinition]:
    """Return the report after each training, the studies and, where costs are declared, their sum by month."""
    monthly = [] if system.costs is None else [_monthly_cost(system, system.costs)]
    return [_report(system), *monthly, *studies.build_assets(system)]


def _report(system: MLSystem) -> dg.AssetsDefinition:
    @dg.asset(
        key=adapter.key(system, REPORT),
        deps=[adapter.key(system, PROMOTION)],
        partitions_def=adapter.as_ofs(system),
        description="All that was lived through up to the training, on one page for everybody: predictions as their "
        "labels came, every decision, every month, and what both cost. Kept with the training's run in MLflow.",
        **adapter.common(system, STAGE, kinds=("python", "mlflow")),
    )
    def report(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Resources]) -> dg.MaterializeResult:
        told = told_of(system, stores)
        page, run = history_page(told).encode(), DecisionStep(context, system, stores).mlflow_parent
        stores.models.add_to_run(run, artifacts={PAGE: page})
        return dg.MaterializeResult(
            metadata={
                "page": dg.MetadataValue.url(stores.models.run_url(run, artifact=PAGE)),
                "decisions": len(told["ticks"]),
                "trainings": len(trainings(told)),
                "CPU s": told["compute"]["cpu_s"],
            }
        )

    return report


def _monthly_cost(system: MLSystem, costs: CostMatrix) -> dg.AssetsDefinition:
    @dg.asset(
        key=adapter.key(system, TABLE),
        deps=[adapter.key(system, LABELS), adapter.key(system, PREDICTIONS)],
        partitions_def=adapter.partitions(system),
        backfill_policy=adapter.SINGLE_RUN,
        description=f"What the decisions of a month cost [{costs.unit}], as far as labels are known at the tick's end: "
        f"acting on {costs.threshold:.0%} or more, by the champion and by each baseline.",
        metadata={"dagster/column_schema": adapter.arrow_schema(SCHEMA, MEANS)},
        **adapter.common(system, STAGE, kinds=("numpy", "deltalake")),
    )
    def monthly_cost(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Resources]) -> dg.MaterializeResult:
        found: tuple[MonthlyCost, ...] = ()
        for tick in system.calendar.ticks(adapter.tick_window(context)):
            found = _costs(system, costs, stores, tick)
            rows = [{name: getattr(one, name) for name in SCHEMA.names} for one in found]
            placed = adapter.in_tick(pa.Table.from_pylist(rows, schema=SCHEMA), tick.start)
            stores.lake.write_ticks(
                system.name, TABLE, placed, schema=SCHEMA, ticks=[tick.start], run_id=context.run.run_id
            )
        told = [(one.month, one.model, one.labelled, "—" if one.total is None else one.total) for one in found]
        header = ("month", "model", "labelled", f"total cost [{costs.unit}]")
        totals = {f"{one.month} {one.model}": one.total for one in found if one.total is not None}
        plot = adapter.pictures("cost", *(draw(totals, title=f"total cost [{costs.unit}]") for draw in (small, bars)))
        return dg.MaterializeResult(metadata={**plot, "months": adapter.markdown_table(header, told)})

    return monthly_cost


def _costs(system: MLSystem, costs: CostMatrix, stores: Resources, tick: TimeWindow) -> tuple[MonthlyCost, ...]:
    """Return the cost of the months of which something could become known in the tick."""
    first = (tick.start - system.label.window).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    span = (PREDICT_AT, max(first, system.calendar.start), tick.end)
    read, key = stores.lake.read, system.requests.key
    made, beside = (read(system.name, table, window=span) for table in (PREDICTIONS, BASELINES))
    if not len(made):
        return ()
    known = read(system.name, LABELS, window=(KNOWN_AT, span[1], tick.end))
    rows = decided(made, beside, settled(known, key=key, corrections=system.label.corrections), key=key)
    return monthly(rows.at, rows.label, rows.score, rows.model, cost=costs)
