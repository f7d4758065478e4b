"""Feature declarations: what each must tell, and what all together give."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final, Protocol

from mlsys_assets.features.derived import Backoff, Derived
from mlsys_assets.features.lookup import Lookup
from mlsys_assets.features.request import Request
from mlsys_assets.features.scheduled import Scheduled
from mlsys_assets.features.trailing import Trailing
from mlsys_assets.tables import Column


class Feature(Protocol):
    """One declaration: gives one or more columns of features."""

    @property
    def reads(self) -> Mapping[str, timedelta | None]:
        """How long before a prediction a row of each source may have become known and still matter.

        None where there is no bound, as for a snapshot.
        """
        ...

    def mistakes(self, readable: Sequence[Column]) -> list[str]:
        """Return what is wrong with the declaration.

        ``readable``: the request table's columns; of what is computed from features, the features before it.
        """
        ...

    def outputs(self, readable: Sequence[Column]) -> tuple[Column, ...]:
        """Return the columns it gives, in order; float32 or string."""
        ...


FROM_FEATURES: Final = (Derived, Backoff)
"""What is computed from features declared before."""
FEATURE_KINDS: Final = (Request, Lookup, Trailing, Scheduled, *FROM_FEATURES)
"""What the engines can compute; a further kind needs a case in each: `embedded.engine` and `relational.engine`."""


def each_with_outputs(
    features: Iterable[Feature], requests: Sequence[Column]
) -> Iterable[tuple[Feature, tuple[Column, ...]]]:
    """Yield each declaration with the columns that it gives, in declared order."""
    before: list[Column] = []
    for feature in features:
        found = feature.outputs(before if isinstance(feature, FROM_FEATURES) else requests)
        before += found
        yield feature, found


def outputs(features: Iterable[Feature], requests: Sequence[Column]) -> tuple[Column, ...]:
    """Return all columns that ``features`` give, in declared order."""
    return tuple(column for _, found in each_with_outputs(features, requests) for column in found)


def reads(features: Iterable[Feature]) -> dict[str, timedelta | None]:
    """Return how long before a prediction a row of each source may have become known and still matter.

    Features at t are the same whether computed from all rows or from those with known_at in
    (t - reach, t]. None where a source must be read whole.
    """
    reach: dict[str, timedelta | None] = {}
    for feature in features:
        for name, back in feature.reads.items():
            before = reach.get(name, timedelta(0))
            reach[name] = None if back is None or before is None else max(before, back)
    return reach


def mistakes(features: Sequence[Feature], requests: Sequence[Column]) -> list[str]:
    """Return everything wrong with the declarations, one by one and together."""
    if found := mistakes_of_each(features, requests):
        return found
    names = [c.name for c in outputs(features, requests)]
    twice = sorted({n for n in names if names.count(n) > 1})
    return [f"two features are called {n!r}; rename one aggregate" for n in twice]


def mistakes_of_each(features: Sequence[Feature], requests: Sequence[Column]) -> list[str]:
    """Return what is wrong with the declarations, one by one."""
    found = [m for f in features if not isinstance(f, FROM_FEATURES) for m in f.mistakes(requests)]
    before: list[Column] = []
    for feature in () if found else features:  # the columns of a mistaken feature cannot be told
        readable = before if isinstance(feature, FROM_FEATURES) else requests
        if isinstance(feature, FROM_FEATURES) and (found := feature.mistakes(readable)):
            break
        before += feature.outputs(readable)
    return found
