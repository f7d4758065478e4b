"""One kernel for each kind of declaration: it reads rows that are already sorted by key and time."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.features.aggregate import IN_ORDER, Aggregate, AggregateKind
from mlsys_assets.features.derived import Backoff, Derived
from mlsys_assets.features.embedded.key_codes import Ints, Positions
from mlsys_assets.features.embedded.request_rows import RequestRows
from mlsys_assets.features.embedded.sums import BLOCK, Sums
from mlsys_assets.features.embedded.views import AsKnown, AsPlanned
from mlsys_assets.features.embedded.windows import (
    HOUR,
    Floats,
    Span,
    distinct,
    extreme,
    first_rows,
    last_rows,
    latest,
    require_exact,
    share,
    variance,
)
from mlsys_assets.features.expression import Expression, evaluate
from mlsys_assets.features.lookup import Lookup
from mlsys_assets.features.numpy_table import NumpyTable, Values
from mlsys_assets.features.request import Request
from mlsys_assets.features.scheduled import Scheduled
from mlsys_assets.features.trailing import Trailing
from mlsys_assets.types import microseconds

TEXT_TYPES = (pa.string(), pa.large_string())

Found = NDArray[np.float64] | NDArray[np.object_]
"""(m,) a feature of the requests of a view: numbers, NaN where there is none, or texts, None where there is none."""


def request_features(feature: Request, requests: RequestRows) -> list[pa.Array]:
    """Return the request's own columns."""
    return [_own(of, requests.columns) for _, of in feature.values]


def derived_features(feature: Derived, before: NumpyTable) -> list[pa.Array]:
    """Return what is computed of features before."""
    return [_own(of, before) for _, of in feature.computed]


def backoff_features(feature: Backoff, before: NumpyTable) -> list[pa.Array]:
    """Return the first value that rests on enough rows; the last one however few they are."""
    *finer, (coarsest, _) = feature.choices
    found = _numbers(before.read(coarsest))
    for value, count in reversed(finer):
        candidate, rows = _numbers(before.read(value)), _numbers(before.read(count))
        found = np.where(~np.isnan(candidate) & (np.nan_to_num(rows) >= feature.at_least), candidate, found)
    return [pa.array(found.astype(np.float32), from_pandas=True)]


def lookup_features(feature: Lookup, view: AsKnown) -> list[Found]:
    """Return the columns of the latest known row of each request's key."""
    back = None if feature.max_age is None else microseconds(feature.max_age)
    start = view.first if back is None else view.position(back)
    happened = np.minimum(view.log.event[view.rows], view.known)
    place = latest(happened, view.code, Span(start, view.position(0)))
    if back is not None:
        place = np.where(np.append(happened, 0)[place] > view.asking.at - back, place, -1)
    return [_gather(column, view, place) for column in feature.columns]


def trailing_features(feature: Trailing, view: AsKnown) -> list[Found]:
    """Return the aggregates of each window, all read from one order of the rows."""
    found: list[Found] = []
    for window in feature.over:
        back = microseconds(window)
        span = Span(view.position(back), view.position(0))
        for name, aggregate in feature.aggregates:
            what = f"{feature.source.name}: {name}"
            if aggregate.kind in IN_ORDER:
                found.append(_in_order(aggregate, view, span))
            elif aggregate.half_life is not None:
                found.append(_fading(aggregate, view, back, what))
            else:
                found.append(aggregated(aggregate, view.sums, span, what))
    return found


def scheduled_features(feature: Scheduled, view: AsPlanned, *, one_by_one: bool = False) -> list[Found]:
    """Return the aggregates of the plan around each request's own planned time.

    ``one_by_one``: the view holds only rows that count for their request.
    """
    own = view.asking.requests.columns.moments(feature.at)[view.asking.order]
    found: list[Found] = []
    for width in feature.around:
        span = view.around(own, microseconds(width))
        if not one_by_one:
            span = view.known_part(span, max_age(feature))
        for name, aggregate in feature.aggregates:
            found.append(aggregated(aggregate, view.sums, span, f"{feature.source.name}: {name}"))
    return found


def max_age(feature: Scheduled) -> int | None:
    """Return how long before the prediction a row may have become known, microseconds."""
    return None if feature.max_age is None else microseconds(feature.max_age)


def aggregated(aggregate: Aggregate, sums: Sums, span: Span, what: str) -> Floats:
    """Return (m,) a number of each span's rows, whose order does not matter; NaN where there is none."""
    if aggregate.kind in (AggregateKind.MINIMUM, AggregateKind.MAXIMUM, AggregateKind.DISTINCT):
        column = sums.values(aggregate)
        if aggregate.kind is AggregateKind.DISTINCT:
            return distinct(column.values, column.valid, sums.code, span)
        return extreme(aggregate.kind, column.values.astype(np.float64), column.valid, span)
    prefix = sums.prefix(aggregate, what)
    if prefix is None:
        return span.rows().astype(np.float64)
    known = span.rows() if prefix.known is None else span.total(prefix.known)
    if aggregate.kind is AggregateKind.VARIANCE and prefix.squares is not None and prefix.magnitude is not None:
        require_exact(prefix.magnitude, span, what, prefix.grid)
        return variance(span.total(prefix.steps), span.total(prefix.squares), known, prefix.grid)
    total: Floats = span.total(prefix.steps).astype(np.float64) * prefix.grid
    return (
        total if aggregate.kind in (AggregateKind.COUNT, AggregateKind.SUM) else share(total, known.astype(np.float64))
    )


def _in_order(aggregate: Aggregate, view: AsKnown, span: Span) -> Found:
    counted = view.sums.counted(aggregate)
    place = first_rows(span, counted) if aggregate.kind is AggregateKind.HISTORY else last_rows(span, counted)
    if aggregate.kind is AggregateKind.LAST and aggregate.of is not None:
        return _gather(aggregate.of, view, place)
    known = np.append(view.known, 0)[place]
    return np.where(place >= 0, (view.asking.at - known) / HOUR, np.nan)


def _fading(aggregate: Aggregate, view: AsKnown, back: int, what: str) -> Floats:
    """Return (m,) sums of weighted rows, block by block: within one, weights are those of its start (see `decay`)."""
    prefix = view.sums.prefix(aggregate, what)
    assert aggregate.half_life is not None  # noqa: S101 - of what decays
    assert prefix is not None  # noqa: S101
    assert prefix.known is not None  # noqa: S101
    half_life = microseconds(aggregate.half_life)
    length, at = BLOCK * half_life, view.asking.at
    begins = at // length * length
    total, known = np.zeros(len(at)), np.zeros(len(at))
    start, end = view.position(back), view.position(0)
    for n in range(-(-back // length), -1, -1):
        begin = begins - n * length
        low = np.maximum(start, view.position_before(begin))
        high = end if n == 0 else np.maximum(low, np.minimum(end, view.position_before(begin + length)))
        weight = np.exp2((begin - at) / half_life)
        total += _weighted(prefix.steps, Span(low, high), prefix.grid, weight)
        known += _weighted(prefix.known, Span(low, high), prefix.known_grid, weight)
    return total if aggregate.kind in (AggregateKind.COUNT, AggregateKind.SUM) else share(total, known)


def _weighted(prefix: Ints, span: Span, grid: float, weight: Floats) -> Floats:
    return span.total(prefix).astype(np.float64) * grid * weight


def _gather(of: str | Expression, view: AsKnown, place: Positions) -> Found:
    column = view.log.values(of)
    row = np.append(view.rows, 0)[place]
    seen = place >= 0 if column.valid is None else (place >= 0) & np.append(column.valid, False)[row]
    found: Found = np.full(len(place), None if column.is_text else np.nan, object if column.is_text else np.float64)
    found[seen] = column.values[row[seen]]
    return found


def _numbers(column: Values) -> Floats:
    values = column.values.astype(np.float64)
    return values if column.valid is None else np.where(column.valid, values, np.nan)


def _own(of: str | Expression, columns: NumpyTable) -> pa.Array:
    if isinstance(of, str) and (text := columns.arrow(of)).type in TEXT_TYPES:
        return text.cast(pa.string())
    column = evaluate(of, columns)
    mask: NDArray[np.bool_] | None = None if column.valid is None else ~column.valid
    if column.is_text:
        return pa.array(column.values, pa.string(), mask=mask)
    return pa.array(column.values.astype(np.float32), mask=mask)
