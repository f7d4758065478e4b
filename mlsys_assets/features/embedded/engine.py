"""The embedded engine: every declaration computed as known at each request's prediction time, with NumPy in memory."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import lru_cache

import numpy as np
import pyarrow as pa

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.features.derived import Backoff, Derived
from mlsys_assets.features.embedded.kernels import (
    Found,
    backoff_features,
    derived_features,
    lookup_features,
    max_age,
    request_features,
    scheduled_features,
    trailing_features,
)
from mlsys_assets.features.embedded.log import Log
from mlsys_assets.features.embedded.request_rows import Group, RequestRows
from mlsys_assets.features.embedded.views import Asking, AsKnown, AsPlanned
from mlsys_assets.features.feature import FEATURE_KINDS, Feature, mistakes, outputs, reads
from mlsys_assets.features.key import Key
from mlsys_assets.features.lookup import Lookup
from mlsys_assets.features.numpy_table import NumpyTable
from mlsys_assets.features.request import Request
from mlsys_assets.features.request_table import request_columns
from mlsys_assets.features.scheduled import Scheduled
from mlsys_assets.features.trailing import Trailing
from mlsys_assets.tables import PREDICT_AT, TIMESTAMP, Column
from mlsys_assets.types import DeclarationError, microseconds

Reach = Mapping[str, timedelta | None]


def compute(
    features: Sequence[Feature],
    requests: pa.Table,
    tables: Mapping[str, pa.Table],
    *,
    key: str,
    predict_at: str = PREDICT_AT,
) -> pa.Table:
    """Return the features of each request as they could be known at its prediction time t.

    A source's row is read only where its known_at is at most t. A missing feature is null, never
    NaN. The result is the same bit by bit whether the requests come alone or with others, and
    whether the tables hold all rows or only those within what `feature.reads` tells.

    Parameters
    ----------
    features
        The declarations.
    requests
        (n, _) with ``key``, ``predict_at`` (timestamp, no nulls) and the request's columns.
    tables
        Each source's rows by its name, with event_time and known_at; in any order.
    key
        The request's column that names it; copied.
    predict_at
        The request's column with its prediction time; copied as ``predict_at``.

    Returns
    -------
    (n, 2 + d) table: key, predict_at, then float32 and string columns in declared order; rows in
    the order of ``requests``.

    Raises DeclarationError for declarations that do not fit the tables, KeyError for a source with no table.
    """
    reach, names = reads(features), _names(tuple(features), request_columns(requests.schema))
    if missing := sorted(set(reach) - set(tables)):
        raise KeyError(f"no table for {', '.join(missing)}; given: {', '.join(sorted(tables)) or 'none'}")
    side = RequestRows(requests, predict_at)
    found = _Pass(side, tables, reach).run(features)
    _of_features(features, found, names)
    computed = [array for part in found for array in part]
    at = pa.array(side.at).cast(TIMESTAMP)
    return pa.table([requests[key], at, *computed], names=[key, PREDICT_AT, *names])


@lru_cache
def _names(features: tuple[Feature, ...], requests: tuple[Column, ...]) -> tuple[str, ...]:
    """Return the columns' names, once for all calls that ask for the same; raises DeclarationError."""
    if wrong := mistakes(features, requests):
        raise DeclarationError("the list of features", wrong)
    return tuple(c.name for c in outputs(features, requests))


class _Pass:
    """One pass over the requests: sources and sorts are shared by the features that need them."""

    def __init__(self, requests: RequestRows, tables: Mapping[str, pa.Table], reach: Reach) -> None:
        self._requests, self._tables, self._reach = requests, tables, reach
        self._logs: dict[str, Log] = {}

    def run(self, features: Sequence[Feature]) -> list[list[pa.Array]]:
        """Return each feature's columns; key by key, so that a sort is made once and then let go."""
        found: list[list[pa.Array]] = [[] for _ in features]
        by_key: dict[tuple[Key, ...], list[int]] = {}
        for i, feature in enumerate(features):
            match feature:
                case Request():
                    found[i] = request_features(feature, self._requests)
                case Lookup() | Trailing() | Scheduled():
                    by_key.setdefault(feature.keys, []).append(i)
                case Derived() | Backoff():
                    pass  # when what they are computed from is there
                case _:
                    allowed = ", ".join(kind.__name__ for kind in FEATURE_KINDS)
                    raise TypeError(f"{feature!r} is no feature; allowed: {allowed}")
        for keys, places in by_key.items():
            sorted_rows = _SortedRows(self._requests, self._requests.group(keys), self._log)
            for i in places:
                found[i] = sorted_rows.compute(features[i])
        return found

    def _log(self, source: Source) -> Log:
        if source.name not in self._logs:
            back, at = self._reach[source.name], self._requests.at
            since = None if back is None or not len(at) else int(at.min()) - microseconds(back)
            self._logs[source.name] = Log(self._tables[source.name], source, since=since, until=int(at.max(initial=0)))
        return self._logs[source.name]


def _of_features(features: Sequence[Feature], found: list[list[pa.Array]], names: Sequence[str]) -> None:
    """Fill in what is computed from features declared before."""
    before: list[pa.Array] = []
    for i, feature in enumerate(features):
        if isinstance(feature, Derived | Backoff):
            columns = [c if c.type == pa.string() else c.cast(pa.float64()) for c in before]
            table = NumpyTable(pa.table(columns, names=list(names[: len(before)])))
            found[i] = (
                derived_features(feature, table) if isinstance(feature, Derived) else backoff_features(feature, table)
            )
        before += found[i]


class _SortedRows:
    """The rows of one key, by source: sorted and summed once for all features of the key."""

    def __init__(self, requests: RequestRows, group: Group, log: Callable[[Source], Log]) -> None:
        self._requests, self._group, self._log = requests, group, log
        self._known: dict[str, AsKnown] = {}
        self._planned: dict[str, AsPlanned] = {}

    def compute(self, feature: Feature) -> list[pa.Array]:
        """Return one feature's columns."""
        match feature:
            case Lookup():
                view, back = self._as_known(feature.source), feature.max_age
                parts = [(v, lookup_features(feature, v)) for v in (view, *view.without_replaced(_us(back)))]
            case Trailing():
                view, back = self._as_known(feature.source), max(feature.over)
                parts = [(v, trailing_features(feature, v)) for v in (view, *view.without_replaced(_us(back)))]
            case Scheduled():
                return self._scheduled(feature)
            case _:
                raise TypeError(f"not a feature with a key: {feature!r}")
        return self._placed([(view.asking, found) for view, found in parts])

    def _scheduled(self, feature: Scheduled) -> list[pa.Array]:
        view = self._as_planned(feature.source)
        if view.is_monotone and view.log.ended is None:
            return self._placed([(view.asking, scheduled_features(feature, view))])
        own = self._requests.columns.moments(feature.at)[view.asking.order]
        widest = view.around(own, microseconds(max(feature.around)))
        parts = [
            (part.asking, scheduled_features(feature, part, one_by_one=True))
            for part in view.one_by_one(widest, max_age(feature))
        ]
        return self._placed(parts or [(view.asking, scheduled_features(feature, view))])

    def _placed(self, parts: Sequence[tuple[Asking, Sequence[Found]]]) -> list[pa.Array]:
        """Return columns with each request's value in its place; of a request that is in two parts, the later's."""
        columns = []
        for values in zip(*(found for _, found in parts), strict=True):
            text = any(v.dtype == object for v in values)
            out: Found = np.full(len(self._requests), None if text else np.nan, object if text else np.float32)
            for (asking, _), value in zip(parts, values, strict=True):
                out[asking.order] = value
            columns.append(pa.array(out, pa.string()) if text else pa.array(out, from_pandas=True))
        return columns

    def _as_known(self, source: Source) -> AsKnown:
        if source.name not in self._known:
            self._known[source.name] = AsKnown.of(self._log(source), self._requests, self._group)
        return self._known[source.name]

    def _as_planned(self, source: Source) -> AsPlanned:
        if source.name not in self._planned:
            self._planned[source.name] = AsPlanned.of(self._log(source), self._requests, self._group)
        return self._planned[source.name]


def _us(duration: timedelta | None) -> int | None:
    return None if duration is None else microseconds(duration)
