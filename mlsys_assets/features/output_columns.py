"""What the columns that features give are called, hold and mean."""

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.features.aggregate import Aggregate, AggregateKind
from mlsys_assets.features.expression import probe
from mlsys_assets.features.key import Key, prefix_of
from mlsys_assets.features.mistakes import window_name, with_times
from mlsys_assets.features.numpy_table import Values
from mlsys_assets.tables import Column


def type_of(values: Values) -> str:
    """Return the type in which a feature of such values is stored: float32 or string."""
    return "string" if values.is_text else "float32"


UNITS = {
    AggregateKind.COUNT: "rows",
    AggregateKind.RATE: "share",
    AggregateKind.DISTINCT: "values",
    AggregateKind.AGE: "h",
    AggregateKind.HISTORY: "h",
}
"""The units of what is not told in the unit of a column."""


def aggregated(source: Source, keys: tuple[Key, ...], aggregate: Aggregate, *, name: str, when: str) -> Column:
    """Return the column of an aggregate over a source's rows of one key; ``when`` says which rows, in words."""
    known = with_times(source.columns)
    units = {c.name: c.unit for c in known}
    own = units.get(aggregate.of, "") if isinstance(aggregate.of, str) else ""
    if aggregate.kind is AggregateKind.VARIANCE and own:
        own = f"{own}²"
    text = aggregate.kind is AggregateKind.LAST and aggregate.of is not None and probe(aggregate.of, known).is_text
    return Column(
        f"{prefix_of(keys)}_{name}",
        "string" if text else "float32",
        unit=UNITS.get(aggregate.kind, own),
        description=f"{_told(aggregate)} over rows of {source.name}{of_same(keys)} {when}",
    )


def _told(aggregate: Aggregate) -> str:
    """Return in words what is computed of which rows."""
    of = f" of {aggregate.of}" if isinstance(aggregate.of, str) else ""
    where = f" where {aggregate.where}" if isinstance(aggregate.where, str) else ""
    fading = "" if aggregate.half_life is None else f", weights halved each {window_name(aggregate.half_life)},"
    return f"{aggregate.kind.value}{of}{where}{fading}"


def of_same(keys: tuple[Key, ...]) -> str:
    """Return in words that the rows share the key."""
    return f" of the same {', '.join(k.name for k in keys)}" if keys else ""
