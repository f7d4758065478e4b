"""A brute-force oracle: every kind of feature by plain loops over rows, straight from its definition."""

import math
import statistics
import sys
from collections.abc import Callable
from datetime import datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.features.aggregate import IN_ORDER, Aggregate, AggregateKind
from mlsys_assets.features.derived import Backoff, Derived
from mlsys_assets.features.feature import each_with_outputs
from mlsys_assets.features.lookup import Lookup
from mlsys_assets.features.request import Request
from mlsys_assets.features.request_table import request_columns
from mlsys_assets.features.scheduled import Scheduled
from mlsys_assets.features.trailing import Trailing

sys.path.insert(0, str(Path(__file__).parent))  # the worlds, which the tests of each engine share

Row = dict[str, Any]


class Text(str):
    """A text whose comparisons are NumPy's truths, of which ~ is the other one."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> Any:
        return np.bool_(str(self) == other)


def _value(of: Any, row: Row) -> Any:
    value = row[of] if isinstance(of, str) else _null_in_null_out(of, row)
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and math.isnan(value) else value


def _null_in_null_out(of: Any, row: Row) -> Any:
    class Reader(dict):  # type: ignore[type-arg]
        def __getitem__(self, name: str) -> Any:
            if row[name] is None or row[name] != row[name]:
                raise LookupError
            return Text(row[name]) if isinstance(row[name], str) else row[name]

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
    if aggregate.where is not None:
        rows = [r for r in rows if _value(aggregate.where, r)]
    ordered = sorted(rows, key=lambda r: (r["known_at"], r["event_time"], *(r[k] for k in tie_key)))
    if not rows and aggregate.kind in IN_ORDER:
        return None
    if aggregate.kind in IN_ORDER:
        first, newest = ordered[0], ordered[-1]
        if aggregate.kind is AggregateKind.LAST:
            return _value(aggregate.of, newest)
        return (at - (newest if aggregate.kind is AggregateKind.AGE else first)["known_at"]).total_seconds() / 3600
    values = [(1 if aggregate.of is None else _value(aggregate.of, r), _weight(aggregate, r, at)) for r in rows]
    return _unordered(aggregate.kind, [(v, weight) for v, weight in values if v is not None])


def _unordered(kind: AggregateKind, known: list[tuple[Any, float]]) -> float | None:
    values = [v for v, _ in known]
    if kind is AggregateKind.DISTINCT:
        return float(len(set(values)))
    total, n = float(sum(v * weight for v, weight in known)), sum(weight for _, weight in known)
    if kind in (AggregateKind.COUNT, AggregateKind.SUM):
        return total
    if not known:
        return None
    if kind in (AggregateKind.MINIMUM, AggregateKind.MAXIMUM):
        return float(min(values) if kind is AggregateKind.MINIMUM else max(values))
    return total / n if kind is not AggregateKind.VARIANCE else float(statistics.pvariance(map(Fraction, values)))


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


def _rows(table: pa.Table) -> list[Row]:
    """Return a table's rows; numbers of single precision are NumPy's, since they are added and compared as such."""
    single = [f.name for f in table.schema if f.type == pa.float32()]
    return [row | {n: np.float32(row[n]) for n in single if row[n] is not None} for row in table.to_pylist()]


def _oracle(features: Any, requests: pa.Table, tables: dict[str, pa.Table]) -> list[list[Any]]:
    rows = {name: _rows(table) for name, table in tables.items()}
    named = list(each_with_outputs(features, request_columns(requests.schema)))
    found = []
    for request in _rows(requests):
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
