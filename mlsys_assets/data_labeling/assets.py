"""Events to labels: what each tick taught us, and about whom it never will."""

import dagster as dg
import pyarrow.compute as pc

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.data_ingestion.source import KNOWN_AT
from mlsys_assets.data_labeling.label import LABEL, STATE, label_schema
from mlsys_assets.data_labeling.natural_labels import natural_labels
from mlsys_assets.system import MLSystem
from mlsys_resources.resources import Resources

STAGE = "data_labeling"
TABLE = "labels"


def build_assets(system: MLSystem) -> list[dg.AssetsDefinition]:
    """Return the label table of the system."""
    label, entity = system.label, system.requests.key
    never = "".join(f" {state.capitalize()} entities have none, and say so." for state in label.never)

    @dg.asset(
        key=adapter.key(system, TABLE),
        deps=[adapter.key(system, s.name) for s in label.sources],
        partitions_def=adapter.partitions(system),
        backfill_policy=adapter.SINGLE_RUN,
        description=f"`{label.name}`, in the tick in which it became known.{never} Who is in no tick is not known yet.",
        metadata={"dagster/column_schema": adapter.arrow_schema(label_schema(entity))},
        **adapter.common(system, STAGE, kinds=("python", "deltalake")),
    )
    def labels(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Resources]) -> None:
        window = adapter.tick_window(context)
        events = {
            s.name: stores.lake.read(system.name, s.name, window=(KNOWN_AT, window.start, window.end))
            for s in label.sources
        }
        rows = natural_labels(label, events, key=entity)
        counts = {row["values"]: row["counts"] for row in pc.value_counts(rows[STATE]).to_pylist()}
        ticks = adapter.TickWriter(context, system, stores.lake)
        ticks.write(TABLE, rows, schema=label_schema(entity), by=KNOWN_AT)
        mean = pc.mean(rows[LABEL]).as_py()
        context.add_asset_metadata(
            adapter.evidence({"mean_label": mean, **{f"{k}_rows": n for k, n in counts.items()}})
        )

    return [labels]
