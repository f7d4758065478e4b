"""Events to labels: what each tick taught us, and about whom it never will."""

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.data_labeling.label import label_schema
from mlsys_assets.data_labeling.natural_labels import natural_labels
from mlsys_assets.home_data import require_home
from mlsys_assets.system import MLSystem
from mlsys_assets.tables import KNOWN_AT, LABEL, LABELS, STATE
from mlsys_assets.types import Finding, Severity
from mlsys_resources.resources import Resources

STAGE = "data_labeling"
TOLD_ONCE = "each_entity_told_once"


def build_assets(system: MLSystem) -> list[dg.AssetsDefinition]:
    """Return the label table of the system."""
    label, entity, asset = system.label, system.requests.key, adapter.key(system, LABELS)
    never = "".join(f" {state.capitalize()} entities have none, and say so." for state in label.never)

    @dg.asset(
        key=asset,
        deps=[adapter.key(system, s.name) for s in label.sources],
        partitions_def=adapter.partitions(system),
        backfill_policy=adapter.SINGLE_RUN,
        check_specs=adapter.check_specs(asset, {TOLD_ONCE: ("No two sources tell of one entity's label.", False)}),
        description=f"What became of each request (`{label.name}`), in the tick in which that became known.{never} "
        "Requests in no tick are not known yet.",
        metadata={"dagster/column_schema": adapter.arrow_schema(label_schema(entity), adapter.entity(system))},
        **adapter.common(system, STAGE, kinds=("python", "deltalake")),
    )
    def labels(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Resources]) -> dg.MaterializeResult:
        window = adapter.tick_window(context)
        require_home(context.instance, system, window)
        events = {
            s.name: stores.lake.read(system.home(s.name), s.name, window=(KNOWN_AT, window.start, window.end))
            for s in label.sources
        }
        rows = natural_labels(label, events, key=entity)
        counts = {row["values"]: row["counts"] for row in pc.value_counts(rows[STATE]).to_pylist()}
        ticks = adapter.TickWriter(context, system, stores.lake)
        ticks.write(LABELS, rows, schema=label_schema(entity), by=KNOWN_AT)
        mean = pc.mean(rows[LABEL]).as_py()
        told = stores.lake.read(
            system.name, LABELS, columns=[entity, KNOWN_AT], window=(KNOWN_AT, system.calendar.start, window.end)
        )
        return dg.MaterializeResult(
            metadata=adapter.evidence({"mean_label": mean, **{f"{k}_rows": n for k, n in counts.items()}}),
            check_results=[adapter.check_result(told_once(told, key=entity, corrections=label.corrections), asset)],
        )

    return [labels]


def told_once(told: pa.Table, *, key: str, corrections: bool) -> Finding:
    """Return whether each entity's label is told once; with ``corrections``, once at any one moment.

    Parameters
    ----------
    told
        (n, ≥ 2) rows of the label table with ``key`` and ``known_at``.
    """
    entities = pc.count_distinct(told[key]).as_py()
    names, again, first = (
        ([key, KNOWN_AT], "at the same moment", "the first by state and label")
        if corrections
        else ([key], "already", "what was known first")
    )
    found = told.select(names).group_by(names).aggregate([([], "count_all")])
    rows = len(told) - len(found)
    if not rows:
        more = f", {len(found) - entities:,} corrections: what became known last counts" if corrections else ""
        return Finding(TOLD_ONCE, True, f"{entities:,} entities{more}", Severity.WARN, {"rows told again": 0})
    (example,) = found.filter(pc.greater(found["count_all"], 1))[key][:1].to_pylist()
    summary = (
        f"{rows:,} of {len(told):,} rows tell of an entity that another told of {again}, such as {example!r}; {first} "
        "counts: look at what the label's sources call an event"
    )
    return Finding(TOLD_ONCE, False, summary, Severity.WARN, {"rows told again": rows})
