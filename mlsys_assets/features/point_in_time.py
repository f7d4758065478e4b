"""The embedded engine: every declaration computed as known at each request's prediction time."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.features.feature import Feature, mistakes, outputs
from mlsys_assets.features.grouping import Group, Join, Log, Plan, Requests, microseconds
from mlsys_assets.features.key import Key
from mlsys_assets.features.kinds import (
    Sums,
    lookup_features,
    request_features,
    scheduled_features,
    trailing_features,
)
from mlsys_assets.features.lookup import Lookup
from mlsys_assets.features.request import Request
from mlsys_assets.features.scheduled import Scheduled
from mlsys_assets.features.trailing import Trailing
from mlsys_assets.tables import KNOWN_AT, PREDICT_AT, TIMESTAMP, Column
from mlsys_assets.types import DeclarationError

Reach = Mapping[str, timedelta | None]
ARROW_TYPES = {
    "string": "string",
    "large_string": "string",
    "int64": "int64",
    "double": "float64",
    "float": "float32",
    "bool": "bool",
}
"""The declared type of a request's column by its Arrow type; other integers are int64, moments timestamp."""


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
    whether the tables hold all rows or only those within `history`.

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
    reach, names = history(features), _names(tuple(features), request_columns(requests.schema))
    if missing := sorted(set(reach) - set(tables)):
        raise KeyError(f"no table for {', '.join(missing)}; given: {', '.join(sorted(tables)) or 'none'}")
    side = Requests(requests, predict_at)
    computed = [array for part in _Engine(side, tables, reach).run(features) for array in part]
    at = pa.array(side.at).cast(TIMESTAMP)
    return pa.table([requests[key], at, *computed], names=[key, PREDICT_AT, *names])


@lru_cache
def _names(features: tuple[Feature, ...], requests: tuple[Column, ...]) -> tuple[str, ...]:
    """Return the columns' names, once for all calls that ask for the same; raises DeclarationError."""
    if wrong := mistakes(features, requests):
        raise DeclarationError("the list of features", wrong)
    return tuple(c.name for c in outputs(features, requests))


def require_known(requests: pa.Table, *, predict_at: str, what: str) -> None:
    """Raise UnknownRequest if any request became known only after its prediction time: it would tell of the future."""
    late = requests.filter(pc.greater(requests[KNOWN_AT], requests[predict_at]))
    if late.num_rows:
        known, asked = (late[name][0].as_py() for name in (KNOWN_AT, predict_at))
        raise UnknownRequest(
            f"{late.num_rows} of {requests.num_rows} {what} became known after their prediction time, such as one that "
            f"is known at {known} and asked for at {asked}; a prediction rests on what was known by then: declare a "
            f"later {predict_at}, or an earlier known_at if that is the truth"
        )


def history(features: Iterable[Feature]) -> dict[str, timedelta | None]:
    """Return how long before a prediction a row of each source may have become known and still matter.

    Features at t are the same whether computed from all rows or from those with known_at in
    (t - history, t]. None where a source must be read whole.
    """
    reach: dict[str, timedelta | None] = {}
    for feature in features:
        for name, back in feature.reads.items():
            before = reach.get(name, timedelta(0))
            reach[name] = None if back is None or before is None else max(before, back)
    return reach


def request_columns(schema: pa.Schema) -> tuple[Column, ...]:
    """Return a request table's columns that a feature can read, as declared columns."""
    found = []
    for field in schema:
        name = "timestamp" if pa.types.is_timestamp(field.type) else ARROW_TYPES.get(str(field.type), "")
        name = "int64" if pa.types.is_integer(field.type) else name
        name = "string" if pa.types.is_dictionary(field.type) else name
        if name:
            found.append(Column(field.name, name))
    return tuple(found)


class UnknownRequest(ValueError):
    """A request that nobody knew of at its prediction time."""


class _Engine:
    """One pass over the requests: sources and sorts are shared by the features that need them."""

    def __init__(self, requests: Requests, tables: Mapping[str, pa.Table], reach: Reach) -> None:
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

    def __init__(self, requests: Requests, group: Group, log: Callable[[str], Log]) -> None:
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
