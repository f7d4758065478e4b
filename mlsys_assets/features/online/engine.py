"""The online engine: every declaration as state by key, updated by each event and read at any moment."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from mlsys_assets.features.derived import Backoff, Derived
from mlsys_assets.features.expression import Expression
from mlsys_assets.features.feature import Feature, each_with_outputs, mistakes, reads
from mlsys_assets.features.lookup import Lookup
from mlsys_assets.features.mistakes import with_times
from mlsys_assets.features.online.feed import Feed, Pick, pick
from mlsys_assets.features.online.fills import Fill, backoff_fill, derived_fill, request_fill
from mlsys_assets.features.online.scalars import Record, Scalar, scalar
from mlsys_assets.features.online.seen import Seen
from mlsys_assets.features.online.states import State, state_of
from mlsys_assets.features.request import Request
from mlsys_assets.features.scheduled import Scheduled
from mlsys_assets.features.trailing import Trailing
from mlsys_assets.tables import KNOWN_AT, Column
from mlsys_assets.types import DeclarationError, microseconds


class OnlineFeatures:
    """Features as state in memory: `update` with each event, `read` for each request.

    The state is the same whatever the order of events, and however often each is told; a read sees only what was
    known by then. ``forget`` lets go of what no later read can need. One thread at a time.

    Parameters
    ----------
    features
        The declarations, the very ones of the batch engines.
    requests
        The request table's columns.

    Raises DeclarationError for declarations that do not fit the tables.
    """

    def __init__(self, features: Sequence[Feature], requests: Sequence[Column]) -> None:
        if wrong := mistakes(features, requests):
            raise DeclarationError("the list of features", wrong)
        self.horizon: int | None = None
        self._void = ""
        self._requests = with_times(requests)
        self._reach = reads(features)
        self._feeds: dict[str, Feed] = {}
        self._states: dict[tuple[Any, ...], State] = {}
        self._asked: list[tuple[State, Pick]] = []
        self._key_places: dict[str | Expression, int] = {}
        self._key_scalars: list[Scalar] = []
        self._fills: list[Fill] = []
        before: list[Column] = []
        for feature, outputs in each_with_outputs(features, requests):
            self._declare(feature, before)
            before += outputs
        self.names = tuple(c.name for c in before)
        for feed in self._feeds.values():
            feed.settle()

    def update(self, source: str, event: Record) -> bool:
        """Take in an event; return whether it was new.

        ``event``: a row of the source, moments as microseconds since 1970 UTC. Sources that no feature reads are
        passed over. Raises ValueError for a row without its times, and for what cannot be summed exactly.
        """
        feed = self._feeds.get(source)
        if feed is None:
            return False
        if self._void:
            raise ValueError(self._void)
        known, since = event[KNOWN_AT], self._since(feed)
        if since is not None and known is not None and known <= since:
            return False  # no read from the horizon on can see it
        try:
            return feed.take(event)
        except OverflowError:
            self._void = (
                f"{source}: sums leave the range in which they add up exactly, and the state is void; give a coarser "
                "resolution, and rebuild it"
            )
            raise ValueError(self._void) from None

    def read(self, request: Record, at: int) -> list[Any]:
        """Return the features of a request as known at ``at``, in declared order: numbers, texts, None.

        ``request``: its columns, moments as microseconds; those that are not read may be left out. Raises ValueError
        for a time before the horizon, of which something was forgotten.
        """
        if self._void:
            raise ValueError(self._void)
        if self.horizon is not None and at < self.horizon:
            raise ValueError(
                f"features as of {_moment(at)} cannot be read: what mattered before {_moment(self.horizon)} is "
                "forgotten; rebuild the state as of then"
            )
        out: list[Any] = [None] * len(self.names)
        own = [read(request) for read in self._key_scalars]
        for state, picked in self._asked:
            entity = picked(own)
            if None not in entity:
                state.read(entity, at, request, out)
        for fill in self._fills:
            fill(request, out)
        return out

    def forget(self, at: int) -> None:
        """Let go of what no read from ``at`` on can need, microseconds."""
        self.horizon = at if self.horizon is None else max(at, self.horizon)
        for state in self.states():
            state.forget(self.horizon)
        for feed in self._feeds.values():
            if (since := self._since(feed)) is not None:
                feed.seen.forget(since)

    def load(self, tables: Mapping[str, pa.Table]) -> None:
        """Take in all rows of tables, by source; those of sources that no feature reads are passed over."""
        with np.errstate(divide="ignore", invalid="ignore"):
            for name in [n for n in self._feeds if n in tables]:
                for event in records(tables[name], self.columns_read(name)):
                    self.update(name, event)

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources that are read."""
        return tuple(self._feeds)

    def columns_read(self, source: str) -> tuple[str, ...]:
        """Return the columns that an event of a source must have."""
        return self._feeds[source].columns

    def states(self) -> tuple[State, ...]:
        """Return the states, by source and key."""
        return tuple(self._states.values())

    def seen(self, source: str) -> Seen:
        """Return which rows of a source were taken in."""
        return self._feeds[source].seen

    def reset(self, source: str) -> None:
        """Forget all of a source, as of a snapshot that was replaced whole."""
        self._feeds[source].clear()

    def _since(self, feed: Feed) -> int | None:
        """Return up to when rows of a source do not matter any more; None where all do."""
        return None if self.horizon is None or feed.reach is None else self.horizon - feed.reach

    def _declare(self, feature: Feature, before: Sequence[Column]) -> None:
        slot = len(before)
        match feature:
            case Request():
                self._fills.append(request_fill(feature, self._requests, slot))
            case Derived():
                self._fills.append(derived_fill(feature, before))
            case Backoff():
                self._fills.append(backoff_fill(feature, before))
            case Lookup() | Trailing() | Scheduled():
                self._state(feature).declare(feature, slot)
            case _:
                raise TypeError(f"{feature!r} is no feature that can be computed online")

    def _state(self, feature: Lookup | Trailing | Scheduled) -> State:
        source, back = feature.source, self._reach[feature.source.name]
        feed = self._feeds.setdefault(source.name, Feed(source, None if back is None else microseconds(back)))
        parts = tuple((k.request, k.in_source) for k in feature.keys)
        which = (source.name, type(feature), parts)
        if which not in self._states:
            state = self._states[which] = state_of(feature, f"{source.name} {len(self._states)}")
            for of, _ in parts:
                if of not in self._key_places:
                    self._key_places[of] = len(self._key_scalars)
                    self._key_scalars.append(scalar(of, self._requests))
            self._asked.append((state, pick([self._key_places[of] for of, _ in parts])))
            feed.states.append((state, pick([feed.place(of) for _, of in parts])))
        return self._states[which]


def records(table: pa.Table, columns: Sequence[str]) -> Iterable[dict[str, Any]]:
    """Yield a table's rows as an event or a request is given: moments as microseconds."""
    values = []
    for name in columns:
        column = table[name]
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("us", tz=column.type.tz)).cast(pa.int64())
        values.append(column.to_pylist())
    return (dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True))


def _moment(at: int) -> str:
    return str(np.datetime64(at, "us"))
