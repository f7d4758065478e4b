"""The relational engine: every declaration computed by a database, DuckDB or Spark, through Ibis."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.features.derived import Backoff, Derived
from mlsys_assets.features.feature import FROM_FEATURES, Feature, each_with_outputs, mistakes, reads
from mlsys_assets.features.key import Key
from mlsys_assets.features.lookup import Lookup
from mlsys_assets.features.numpy_table import NumpyTable
from mlsys_assets.features.relational.database import Database, Given, readable, require_moments, row_numbers
from mlsys_assets.features.relational.events import Events
from mlsys_assets.features.relational.frame import KNOWN
from mlsys_assets.features.relational.group import ROW, Group
from mlsys_assets.features.relational.kernels import derived, lookup, read_by, scheduled, trailing
from mlsys_assets.features.relational.sheet import Sheet
from mlsys_assets.features.request import Request
from mlsys_assets.features.request_table import request_columns
from mlsys_assets.features.scheduled import Scheduled
from mlsys_assets.features.trailing import Trailing
from mlsys_assets.tables import EVENT_TIME, KNOWN_AT, PREDICT_AT, TIMESTAMP, TYPES, Column
from mlsys_assets.types import DeclarationError, microseconds

if TYPE_CHECKING:
    import ibis.expr.types as ir


def compute(
    features: Sequence[Feature],
    requests: pa.Table,
    tables: Mapping[str, Given],
    *,
    key: str,
    predict_at: str = PREDICT_AT,
    backend: Any,
) -> pa.Table:
    """Return the features of each request as they could be known at its prediction time t.

    The same as `embedded.engine.compute`, bit by bit where sums are exact; weights by age are up to rounding.
    Counts, sums, means, rates, variances, ``last``, ``age`` and lookups cost one sort and running sums, however long a
    window is. Minima, maxima and ``history`` search each window. ``distinct``, weights by age, plans that are not known
    in the order in which they happen, and sources with corrections pair each request with every row it looks at.

    Parameters
    ----------
    features
        The declarations.
    requests
        (n, _) with ``key``, ``predict_at`` (timestamp, no nulls) and the request's columns.
    tables
        Each source's rows by its name, with event_time and known_at; in any order: an Arrow table, a table of the
        backend, or the path of a Parquet file. The database holds them, and only the rows that can matter.
    key
        The request's column that names it; copied.
    predict_at
        The request's column with its prediction time; copied as ``predict_at``.
    backend
        An Ibis backend: of DuckDB, or of Spark with the session's time zone UTC and without ANSI mode.

    Returns
    -------
    (n, 2 + d) table: key, predict_at, then float32 and string columns in declared order; rows in
    the order of ``requests``.

    Raises DeclarationError for declarations that do not fit the tables, KeyError for a source with no table.
    """
    named = columns_of(features, requests.schema)
    if missing := sorted(set(reads(features)) - set(tables)):
        raise KeyError(f"no table for {', '.join(missing)}; given: {', '.join(sorted(tables)) or 'none'}")
    with Database(backend).one_pass() as database:
        found = _Pass(requests, tables, predict_at, database).run(features, named)
    at = requests[predict_at].cast(pa.timestamp("us", requests.schema.field(predict_at).type.tz)).cast(TIMESTAMP)
    names = [c.name for _, columns in named for c in columns]
    return pa.table([requests[key], at, *(found[n] for n in names)], names=[key, PREDICT_AT, *names])


def columns_of(features: Sequence[Feature], requests: pa.Schema) -> list[tuple[Feature, tuple[Column, ...]]]:
    """Return each declaration with the columns that it gives; raises DeclarationError."""
    columns = request_columns(requests)
    if wrong := mistakes(features, columns):
        raise DeclarationError("the list of features", wrong)
    return list(each_with_outputs(features, columns))


AT = "__at"
"""The column with a request's prediction time, microseconds."""


class _Pass:
    """One pass over the requests: each source is read once, and each key's rows are sorted once."""

    def __init__(self, requests: pa.Table, tables: Mapping[str, Given], predict_at: str, database: Database) -> None:
        self._tables, self._database = tables, database
        self._at = NumpyTable(requests).moments(predict_at)
        self._given, self._rows = requests, requests.num_rows
        mine = readable(requests).append_column(ROW, row_numbers(self._rows)).append_column(AT, pa.array(self._at))
        self._requests = Sheet(database.table(mine), database)
        self._events: dict[str, Events] = {}
        self._groups: dict[tuple[str, tuple[Key, ...], bool], Group] = {}
        self._monotone: dict[tuple[str, tuple[Key, ...]], bool] = {}

    def run(
        self, features: Sequence[Feature], named: Sequence[tuple[Feature, tuple[Column, ...]]]
    ) -> dict[str, pa.Array]:
        """Return each column by its name."""
        self._reach = reads(features)
        types = {c.name: c.type for _, columns in named for c in columns}
        own: dict[str, str] = {}
        for feature, columns in named:
            own |= self._plan(feature, [c.name for c in columns])
        for events in self._events.values():
            events.check()
        asked = self._database.keep(self._requests.table.select(ROW, AT, **self._requests.columns).rename({KNOWN: AT}))
        seen = {name: self._database.keep(events.rows()) for name, events in self._events.items()}
        found = self._columns(asked.select(ROW, **{name: asked[c] for name, c in own.items()}), types) if own else {}
        for (source, _, _), group in self._groups.items():
            found |= self._columns(group.rows(asked, seen[source]), types)
        return self._derived([f for f in features if isinstance(f, FROM_FEATURES)], found, types)

    def _plan(self, feature: Feature, names: Sequence[str]) -> dict[str, str]:
        """Add a feature to the group that computes it; return those of the request's own columns, by name."""
        match feature:
            case Request():
                return {n: self._own(of) for n, (_, of) in zip(names, feature.values, strict=True)}
            case Lookup():
                lookup(feature, names, self._group)
            case Trailing():
                trailing(feature, names, self._group)
            case Scheduled():
                NumpyTable(self._given).moments(feature.at)
                scheduled(feature, names, self._group, is_monotone=lambda: self._is_monotone(feature))
            case Derived() | Backoff():
                pass
            case _:
                raise TypeError(f"{feature!r} is no feature; allowed: Request, Lookup, Trailing, Scheduled, Derived, "
                                "Backoff")  # fmt: skip
        return {}

    def _own(self, of: Any) -> str:
        kind = self._requests.term(of).dtype.kind
        return self._requests.value(of, "string" if kind in "OU" else "int64" if kind in "iu" else "float64")

    def _group(self, feature: Any, paired: bool) -> Group:
        of = feature.source.name, feature.keys, paired
        if of not in self._groups:
            self._groups[of] = Group(self._requests, self._of(feature.source), feature.keys, paired=paired)
        return self._groups[of]

    def _of(self, source: Source) -> Events:
        if source.name not in self._events:
            given = self._tables[source.name]
            require_moments(given, KNOWN_AT)
            table = self._database.table(given)
            require_moments(table, KNOWN_AT)
            require_moments(table, EVENT_TIME)
            self._events[source.name] = Events(source, table.filter(self._in_reach(table, source.name)), self._database)
        return self._events[source.name]

    def _in_reach(self, table: "ir.Table", source: str) -> "list[ir.BooleanValue]":
        import ibis

        back = self._reach[source]
        until = int(self._at.max(initial=0))
        bounds = [table[KNOWN_AT].isnull() | (table[KNOWN_AT] <= _moment(until, ibis))]
        if back is not None and len(self._at):
            bounds.append(
                table[KNOWN_AT].isnull() | (table[KNOWN_AT] > _moment(int(self._at.min()) - microseconds(back), ibis))
            )
        return bounds

    def _is_monotone(self, feature: Scheduled) -> bool:
        """Return whether within each key, what happens later is known no earlier."""
        import ibis

        of = feature.source.name, feature.keys
        if of not in self._monotone:
            events = self._of(feature.source)
            keys = {f"k{i}": events.term(k.in_source).value for i, k in enumerate(feature.keys)}
            times = {"known": events.columns[events.known], "event": events.columns[events.event]}
            rows = events.table.select(**keys, **times)
            before = rows.known.lag().over(ibis.window(group_by=list(keys) or None, order_by=["event", "known"]))
            rows = rows.mutate(back=before > rows.known)
            found = self._database.fetch(rows.aggregate(back=rows.back.any()))["back"][0].as_py()
            self._monotone[of] = not found
        return self._monotone[of]

    def _columns(self, expression: "ir.Table", types: Mapping[str, str]) -> dict[str, pa.Array]:
        """Return the columns of an expression, placed by its row numbers; null where a request has no row in it."""
        found = self._database.fetch(expression)
        place = np.full(self._rows, -1, np.int64)
        place[found[ROW].to_numpy()] = np.arange(found.num_rows)
        indices = pa.array(place, mask=place < 0)
        names = [n for n in found.column_names if n != ROW]
        return {n: _stored(found[n].combine_chunks().take(indices), types[n]) for n in names}

    def _derived(
        self, features: Sequence[Derived | Backoff], found: dict[str, pa.Array], types: Mapping[str, str]
    ) -> dict[str, pa.Array]:
        if not features:
            return found
        columns = [Column(name, kind) for name, kind in types.items()]
        read = {name for feature in features for name in read_by(feature, columns)}
        base = pa.table({n: found[n] for n in found if n in read}).append_column(ROW, row_numbers(self._rows))
        table = derived(features, self._database.table(base), self._database)
        made = [n for n in table.columns if n not in found]
        return found | self._columns(table.select(made), types)


def _stored(values: pa.Array, kind: str) -> pa.Array:
    """Return a feature as it is stored; null in place of NaN."""
    if kind == "string":
        return values.cast(pa.string())
    numbers = values.cast(TYPES[kind], safe=False)
    return pc.if_else(pc.is_nan(numbers), pa.scalar(None, numbers.type), numbers)


def _moment(micros: int, ibis: Any) -> Any:
    return ibis.literal(np.datetime64(micros, "us").item().isoformat(), "string").cast("timestamp('UTC')")
