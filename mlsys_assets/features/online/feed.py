"""What becomes of one source's events: each is computed on once, and added to the state of every key."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from operator import itemgetter
from typing import Any

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.features.expression import Expression, columns_read
from mlsys_assets.features.mistakes import with_times
from mlsys_assets.features.online.measures import inputs_of, raw_of
from mlsys_assets.features.online.scalars import Record, Scalar, scalar
from mlsys_assets.features.online.seen import Seen
from mlsys_assets.features.online.states import Entity, State
from mlsys_assets.tables import EVENT_TIME, KNOWN_AT

Pick = Callable[[Sequence[Any]], Entity]
"""Picks a key's values out of a row's."""


@dataclass
class Feed:
    """One source's events, and the states that they update.

    ``reach``: how long before a prediction a row may have become known and still matter, microseconds; None: for ever.
    """

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

    def take(self, event: Record) -> bool:
        """Take in an event; return whether it was new: of those of one name and known_at, the first stands.

        Raises ValueError for a row without its times or of what cannot be summed, before anything is changed;
        OverflowError if a sum leaves its range, which leaves the states broken.
        """
        known, happened = event[KNOWN_AT], event[EVENT_TIME]
        if known is None or happened is None:
            missing = KNOWN_AT if known is None else EVENT_TIME
            raise ValueError(f"{self.source.name}: a row has no {missing}; it must have both")
        name = tuple([event[k] for k in self.source.key])
        told = self.seen.by_name.get(name)
        if told is not None and (known in told or not self.source.corrections):
            return False
        keys = self._add(event, name)
        self.seen.add(name, known, keys if self.source.corrections else ())
        if told is not None:
            self._replace(name)
        return True

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that an event must have."""
        known = with_times(self.source.columns)
        read = [name for of in self.places for name in columns_read(of, known)]
        return tuple(dict.fromkeys([EVENT_TIME, KNOWN_AT, *self.source.key, *read]))

    def clear(self) -> None:
        """Forget everything, as of a snapshot that was replaced whole."""
        self.seen.clear()
        for state, _ in self.states:
            state.clear()

    def _add(self, event: Record, name: Entity) -> list[Entity | None]:
        """Add a row to every state, and return by which key."""
        known, happened = event[KNOWN_AT], event[EVENT_TIME]
        values = [read(event) for read in self.scalars]
        inputs, raws = [of(values, known) for of in self.sums], [of(values) for of in self.raws]
        steps, weights = [step for step, _ in inputs], [weight for _, weight in inputs]
        whole = all(weight == 1 for weight in weights)
        entities: list[Entity | None] = []
        for state, pick in self.states:
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
        return entities

    def _replace(self, name: Entity) -> None:
        """Note of each version of a row when the next one replaced it."""
        versions = self.seen.by_name[name]
        for known, ended in pairwise(sorted(versions)):
            for (state, _), entity in zip(self.states, versions[known], strict=True):
                if entity is not None:
                    state.end(entity, name, known, ended)


def pick(places: Sequence[int]) -> Pick:
    """Return what picks a key's values, which lie at ``places``."""
    if len(places) == 1:
        (only,) = places
        return lambda values: (values[only],)
    return itemgetter(*places) if places else lambda values: ()
