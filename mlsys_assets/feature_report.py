"""The feature catalogue of a system, with what only its life can tell: lags, costs, and who uses what."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pyarrow.compute as pc

from mlsys_assets.data_ingestion.freshness import Lag, lag_of
from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.features.catalogue import Entry, catalogue
from mlsys_assets.features.embedded.engine import compute
from mlsys_assets.features.feature import FROM_FEATURES, reads
from mlsys_assets.features.profile import TRAINING_PROFILE
from mlsys_assets.system import MLSystem
from mlsys_assets.tables import EVENT_TIME, FEATURES, KNOWN_AT, PREDICT_AT
from mlsys_assets.types import CHAMPION, TimeWindow
from mlsys_resources.resources import Resources

SAMPLE = 2000
"""The last requests that the cost is measured on, at most."""
REPEATS = 2
"""The faster of so many counts: the first one fills caches."""


@dataclass(frozen=True)
class SourceTold:
    """A source that features read, and how late its rows of the last tick became known; None where none came in."""

    source: Source
    owner: str
    lag: Lag | None


@dataclass(frozen=True)
class Catalogue:
    """All that the page tells.

    Parameters
    ----------
    window
        The last tick with requests, which lags and costs were measured on; None if there is none yet.
    requests
        How many of its requests the costs were measured on.
    """

    system: MLSystem
    entries: tuple[Entry, ...]
    sources: tuple[SourceTold, ...]
    window: TimeWindow | None
    requests: int


def feature_catalogue(system: MLSystem, systems: Sequence[MLSystem], stores: Resources) -> Catalogue:
    """Return the catalogue of a system's features, consumers among ``systems``.

    A feature's cost is measured for its declaration, alone, and divided by requests and columns: what declarations
    share when they are computed together, such as a sort, counts for each. Features of features have none of their own.
    """
    window, home = _last_tick(system, stores), system.reuses or system
    read = {system.requests.source.name, *(source.name for source in system.feature_sources)}
    sources = [source for source in system.sources if source.name in read]
    lags = {source.name: _lag(home, source, window, stores) for source in sources}
    entries = catalogue(
        system.features,
        system.requests.source,
        sources=system.sources,
        owner=home.owner,
        lags={name: lag for name, lag in lags.items() if lag is not None},
    )
    costs, requests = _costs(system, window, stores)
    used = [(one, _trained_on(one, stores)) for one in systems if one is home or one.reuses is home]
    width = [sum(e.declaration == i for e in entries) for i in range(len(system.features))]
    told = [
        replace(
            entry,
            consumers=tuple(_consumer(one, entry.name, *trained) for one, trained in used if _has(one, entry.name)),
            cost=costs[entry.declaration] / width[entry.declaration] if entry.declaration in costs else None,
        )
        for entry in entries
    ]
    shown = [SourceTold(source, source.owner or home.owner, lags[source.name]) for source in sources]
    return Catalogue(system, tuple(told), tuple(shown), window, requests)


def _last_tick(system: MLSystem, stores: Resources) -> TimeWindow | None:
    if not stores.lake.has(system.home(FEATURES), FEATURES):
        return None
    last = pc.max(stores.lake.read(system.home(FEATURES), FEATURES, columns=[PREDICT_AT])[PREDICT_AT]).as_py()
    return None if last is None else system.calendar.tick_of(last)


def _lag(home: MLSystem, source: Source, window: TimeWindow | None, stores: Resources) -> Lag | None:
    if window is None or source.snapshot:
        return None
    known = (KNOWN_AT, window.start, window.end)
    return lag_of(stores.lake.read(home.name, source.name, columns=[EVENT_TIME, KNOWN_AT], window=known))


def _costs(system: MLSystem, window: TimeWindow | None, stores: Resources) -> tuple[dict[int, float], int]:
    """Return the microseconds a request that each declaration takes, and how many requests were computed."""
    if window is None:
        return {}, 0
    at, name, read = system.requests.predict_at, system.requests.source.name, stores.lake.read
    asked = read(system.home(name), name, window=(at, window.start, window.end)).sort_by(at)
    asked = asked.slice(max(len(asked) - SAMPLE, 0))
    first = pc.min(asked[at]).as_py()
    tables = {}
    for table, back in reads(system.features).items():
        span = None if back is None else (KNOWN_AT, first - back, window.end)
        tables[table] = read(system.home(table), table, window=span, known_by=window.end)
    costs = {}
    for i, feature in enumerate(system.features):
        if not isinstance(feature, FROM_FEATURES):
            taken = []
            for _ in range(REPEATS):
                before = time.perf_counter()
                compute([feature], asked, tables, key=system.requests.key, predict_at=at)
                taken.append(time.perf_counter() - before)
            costs[i] = 1e6 * min(taken) / len(asked)
    return costs, len(asked)


def _trained_on(system: MLSystem, stores: Resources) -> tuple[int | None, frozenset[str]]:
    """Return the champion's version, and the columns that it was trained on."""
    champion = stores.operations.serving(system.name, CHAMPION)
    if champion is None or not stores.lake.has(system.name, TRAINING_PROFILE):
        return None, frozenset()
    model = stores.operations.model(system.name, champion.version)
    ticks = [] if model is None else [model.as_of]
    profile = stores.lake.read(system.name, TRAINING_PROFILE, columns=["column"], ticks=ticks)
    return champion.version, frozenset(profile["column"].to_pylist())


def _has(system: MLSystem, column: str) -> bool:
    return any(c.name == column for c in system.feature_columns)


def _consumer(system: MLSystem, column: str, version: int | None, columns: frozenset[str]) -> str:
    if version is None:
        return system.name
    return f"{system.name}, champion version {version}{'' if column in columns else ' without it'}"


def shown(catalogue: Catalogue) -> Mapping[str, tuple[Entry, ...]]:
    """Return the entries by the first source that each reads, the request's own under its table; sorted by name."""
    requests = catalogue.system.requests.source.name
    groups: dict[str, list[Entry]] = {}
    for entry in sorted(catalogue.entries, key=lambda entry: entry.name):
        groups.setdefault(entry.sources[0] if entry.sources else requests, []).append(entry)
    return {name: tuple(groups[name]) for name in sorted(groups)}
