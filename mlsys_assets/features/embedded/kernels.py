"""One kernel for each kind of declaration: it reads rows that are already sorted by key and time."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.features.aggregate import Aggregate, AggregateKind
from mlsys_assets.features.embedded.key_codes import Positions
from mlsys_assets.features.embedded.request_rows import Group, RequestRows
from mlsys_assets.features.embedded.source_rows import Join, Plan, microseconds
from mlsys_assets.features.embedded.windows import (
    HOUR,
    Filtered,
    Floats,
    Prefix,
    Span,
    Windows,
    aggregate_values,
    last_rows,
    latest,
    prefix_sums,
)
from mlsys_assets.features.expression import Expression, evaluate
from mlsys_assets.features.lookup import Lookup
from mlsys_assets.features.numpy_table import NumpyTable, Values
from mlsys_assets.features.request import Request
from mlsys_assets.features.scheduled import Scheduled
from mlsys_assets.features.trailing import Trailing

TEXT_TYPES = (pa.string(), pa.large_string())


class Sums:
    """Prefix sums of a table's columns in one order of its rows, made once for all windows."""

    def __init__(self, columns: NumpyTable, rows: Positions) -> None:
        self._columns, self._rows = columns, rows
        self._kept: dict[tuple[str | Expression, float], Prefix] = {}

    def prefix(self, aggregate: Aggregate, what: str) -> Prefix | None:
        """Return the prefix sums that the aggregate needs; None where it counts rows."""
        if aggregate.of is None:
            return None
        wanted = (aggregate.of, aggregate.resolution)
        if wanted not in self._kept:
            column = evaluate(aggregate.of, self._columns)
            valid = None if column.valid is None else column.valid[self._rows]
            self._kept[wanted] = prefix_sums(Values(column.values[self._rows], valid), aggregate.resolution, what)
        return self._kept[wanted]


def request_features(feature: Request, requests: RequestRows) -> list[pa.Array]:
    """Return the request's own columns."""
    return [_own(of, requests.columns) for _, of in feature.values]


def lookup_features(feature: Lookup, join: Join) -> list[pa.Array]:
    """Return the columns of the latest known row of each request's key."""
    end = join.position(0)
    start = join.first if feature.max_age is None else join.position(microseconds(feature.max_age))
    happened = np.minimum(join.log.event[join.settled], join.known)
    place = latest(happened, join.code, Span(start, end))
    if feature.max_age is not None:
        fresh = np.append(happened, 0)[place] > join.at - microseconds(feature.max_age)
        place = np.where(fresh, place, -1)
    return [_gather(column, join, place) for column in feature.columns]


def trailing_features(feature: Trailing, join: Join, sums: Sums) -> list[pa.Array]:
    """Return the aggregates of each window, all read from one order of the rows."""
    end, found = join.position(0), []
    for window in feature.over:
        span = Span(join.position(microseconds(window)), end)
        for name, aggregate in feature.aggregates:
            if aggregate.kind is AggregateKind.LAST and aggregate.of is not None:
                found.append(_gather(aggregate.of, join, last_rows(span)))
            elif aggregate.kind is AggregateKind.AGE:
                found.append(_scatter(_age(join, last_rows(span)), join.group, len(join.requests)))
            else:
                prefix = sums.prefix(aggregate, f"{feature.source.name}: {name}")
                values = aggregate_values(aggregate.kind, span, prefix)
                found.append(_scatter(values, join.group, len(join.requests)))
    return found


def scheduled_features(feature: Scheduled, plan: Plan, sums: Sums) -> list[pa.Array]:
    """Return the aggregates of the plan around each request's own planned time."""
    own = plan.requests.columns.moments(feature.at)[plan.group.order]
    found = []
    for width in feature.around:
        reach = microseconds(width)
        span = Span(plan.position(own - reach, "left"), plan.position(own + reach, "right"))
        windows = _known_part(span, plan, None if feature.max_age is None else microseconds(feature.max_age))
        for name, aggregate in feature.aggregates:
            prefix = sums.prefix(aggregate, f"{feature.source.name}: {name}")
            values = aggregate_values(aggregate.kind, windows, prefix)
            found.append(_scatter(values, plan.group, len(plan.requests)))
    return found


def _known_part(span: Span, plan: Plan, back: int | None) -> Windows:
    at = plan.requests.at[plan.group.order]
    if not plan.is_monotone:
        since = np.full(len(at), np.iinfo(np.int64).min) if back is None else at - back
        return Filtered(span, plan.known, since, at)
    start = span.start if back is None else np.maximum(span.start, plan.known_position(back))
    return Span(start, np.maximum(start, np.minimum(span.end, plan.known_position(0))))


def _age(join: Join, place: Positions) -> Floats:
    known = np.append(join.known, 0)[place]
    return np.where(place >= 0, (join.at - known) / HOUR, np.nan)


def _gather(of: str | Expression, join: Join, place: Positions) -> pa.Array:
    column = evaluate(of, join.log.columns)
    row = np.append(join.settled, 0)[place]
    seen = place >= 0 if column.valid is None else (place >= 0) & np.append(column.valid, False)[row]
    if not column.is_text:
        values = np.full(len(place), np.nan)
        values[seen] = column.values[row[seen]]
        return _scatter(values, join.group, len(join.requests))
    texts: NDArray[np.object_] = np.full(len(join.requests), None, dtype=object)
    texts[join.group.order[seen]] = column.values[row[seen]]
    return pa.array(texts, pa.string())


def _scatter(values: Floats, group: Group, rows: int) -> pa.Array:
    out = np.full(rows, np.nan, np.float32)
    out[group.order] = values
    return pa.array(out, from_pandas=True)


def _own(of: str | Expression, columns: NumpyTable) -> pa.Array:
    if isinstance(of, str) and (text := columns.arrow(of)).type in TEXT_TYPES:
        return text.cast(pa.string())
    column = evaluate(of, columns)
    mask: NDArray[np.bool_] | None = None if column.valid is None else ~column.valid
    if column.is_text:
        return pa.array(column.values, pa.string(), mask=mask)
    return pa.array(column.values.astype(np.float32), mask=mask)
