"""The online engine: every declaration as state by key, updated by each event and read at any moment."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from operator import itemgetter
from typing import Any, Final

import numpy as np
import pyarrow as pa

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.features.derived import Backoff, Derived, as_read
from mlsys_assets.features.expression import Expression, columns_read
from mlsys_assets.features.feature import Feature, each_with_outputs, mistakes, reads
from mlsys_assets.features.lookup import Lookup
from mlsys_assets.features.mistakes import with_times
from mlsys_assets.features.online.measures import inputs_of, raw_of
from mlsys_assets.features.online.scalars import Record, Scalar, scalar
from mlsys_assets.features.online.states import Entity, State, microseconds, state_of
from mlsys_assets.features.request import Request
from mlsys_assets.features.scheduled import Scheduled
from mlsys_assets.features.trailing import Trailing
from mlsys_assets.tables import EVENT_TIME, KNOWN_AT, Column
from mlsys_assets.types import DeclarationError

DAY: Final = 86_400_000_000
"""Microseconds."""
Keys = Sequence[Entity | None]
"""A row's key in each state of its source, None where a part of it is missing; empty where none has to be told."""
Pick = Callable[[Sequence[Any]], Entity]
"""Picks a key's values out of a row's."""
Fill = Callable[[Record, list[Any]], None]
"""Puts what is computed from a request, or from features before, into its slots."""


class Seen:
    """Which rows of a source were taken in: by name, when they became known and, if told, their key in each state.

    Kept by the day on which they became known, so that old days go, and changed ones are stored, by themselves.
    """

    def __init__(self) -> None:
        self.by_name: dict[Entity, dict[int, Keys]] = {}
        self.by_day: dict[int, dict[tuple[Entity, int], Keys]] = {}
        self.changed: set[int] = set()
        self.dropped: set[int] = set()

    def add(self, name: Entity, known: int, keys: Keys) -> None:
        """Note a row."""
        day = known // DAY
        self.by_name.setdefault(name, {})[known] = keys
        self.by_day.setdefault(day, {})[name, known] = keys
        self.changed.add(day)
        self.dropped.discard(day)

    def forget(self, since: int) -> None:
        """Let go of the rows that became known by ``since``, microseconds."""
        for day in [d for d in self.by_day if d * DAY <= since]:
            rows = self.by_day[day]
            for name, known in [of for of in rows if of[1] <= since]:
                del rows[name, known]
                versions = self.by_name[name]
                del versions[known]
                if not versions:
                    del self.by_name[name]
                self.changed.add(day)
            if not rows:
                del self.by_day[day]
                self.changed.discard(day)
                self.dropped.add(day)


@dataclass
class _Feed:
    """What becomes of one source's events."""

    source: Source
    reach: int | None
    scalars: list[Scalar] = field(default_factory=list)
    places: dict[str | Expression, int] = field(default_factory=dict)
    states: list[tuple[State, Pick]] = field(default_factory=list)
    sums: list[Callable[..., tuple[int, int]]] = field(default_factory=list)
    raws: list[Callable[..., Any]] = field(default_factory=list)
    seen: Seen = field(default_factory=Seen)

    def place(self, of: str | Expression) -> int:
        """Return where among the scalars a column or an expression is, once for all that need it."""
        if of not in self.places:
            self.places[of] = len(self.scalars)
            self.scalars.append(scalar(of, with_times(self.source.columns)))
        return self.places[of]

    def settle(self) -> None:
        """Prepare to compute each thing that several states need of an event once; when all is declared."""
        sums = dict.fromkeys(one for state, _ in self.states for one in state.sums)
        raws = dict.fromkeys(one for state, _ in self.states for one in state.raws)
        read = [of for total in sums for of in (total.of, total.where)]
        read += [of for raw in raws for of in (raw.of, raw.where)]
        for of in read:
            if of is not None:
                self.place(of)
        self.sums = [inputs_of(one, self.places, self.source.name) for one in sums]
        self.raws = [raw_of(one, self.places) for one in raws]
        for state, _ in self.states:
            state.settle({one: i for i, one in enumerate(sums)}, {one: i for i, one in enumerate(raws)})


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
        self._feeds: dict[str, _Feed] = {}
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
        known, happened = event[KNOWN_AT], event[EVENT_TIME]
        if known is None or happened is None:
            raise ValueError(f"{source}: a row has no {KNOWN_AT if known is None else EVENT_TIME}; it must have both")
        if self.horizon is not None and feed.reach is not None and known <= self.horizon - feed.reach:
            return False  # no read from the horizon on can see it
        name = tuple([event[k] for k in feed.source.key])
        told = feed.seen.by_name.get(name)
        if told is not None and (known in told or not feed.source.corrections):
            return False
        keys = self._add(feed, event, name)
        feed.seen.add(name, known, keys if feed.source.corrections else ())
        if told is not None:
            _replace(feed, name)
        return True

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
        for state, pick in self._asked:
            entity = pick(own)
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
            if feed.reach is not None:
                feed.seen.forget(self.horizon - feed.reach)

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
        feed = self._feeds[source]
        known = with_times(feed.source.columns)
        read = [name for of in feed.places for name in columns_read(of, known)]
        return tuple(dict.fromkeys([EVENT_TIME, KNOWN_AT, *feed.source.key, *read]))

    def states(self) -> tuple[State, ...]:
        """Return the states, by source and key."""
        return tuple(self._states.values())

    def seen(self, source: str) -> Seen:
        """Return which rows of a source were taken in."""
        return self._feeds[source].seen

    def reset(self, source: str) -> None:
        """Forget all of a source, as of a snapshot that was replaced whole."""
        feed = self._feeds[source]
        for state, _ in feed.states:
            state.dropped |= set(state.by_entity)
            state.changed.clear()
            state.by_entity.clear()
        feed.seen.dropped |= set(feed.seen.by_day)
        feed.seen.changed.clear()
        feed.seen.by_day.clear()
        feed.seen.by_name.clear()

    def _add(self, feed: _Feed, event: Record, name: Entity) -> list[Entity | None]:
        """Add a row to every state of its source, and return by which key."""
        known, happened = event[KNOWN_AT], event[EVENT_TIME]
        values = [read(event) for read in feed.scalars]
        inputs, raws = [of(values, known) for of in feed.sums], [of(values) for of in feed.raws]
        steps, weights = [step for step, _ in inputs], [weight for _, weight in inputs]
        whole = all(weight == 1 for weight in weights)
        entities: list[Entity | None] = []
        entity: Entity = ()
        try:
            for state, pick in feed.states:
                entity = pick(values)
                if None in entity:
                    entities.append(None)
                    continue
                entities.append(entity)
                rows = state.by_entity.get(entity)
                if whole and rows is not None and rows.plain and known >= rows.time[-1]:  # as nearly all are
                    rows.time.append(known)
                    for sums, k in zip(rows.sums, state.sum_inputs):  # noqa: B905 - they are of one length
                        sums.append(sums[-1] + steps[k])
                    state.changed.add(entity)
                else:
                    state.add(entity, happened, known, name, steps, weights, raws)
        except OverflowError:
            self._void = (
                f"{feed.source.name}: the sums of {entity} leave the range in which they add up exactly, and the "
                "state is void; give a coarser resolution, and rebuild it"
            )
            raise ValueError(self._void) from None
        return entities

    def _declare(self, feature: Feature, before: Sequence[Column]) -> None:
        slot = len(before)
        match feature:
            case Request():
                self._fills.append(_own(feature, self._requests, slot))
            case Derived():
                self._fills.append(_derived(feature, before))
            case Backoff():
                self._fills.append(_backoff(feature, before))
            case Lookup() | Trailing() | Scheduled():
                self._state(feature).declare(feature, slot)
            case _:
                raise TypeError(f"{feature!r} is no feature that can be computed online")

    def _state(self, feature: Lookup | Trailing | Scheduled) -> State:
        source, back = feature.source, self._reach[feature.source.name]
        feed = self._feeds.setdefault(source.name, _Feed(source, None if back is None else microseconds(back)))
        parts = tuple((k.request, k.in_source) for k in feature.keys)
        which = (source.name, type(feature), parts)
        if which not in self._states:
            state = self._states[which] = state_of(feature, f"{source.name} {len(self._states)}")
            for of, _ in parts:
                if of not in self._key_places:
                    self._key_places[of] = len(self._key_scalars)
                    self._key_scalars.append(scalar(of, self._requests))
            self._asked.append((state, _pick([self._key_places[of] for of, _ in parts])))
            feed.states.append((state, _pick([feed.place(of) for _, of in parts])))
        return self._states[which]


def _pick(places: Sequence[int]) -> Pick:
    if len(places) == 1:
        (only,) = places
        return lambda values: (values[only],)
    return itemgetter(*places) if places else lambda values: ()


def _replace(feed: _Feed, name: Entity) -> None:
    """Note of each version of a row when the next one replaced it."""
    versions = feed.seen.by_name[name]
    for known, ended in pairwise(sorted(versions)):
        for (state, _), entity in zip(feed.states, versions[known], strict=True):
            if entity is not None:
                state.end(entity, name, known, ended)


def records(table: pa.Table, columns: Sequence[str]) -> Iterable[dict[str, Any]]:
    """Yield a table's rows as an event or a request is given: moments as microseconds."""
    values = []
    for name in columns:
        column = table[name]
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.timestamp("us", tz=column.type.tz)).cast(pa.int64())
        values.append(column.to_pylist())
    return (dict(zip(columns, row, strict=True)) for row in zip(*values, strict=True))


def _own(feature: Request, requests: Sequence[Column], slot: int) -> Fill:
    reading = [(slot + i, scalar(of, requests)) for i, (_, of) in enumerate(feature.values)]

    def fill(request: Record, out: list[Any]) -> None:
        for place, read in reading:
            out[place] = _plain(read(request))

    return fill


def _derived(feature: Derived, before: Sequence[Column]) -> Fill:
    readable, names = as_read(before), [c.name for c in before]
    slot = len(before)
    computed = [(slot + i, scalar(of, readable)) for i, (_, of) in enumerate(feature.computed)]

    def fill(request: Record, out: list[Any]) -> None:
        row = dict(zip(names, map(_stored, out), strict=False))
        for place, read in computed:
            out[place] = _plain(read(row))

    return fill


def _backoff(feature: Backoff, before: Sequence[Column]) -> Fill:
    places, slot = {c.name: i for i, c in enumerate(before)}, len(before)
    *finer, (coarsest, _) = [(places[value], places[count]) for value, count in feature.choices]

    def fill(request: Record, out: list[Any]) -> None:
        for value, count in finer:
            if out[value] is not None and (_stored(out[count]) or 0) >= feature.at_least:
                out[slot] = out[value]
                return
        out[slot] = out[coarsest]

    return fill


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, bool) else value


def _stored(value: Any) -> Any:
    """Return a feature as it is read where it is stored: to 32 bits."""
    return value if value is None or isinstance(value, str) else float(np.float32(value))


def _moment(at: int) -> str:
    return str(np.datetime64(at, "us"))
