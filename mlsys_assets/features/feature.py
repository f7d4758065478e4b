"""Feature declarations: four kinds, each saying what it reads and as of when it is known."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final, Protocol

from mlsys_assets.data_ingestion.source import EVENT_TIME, Column, Source
from mlsys_assets.features.aggregate import Aggregate, Kind
from mlsys_assets.features.expression import Expression, Values, probe
from mlsys_assets.features.key import By, Key, keys_of, prefix_of, several
from mlsys_assets.features.mistakes import (
    aggregate_mistakes,
    key_mistakes,
    misread,
    name_of,
    not_positive,
    source_mistakes,
    window_name,
    windows_mistakes,
    with_times,
)
from mlsys_assets.mistakes import sound

PREDICT_AT = "predict_at"
"""The request's column that says as of when its features are taken."""


class Feature(Protocol):
    """One declaration: gives one or more columns of features."""

    @property
    def reads(self) -> Mapping[str, timedelta | None]:
        """How long before a prediction a row of each source may have become known and still matter.

        None where there is no bound, as for a snapshot.
        """
        ...

    def mistakes(self, requests: Sequence[Column]) -> list[str]:
        """Return what is wrong with the declaration, given the request table's columns."""
        ...

    def outputs(self, requests: Sequence[Column]) -> tuple[Column, ...]:
        """Return the columns it gives, in order; float32 or string."""
        ...


@dataclass(frozen=True, init=False)
class Request:
    """Columns of the request itself, as they are or computed from its own row."""

    columns: tuple[str, ...]
    computed: tuple[tuple[str, Expression], ...]

    def __init__(self, *columns: str, **computed: Expression) -> None:
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "computed", tuple(computed.items()))

    @property
    def values(self) -> tuple[tuple[str, str | Expression], ...]:
        """Every feature's name and what it is read from."""
        return (*((name, name) for name in self.columns), *self.computed)

    @property
    def reads(self) -> Mapping[str, timedelta | None]:
        """Nothing but the request."""
        return {}

    def mistakes(self, requests: Sequence[Column]) -> list[str]:
        """Return the columns that the request has not, or that no feature can hold."""
        known = with_times(requests)
        return [m for name, of in self.values for m in misread(f"request feature {name!r}", of, known)]

    def outputs(self, requests: Sequence[Column]) -> tuple[Column, ...]:
        """Return the columns, with the unit and description they have in the request."""
        own = {c.name: c for c in requests}
        known = with_times(requests)
        return tuple(
            replace(own[name], type=_type(probe(name, known)), nullable=True)
            if name in own and of == name
            else Column(name, _type(probe(of, known)), description="computed from the request")
            for name, of in self.values
        )


@dataclass(frozen=True)
class Lookup:
    """The latest record of a key: of those known at prediction, the one that happened last.

    So an old record that is delivered late hides no newer one. A record about the future counts as
    having happened when it became known.

    Parameters
    ----------
    source
        Where the records are.
    by
        The key; the features are called key_column.
    columns
        What to take from the record.
    max_age
        How long ago the record may have happened: in (t - max_age, t], t the prediction time; an
        older one gives null. May be left out only for a snapshot.
    """

    source: Source
    by: By
    columns: tuple[str, ...]
    max_age: timedelta | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "by", keys_of(self.by))
        object.__setattr__(self, "columns", several(self.columns))

    @property
    def keys(self) -> tuple[Key, ...]:
        """The key, column by column."""
        return keys_of(self.by)

    @property
    def reads(self) -> Mapping[str, timedelta | None]:
        """As long as a record may be old: it cannot be known before it happened."""
        return {name_of(self.source): self.max_age}

    def mistakes(self, requests: Sequence[Column]) -> list[str]:
        """Return unknown columns and keys, and a missing or impossible ``max_age``."""
        what = f"lookup of {name_of(self.source)}"
        if wrong := source_mistakes(what, self.source):
            return wrong
        known = with_times(self.source.columns)
        found = key_mistakes(what, self.keys, requests, known)
        found += [m for name in self.columns for m in misread(what, name, known)]
        if not self.columns:
            found.append(f"{what} takes no columns")
        if self.max_age is None and not self.source.snapshot:
            found.append(f"{what} has no max_age, so that a stalled source would go unseen; give one, such as hours(3)")
        return found + not_positive(what, "max_age", [self.max_age] if self.max_age is not None else [])

    def outputs(self, requests: Sequence[Column]) -> tuple[Column, ...]:
        """Return one column for each column taken."""
        own = {c.name: c for c in self.source.columns}
        known, prefix = with_times(self.source.columns), prefix_of(self.keys)
        return tuple(
            Column(
                f"{prefix}_{name}",
                _type(probe(name, known)),
                unit=own[name].unit if name in own else "",
                description=f"{name} of the latest known row of {self.source.name}{_same(self.keys)}",
            )
            for name in self.columns
        )


@dataclass(frozen=True, init=False)
class Trailing:
    """Aggregates of a key's rows that became known in (t - window, t], t the prediction time.

    Parameters
    ----------
    source
        Where the rows are.
    by
        The key; () for one group of all rows. A request without a key gets nulls.
    over
        The window, or several.
    aggregates
        What to compute, by name; the features are called key_name_window, such as
        ``carrier_dest_late_rate_7d``.
    """

    source: Source
    by: By
    over: tuple[timedelta, ...]
    aggregates: tuple[tuple[str, Aggregate], ...]

    def __init__(self, source: Source, by: By, over: timedelta | Sequence[timedelta], **aggregates: Aggregate) -> None:
        object.__setattr__(self, "source", source)
        object.__setattr__(self, "by", keys_of(by))
        object.__setattr__(self, "over", several(over))
        object.__setattr__(self, "aggregates", tuple(aggregates.items()))

    @property
    def keys(self) -> tuple[Key, ...]:
        """The key, column by column."""
        return keys_of(self.by)

    @property
    def reads(self) -> Mapping[str, timedelta | None]:
        """As long as the longest window."""
        return {name_of(self.source): max(sound(self.over, timedelta), default=timedelta(0))}

    def mistakes(self, requests: Sequence[Column]) -> list[str]:
        """Return unknown columns and keys, windows that are no windows, and aggregates that do not fit."""
        what = f"trailing features of {name_of(self.source)}"
        if wrong := source_mistakes(what, self.source):
            return wrong
        known = with_times(self.source.columns)
        found = key_mistakes(what, self.keys, requests, known) + windows_mistakes(what, "over", self.over)
        return found + aggregate_mistakes(what, self.aggregates, known)

    def outputs(self, requests: Sequence[Column]) -> tuple[Column, ...]:
        """Return one column for each aggregate and window, window by window."""
        return tuple(
            _aggregated(
                self.source,
                self.keys,
                aggregate,
                name=f"{name}_{window_name(window)}",
                when=f"known in the last {window_name(window)}",
            )
            for window in self.over
            for name, aggregate in self.aggregates
        )


@dataclass(frozen=True, init=False)
class Scheduled:
    """Aggregates of a plan around the request's own planned time s: its rows that happen in [s - w, s + w].

    Only rows that became known in (t - max_age, t] count, t the prediction time.

    Parameters
    ----------
    source
        The plan: rows known before they happen.
    by
        The key; () for one group of all rows. A request without a key gets nulls.
    around
        The half-width w, or several.
    max_age
        How long before the prediction a row may have become known: longer than a plan is published ahead.
    at
        The request's column with its own planned time.
    aggregates
        What to compute, by name; the features are called key_name_around_w. ``last`` and ``age`` do not apply.
    """

    source: Source
    by: By
    around: tuple[timedelta, ...]
    max_age: timedelta | None
    at: str
    aggregates: tuple[tuple[str, Aggregate], ...]

    def __init__(
        self,
        source: Source,
        by: By,
        around: timedelta | Sequence[timedelta],
        *,
        max_age: timedelta | None = None,
        at: str = EVENT_TIME,
        **aggregates: Aggregate,
    ) -> None:
        object.__setattr__(self, "source", source)
        object.__setattr__(self, "by", keys_of(by))
        object.__setattr__(self, "around", several(around))
        object.__setattr__(self, "max_age", max_age)
        object.__setattr__(self, "at", at)
        object.__setattr__(self, "aggregates", tuple(aggregates.items()))

    @property
    def keys(self) -> tuple[Key, ...]:
        """The key, column by column."""
        return keys_of(self.by)

    @property
    def reads(self) -> Mapping[str, timedelta | None]:
        """As long as a row may be known already."""
        return {name_of(self.source): self.max_age}

    def mistakes(self, requests: Sequence[Column]) -> list[str]:
        """Return unknown columns and keys, windows that are no windows, and aggregates that do not fit."""
        what = f"scheduled features of {name_of(self.source)}"
        if wrong := source_mistakes(what, self.source):
            return wrong
        known = with_times(self.source.columns)
        found = key_mistakes(what, self.keys, requests, known) + windows_mistakes(what, "around", self.around)
        times = [c.name for c in with_times(requests) if c.type == "timestamp"]
        if self.at not in times:
            found.append(f"{what}: at={self.at!r} is not a moment of the request; moments: {', '.join(times)}")
        if self.max_age is None:
            found.append(f"{what} has no max_age, so that all plans ever would be read; give one, such as days(2)")
        found += not_positive(what, "max_age", [self.max_age] if self.max_age is not None else [])
        found += [
            f"{what}: {name!r} is {a.kind.value}(), which has no meaning around a time; use Trailing"
            for name, a in self.aggregates
            if isinstance(a, Aggregate) and a.kind in (Kind.LAST, Kind.AGE)
        ]
        return found + aggregate_mistakes(what, self.aggregates, known)

    def outputs(self, requests: Sequence[Column]) -> tuple[Column, ...]:
        """Return one column for each aggregate and width, width by width."""
        return tuple(
            _aggregated(
                self.source,
                self.keys,
                aggregate,
                name=f"{name}_around_{window_name(width)}",
                when=f"planned within {window_name(width)} of the request's {self.at}",
            )
            for width in self.around
            for name, aggregate in self.aggregates
        )


KINDS: Final = (Request, Lookup, Trailing, Scheduled)
"""What the engine can compute; a further kind needs a case there, see `point_in_time.compute`."""


def outputs(features: Iterable[Feature], requests: Sequence[Column]) -> tuple[Column, ...]:
    """Return all columns that ``features`` give, in declared order."""
    return tuple(column for feature in features for column in feature.outputs(requests))


def mistakes(features: Sequence[Feature], requests: Sequence[Column]) -> list[str]:
    """Return everything wrong with the declarations, one by one and together."""
    found = [m for feature in features for m in feature.mistakes(requests)]
    if found:
        return found
    names = [c.name for c in outputs(features, requests)]
    twice = sorted({n for n in names if names.count(n) > 1})
    return [f"two features are called {n!r}; rename one aggregate" for n in twice]


def _type(values: Values) -> str:
    return "string" if values.is_text else "float32"


def _aggregated(source: Source, keys: tuple[Key, ...], aggregate: Aggregate, *, name: str, when: str) -> Column:
    known = with_times(source.columns)
    units = {c.name: c.unit for c in known}
    own = units.get(aggregate.of, "") if isinstance(aggregate.of, str) else ""
    unit = {Kind.COUNT: "rows", Kind.RATE: "share", Kind.AGE: "h"}.get(aggregate.kind, own)
    text = aggregate.kind is Kind.LAST and aggregate.of is not None and probe(aggregate.of, known).is_text
    of = f" of {aggregate.of}" if isinstance(aggregate.of, str) else ""
    return Column(
        f"{prefix_of(keys)}_{name}",
        "string" if text else "float32",
        unit=unit,
        description=f"{aggregate.kind.value}{of} over rows of {source.name}{_same(keys)} {when}",
    )


def _same(keys: tuple[Key, ...]) -> str:
    return f" of the same {', '.join(k.name for k in keys)}" if keys else ""
