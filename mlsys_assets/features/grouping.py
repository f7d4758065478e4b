"""One sort per key: a source's rows and the requests put side by side, by key and then by time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.features.expression import Columns, Expression, Values, evaluate
from mlsys_assets.features.key import Key
from mlsys_assets.tables import EVENT_TIME, KNOWN_AT

Ints = NDArray[np.int64]
Positions = NDArray[np.intp]

RADIX_CODES = 2**16
"""Up to so many keys NumPy sorts in linear time."""
PACKED_CODES = 2**24
"""Up to so many keys a key's number and a row's number share one int64."""


def microseconds(duration: timedelta) -> int:
    """Return a duration as a whole number of microseconds."""
    return duration // timedelta(microseconds=1)


class Encoded:
    """Key columns of a table as numbers, each encoded once; -1 where a key is missing."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._kept: dict[str | Expression, tuple[Ints, pa.Array]] = {}

    def codes(self, of: str | Expression) -> tuple[Ints, pa.Array]:
        """Return (n,) positions in a dictionary of distinct values, and the dictionary."""
        if of not in self._kept:
            column = self._columns.arrow(of) if isinstance(of, str) else _arrow(evaluate(of, self._columns))
            self._kept[of] = _encode(column)
        return self._kept[of]

    def codes_in(self, of: str | Expression, dictionary: pa.Array) -> Ints:
        """Return (n,) positions in another table's dictionary; -1 for values it does not have."""
        own, values = self.codes(of)
        if values.type != dictionary.type:
            values, dictionary = values.cast(pa.float64()), dictionary.cast(pa.float64())
        places = pc.fill_null(pc.index_in(values, value_set=dictionary), -1).to_numpy(zero_copy_only=False)
        found: Ints = np.append(places.astype(np.int64), -1)[own]
        return found


def _arrow(column: Values) -> pa.Array:
    mask = None if column.valid is None else ~column.valid
    return pa.array(column.values, type=pa.string() if column.is_text else None, mask=mask)


def _encode(column: pa.Array) -> tuple[Ints, pa.Array]:
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_nan(column), None, column)  # a key that is not a number is no key
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    encoded = column.dictionary_encode()
    indices = encoded.indices if encoded.indices.null_count == 0 else pc.fill_null(encoded.indices, -1)
    codes: Ints = indices.to_numpy().astype(np.int64)
    return codes, encoded.dictionary


@dataclass(frozen=True, eq=False)
class Group:
    """Requests ordered by key and then by time; those without a key are left out.

    ``order``: (m,) positions of the requests. ``code``: (m,) their keys' numbers, ascending.
    ``dictionaries`` and ``distinct`` tell how a key's number is made.
    """

    keys: tuple[Key, ...]
    order: Positions
    code: Ints
    dictionaries: tuple[pa.Array, ...]
    distinct: Ints | None

    def codes_of(self, source: Encoded, rows: int) -> Ints:
        """Return (rows,) the numbers that these keys have in a source's table; -1 where no request has the key."""
        columns = [source.codes_in(k.in_source, d) for k, d in zip(self.keys, self.dictionaries, strict=True)]
        code = _combine(columns, [len(d) for d in self.dictionaries], rows)
        if self.distinct is None:
            return code
        place = np.searchsorted(self.distinct, code)
        place[place == len(self.distinct)] = 0
        return np.where(self.distinct[place] == code, place, -1) if len(self.distinct) else np.full(rows, -1)


class Requests:
    """The request table, with its keys encoded once and its order by time found once."""

    def __init__(self, table: pa.Table, predict_at: str) -> None:
        self.columns = Columns(table)
        self.at = self.columns.moments(predict_at)
        self._encoded = Encoded(self.columns)

    def __len__(self) -> int:
        return len(self.at)

    @cached_property
    def by_time(self) -> Positions:
        """(n,) positions in order of prediction time."""
        return np.argsort(self.at, kind="stable")

    def group(self, keys: tuple[Key, ...]) -> Group:
        """Return the requests by key and time: the one sort that all windows of the key are read from."""
        encoded = [self._encoded.codes(k.request) for k in keys]
        dictionaries = tuple(d for _, d in encoded)
        code = _combine([c for c, _ in encoded], [len(d) for d in dictionaries], len(self))
        distinct: Ints | None = None
        if np.prod([float(len(d)) for d in dictionaries]) > PACKED_CODES:
            distinct = np.unique(code[code >= 0])
            code = np.where(code < 0, -1, np.searchsorted(distinct, code))
        order = stable_by_code(code, self.by_time)
        return Group(keys, order, code[order], dictionaries, distinct)


class Log:
    """A source's rows in the order they became known, cut to what can matter.

    ``since`` and ``until``: microseconds; rows with known_at in (since, until] are kept.
    """

    def __init__(self, table: pa.Table, *, since: int | None, until: int) -> None:
        known = Columns(table).moments(KNOWN_AT)
        order = None if _ascending(known) else np.argsort(known, kind="stable")
        known = known if order is None else known[order]
        first = 0 if since is None else int(np.searchsorted(known, since, side="right"))
        last = int(np.searchsorted(known, until, side="right"))
        self.known: Ints = known[first:last]
        if order is None:
            self.columns = Columns(table.slice(first, last - first))
        else:
            self.columns = Columns(table, order[first:last])
        self.encoded = Encoded(self.columns)
        self._ranks: dict[int, Positions] = {}

    def __len__(self) -> int:
        return len(self.known)

    @cached_property
    def event(self) -> Ints:
        """When each row happened, microseconds."""
        return self.columns.moments(EVENT_TIME)

    def rank(self, requests: Requests, back: int) -> Positions:
        """Return (n,) how many rows were known by ``back`` microseconds before each prediction time."""
        if back not in self._ranks:
            ranks = np.empty(len(requests), np.intp)
            ranks[requests.by_time] = np.searchsorted(self.known, requests.at[requests.by_time] - back, side="right")
            self._ranks[back] = ranks
        return self._ranks[back]


class Join:
    """The rows of a log that share a key with some request, by key and then as they became known."""

    def __init__(self, requests: Requests, group: Group, log: Log, tie_key: Sequence[str]) -> None:
        self.requests, self.group, self.log = requests, group, log
        self._tie_key = tie_key
        code = group.codes_of(log.encoded, len(log))
        self.rows: Positions = stable_by_code(code, np.arange(len(log)))
        self.code: Ints = code[self.rows]
        self._packed = self.code * (len(log) + 1) + self.rows
        self._positions: dict[int, Positions] = {}

    @cached_property
    def known(self) -> Ints:
        """When each row became known, microseconds."""
        return self.log.known[self.rows]

    @property
    def at(self) -> Ints:
        """(m,) the prediction time of each request in the group, microseconds."""
        return self.requests.at[self.group.order]

    @cached_property
    def first(self) -> Positions:
        """Return (m,) where each request's rows begin."""
        return np.searchsorted(self._packed, self.group.code * (len(self.log) + 1))

    def position(self, back: int) -> Positions:
        """Return (m,) the end of each request's rows that were known by ``back`` microseconds before it."""
        if back not in self._positions:
            rank = self.log.rank(self.requests, back)[self.group.order]
            self._positions[back] = np.searchsorted(self._packed, self.group.code * (len(self.log) + 1) + rank)
        return self._positions[back]

    @cached_property
    def settled(self) -> Positions:
        """The rows, with those of one key and one moment in order of event time, then of the source's own key.

        The order that a table happens to be stored in must not decide what "last" is.
        """
        same = (self.code[1:] == self.code[:-1]) & (self.known[1:] == self.known[:-1])
        if not same.any():
            return self.rows
        tied = np.append(same, False) | np.append(False, same)
        places = np.flatnonzero(tied)
        run = np.cumsum(np.append(True, ~same))[places]
        names = [EVENT_TIME, *(k for k in self._tie_key if k != EVENT_TIME)]
        part = pa.table(
            [pa.array(run), *(self.log.columns.arrow(n).take(pa.array(self.rows[places])) for n in names)],
            names=["run", *(f"key {n}" for n in names)],
        )
        order = pc.sort_indices(part, sort_keys=[(n, "ascending") for n in part.column_names]).to_numpy()
        rows = self.rows.copy()
        rows[places] = rows[places][order]
        return rows


class Plan:
    """The rows of a log that share a key with some request, by key and then by when they happen."""

    def __init__(self, requests: Requests, group: Group, log: Log) -> None:
        self.requests, self.group, self.log = requests, group, log
        by_event = np.argsort(log.event, kind="stable")
        code = group.codes_of(log.encoded, len(log))[by_event]
        place = stable_by_code(code, np.arange(len(log)))
        self._event = log.event[by_event]
        self._packed = code[place] * (len(log) + 1) + place
        self.rows: Positions = by_event[place]
        self.code: Ints = code[place]
        self._positions: dict[int, Positions] = {}

    @cached_property
    def known(self) -> Ints:
        """When each row became known, microseconds."""
        return self.log.known[self.rows]

    @cached_property
    def is_monotone(self) -> bool:
        """Whether within each key, what happens later is known no earlier: as a plan published at a fixed lead is."""
        return bool(((self.known[1:] >= self.known[:-1]) | (self.code[1:] != self.code[:-1])).all())

    def position(self, moment: Ints, side: Literal["left", "right"]) -> Positions:
        """Return (m,) where ``moment`` (m,) falls among each request's rows, by when they happen."""
        rank = np.searchsorted(self._event, moment, side=side)
        return np.searchsorted(self._packed, self.group.code * (len(self.log) + 1) + rank)

    def known_position(self, back: int) -> Positions:
        """Return (m,) the end of each request's rows that were known by ``back`` before it, of a monotone plan."""
        if back not in self._positions:
            first = np.searchsorted(self.log.known, self.known)
            rank = self.log.rank(self.requests, back)[self.group.order]
            width = len(self.log) + 1
            self._positions[back] = np.searchsorted(self.code * width + first, self.group.code * width + rank)
        return self._positions[back]


def stable_by_code(code: Ints, order: Positions) -> Positions:
    """Return ``order`` without the rows of code -1, stably sorted by code."""
    code = code[order]
    if len(code) and code.min() < 0:
        order, code = order[code >= 0], code[code >= 0]
    small = len(code) and code.max() < RADIX_CODES
    return order[np.argsort(code.astype(np.uint16) if small else code, kind="stable")]


def _combine(columns: list[Ints], sizes: list[int], rows: int) -> Ints:
    if np.prod([float(s) for s in sizes]) >= 2**62:
        raise ValueError(f"a key of {len(sizes)} columns with {sizes} distinct values is too large; split it")
    code, missing = np.zeros(rows, np.int64), np.zeros(rows, np.bool_)
    for column, size in zip(columns, sizes, strict=True):
        code = code * size + column
        missing |= column < 0
    return np.where(missing, -1, code) if columns else code


def _ascending(values: Ints) -> bool:
    return bool((values[1:] >= values[:-1]).all())
