"""A source's rows put beside the requests that share their key: as they became known, or as they happen."""

from collections.abc import Sequence
from datetime import timedelta
from functools import cached_property
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.features.embedded.key_codes import Ints, KeyCodes, Positions, stable_by_code
from mlsys_assets.features.embedded.request_rows import Group, RequestRows
from mlsys_assets.features.numpy_table import NumpyTable
from mlsys_assets.tables import EVENT_TIME, KNOWN_AT


def microseconds(duration: timedelta) -> int:
    """Return a duration as a whole number of microseconds."""
    return duration // timedelta(microseconds=1)


class Log:
    """A source's rows in the order they became known, cut to what can matter.

    ``since`` and ``until``: microseconds; rows with known_at in (since, until] are kept.
    """

    def __init__(self, table: pa.Table, *, since: int | None, until: int) -> None:
        known = NumpyTable(table).moments(KNOWN_AT)
        order = None if _ascending(known) else np.argsort(known, kind="stable")
        known = known if order is None else known[order]
        first = 0 if since is None else int(np.searchsorted(known, since, side="right"))
        last = int(np.searchsorted(known, until, side="right"))
        self.known: Ints = known[first:last]
        if order is None:
            self.columns = NumpyTable(table.slice(first, last - first))
        else:
            self.columns = NumpyTable(table, order[first:last])
        self.keys = KeyCodes(self.columns)
        self._ranks: dict[int, Positions] = {}

    def __len__(self) -> int:
        return len(self.known)

    @cached_property
    def event(self) -> Ints:
        """When each row happened, microseconds."""
        return self.columns.moments(EVENT_TIME)

    def rank(self, requests: RequestRows, back: int) -> Positions:
        """Return (n,) how many rows were known by ``back`` microseconds before each prediction time."""
        if back not in self._ranks:
            ranks = np.empty(len(requests), np.intp)
            ranks[requests.by_time] = np.searchsorted(self.known, requests.at[requests.by_time] - back, side="right")
            self._ranks[back] = ranks
        return self._ranks[back]


class Join:
    """The rows of a log that share a key with some request, by key and then as they became known."""

    def __init__(self, requests: RequestRows, group: Group, log: Log, tie_key: Sequence[str]) -> None:
        self.requests, self.group, self.log = requests, group, log
        self._tie_key = tie_key
        code = group.codes_of(log.keys, len(log))
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

    def __init__(self, requests: RequestRows, group: Group, log: Log) -> None:
        self.requests, self.group, self.log = requests, group, log
        by_event = np.argsort(log.event, kind="stable")
        code = group.codes_of(log.keys, len(log))[by_event]
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


def _ascending(values: Ints) -> bool:
    return bool((values[1:] >= values[:-1]).all())
