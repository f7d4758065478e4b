"""What can be wrong with a source's declaration, found before a file is read."""

import sys
from collections.abc import Container, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.data_ingestion.source import DELIVERED_AT, MALFORMED, TOLERANCE, Reference, Rule, Source
from mlsys_assets.mistakes import LONGEST_NAME, alike, misfit, misnamed, not_all, not_one, out_of_range, sound
from mlsys_assets.tables import EVENT_TIME, KNOWN_AT, SOURCE_FILE, SOURCE_LINE, TIMESTAMP, TYPES, Column

NUMBERS = frozenset({"int64", "float64", "float32"})
"""The types that a minimum and a maximum are for."""
ENDS: dict[str, tuple[float, float]] = {
    "int64": (-(2**63), 2**63 - 1),
    "float64": (-sys.float_info.max, sys.float_info.max),
    "float32": (float(np.finfo(np.float32).min), float(np.finfo(np.float32).max)),
}
"""The least and the largest number of a type."""
GIVEN = {
    SOURCE_FILE: pa.string(),
    SOURCE_LINE: pa.int32(),
    DELIVERED_AT: TIMESTAMP,
    MALFORMED: pa.string(),
}
"""What a reader adds to the raw columns."""
RESERVED = frozenset({EVENT_TIME, KNOWN_AT, SOURCE_FILE, SOURCE_LINE, "tick", "block"})
"""The columns that every table has: its two times, its origin, and the two by which the lake stores it."""
QUARANTINE_SUFFIX = "_quarantine"
LONGEST_SOURCE_NAME = LONGEST_NAME - len(QUARANTINE_SUFFIX)
TRUTH: dict[str, Any] = {"gives": "true or false", "fits": pa.types.is_boolean}
OWN_TABLES = frozenset({
    "labels", "features", "served_features", "predictions", "baseline_predictions", "test_scores", "training_set",
    "candidates", "evaluation", "champion_decision", "retraining_decision", "refitted_model", "promotion",
    "swept_models", "training_profile", "performance", "drift", "diagnosis", "recent_drift", "monthly_cost", "report",
    "challenger_report", "learning_curve", "freshness", "gain_per_compute", "feature_importance", "feature_removal",
    "split_gap", "compression", "weekly_page", "data_report",
    "policy_frontier",
})  # fmt: skip
"""What every system has besides its sources; a test holds them equal to the assets of the stages."""


def source_mistakes(source: Source, *, thorough: bool) -> Iterator[str]:
    """Yield everything that is wrong with a source, one by one."""
    yield from misnamed("it", source.name, longest=LONGEST_SOURCE_NAME)
    lower = str(source.name).casefold()
    if lower in OWN_TABLES or lower.endswith(QUARANTINE_SUFFIX):
        own = ", ".join(sorted(OWN_TABLES))
        yield f"its name is that of a table every system has; taken are {own}, and what ends in {QUARANTINE_SUFFIX}"
    for name, kind in (("raw", Column), ("columns", Column), ("key", str), ("references", Reference), ("rules", Rule),
                       ("header", str), ("nulls", str)):  # fmt: skip
        yield from not_all(f"its {name}", getattr(source, name), kind)
    for name in ("read", "derive"):
        if not callable(getattr(source, name)):
            yield f"its {name} is {getattr(source, name)!r}; it must be a function"
    if source.kind not in TOLERANCE:
        yield f"its kind is {source.kind!r}; allowed: {', '.join(TOLERANCE)}"
    if source.tolerance is not None:
        yield from out_of_range("its tolerance, a share,", source.tolerance, least=0, most=1)
    if source.corrections and source.snapshot:
        yield "it is a snapshot, which is replaced whole, and so has no corrections; leave one of the two off"
    yield from _column_mistakes(source)
    yield from _key_mistakes(source)
    for reference in sound(source.references, Reference):
        yield from _reference_mistakes(source, reference)
    yield from _function_mistakes(source, thorough=thorough)


def _of_column(column: Column) -> Iterator[str]:
    what = f"column {column.name!r}"
    if column.type not in TYPES:
        yield f"{what} has type {column.type!r}; allowed: {', '.join(TYPES)}"
    limits = {"minimum": column.minimum, "maximum": column.maximum}
    given = {name: limit for name, limit in limits.items() if limit is not None}
    if given and column.type in TYPES and column.type not in NUMBERS:
        yield f"{what} of type {column.type} has a {' and a '.join(given)}; limits are for {', '.join(sorted(NUMBERS))}"
    wrong = [m for name, limit in given.items() for m in out_of_range(f"{what}: its {name}", limit)]
    yield from wrong
    if not wrong and len(given) == len(limits) and column.minimum > column.maximum:  # type: ignore[operator]
        yield f"{what} has minimum {column.minimum} above its maximum {column.maximum}, so that no value is allowed"
    yield from _unreadable(f"{what}: its pattern", column.pattern)
    yield from _sentinel_mistakes(what, column.sentinels, column.type)


def _sentinel_mistakes(what: str, sentinels: object, kind: str) -> Iterator[str]:
    if not isinstance(sentinels, tuple):
        yield f"{what}: its sentinels are {sentinels!r}; give a tuple of numbers, such as (999,)"
        return
    if sentinels and kind in TYPES and kind not in NUMBERS:
        numbers = ", ".join(sorted(NUMBERS))
        yield f"{what} of type {kind} has sentinels, which are for {numbers}; of texts, name the source's nulls"
    least, most = ENDS.get(kind, ENDS["float64"])
    for sentinel in sentinels:
        yield from out_of_range(f"{what}: a sentinel", sentinel, whole=kind == "int64", least=least, most=most)


def _column_mistakes(source: Source) -> Iterator[str]:
    raw, own = sound(source.raw, Column), sound(source.columns, Column)
    once = {id(column): column for column in (*raw, *own)}  # a snapshot's are often the same
    yield from dict.fromkeys(mistake for column in once.values() for mistake in _of_column(column))
    yield from (mistake for c in own for mistake in misnamed("a column", c.name))
    yield from (f"column {c.name!r} has a reserved name: every table has one" for c in own if _is_in(c, RESERVED))
    yield from (f"raw column {c.name!r} has a reserved name: the reader gives one" for c in raw if _is_in(c, GIVEN))
    yield from alike("column", [c.name for c in own])
    yield from (f"raw column {n!r} is declared twice" for n in _twice([c.name for c in raw]))
    read = {c.name: c.sentinels for c in raw}
    for c in own:
        if c.sentinels and read.get(c.name) != c.sentinels:
            yield f"column {c.name!r} of its table has sentinels, which are looked for where a raw column is read only"
    if header := sound(source.header, str):
        unknown = [c.name for c in raw if c.name not in header]
        yield from (f"raw column {n!r} is not in its header; header: {', '.join(header)}" for n in unknown)


def _key_mistakes(source: Source) -> Iterator[str]:
    own, key = [c.name for c in sound(source.columns, Column)], sound(source.key, str)
    if not source.key:
        yield f"it has no key; name the columns that tell its rows apart, of {', '.join(map(str, own))}"
    yield from (f"its key names {k!r} twice" for k in _twice(key))
    yield from (
        f"its key names {k!r}, which is not a column; columns: {', '.join(map(str, own))}" for k in key if k not in own
    )


def _reference_mistakes(source: Source, reference: Reference) -> Iterator[str]:
    own = {c.name: c.type for c in sound(source.columns, Column)}
    yield from not_all(f"its reference through {reference.column!r}: allow", reference.allow, str)
    if reference.column not in own:
        names = ", ".join(map(str, own))
        yield f"it references through {reference.column!r}, which is not a column; columns: {names}"
    elif own[reference.column] != "string":
        yield f"it references through {reference.column!r} of type {own[reference.column]}; it must be string"
    if wrong := not_one(f"its reference through {reference.column!r}: source", reference.source, Source):
        yield from wrong
    elif reference.source.is_legible and reference.key not in reference.source.column_names:
        there = ", ".join(reference.source.column_names)
        yield f"it references {reference.source.name}.{reference.key}, which does not exist; columns: {there}"


def _function_mistakes(source: Source, *, thorough: bool) -> Iterator[str]:
    raw = sound(source.raw, Column)
    if source.where is not None and all(c.type in TYPES for c in raw):
        typed = {name: kind for name, kind in GIVEN.items() if name != MALFORMED} | {c.name: TYPES[c.type] for c in raw}
        rows = pa.table({name: pa.nulls(0, kind) for name, kind in typed.items()})
        yield from misfit("its where", source.where, rows, **TRUTH, thorough=thorough)
    if not source.is_legible:
        return
    rows = source.no_rows()
    for rule in sound(source.rules, Rule):
        if rule.column not in rows.column_names:
            names = ", ".join(rows.column_names)
            yield f"its rule {rule.name!r} is about {rule.column!r}, which is not a column; columns: {names}"
        yield from misfit(f"its rule {rule.name!r}", rule.holds, rows, **TRUTH, thorough=thorough)


def _unreadable(what: str, pattern: object) -> list[str]:
    if not isinstance(pattern, str):
        return [f"{what} is {pattern!r}; it must be a regular expression as text"]
    if not pattern:
        return []
    try:
        pc.match_substring_regex(pa.nulls(1, pa.string()), pattern)  # of no rows at all it would not be read
    except pa.ArrowInvalid as error:
        return [f"{what} is {pattern!r}, which is no regular expression (RE2): {error}"]
    return []


def _is_in(column: Column, reserved: Container[str]) -> bool:
    return str(column.name).casefold() in reserved


def _twice(names: Sequence[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if names.count(name) > 1]
