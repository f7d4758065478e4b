"""Known facts to features: one row a request, as known at its prediction time."""

from dataclasses import replace
from datetime import timedelta
from time import perf_counter

import dagster as dg

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.features.catalogue import catalogue
from mlsys_assets.features.feature import reads
from mlsys_assets.features.lineage import lineage
from mlsys_assets.known import known_features
from mlsys_assets.system import MLSystem
from mlsys_assets.tables import FEATURES, PREDICT_AT, Column
from mlsys_resources.resources import Resources

STAGE = "features"
MICROSECONDS = 1e6


def build_assets(system: MLSystem) -> list[dg.AssetsDefinition]:
    """Return the feature table of the system; none where it reuses another's."""
    if system.reuses is not None:
        return []
    requests = system.requests
    read = {requests.source.name, *(s.name for s in system.feature_sources)}

    @dg.asset(
        key=adapter.key(system, FEATURES),
        deps=[_dependency(system, source) for source in system.sources if source.name in read],
        partitions_def=adapter.partitions(system),
        backfill_policy=adapter.SINGLE_RUN,
        description=f"{len(system.feature_columns)} columns for each request of `{requests.source.name}`, each as it "
        f"was known at {PREDICT_AT}: no row that became known later is seen, whatever it is about.",
        metadata={
            "dagster/column_schema": adapter.table_schema(system.feature_schema, _told(system), adapter.entity(system))
        },
        **adapter.common(system, STAGE, kinds=("numpy", "deltalake")),
    )
    def features(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Resources]) -> None:
        window = adapter.tick_window(context)
        began = perf_counter()
        rows = known_features(stores.lake, system, system.features, window, engine=stores.engine)
        cost = MICROSECONDS * (perf_counter() - began) / max(rows.num_rows * len(system.feature_columns), 1)
        ticks = adapter.TickWriter(context, system, stores.lake)
        ticks.write(FEATURES, rows, schema=system.feature_schema, by=PREDICT_AT)
        ticks.tell_last(
            {
                "dagster/column_lineage": adapter.column_lineage(system, _lineage(system)),
                "catalogue": _catalogue(system),
                "cost of a value [µs]": round(cost, 3),
            }
        )

    return [features]


def _told(system: MLSystem) -> list[Column]:
    """Return the columns with what each is read from: in its words, since not every user interface draws lineage."""
    origins = lineage(system.features, system.requests.source)
    return [
        replace(c, description=f"{c.description} ← {', '.join(f'{t}.{name}' for t, name in origins[c.name])}")
        for c in system.feature_columns
    ]


def _catalogue(system: MLSystem) -> dg.MarkdownMetadataValue:
    """Return the feature catalogue as a table; `mlsys features` writes it with consumers and costs."""
    found = catalogue(system.features, system.requests.source, sources=system.sources, owner=system.owner)
    return adapter.markdown_table(
        ("feature", "unit", "owner", "what it is", "when it can be known"),
        [(e.name, e.unit, e.owner, e.definition, e.availability) for e in sorted(found, key=lambda e: e.name)],
    )


def _lineage(system: MLSystem) -> dict[str, tuple[tuple[str, str], ...]]:
    requests, table = system.requests, system.requests.source
    own = {requests.key: ((table.name, requests.key),), PREDICT_AT: ((table.name, requests.predict_at),)}
    return own | lineage(system.features, table)


def _dependency(system: MLSystem, source: Source) -> dg.AssetDep:
    """Return what the features of a tick rest on: the source's rows of the tick and of those within reach of it."""
    asset, reach = adapter.key(system, source.name), reads(system.features).get(source.name, timedelta(0))
    if source.snapshot or reach is None:
        return dg.AssetDep(asset)
    return dg.AssetDep(asset, partition_mapping=adapter.reached_ticks(system, reach))
