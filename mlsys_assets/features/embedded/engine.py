"""The embedded engine: every declaration computed as known at each request's prediction time, with NumPy in memory."""

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import lru_cache

import pyarrow as pa

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.features.embedded.kernels import (
    Sums,
    lookup_features,
    request_features,
    scheduled_features,
    trailing_features,
)
from mlsys_assets.features.embedded.request_rows import Group, RequestRows
from mlsys_assets.features.embedded.source_rows import Join, Log, Plan, microseconds
from mlsys_assets.features.feature import Feature, mistakes, outputs, reads
from mlsys_assets.features.key import Key
from mlsys_assets.features.lookup import Lookup
from mlsys_assets.features.request import Request
from mlsys_assets.features.request_table import request_columns
from mlsys_assets.features.scheduled import Scheduled
from mlsys_assets.features.trailing import Trailing
from mlsys_assets.tables import PREDICT_AT, TIMESTAMP, Column
from mlsys_assets.types import DeclarationError

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
    computed = [array for part in _Pass(side, tables, reach).run(features) for array in part]
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
                case _:
                    raise TypeError(f"{feature!r} is no feature; allowed: Request, Lookup, Trailing, Scheduled")
        for keys, places in by_key.items():
            sorted_rows = _SortedRows(self._requests, self._requests.group(keys), self._log)
            for i in places:
                found[i] = sorted_rows.compute(features[i])
        return found

    def _log(self, source: str) -> Log:
        if source not in self._logs:
            back, at = self._reach[source], self._requests.at
            since = None if back is None or not len(at) else int(at.min()) - microseconds(back)
            self._logs[source] = Log(self._tables[source], since=since, until=int(at.max(initial=0)))
        return self._logs[source]


class _SortedRows:
    """The rows of one key, by source: sorted and summed once for all features of the key."""

    def __init__(self, requests: RequestRows, group: Group, log: Callable[[str], Log]) -> None:
        self._requests, self._group, self._log = requests, group, log
        self._joins: dict[str, tuple[Join, Sums]] = {}
        self._plans: dict[str, tuple[Plan, Sums]] = {}

    def compute(self, feature: Feature) -> list[pa.Array]:
        """Return one feature's columns."""
        match feature:
            case Lookup():
                return lookup_features(feature, self._join(feature.source)[0])
            case Trailing():
                return trailing_features(feature, *self._join(feature.source))
            case Scheduled():
                return scheduled_features(feature, *self._plan(feature.source))
        raise TypeError(f"not a feature with a key: {feature!r}")

    def _join(self, source: Source) -> tuple[Join, Sums]:
        if source.name not in self._joins:
            join = Join(self._requests, self._group, self._log(source.name), source.key)
            self._joins[source.name] = join, Sums(join.log.columns, join.rows)
        return self._joins[source.name]

    def _plan(self, source: Source) -> tuple[Plan, Sums]:
        if source.name not in self._plans:
            plan = Plan(self._requests, self._group, self._log(source.name))
            self._plans[source.name] = plan, Sums(plan.log.columns, plan.rows)
        return self._plans[source.name]
