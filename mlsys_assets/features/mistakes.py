"""What can be wrong with a feature declaration, found before any data is read."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.data_labeling.natural_labels import NaturalLabel
from mlsys_assets.features.aggregate import ADDITIVE, Aggregate, AggregateKind
from mlsys_assets.features.expression import Expression, NotRowByRow, probe
from mlsys_assets.features.key import Key
from mlsys_assets.mistakes import not_long, not_one, out_of_range, sound
from mlsys_assets.tables import EVENT_TIME, KNOWN_AT, Column

NUMERIC = frozenset({
    AggregateKind.SUM, AggregateKind.MEAN, AggregateKind.VARIANCE, AggregateKind.MINIMUM, AggregateKind.MAXIMUM,
})  # fmt: skip
"""The kinds that need numbers."""
MOST_HALVINGS = 1_000
"""How often weights are halved within a window: each costs time, and 2**-1000 of a row is nothing."""


def with_times(columns: Sequence[Column]) -> list[Column]:
    """Return a table's columns and the two times that every table has."""
    names = {c.name for c in columns}
    return [*columns, *(Column(t, "timestamp", nullable=False) for t in (EVENT_TIME, KNOWN_AT) if t not in names)]


def window_name(window: timedelta) -> str:
    """Return the shortest whole name of a duration.

    >>> window_name(timedelta(hours=3)), window_name(timedelta(hours=48)), window_name(timedelta(minutes=90))
    ('3h', '2d', '90m')
    """
    for unit, text in ((timedelta(days=1), "d"), (timedelta(hours=1), "h"), (timedelta(minutes=1), "m")):
        if window % unit == timedelta(0):
            return f"{window // unit}{text}"
    return f"{window // timedelta(microseconds=1)}us"


def misread(what: str, of: str | Expression, known: Sequence[Column]) -> list[str]:
    """Return why a column or expression cannot be read from a table of these columns, if it cannot."""
    try:
        values = probe(of, known)
    except Exception as error:  # noqa: BLE001 - a declared callable may raise anything; all mistakes are listed
        return [f"{what}: {error.args[0] if isinstance(error, (KeyError, NotRowByRow)) else repr(error)}"]
    name = repr(of) if isinstance(of, str) else "the expression"
    return [f"{what}: {name} is a moment, which is no feature; take a difference in hours"] if values.is_time else []


def key_mistakes(what: str, keys: tuple[Key, ...], requests: Sequence[Column], known: Sequence[Column]) -> list[str]:
    """Return which parts of a key either side lacks, and where the two sides' types differ."""
    found: list[str] = []
    for key in keys:
        if wrong := not_one(f"{what}: an element of by", key, (Key, str)):
            found += wrong
            continue
        missing = misread(f"{what}: key {key.name!r} of the request", key.request, with_times(requests))
        missing += misread(f"{what}: key {key.name!r}", key.in_source, known)
        if not missing and probe(key.request, with_times(requests)).is_text != probe(key.in_source, known).is_text:
            missing = [f"{what}: key {key.name!r} is text on one side and a number on the other"]
        found += missing
    return found


def aggregate_mistakes(
    what: str,
    aggregates: tuple[tuple[str, Aggregate], ...],
    known: Sequence[Column],
    windows: Sequence[timedelta],
) -> list[str]:
    """Return which aggregates read what is not there, do not fit its type, or weigh by what is too short."""
    found = [] if aggregates else [f"{what} have no aggregate; give one, such as n=count()"]
    for name, aggregate in aggregates:
        here = f"{what}: {name!r}"
        if wrong := not_one(here, aggregate, Aggregate):
            found += [f"{mistake}, such as count() or mean('column')" for mistake in wrong]
            continue
        wrong = [m for of in (aggregate.of, aggregate.where) if of is not None for m in misread(here, of, known)]
        found += wrong or _type_mistakes(here, aggregate, known)
        found += _weight_mistakes(here, aggregate, windows)
        found += out_of_range(f"{here}: resolution", aggregate.resolution, above=0)
    return found


def _type_mistakes(what: str, aggregate: Aggregate, known: Sequence[Column]) -> list[str]:
    for role, of in (("rate", aggregate.of), ("where", aggregate.where)):
        if of is None or (role == "rate" and aggregate.kind is not AggregateKind.RATE):
            continue
        if not (values := probe(of, known)).is_condition:
            kind = "text" if values.is_text else values.values.dtype
            named = "is a rate of" if role == "rate" else f"is a {aggregate.kind.value} of rows where there is"
            return [f"{what} {named} {kind}; give a condition that is true or false"]
    if aggregate.of is not None and aggregate.kind in NUMERIC and probe(aggregate.of, known).is_text:
        return [f"{what} is a {aggregate.kind.value} of text; give a number"]
    return []


def _weight_mistakes(what: str, aggregate: Aggregate, windows: Sequence[timedelta]) -> list[str]:
    if aggregate.half_life is None:
        return []
    if aggregate.kind not in ADDITIVE:
        allowed = ", ".join(sorted(ADDITIVE))
        return [f"{what} is a {aggregate.kind.value} with a half_life; rows are weighted in {allowed} only"]
    if wrong := not_long(f"{what}: half_life", aggregate.half_life):
        return wrong
    longest = max(sound(windows, timedelta), default=timedelta(0))
    if longest > MOST_HALVINGS * aggregate.half_life:
        seen = f"half_life {aggregate.half_life} is too short for a window of {window_name(longest)}"
        told = f"give {longest / MOST_HALVINGS} or more, or a shorter window"
        return [f"{what}: {seen}: weights are halved at most {MOST_HALVINGS} times; {told}"]
    return []


def windows_mistakes(what: str, name: str, windows: tuple[timedelta, ...]) -> list[str]:
    """Return what is wrong with a list of windows."""
    found = [] if windows else [f"{what}: {name} is empty; give at least one duration, such as days(7)"]
    durations = sound(windows, timedelta)
    twice = sorted({w for w in durations if durations.count(w) > 1})
    found += [f"{what}: {name} holds {window_name(w)} twice" for w in twice]
    return found + not_positive(what, name, windows)


def not_positive(what: str, name: str, windows: Iterable[timedelta]) -> list[str]:
    """Return which durations are none, zero or negative."""
    return [m for w in windows for m in not_long(f"{what}: {name}", w)]


def name_of(source: object) -> str:
    """Return a source's name, or whatever stands in its place."""
    return str(getattr(source, "name", source))


def source_mistakes(what: str, source: object) -> list[str]:
    """Return that what a feature reads is no source; a label in particular, which is known later than it is about."""
    if isinstance(source, NaturalLabel):
        told = f"is known only later, up to {source.window} after the prediction"
        named = name_of(source.source)
        return [f"{what} reads the label itself, which {told}; read its source {named!r}, which says when it was known"]
    return not_one(f"{what}: source", source, Source)
