"""What each feature column is read from, how far it looks back, and how old the newest of it was at prediction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.features.derived import Backoff, Derived, as_read
from mlsys_assets.features.expression import columns_read
from mlsys_assets.features.feature import Feature, each_with_outputs
from mlsys_assets.features.leakage.day_sample import DaySample
from mlsys_assets.features.leakage.joins import On, plain
from mlsys_assets.features.leakage.known_values import (
    MISSING,
    NEVER,
    Asked,
    Codes,
    KnownValues,
    Moments,
    grouped,
    value_codes,
)
from mlsys_assets.features.lineage import Origin, lineage
from mlsys_assets.features.lookup import Lookup
from mlsys_assets.features.numpy_table import NumpyTable
from mlsys_assets.features.request import Request
from mlsys_assets.features.scheduled import Scheduled
from mlsys_assets.features.trailing import Trailing
from mlsys_assets.tables import KNOWN_AT, Column


@dataclass(frozen=True)
class DeclaredAvailability:
    """When what a feature column is read from was known.

    Parameters
    ----------
    feature
        The column.
    read_from
        Tables and their columns.
    within
        How long before the prediction a row may have become known and still count; None without a bound.
    newest
        How long before the prediction the newest row of its key was known, the median of sampled requests; None
        where none of them has one.
    """

    feature: str
    read_from: tuple[Origin, ...]
    within: timedelta | None
    newest: timedelta | None


def declared_availability(
    features: Iterable[Feature], requests: Source, sample: DaySample, tables: Mapping[str, pa.Table]
) -> tuple[DeclaredAvailability, ...]:
    """Return one row a declared feature column, in declared order.

    A key that is computed is left out: the newest row is then that of the rest of the key. What is computed from
    features is as new as the newest of these.

    Parameters
    ----------
    features, requests
        The system's.
    sample
        Requests to look at.
    tables
        The sources' rows, by name.
    """
    declared = tuple(features)
    read_from, ages = lineage(declared, requests), _Ages(sample, tables)
    found: dict[str, DeclaredAvailability] = {}
    before: list[Column] = []
    for feature, outputs in each_with_outputs(declared, requests.columns):
        for place, column in enumerate(outputs):
            if isinstance(feature, Derived | Backoff):
                within, newest = _of_all([found[name] for name in _parts(feature, place, before)])
            else:
                within, newest = _within(feature, place), ages.newest(feature)
            found[column.name] = DeclaredAvailability(column.name, read_from[column.name], within, newest)
        before += outputs
    return tuple(found.values())


def _of_all(parts: Sequence[DeclaredAvailability]) -> tuple[timedelta | None, timedelta | None]:
    """Return the longest look back, None where one is without a bound, and the newest row's age."""
    back = [part.within for part in parts if part.within is not None]
    ages = [part.newest for part in parts if part.newest is not None]
    return max(back, default=None) if len(back) == len(parts) else None, min(ages, default=None)


def _parts(feature: Derived | Backoff, place: int, before: Sequence[Column]) -> tuple[str, ...]:
    if isinstance(feature, Derived):
        return columns_read(feature.computed[place][1], as_read(before))
    return tuple(name for choice in feature.choices for name in choice)


def _within(feature: Feature, place: int) -> timedelta | None:
    if isinstance(feature, Trailing):
        return feature.over[place // len(feature.aggregates)]
    return None if isinstance(feature, Request) else next(iter(feature.reads.values()), None)


class _Ages:
    """How old the newest known row of a key is, by source and key, each told once."""

    def __init__(self, sample: DaySample, tables: Mapping[str, pa.Table]) -> None:
        self._sample, self._tables = sample, tables
        self._kept: dict[tuple[str, On], timedelta | None] = {}
        self._codes: dict[tuple[str, str], Codes] = {}

    def newest(self, feature: Feature) -> timedelta | None:
        """Return the median age over the sampled requests."""
        if isinstance(feature, Request):
            return _median(self._sample.at - NumpyTable(self._sample.requests).moments(KNOWN_AT))
        if not isinstance(feature, Lookup | Trailing | Scheduled) or feature.source.name not in self._tables:
            return None
        name, on = feature.source.name, plain(feature.keys)
        if (name, on) not in self._kept:
            self._kept[name, on] = self._of(name, on)
        return self._kept[name, on]

    def _of(self, name: str, on: On) -> timedelta | None:
        table, asked = self._tables[name], self._sample.requests
        known = NumpyTable(table).moments(KNOWN_AT)
        group, there = grouped([self._coded("", asked, column) for column, _ in on], rows=len(asked))
        own, whole = grouped([self._coded(name, table, column) for _, column in on], rows=len(table))
        rows = np.flatnonzero(whole & np.asarray(pc.is_in(pa.array(own), value_set=pa.array(group))))
        rows = rows[np.argsort(known[rows], kind="stable")]
        held = KnownValues(own[rows], np.zeros(len(rows), np.int64), known[rows])
        age, _ = held.nearest(Asked(group, there, self._sample.at), np.zeros(len(asked), np.int64))
        return _median(age[age != NEVER])

    def _coded(self, name: str, table: pa.Table, column: str) -> Codes:
        if (name, column) not in self._codes:
            coded = value_codes(table[column])
            self._codes[name, column] = np.full(len(table), MISSING) if coded is None else coded[0]
        return self._codes[name, column]


def _median(ages: Moments) -> timedelta | None:
    return timedelta(microseconds=float(np.median(ages))) if len(ages) else None
