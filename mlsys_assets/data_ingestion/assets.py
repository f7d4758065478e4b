"""Raw files to typed tables: one asset a source, one partition a tick."""

from collections.abc import Sequence

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.data_ingestion.accounting import EMPTY_TICKS, Ingested, refuse_emptied
from mlsys_assets.data_ingestion.filing import reach
from mlsys_assets.data_ingestion.freshness import FRESH, fresh, lag_of
from mlsys_assets.data_ingestion.quarantine import FILED_AT, QUARANTINE
from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.data_ingestion.validation import ingest
from mlsys_assets.system import MLSystem
from mlsys_assets.tables import KNOWN_AT, TICK
from mlsys_assets.types import EPOCH, Finding, TimeWindow
from mlsys_resources.resources import Resources

STAGE = "data_ingestion"


def quarantine_of(source: Source) -> str:
    """Return the name of the table where a source's broken rows wait."""
    return f"{source.name}_quarantine"


def build_assets(system: MLSystem) -> list[dg.AssetsDefinition]:
    """Return one asset for each of the system's sources; none where another system brings them in."""
    if system.reuses is not None:
        return []
    return [_snapshot(system, s) if s.snapshot else _ticked(system, s) for s in system.sources]


def _declared(system: MLSystem, source: Source) -> dict[str, object]:
    asset = adapter.key(system, source.name)
    return {
        "key": asset,
        "deps": [adapter.key(system, r.source.name) for r in source.references],
        "description": _description(source),
        "check_specs": adapter.check_specs(asset, _checks(system, source)),
        "metadata": {
            "dagster/column_schema": adapter.table_schema(source.schema, source.columns),
            "kind": source.kind.value,
            "licence": source.licence,
        },
        **adapter.common(system, STAGE, kinds=("python", "deltalake"), owner=source.owner),
    }


def _description(source: Source) -> str:
    made = "Delivered whole, in no tick." if source.snapshot else "Each row in the tick in which it became known."
    kept = f"Broken rows wait in `{quarantine_of(source)}`, with rule, column and origin."
    return " ".join(filter(None, [source.description, made, kept]))


def _checks(system: MLSystem, source: Source) -> dict[str, tuple[str, bool]]:
    checks = {
        "every_row_accounted_for": ("Every record is accepted, quarantined, of another kind or of another tick.", True),
        EMPTY_TICKS: ("Where a tick has no row, all that was delivered in it is of other kinds.", False),
    }
    if source.name in system.shortest_reads and not source.snapshot:
        text = "Rows become known before the shortest look back of a feature at them is over."
        checks[FRESH] = (text, False)
    if source.header:
        checks["no_undeclared_columns"] = ("The raw file has no column that was not declared.", False)
    for reference in source.references:
        if reference.allow:
            text = f"Every {reference.column} is in {reference.source.name} or a declared exception, which are counted."
            checks[f"{reference.column}_is_known"] = (text, False)
    return checks


def _ticked(system: MLSystem, source: Source) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=adapter.partitions(system), backfill_policy=adapter.SINGLE_RUN, **_declared(system, source)
    )
    def table(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Resources]) -> dg.MaterializeResult:
        window = adapter.tick_window(context)
        found = _read(system, source, window, stores)
        _keep_what_is_there(system, source, found, stores)
        ticks = adapter.TickWriter(context, system, stores.lake)
        ticks.write(quarantine_of(source), found.quarantined, schema=QUARANTINE, by=FILED_AT, record=False)
        ticks.write(source.name, found.accepted, schema=source.schema, by=KNOWN_AT)
        for tick in ticks.ticks:
            _tell_lag(context, system.calendar.tick_of(tick), found.accepted, system)
        return _result(context, found, _freshness(system, source, found.accepted))

    return table


def _snapshot(system: MLSystem, source: Source) -> dg.AssetsDefinition:
    @dg.asset(**_declared(system, source))
    def table(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Resources]) -> dg.MaterializeResult:
        found = _read(system, source, TimeWindow(system.calendar.start, system.calendar.start), stores)
        _keep_what_is_there(system, source, found, stores)
        stores.lake.write_snapshot(
            system.name, quarantine_of(source), found.quarantined, schema=QUARANTINE, run_id=context.run.run_id
        )
        written = stores.lake.write_snapshot(
            system.name, source.name, found.accepted, schema=source.schema, run_id=context.run.run_id
        )
        context.add_asset_metadata({"dagster/row_count": written.rows, "lake_version": written.version})
        return _result(context, found)

    return table


def _read(system: MLSystem, source: Source, window: TimeWindow, stores: Resources) -> Ingested:
    lake, calendar = stores.lake, system.calendar
    span = None if source.snapshot else (KNOWN_AT, EPOCH, window.end)
    known = {
        r.source.name: lake.read(system.name, r.source.name, columns=[r.key, KNOWN_AT], window=span)
        for r in source.references
    }
    return ingest(
        source,
        source.read(reach(source, window, calendar)),
        window=window,
        calendar=calendar,
        known=known,
        standing=_standing(system, source, window, stores),
        erased=stores.operations.tombstones(system.name),
    )


def _standing(system: MLSystem, source: Source, window: TimeWindow, stores: Resources) -> pa.Table | None:
    """Return the keys of the rows in the ticks before the window."""
    since = system.calendar.start
    if source.snapshot or window.start <= since or not stores.lake.has(system.name, source.name):
        return None
    return stores.lake.read(system.name, source.name, columns=list(source.key), window=(KNOWN_AT, since, window.start))


def _keep_what_is_there(system: MLSystem, source: Source, found: Ingested, stores: Resources) -> None:
    """Raise SourceChanged, before anything is written, if rows would be replaced by none."""
    if not found.empty or not stores.lake.has(system.name, source.name):
        return
    if source.snapshot:
        emptied = found.empty if stores.lake.read(system.name, source.name, columns=[KNOWN_AT]).num_rows else ()
    else:
        starts = [tick.start for tick in found.empty]
        held = set(stores.lake.read(system.name, source.name, columns=[TICK], ticks=starts)[TICK].to_pylist())
        emptied = tuple(tick for tick in found.empty if tick.start in held)
    if emptied:
        refuse_emptied(source, emptied)


def _freshness(system: MLSystem, source: Source, rows: pa.Table) -> list[Finding]:
    shortest = system.shortest_reads.get(source.name)
    return [] if shortest is None else [fresh(source.name, lag_of(rows), shortest)]


def _tell_lag(context: dg.AssetExecutionContext, tick: TimeWindow, rows: pa.Table, system: MLSystem) -> None:
    """Tell Dagster how late a tick's rows became known."""
    known, kind = rows[KNOWN_AT], rows.schema.field(KNOWN_AT).type
    start, end = (pa.scalar(at, kind) for at in (tick.start, tick.end))
    here = pc.and_(pc.greater_equal(known, start), pc.less(known, end))
    if (lag := lag_of(rows.filter(here))) is not None:
        context.add_asset_metadata(adapter.evidence(lag.numbers), partition_key=system.calendar.key(tick.start))


def _result(context: dg.AssetExecutionContext, found: Ingested, more: Sequence[Finding] = ()) -> dg.MaterializeResult:
    findings = (*found.findings, *more)
    return dg.MaterializeResult(check_results=[adapter.check_result(f, context.asset_key) for f in findings])
