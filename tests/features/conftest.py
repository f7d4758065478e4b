"""A brute-force oracle: every kind of feature by plain loops over rows, straight from its definition."""

import math
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest

from mlsys_assets.features.aggregate import Aggregate, AggregateKind
from mlsys_assets.features.lookup import Lookup
from mlsys_assets.features.request import Request
from mlsys_assets.features.scheduled import Scheduled
from mlsys_assets.features.trailing import Trailing

Row = dict[str, Any]


def _value(of: Any, row: Row) -> Any:
    value = row[of] if isinstance(of, str) else _null_in_null_out(of, row)
    return None if isinstance(value, float) and math.isnan(value) else value


def _null_in_null_out(of: Any, row: Row) -> Any:
    class Reader(dict):  # type: ignore[type-arg]
        def __getitem__(self, name: str) -> Any:
            if row[name] is None or row[name] != row[name]:
                raise LookupError
            return row[name]

    try:
        return of(Reader(row))
    except LookupError:
        return None


def _same_key(feature: Any, request: Row, row: Row) -> bool:
    for key in feature.keys:
        mine, other = _value(key.request, request), _value(key.in_source, row)
        if mine is None or other is None or mine != other:
            return False
    return True


def _has_key(feature: Any, request: Row) -> bool:
    return all(_value(key.request, request) is not None for key in feature.keys)


def _aggregate(aggregate: Aggregate, rows: list[Row], at: datetime, tie_key: tuple[str, ...]) -> float | str | None:
    ordered = sorted(rows, key=lambda r: (r["known_at"], r["event_time"], *(r[k] for k in tie_key)))
    if aggregate.kind is AggregateKind.AGE:
        return (at - ordered[-1]["known_at"]).total_seconds() / 3600 if rows else None
    if aggregate.kind is AggregateKind.LAST:
        return _value(aggregate.of, ordered[-1]) if rows else None
    if aggregate.of is None:
        return float(len(rows))
    values = [v for v in (_value(aggregate.of, r) for r in rows) if v is not None]
    if aggregate.kind in (AggregateKind.COUNT, AggregateKind.SUM):
        return float(sum(values))
    return float(sum(values)) / len(values) if values else None


def _one(feature: Any, request: Row, tables: dict[str, list[Row]], at: datetime) -> list[Any]:
    if isinstance(feature, Request):
        return [_value(of, request) for _, of in feature.values]
    rows = [r for r in tables[feature.source.name] if r["known_at"] <= at and _same_key(feature, request, r)]
    if isinstance(feature, Lookup):
        happened = [(min(r["event_time"], r["known_at"]), r) for r in rows]
        newest = max(
            [
                (h, r["known_at"], r["event_time"], [r[k] for k in feature.source.key], r)
                for h, r in happened
                if feature.max_age is None or h > at - feature.max_age
            ],
            key=lambda found: found[:-1],
            default=(None,),
        )[-1]
        return [None if newest is None else _value(c, newest) for c in feature.columns]
    found: list[Any] = []
    if isinstance(feature, Trailing):
        windows = [[r for r in rows if r["known_at"] > at - w] for w in feature.over]
    else:
        assert isinstance(feature, Scheduled)
        own = request[feature.at]
        rows = [r for r in rows if feature.max_age is None or r["known_at"] > at - feature.max_age]
        windows = [[r for r in rows if own - w <= r["event_time"] <= own + w] for w in feature.around]
    for window in windows:
        found += [_aggregate(a, window, at, feature.source.key) for _, a in feature.aggregates]
    return found if _has_key(feature, request) else [None] * len(found)


def _oracle(features: Any, requests: pa.Table, tables: dict[str, pa.Table]) -> list[list[Any]]:
    rows = {name: table.to_pylist() for name, table in tables.items()}
    return [
        [value for feature in features for value in _one(feature, request, rows, request["predict_at"])]
        for request in requests.to_pylist()
    ]


@pytest.fixture(scope="session")
def oracle() -> Callable[..., list[list[Any]]]:
    """Features by definition: ``oracle(features, requests, tables)`` gives one list of values a request."""
    return _oracle
