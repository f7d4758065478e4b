"""Lineage: which columns of which tables each feature is read from."""

from collections.abc import Iterable

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.features.aggregate import Aggregate
from mlsys_assets.features.expression import Expression, columns_read
from mlsys_assets.features.feature import Feature
from mlsys_assets.features.key import Key
from mlsys_assets.features.lookup import Lookup
from mlsys_assets.features.mistakes import with_times
from mlsys_assets.features.request import Request
from mlsys_assets.features.scheduled import Scheduled
from mlsys_assets.features.trailing import Trailing
from mlsys_assets.tables import KNOWN_AT

Origin = tuple[str, str]
"""A table and one of its columns."""


def lineage(features: Iterable[Feature], requests: Source) -> dict[str, tuple[Origin, ...]]:
    """Return where each feature column is read from: its values, then its keys, in each table's order of use.

    What only decides which rows count, their times, is left out, unless there is nothing else.
    """
    return {name: tuple(dict.fromkeys(found)) for feature in features for name, found in _of(feature, requests)}


def _of(feature: Feature, requests: Source) -> Iterable[tuple[str, list[Origin]]]:
    outputs = [column.name for column in feature.outputs(requests.columns)]
    if isinstance(feature, Request):
        return zip(outputs, [_read(of, requests) for _, of in feature.values], strict=True)
    if not isinstance(feature, Lookup | Trailing | Scheduled):
        return [(name, [(table, KNOWN_AT) for table in feature.reads]) for name in outputs]
    keys = _keys(feature.keys, requests, feature.source)
    if isinstance(feature, Lookup):
        return zip(outputs, [_read(name, feature.source) + keys for name in feature.columns], strict=True)
    windows = len(outputs) // max(len(feature.aggregates), 1)
    values = [_aggregated(aggregate, feature.source) for _, aggregate in feature.aggregates] * windows
    otherwise = [(feature.source.name, KNOWN_AT)]
    return zip(outputs, [found + keys or otherwise for found in values], strict=True)


def _aggregated(aggregate: Aggregate, source: Source) -> list[Origin]:
    return [] if aggregate.of is None else _read(aggregate.of, source)


def _keys(keys: Iterable[Key], requests: Source, source: Source) -> list[Origin]:
    return [origin for key in keys for origin in (*_read(key.in_source, source), *_read(key.request, requests))]


def _read(of: str | Expression, source: Source) -> list[Origin]:
    return [(source.name, name) for name in columns_read(of, with_times(source.columns))]
