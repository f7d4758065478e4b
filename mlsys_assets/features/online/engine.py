"""The online engine: every declaration as state by key, updated by each event and read at any moment."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.features.derived import Backoff, Derived, as_read
from mlsys_assets.features.expression import Expression
from mlsys_assets.features.feature import Feature, each_with_outputs, mistakes, reads
from mlsys_assets.features.key import Key
from mlsys_assets.features.lookup import Lookup
from mlsys_assets.features.mistakes import with_times
from mlsys_assets.features.online.measures import Raw, Sum, inputs_of, is_whole_of, raw_of
from mlsys_assets.features.online.scalars import Record, Scalar, scalar
from mlsys_assets.features.online.states import (
    Entity,
    Plan,
    Reader,
    Records,
    State,
    lookup_reader,
    scheduled_reader,
    trailing_reader,
)
from mlsys_assets.features.request import Request
from mlsys_assets.features.scheduled import Scheduled
from mlsys_assets.features.trailing import Trailing
from mlsys_assets.tables import EVENT_TIME, KNOWN_AT, Column
from mlsys_assets.types import DeclarationError

NO_KEY = None
"""Stands for the key of a request, or a row, of which a part is missing."""


@dataclass
class _Feed:
    """What becomes of one source's events."""

    source: Source
    reach: int | None
    scalars: list[Scalar] = field(default_factory=list)
    states: list[tuple[State, tuple[int, ...]]] = field(default_factory=list)
    sums: list[Callable[..., tuple[int, int]]] = field(default_factory=list)
    raws: list[Callable[..., Any]] = field(default_factory=list)
    seen: dict[Entity, dict[int, list[Any]]] = field(default_factory=dict)


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
        self._requests = with_times(requests)
        reach = reads(features)
        self._feeds: dict[str, _Feed] = {}
        self._states: dict[str, State] = {}
        self._places: dict[str, dict[Any, int]] = {}
        self._keys: dict[tuple[Key, ...], int] = {}
        self._key_parts: list[list[Scalar]] = []
        self._readers: list[Callable[[Record, int, list[Entity | None], list[Any]], list[Any]]] = []
        self._reach = {name: None if back is None else _us(back) for name, back in reach.items()}
        before: list[Column] = []
        for feature, outputs in each_with_outputs(features, requests):
            self._readers.append(self._reader(feature, before, len(outputs)))
            before += outputs
        self.names = tuple(c.name for c in before)
        for feed in self._feeds.values():
            self._settle(feed)

    def update(self, source: str, event: Record) -> bool:
        """Take in an event; return whether it was new.

        ``event``: a row of the source, moments as microseconds since 1970 UTC. Sources that no feature reads are
        passed over. Raises ValueError for a row without its times, and for what cannot be summed.
        """
        feed = self._feeds.get(source)
        if feed is None:
            return False
        known, happened = event[KNOWN_AT], event[EVENT_TIME]
        if known is None or happened is None:
            raise ValueError(f"{source}: a row has no {KNOWN_AT if known is None else EVENT_TIME}; it must have both")
        if self.horizon is not None and feed.reach is not None and known <= self.horizon - feed.reach:
            return False  # no read from the horizon on can see it
        name = tuple([event[k] for k in feed.source.key])
        told = feed.seen.get(name)
        if told is not None and (known in told or not feed.source.corrections):
            return False
        values = [read(event) for read in feed.scalars]
        inputs, raws = [add(values, known) for add in feed.sums], [keep(values) for keep in feed.raws]
        entities = []
        for state, parts in feed.states:
            entity = tuple([values[k] for k in parts])
            entities.append(NO_KEY if None in entity else entity)
            if None not in entity:
                state.add(entity, happened, known, name, inputs, raws)
        if told is None:
            told = feed.seen[name] = {}
        told[known] = entities if feed.source.corrections else []
        if len(told) > 1:
            self._replace(feed, name, told)
        return True

    def read(self, request: Record, at: int) -> list[Any]:
        """Return the features of a request as known at ``at``, in declared order: numbers, texts, None.

        ``request``: its columns, moments as microseconds; those that are not read may be left out. Raises ValueError
        for a time before the horizon, of which something was forgotten.
        """
        if self.horizon is not None and at < self.horizon:
            raise ValueError(
                f"features as of {_moment(at)} cannot be read: what mattered before {_moment(self.horizon)} is "
                "forgotten; rebuild the state as of then"
            )
        entities: list[Entity | None] = []
        for parts in self._key_parts:
            entity = tuple([part(request) for part in parts])
            entities.append(NO_KEY if None in entity else entity)
        found: list[Any] = []
        for reader in self._readers:
            found += reader(request, at, entities, found)
        return found

    def forget(self, at: int) -> None:
        """Let go of what no read from ``at`` on can need, microseconds."""
        self.horizon = at if self.horizon is None else max(at, self.horizon)
        for state in self._states.values():
            state.forget(self.horizon)
        for feed in self._feeds.values():
            if feed.reach is not None:
                since = self.horizon - feed.reach
                feed.seen = {name: told for name, told in feed.seen.items() if max(told) > since}

    def load(self, tables: Mapping[str, pa.Table]) -> None:
        """Take in all rows of tables, by source."""
        with np.errstate(divide="ignore", invalid="ignore"):
            for name in self._feeds:
                for event in records(tables[name], self.columns_read(name)):
                    self.update(name, event)

    @property
    def sources(self) -> tuple[str, ...]:
        """The names of the sources that are read."""
        return tuple(self._feeds)

    def columns_read(self, source: str) -> tuple[str, ...]:
        """Return the columns that an event of a source must have."""
        return tuple(c.name for c in with_times(self._feeds[source].source.columns))

    def states(self) -> Iterable[State]:
        """Return the states, by source and key."""
        return self._states.values()

    def seen(self) -> dict[str, dict[Entity, dict[int, list[Any]]]]:
        """Return by source which rows were taken in, by their names and when they became known."""
        return {name: feed.seen for name, feed in self._feeds.items()}

    def _replace(self, feed: _Feed, name: Entity, told: Mapping[int, list[Any]]) -> None:
        """Note of each version of a row when the next one replaced it."""
        times = sorted(told)
        for known, ended in pairwise(times):
            for (state, _), entity in zip(feed.states, told[known], strict=True):
                if entity is not NO_KEY:
                    state.end(tuple(entity), name, known, ended)

    def _reader(
        self, feature: Feature, before: Sequence[Column], width: int
    ) -> Callable[[Record, int, list[Entity | None], list[Any]], list[Any]]:
        match feature:
            case Request():
                own = [scalar(of, self._requests) for _, of in feature.values]
                return lambda request, at, entities, found: [_plain(read(request)) for read in own]
            case Derived():
                return _derived(feature, before)
            case Backoff():
                return _backoff(feature, before)
            case Lookup() | Trailing() | Scheduled():
                return self._keyed(feature, width)
        raise TypeError(f"{feature!r} is no feature that can be computed online")

    def _keyed(
        self, feature: Lookup | Trailing | Scheduled, width: int
    ) -> Callable[[Record, int, list[Entity | None], list[Any]], list[Any]]:
        state = self._state(feature)
        reader = self._compiled(feature, state)
        place = self._key(feature.keys)
        own = feature.at if isinstance(feature, Scheduled) else None
        nothing = [None] * width

        def read(request: Record, at: int, entities: list[Entity | None], found: list[Any]) -> list[Any]:
            entity = entities[place]
            if entity is NO_KEY:
                return nothing
            return reader(state, entity, at, 0 if own is None else request[own])

        return read

    def _compiled(self, feature: Lookup | Trailing | Scheduled, state: State) -> Reader:
        known = with_times(feature.source.columns)
        if isinstance(feature, Lookup):
            assert isinstance(state, Records)  # noqa: S101 - as `_state` chose
            back = feature.max_age
            places = [state.kept(Raw(column, None)) for column in feature.columns]
            return lookup_reader(places, None if back is None else _us(back))
        fields = [state.needed(a, whole=is_whole_of(a, known)) for _, a in feature.aggregates]
        if isinstance(feature, Trailing):
            return trailing_reader([_us(w) for w in feature.over], fields)
        back = feature.max_age
        return scheduled_reader([_us(w) for w in feature.around], fields, None if back is None else _us(back))

    def _state(self, feature: Lookup | Trailing | Scheduled) -> State:
        kind = {Lookup: Records, Trailing: State, Scheduled: Plan}[type(feature)]
        feed = self._feeds.setdefault(feature.source.name, _Feed(feature.source, self._reach[feature.source.name]))
        name = f"{feature.source.name} {kind.__name__.lower()} {self._key(feature.keys)}"
        if name not in self._states:
            state = self._states[name] = kind(name, correctable=feature.source.corrections)
            known = with_times(feature.source.columns)
            feed.states.append((state, tuple(self._place(feed, k.in_source, known) for k in feature.keys)))
        state, back = self._states[name], feature.reads[feature.source.name]
        state.reach = None if back is None or state.reach is None else max(state.reach, _us(back))
        return state

    def _key(self, keys: tuple[Key, ...]) -> int:
        if keys not in self._keys:
            self._keys[keys] = len(self._keys)
            self._key_parts.append([scalar(k.request, self._requests) for k in keys])
        return self._keys[keys]

    def _place(self, feed: _Feed, of: str | Expression, columns: Sequence[Column]) -> int:
        places = self._places.setdefault(feed.source.name, {})
        if of not in places:
            places[of] = len(feed.scalars)
            feed.scalars.append(scalar(of, columns))
        return places[of]

    def _settle(self, feed: _Feed) -> None:
        """Compute each thing that several states need of an event once."""
        known, places = with_times(feed.source.columns), self._places.setdefault(feed.source.name, {})
        sums: dict[Sum, int] = {}
        raws: dict[Raw, int] = {}
        for state, _ in feed.states:
            read = [of for total in state.sums for of in (total.of, total.where)]
            read += [of for raw in state.raws for of in (raw.of, raw.where)]
            for of in read:
                if of is not None:
                    self._place(feed, of, known)
            for total in state.sums:
                if sums.setdefault(total, len(sums)) == len(feed.sums):
                    feed.sums.append(inputs_of(total, places, feed.source.name))
            for raw in state.raws:
                if raws.setdefault(raw, len(raws)) == len(feed.raws):
                    feed.raws.append(raw_of(raw, places))
            state.settle(sums, raws)


def records(table: pa.Table, columns: Sequence[str]) -> Iterable[dict[str, Any]]:
    """Yield a table's rows as an event or a request is given: moments as microseconds."""
    values = []
    for name in columns:
        column = table[name]
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("us", tz=column.type.tz)).cast(pa.int64())
        values.append(column.to_pylist())
    return (dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True))


def _derived(feature: Derived, before: Sequence[Column]) -> Callable[..., list[Any]]:
    readable, names = as_read(before), [c.name for c in before]
    computed = [scalar(of, readable) for _, of in feature.computed]

    def read(request: Record, at: int, entities: list[Entity | None], found: list[Any]) -> list[Any]:
        row = dict(zip(names, map(_stored, found), strict=False))
        return [_plain(one(row)) for one in computed]

    return read


def _backoff(feature: Backoff, before: Sequence[Column]) -> Callable[..., list[Any]]:
    places = {c.name: i for i, c in enumerate(before)}
    *finer, coarsest = [(places[value], places[count]) for value, count in feature.choices]

    def read(request: Record, at: int, entities: list[Entity | None], found: list[Any]) -> list[Any]:
        for value, count in finer:
            if found[value] is not None and (_stored(found[count]) or 0) >= feature.at_least:
                return [found[value]]
        return [found[coarsest[0]]]

    return read


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, bool) else value


def _stored(value: Any) -> Any:
    """Return a feature as it is read where it is stored: to 32 bits."""
    return value if value is None or isinstance(value, str) else float(np.float32(value))


def _us(duration: timedelta) -> int:
    return duration // timedelta(microseconds=1)


def _moment(microseconds: int) -> str:
    return str(np.datetime64(microseconds, "us"))
