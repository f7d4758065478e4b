"""Lineage: which columns of which tables each feature is read from."""

from collections.abc import Iterable, Sequence

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.features.aggregate import Aggregate
from mlsys_assets.features.derived import Backoff, Derived, as_read
from mlsys_assets.features.expression import Expression, columns_read
from mlsys_assets.features.feature import Feature, each_with_outputs
from mlsys_assets.features.key import Key
from mlsys_assets.features.lookup import Lookup
from mlsys_assets.features.mistakes import with_times
from mlsys_assets.features.request import Request
from mlsys_assets.features.scheduled import Scheduled
from mlsys_assets.features.trailing import Trailing
from mlsys_assets.tables import KNOWN_AT, Column

Origin = tuple[str, str]
"""A table and one of its columns."""


def lineage(features: Iterable[Feature], requests: Source) -> dict[str, tuple[Origin, ...]]:
    """Return where each feature column is read from: its values, then its keys, in each table's order of use.

    What only decides which rows count, their times, is left out, unless there is nothing else. A feature of features
    is read from what these are.
    """
    found: dict[str, tuple[Origin, ...]] = {}
    before: list[Column] = []
    for feature, outputs in each_with_outputs(features, requests.columns):
        if isinstance(feature, Derived):
            read = [columns_read(of, as_read(before)) for _, of in feature.computed]
            origins = [[origin for name in names for origin in found[name]] for names in read]
        elif isinstance(feature, Backoff):
            origins = [[origin for choice in feature.choices for name in choice for origin in found[name]]]
        else:
            origins = _of(feature, outputs, requests)
        found |= {c.name: tuple(dict.fromkeys(read)) for c, read in zip(outputs, origins, strict=True)}
        before += outputs
    return found


def _of(feature: Feature, outputs: Sequence[Column], requests: Source) -> list[list[Origin]]:
    if isinstance(feature, Request):
        return [_read(of, requests) for _, of in feature.values]
    if not isinstance(feature, Lookup | Trailing | Scheduled):
        return [[(table, KNOWN_AT) for table in feature.reads] for _ in outputs]
    keys = _keys(feature.keys, requests, feature.source)
    if isinstance(feature, Lookup):
        return [_read(name, feature.source) + keys for name in feature.columns]
    windows = len(outputs) // max(len(feature.aggregates), 1)
    values = [_aggregated(aggregate, feature.source) for _, aggregate in feature.aggregates] * windows
    otherwise = [(feature.source.name, KNOWN_AT)]
    return [read + keys or otherwise for read in values]


def _aggregated(aggregate: Aggregate, source: Source) -> list[Origin]:
    return [origin for of in (aggregate.of, aggregate.where) if of is not None for origin in _read(of, source)]


def _keys(keys: Iterable[Key], requests: Source, source: Source) -> list[Origin]:
    return [origin for key in keys for origin in (*_read(key.in_source, source), *_read(key.request, requests))]


def _read(of: str | Expression, source: Source) -> list[Origin]:
    return [(source.name, name) for name in columns_read(of, with_times(source.columns))]
