"""Joins: by which keys the records of a source belong to a request."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.features.feature import Feature
from mlsys_assets.features.key import Key
from mlsys_assets.features.lookup import Lookup
from mlsys_assets.features.scheduled import Scheduled
from mlsys_assets.features.trailing import Trailing

On = tuple[tuple[str, str], ...]
"""Pairs of a request's column and a source's, which must be equal."""


@dataclass(frozen=True)
class Join:
    """One way in which a source's records belong to a request.

    Parameters
    ----------
    source
        The source's name.
    on
        Which columns must be equal.
    own
        Whether it names the entity: the records are the request's own.
    whole
        Whether records count however long ago they became known: an entity's own, and a snapshot's.
    """

    source: str
    on: On
    own: bool = False
    whole: bool = False

    def __str__(self) -> str:
        return " and ".join(request for request, _ in self.on)


def joins_of(requests: Source, sources: Sequence[Source], features: Iterable[Feature], *, key: str) -> tuple[Join, ...]:
    """Return the joins to look at: by each text column of the same name, and by each key that a feature declares.

    Parameters
    ----------
    requests
        The source of the requests.
    sources
        All sources whose records are looked at.
    features
        Their keys are taken, for every source that has the columns. A key that is computed is left out.
    key
        The column that names the entity.
    """
    texts = [c.name for c in requests.columns if c.type == "string"]
    named = [(((name, name),), None) for name in dict.fromkeys([key, *texts])] + list(_declared(features))
    found = []
    for source in sources:
        for on, only in named:
            if only in (None, source.name) and _has(requests, on, side=0) and _has(source, on, side=1):
                own = on == ((key, key),)
                found.append(Join(source.name, on, own=own, whole=own or source.snapshot))
    return tuple(dict.fromkeys(found))


def request_keys(features: Iterable[Feature]) -> tuple[str, ...]:
    """Return the columns of requests by which declared features group records, each once."""
    return tuple(dict.fromkeys(request for on, _ in _declared(features) for request, _ in on))


def plain(keys: Sequence[Key]) -> On:
    """Return the keys that are columns on both sides, and not computed."""
    pairs = ((key.request, key.in_source) for key in keys)
    return tuple((request, column) for request, column in pairs if isinstance(request, str) and isinstance(column, str))


def _declared(features: Iterable[Feature]) -> Iterable[tuple[On, str | None]]:
    """Yield keys with the one source that they are good for, None if for all."""
    for feature in features:
        if not isinstance(feature, Lookup | Trailing | Scheduled) or not feature.keys:
            continue
        on = plain(feature.keys)
        if len(on) == len(feature.keys):
            yield on, None if all(a == b for a, b in on) else feature.source.name


def _has(source: Source, on: On, *, side: int) -> bool:
    return {pair[side] for pair in on} <= {c.name for c in source.columns}
