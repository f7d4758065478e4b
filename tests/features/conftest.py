"""A brute-force oracle: every kind of feature by plain loops over rows, straight from its definition."""

import math
import statistics
from collections.abc import Callable
from datetime import datetime
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.features.aggregate import Aggregate, AggregateKind
from mlsys_assets.features.derived import Backoff, Derived
from mlsys_assets.features.feature import each_with_outputs
from mlsys_assets.features.lookup import Lookup
from mlsys_assets.features.request import Request
from mlsys_assets.features.request_table import request_columns
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


def _aggregate(  # noqa: PLR0911 - one return a kind
    aggregate: Aggregate, rows: list[Row], at: datetime, tie_key: tuple[str, ...]
) -> float | str | None:
    if aggregate.where is not None:
        rows = [r for r in rows if _value(aggregate.where, r)]
    ordered = sorted(rows, key=lambda r: (r["known_at"], r["event_time"], *(r[k] for k in tie_key)))
    match aggregate.kind:
        case AggregateKind.AGE | AggregateKind.HISTORY:
            chosen = -1 if aggregate.kind is AggregateKind.AGE else 0
            return (at - ordered[chosen]["known_at"]).total_seconds() / 3600 if rows else None
        case AggregateKind.LAST:
            return _value(aggregate.of, ordered[-1]) if rows else None
    values = [(1 if aggregate.of is None else _value(aggregate.of, r), _weight(aggregate, r, at)) for r in rows]
    known = [(v, weight) for v, weight in values if v is not None]
    total, n = float(sum(v * weight for v, weight in known)), sum(weight for _, weight in known)
    match aggregate.kind:
        case AggregateKind.COUNT | AggregateKind.SUM:
            return total
        case AggregateKind.MEAN | AggregateKind.RATE:
            return total / n if known else None
        case AggregateKind.VARIANCE:
            return float(statistics.pvariance([Fraction(v) for v, _ in known])) if known else None
        case AggregateKind.MINIMUM:
            return float(min(v for v, _ in known)) if known else None
        case AggregateKind.MAXIMUM:
            return float(max(v for v, _ in known)) if known else None
        case AggregateKind.DISTINCT:
            return float(len({v for v, _ in known}))


def _weight(aggregate: Aggregate, row: Row, at: datetime) -> float:
    return 1 if aggregate.half_life is None else 2.0 ** -((at - row["known_at"]) / aggregate.half_life)


def _standing(source: Any, rows: list[Row]) -> list[Row]:
    """Of the rows known by now, those that no later one of the same name has replaced."""
    if not source.corrections:
        return rows
    latest: dict[Any, Row] = {}
    for row in sorted(rows, key=lambda r: r["known_at"]):
        latest[tuple(row[k] for k in source.key)] = row
    return list(latest.values())


def _one(feature: Any, request: Row, tables: dict[str, list[Row]], at: datetime, before: Row) -> list[Any]:
    if isinstance(feature, Request):
        return [_value(of, request) for _, of in feature.values]
    if isinstance(feature, Derived):
        return [_value(of, before) for _, of in feature.computed]
    if isinstance(feature, Backoff):
        *finer, coarsest = feature.choices
        enough = [before[value] for value, n in finer if (before[n] or 0) >= feature.at_least]
        return [next((value for value in enough if value is not None), before[coarsest[0]])]
    rows = [r for r in tables[feature.source.name] if r["known_at"] <= at]
    rows = [r for r in _standing(feature.source, rows) if _same_key(feature, request, r)]
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
    named = list(each_with_outputs(features, request_columns(requests.schema)))
    found = []
    for request in requests.to_pylist():
        said: Row = {}
        for feature, columns in named:
            values = _one(feature, request, rows, request["predict_at"], said)
            stored = [v if v is None or isinstance(v, str) else float(np.float32(v)) for v in values]
            said |= {c.name: value for c, value in zip(columns, stored, strict=True)}
        found.append(list(said.values()))
    return found


@pytest.fixture(scope="session")
def oracle() -> Callable[..., list[list[Any]]]:
    """Features by definition: ``oracle(features, requests, tables)`` gives one list of values a request."""
    return _oracle
