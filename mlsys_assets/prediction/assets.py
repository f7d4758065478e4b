"""A tick's predictions, by the champion of its start."""

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.features.feature import PREDICT_AT
from mlsys_assets.models.bundle import from_files
from mlsys_assets.prediction.batch import SCORE, predict_batch, prediction_schema
from mlsys_assets.rollout.promotion import CHAMPION
from mlsys_assets.system import MLSystem
from mlsys_assets.types import TimeWindow
from mlsys_resources.operations_rows import Alias
from mlsys_resources.resources import Resources

STAGE = "prediction"
TABLE = "predictions"


def build_assets(system: MLSystem) -> list[dg.AssetsDefinition]:
    """Return the prediction table of the system."""
    key = system.requests.key

    @dg.asset(
        key=adapter.key(system, TABLE),
        deps=[adapter.key(system, "features")],
        partitions_def=adapter.partitions(system),
        backfill_policy=adapter.SINGLE_RUN,
        description="A prediction for each request of the tick, by the model that was champion when the tick began.",
        metadata={"dagster/column_schema": adapter.arrow_schema(prediction_schema(key, PREDICT_AT))},
        **adapter.common(system, STAGE, kinds=("python", "deltalake")),
    )
    def predictions(
        context: dg.AssetExecutionContext,
        stores: dg.ResourceParam[Resources],
    ) -> None:
        parts, champions = [], {}
        for tick in system.calendar.ticks(adapter.tick_window(context)):
            champion = _champion(system, stores, tick)
            champions[system.calendar.key(tick.start)] = champion.version
            rows = stores.lake.read(system.name, "features", window=(PREDICT_AT, tick.start, tick.end))
            predictor = from_files(stores.models.load(system.name, champion.version).content)
            parts.append(
                predict_batch(rows, predictor.predict, key=key, at=PREDICT_AT, model_hash=champion.content_hash)
            )
        made = pa.concat_tables(parts)
        adapter.TickWriter(context, system, stores.lake).write(
            TABLE, made, schema=prediction_schema(key, PREDICT_AT), by=PREDICT_AT
        )
        context.add_asset_metadata(
            {
                "champion": adapter.markdown_table(("tick", "version"), champions.items()),
                **adapter.evidence({"mean_score": pc.mean(made[SCORE]).as_py()}),
            }
        )

    return [predictions]


def _champion(system: MLSystem, stores: Resources, tick: TimeWindow) -> Alias:
    champion = stores.operations.alias_at(system.name, CHAMPION, tick.start)
    if champion is None:
        raise dg.Failure(
            f"{system.name} had no champion at {tick.start:%Y-%m-%d %H:%M}: train as of that time or earlier "
            f"(job {system.name}_train) before predicting for it"
        )
    return champion
