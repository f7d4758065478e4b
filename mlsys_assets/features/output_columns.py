"""What the columns that features give are called, hold and mean."""

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.features.aggregate import Aggregate, AggregateKind
from mlsys_assets.features.expression import probe
from mlsys_assets.features.key import Key, prefix_of
from mlsys_assets.features.mistakes import with_times
from mlsys_assets.features.numpy_table import Values
from mlsys_assets.tables import Column


def type_of(values: Values) -> str:
    """Return the type in which a feature of such values is stored: float32 or string."""
    return "string" if values.is_text else "float32"


def aggregated(source: Source, keys: tuple[Key, ...], aggregate: Aggregate, *, name: str, when: str) -> Column:
    """Return the column of an aggregate over a source's rows of one key; ``when`` says which rows, in words."""
    known = with_times(source.columns)
    units = {c.name: c.unit for c in known}
    own = units.get(aggregate.of, "") if isinstance(aggregate.of, str) else ""
    unit = {AggregateKind.COUNT: "rows", AggregateKind.RATE: "share", AggregateKind.AGE: "h"}.get(aggregate.kind, own)
    text = aggregate.kind is AggregateKind.LAST and aggregate.of is not None and probe(aggregate.of, known).is_text
    of = f" of {aggregate.of}" if isinstance(aggregate.of, str) else ""
    return Column(
        f"{prefix_of(keys)}_{name}",
        "string" if text else "float32",
        unit=unit,
        description=f"{aggregate.kind.value}{of} over rows of {source.name}{of_same(keys)} {when}",
    )


def of_same(keys: tuple[Key, ...]) -> str:
    """Return in words that the rows share the key."""
    return f" of the same {', '.join(k.name for k in keys)}" if keys else ""
