"""Declarations in words: what each column of a feature is computed from, and how."""

from collections.abc import Iterable, Sequence

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.features.aggregate import Aggregate
from mlsys_assets.features.derived import Backoff, Derived, as_read
from mlsys_assets.features.expression import Expression, columns_read
from mlsys_assets.features.feature import Feature
from mlsys_assets.features.key import Key
from mlsys_assets.features.lookup import Lookup
from mlsys_assets.features.mistakes import window_name, with_times
from mlsys_assets.features.request import Request
from mlsys_assets.features.scheduled import Scheduled
from mlsys_assets.features.trailing import Trailing
from mlsys_assets.tables import Column


def definitions(
    feature: Feature, outputs: Sequence[Column], requests: Source, *, before: Sequence[Column]
) -> list[str]:
    """Return what each of a declaration's ``outputs`` is: kind, aggregate, filter, source, key and window.

    An expression is told by its function's name, f for a lambda, and the columns that it reads.

    Parameters
    ----------
    before
        The columns that the declarations before it give.
    """
    kind = type(feature).__name__
    asked = with_times(requests.columns)
    if isinstance(feature, Request):
        return [f"{kind}: {_read(of, asked)}" for _, of in feature.values]
    if isinstance(feature, Derived):
        return [f"{kind}: {_read(of, as_read(before))}" for _, of in feature.computed]
    if isinstance(feature, Backoff):
        return [f"{kind}: {outputs[0].description}"]
    if not isinstance(feature, Lookup | Trailing | Scheduled):
        return [f"{kind}: {column.description}" for column in outputs]
    of_rows = f"{feature.source.name}, {_keys(feature.keys, asked)}"
    if isinstance(feature, Lookup):
        oldest = "" if feature.max_age is None else f", no older than {window_name(feature.max_age)}"
        return [f"{kind}: {name} of the latest row of {of_rows}{oldest}" for name in feature.columns]
    columns = with_times(feature.source.columns)
    return [
        f"{kind}: {_aggregate(aggregate, columns)} over {of_rows}, {window}"
        for window in _windows(feature)
        for _, aggregate in feature.aggregates
    ]


def _windows(feature: Trailing | Scheduled) -> list[str]:
    if isinstance(feature, Trailing):
        return [f"known in the last {window_name(window)}" for window in feature.over]
    known = "" if feature.max_age is None else f", known in the last {window_name(feature.max_age)}"
    return [f"planned within {window_name(width)} of the request's {feature.at}{known}" for width in feature.around]


def _aggregate(aggregate: Aggregate, columns: Sequence[Column]) -> str:
    of = "" if aggregate.of is None else f" of {_read(aggregate.of, columns)}"
    where = "" if aggregate.where is None else f" where {_read(aggregate.where, columns)}"
    fading = "" if aggregate.half_life is None else f", weights halved each {window_name(aggregate.half_life)},"
    return f"{aggregate.kind.value}{of}{where}{fading}"


def _keys(keys: Iterable[Key], asked: Sequence[Column]) -> str:
    told = [k.name if k.request == k.name else f"{k.name} = {_read(k.request, asked)}" for k in keys]
    return f"key {', '.join(told)}" if told else "all rows"


def _read(of: str | Expression, columns: Sequence[Column]) -> str:
    if isinstance(of, str):
        return of
    name = getattr(of, "__name__", "f").strip("_")
    called = name if name.isidentifier() else "f"
    return f"{called}({', '.join(columns_read(of, columns))})"
