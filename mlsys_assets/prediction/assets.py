"""A tick's predictions, by the champion of its start, and what the baselines of its training would have said."""

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.features.feature_hash import feature_hashes
from mlsys_assets.home_data import require_home
from mlsys_assets.ledger import CANDIDATE, FITTED
from mlsys_assets.live_features import LiveFeatures
from mlsys_assets.models.bundle import from_files
from mlsys_assets.models.passport.drift import DriftedModel, drift
from mlsys_assets.models.passport.environment import Dependencies, python_series
from mlsys_assets.models.passport.parts import FeaturizeAndPredict, part_of
from mlsys_assets.models.predictor import Predictor
from mlsys_assets.prediction.batch import baseline_schema, predict_batch, prediction_schema
from mlsys_assets.prediction.served_log import fitted, widened
from mlsys_assets.prediction.skew import SKEW, Difference, differences, skew
from mlsys_assets.prediction.unseen import KNOWN_CATEGORIES, known_categories, unseen
from mlsys_assets.system import MLSystem
from mlsys_assets.tables import BASELINES, FEATURES, PREDICT_AT, PREDICTIONS, SCORE, SERVED, TICK
from mlsys_assets.types import CHAMPION, Finding, Severity, TimeWindow
from mlsys_resources.artifact_files import SavedArtifacts
from mlsys_resources.resources import Resources

if TYPE_CHECKING:
    from mlsys_resources.lake import Lake
    from mlsys_resources.model_store import LoadedArtifacts, ModelStore
    from mlsys_resources.operations_store import OperationsStore

STAGE = "prediction"
HAS_CHAMPION = "a_champion_predicts"
NOBODY = "none yet"
"""In the place of a champion, for a tick that had none."""
CHECKS = {
    HAS_CHAMPION: ("Each tick had a champion when it began; where it had none, nothing is predicted.", False),
    KNOWN_CATEGORIES: ("Few rows have a category that their model was not trained on, and takes for missing.", False),
    SKEW: (f"Online state, of which predictions are made, served what the lake says was known ({SERVED}).", False),
}


@dataclass(frozen=True)
class _Serving:
    """What predicts a tick: the champion, and the baselines fitted as of its training, by name."""

    version: int
    content_hash: str
    champion: Predictor
    baselines: tuple[tuple[str, str, Predictor], ...]


def build_assets(system: MLSystem) -> list[dg.AssetsDefinition]:
    """Return the prediction table of the system."""
    key, asset = system.requests.key, adapter.key(system, PREDICTIONS)

    @dg.asset(
        key=asset,
        deps=[adapter.key(system, table) for table in dict.fromkeys((FEATURES, *_served_from(system)))],
        partitions_def=adapter.partitions(system),
        backfill_policy=adapter.SINGLE_RUN,
        check_specs=adapter.check_specs(asset, CHECKS),
        description="A prediction for each request of the tick, by the model that was champion when the tick began, of "
        f"the features that online state, updated event by event, served at that moment (`{SERVED}`); beside it, in "
        f"`{BASELINES}`, what the baselines fitted with that model say.",
        metadata={
            "dagster/column_schema": adapter.arrow_schema(prediction_schema(key, PREDICT_AT), adapter.entity(system))
        },
        **adapter.common(system, STAGE, kinds=("python", "deltalake")),
    )
    def predictions(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Resources]) -> dg.MaterializeResult:
        require_home(context.instance, system, adapter.tick_window(context))
        schema, beside = prediction_schema(key, PREDICT_AT), baseline_schema(key, PREDICT_AT)
        made, shadows, champions = [schema.empty_table()], [beside.empty_table()], {}
        served, strange = [system.feature_schema.empty_table()], []
        live = _live(system, stores.lake, stores.operations)
        for tick in system.calendar.ticks(adapter.tick_window(context)):
            serving = _serving(system, stores, tick)
            champions[system.calendar.key(tick.start)] = f"version {serving.version}" if serving else NOBODY
            if serving is not None:
                rows = live.serve(tick)
                served.append(rows)
                strange.append(unseen(rows, serving.champion))
                made.append(_predicted(system, rows, serving.champion, serving.content_hash))
                for name, content_hash, predictor in serving.baselines:
                    said = _predicted(system, rows, predictor, content_hash)
                    shadows.append(said.add_column(0, beside.field(0), pa.repeat(name, len(said))))
        ticks = adapter.TickWriter(context, system, stores.lake)
        logged = pa.concat_tables(served)
        _log(ticks, logged)
        ticks.write(BASELINES, pa.concat_tables(shadows), schema=beside, by=PREDICT_AT, record=False)
        ticks.write(PREDICTIONS, pa.concat_tables(made), schema=schema, by=PREDICT_AT)
        unlike = _unlike(
            system, stores, logged, [t for t in ticks.ticks if champions[system.calendar.key(t)] != NOBODY]
        )
        mean = pc.mean(pa.concat_tables(made)[SCORE]).as_py()
        context.add_asset_metadata(
            {
                "champion": adapter.markdown_table(("tick", "champion"), champions.items()),
                **adapter.evidence({"mean_score": mean}),
                **({"skew": _table(unlike)} if unlike else {}),
            }
        )
        findings = (
            _served(system, champions),
            skew(unlike, rows=logged.num_rows),
            known_categories(strange, rows=logged.num_rows),
        )
        return dg.MaterializeResult(check_results=[adapter.check_result(f, asset) for f in findings])

    return [predictions]


def _served_from(system: MLSystem) -> tuple[str, ...]:
    """Return the tables that online state is updated from, and the requests."""
    return (*(s.name for s in system.feature_sources), system.requests.source.name)


def _log(ticks: adapter.TickWriter, served: pa.Table) -> None:
    """Log what was served; where features are new, the log is written anew with columns for them."""
    system, lake = ticks.system, ticks.lake
    if not lake.has(system.name, SERVED):
        ticks.write(SERVED, served, schema=system.feature_schema, by=PREDICT_AT, record=False)
        return
    stored = lake.schema(system.name, SERVED)
    schema = widened(stored, system.feature_schema)
    if schema != stored:
        old = lake.read(system.name, SERVED, columns=[*stored.names, TICK])
        every = sorted(set(old[TICK].to_pylist()))
        rows = fitted(old, schema)
        lake.write_ticks(system.name, SERVED, rows, schema=schema, ticks=every, run_id=ticks.context.run.run_id)
    ticks.write(SERVED, fitted(served, schema), schema=schema, by=PREDICT_AT, record=False)


@lru_cache(maxsize=2)
def _live(system: MLSystem, lake: "Lake", operations: "OperationsStore") -> LiveFeatures:
    """Return a system's online features, kept in memory from one tick of this process to the next."""
    return LiveFeatures(system, lake, operations, adapter.code_version(system))


def _unlike(system: MLSystem, stores: Resources, served: pa.Table, ticks: list[datetime]) -> list[Difference]:
    """Return where what was served in some ticks is not what the batch engine says was known."""
    known = stores.lake.read(system.home(FEATURES), FEATURES, columns=system.selected, ticks=ticks)
    return differences(served, known, key=system.requests.key)


def _table(unlike: list[Difference]) -> dg.MarkdownMetadataValue:
    rows = [(d.feature, d.rows, d.share, d.mean, d.largest, *d.example) for d in unlike]
    header = ("feature", "requests", "share", "mean difference", "largest", "such as", "served", "known")
    return adapter.markdown_table(header, rows)


def _predicted(system: MLSystem, rows: pa.Table, predictor: Predictor, content_hash: str) -> pa.Table:
    return predict_batch(rows, predictor.predict, key=system.requests.key, at=PREDICT_AT, model_hash=content_hash)


def _served(system: MLSystem, champions: dict[str, str]) -> Finding:
    without = [tick for tick, champion in champions.items() if champion == NOBODY]
    told = f"{len(champions) - len(without)} of {len(champions)} ticks had a champion when they began"
    if without:
        told += (
            f"; not predicted: {without[0]}{' …' if len(without) > 1 else ''}. Train as of its start or earlier "
            f"(job {system.name}_train), and bring it in again"
        )
    return Finding(HAS_CHAMPION, not without, told, Severity.WARN, {"ticks without": len(without)})


def _serving(system: MLSystem, stores: Resources, tick: TimeWindow) -> _Serving | None:
    champion = stores.operations.alias_at(system.name, CHAMPION, tick.start)
    if champion is None or champion.version in stores.operations.retired(system.name):
        return None
    return _loaded(system, stores.models, stores.operations, champion.version)


@lru_cache(maxsize=2)
def _loaded(system: MLSystem, models: "ModelStore", operations: "OperationsStore", version: int) -> _Serving:
    """Return a version with its baselines, each verified when it is first asked for in this process."""
    model = models.load(system.name, version)
    _require_as_made(system, model)
    as_of, names = model.version.as_of, [c.name for c in system.candidates if c.baseline]
    fitted = operations.decisions(system.name, CANDIDATE, since=as_of, until=as_of)
    baselines = []
    for record in fitted:
        if record.name in names and record.verdict == FITTED:
            saved = SavedArtifacts(
                record.context["source"], record.context["manifest_sha256"], record.evidence["model"]
            )
            baselines.append((record.name, saved.content_hash, from_files(models.read(saved))))
    return _Serving(version, model.version.content_hash, from_files(model.content), tuple(baselines))


def _require_as_made(system: MLSystem, model: "LoadedArtifacts") -> None:
    """Raise DriftedModel if the libraries or the features that a model predicts with are others than it was made with.

    What is not of its predictions may change: other libraries, features that it does not read, the code around.
    """
    made = part_of(model.record, FeaturizeAndPredict)
    installed = {**Dependencies.observed().distributions, "python": python_series()}
    hashes = feature_hashes(system.features, system.requests.columns)
    if drifted := drift(made, versions=installed, hashes=hashes):
        raise DriftedModel(
            f"{system.name} version {model.version.version} is not served: {'; '.join(drifted)}; bring back what it "
            f"was made with, or train anew (job {adapter.training_job(system)}) as of the tick that is to be predicted"
        )
