"""Where the values of features are found: in which records of which source, known by then or only later."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.features.leakage.day_sample import A_DAY, REACH, DaySample, Positions
from mlsys_assets.features.leakage.joins import Join
from mlsys_assets.features.leakage.known_values import (
    MISSING,
    NEVER,
    Asked,
    Codes,
    KnownValues,
    Mask,
    Moments,
    grouped,
    value_codes,
)
from mlsys_assets.features.leakage.match import COPIED, Match
from mlsys_assets.features.numpy_table import NumpyTable
from mlsys_assets.tables import KNOWN_AT, SOURCE_FILE, SOURCE_LINE
from mlsys_assets.types import microseconds

THINNED = 8
"""Every so many rows are asked first, and tell how often values match by chance where no more than that is needed."""
GLIMPSED = 0.3
"""Where less is found of the first rows, known or of the others later, nothing is a copy."""


class _Records:
    """Records of a source in the order in which they became known, each column coded once."""

    def __init__(self, table: pa.Table, entities: pa.Array, key: str) -> None:
        self._table, self._kept = table, dict[str, tuple[Codes, str] | None]()
        self.known = NumpyTable(table).moments(KNOWN_AT)
        self.candidates = dict[str, list[str]]()
        self.entity: Codes | None = None
        if key in table.column_names:
            found = pc.fill_null(pc.index_in(table[key].combine_chunks(), value_set=entities), -1)
            self.entity = found.to_numpy(zero_copy_only=False).astype(np.int64)

    @property
    def columns(self) -> list[str]:
        return [n for n in self._table.column_names if n not in (SOURCE_FILE, SOURCE_LINE)]

    def codes(self, name: str) -> tuple[Codes, str] | None:
        if name not in self._kept:
            self._kept[name] = value_codes(self._table[name])
        return self._kept[name]


class ValueMatches:
    """Looks for the sampled values of features in the columns of sources.

    Parameters
    ----------
    sample
        The requests and their features.
    tables
        The sources' rows, by name, at least those within reach of the sampled days.
    requests, key
        The name of the requests' source, and the column that names the entity.
    """

    def __init__(self, sample: DaySample, tables: Mapping[str, pa.Table], *, requests: str, key: str) -> None:
        self._sample, self._tables, self._requests, self._key = sample, tables, requests, key
        self._held = dict[tuple[str, bool, bool], _Records]()
        self._asked_codes = dict[str, tuple[Codes, str] | None]()
        self._plain = set[str]()

    def of(self, joins: Sequence[Join]) -> Iterator[Match]:
        """Yield the matches that may be copies, the requests' own first.

        What a request itself says in full is not looked for in other records of entities, which repeat it, but in the
        other columns of its own table.
        """
        for join in sorted(joins, key=lambda j: (j.source != self._requests, not j.own)):
            held = self._records(join)
            on = [column for _, column in join.on]
            for column in held.columns:
                if column not in (*on, self._key) and (features := self._candidates(held, join, column)):
                    yield from self._of_column(join, column, held, features)

    def later_by_chance(self, match: Match, rows: Positions) -> Mask:
        """Return (turns, rows) whether the value became known later, had the request been made on another day."""
        held = self._known_values(self._records(match.join), match.join, match.column)
        values = self._sample.features[match.feature][0]
        turned = [self._moved(match.join, turn) for turn in self._sample.turns]
        return np.array([_nearest(held, match.join, asked.take(rows), values[rows])[1] != NEVER for asked in turned])

    def _of_column(self, join: Join, column: str, held: "_Records", features: Sequence[str]) -> Iterator[Match]:
        known_values, asked = self._known_values(held, join, column), self._asked(join, held)
        turned = [self._moved(join, turn) for turn in self._sample.turns[:1]]
        for feature in features:
            values = self._sample.features[feature][0]
            told = values != MISSING
            few = np.flatnonzero(told)[::THINNED]
            if not _promising(*_nearest(known_values, join, asked.take(few), values[few])):
                continue
            before, after = _nearest(known_values, join, asked, values)
            moved = [_nearest(known_values, join, one.take(few), values[few]) for one in turned]
            chance = [(float(np.mean(b != NEVER)), float(np.mean((b != NEVER) | (a != NEVER)))) for b, a in moved]
            match = Match(
                feature, join, column, before, after, told, asked.group, chance=chance[0] if chance else (1.0, 1.0),
                of_requests=join.source == self._requests, of_entities=held.entity is not None,
            )  # fmt: skip
            if join.own and join.source == self._requests and match.known[told].all():
                self._plain.add(feature)
            yield match

    def _candidates(self, held: "_Records", join: Join, column: str) -> list[str]:
        """Return the features most of whose values the column has at all."""
        if column not in held.candidates:
            coded = held.codes(column)
            held.candidates[column] = [] if coded is None else self._in_column(*coded)
        found = held.candidates[column]
        if held.entity is None or (join.source == self._requests and not join.own):
            return [name for name in found if name != column or name not in self._plain]
        return [name for name in found if name not in self._plain]

    def _in_column(self, codes: Codes, kind: str) -> list[str]:
        names, distinct, places = self._distinct
        there = np.zeros(len(distinct), np.bool_)
        at = np.searchsorted(distinct, codes := np.unique(codes[codes != MISSING]))
        at = np.minimum(at, len(distinct) - 1)
        there[at[distinct[at] == codes]] = True
        told = (distinct != MISSING)[places]
        shares = (there[places] & told).sum(axis=1) / np.maximum(told.sum(axis=1), 1)
        return [n for n, share in zip(names, shares, strict=True)
                if share >= COPIED and self._sample.features[n][1] == kind]  # fmt: skip

    @cached_property
    def _distinct(self) -> tuple[list[str], Codes, Positions]:
        """The features' names, their (u,) distinct values, and (features, n) which of these each value is."""
        names = list(self._sample.features)
        every = np.array([self._sample.features[name][0] for name in names]).reshape(len(names), -1)
        distinct, places = np.unique(every, return_inverse=True)
        return names, distinct, places.reshape(every.shape)

    def _asked(self, join: Join, held: "_Records") -> Asked:
        columns = []
        for name, _ in join.on:
            if name not in self._asked_codes:
                self._asked_codes[name] = value_codes(self._sample.requests[name])
            columns.append(self._asked_codes[name])
        group, there = grouped([found[0] for found in columns if found is not None], rows=len(self._sample))
        entity = None if join.own or held.entity is None else np.arange(len(self._sample))
        return Asked(group, there, self._sample.at, entity)

    def _moved(self, join: Join, turn: int) -> Asked:
        """Return what would be asked on another day; where the time does not matter, what another request asks."""
        asked = replace(self._asked(join, self._records(join)), entity=None)
        if join.whole:
            return asked.take(self._sample.others(turn))
        return replace(asked, at=self._sample.moved(turn))

    def _known_values(self, held: "_Records", join: Join, column: str) -> KnownValues:
        keys, coded = [held.codes(name) for _, name in join.on], held.codes(column)
        group, there = grouped([found[0] for found in keys if found is not None], rows=len(held.known))
        values = np.full(len(group), MISSING) if coded is None else np.where(there, coded[0], MISSING)
        return KnownValues(group, values, held.known, held.entity)

    def _records(self, join: Join) -> "_Records":
        name = (join.source, join.own, join.whole)
        if name not in self._held:
            entities = self._sample.requests[self._key].combine_chunks()
            self._held[name] = _Records(self._near(join, entities), entities, self._key)
        return self._held[name]

    def _near(self, join: Join, entities: pa.Array) -> pa.Table:
        table = self._tables[join.source]
        if join.own:
            table = table.filter(pc.is_in(table[self._key], value_set=entities))
        known = NumpyTable(table).moments(KNOWN_AT)
        near = np.full(len(table), join.whole)
        for start in self._sample.starts.tolist():
            near |= (known >= start - microseconds(REACH)) & (known <= start + A_DAY + microseconds(REACH))
        rows = np.flatnonzero(near)
        return table.take(pa.array(rows[np.argsort(known[rows], kind="stable")]))


def _nearest(held: KnownValues, join: Join, asked: Asked, values: Codes) -> tuple[Moments, Moments]:
    """Return how far the nearest records are in time, of those within reach."""
    reach = NEVER if join.whole else microseconds(REACH)
    before, after = held.nearest(asked, values)
    return np.where(before <= reach, before, NEVER), np.where(after <= reach, after, NEVER)


def _promising(before: Moments, after: Moments) -> bool:
    unknown = before == NEVER
    later = np.mean(after[unknown] != NEVER) if unknown.any() else 0.0
    return max(1 - np.mean(unknown), later) >= GLIMPSED if len(before) else False
