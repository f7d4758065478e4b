"""From raw text to typed rows: each record is accepted or quarantined, with the rule it broke."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.data_ingestion.quarantine import FILED_AT, QUARANTINE, Rejections
from mlsys_assets.data_ingestion.source import (
    DELIVERED_AT,
    EVENT_TIME,
    KNOWN_AT,
    MALFORMED,
    SOURCE_FILE,
    SOURCE_LINE,
    TIMESTAMP,
    Column,
    Source,
)
from mlsys_assets.types import Finding, Severity, TimeWindow

INTEGER = r"^[+-]?\d{1,18}$"
DECIMAL = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?$"
ALLOWED_ROWS = 5
"""Broken rows that a tick may always have where any are allowed: a share of a handful says nothing."""
SHOWN = 3

Mask = NDArray[np.bool_]


class SourceChanged(ValueError):
    """A source no longer looks as declared; nothing of the tick was written."""


@dataclass(frozen=True)
class Ingested:
    """A window's rows of one source: ``accepted.num_rows + quarantined.num_rows == read``."""

    accepted: pa.Table
    quarantined: pa.Table
    read: int
    findings: tuple[Finding, ...] = field(default=())


def ingest(
    source: Source,
    raw: pa.Table,
    *,
    window: TimeWindow,
    known: Mapping[str, pa.Table] | None = None,
) -> Ingested:
    """Return the rows of ``source`` that became known within ``window``.

    Parameters
    ----------
    source
        The declaration.
    raw
        What its reader gave: text columns and the reader's own.
    window
        Known-at times to keep; every row of a snapshot is kept.
    known
        The tables that its references point to, by source name.

    Raises
    ------
    SourceChanged
        If a declared column is missing, or more rows are broken than the source allows.
    """
    _require_columns(source, raw)
    delivered = _delivered(source, raw, window)
    rejections = Rejections(raw.num_rows)
    typed = _typed(source, raw, rejections)
    if source.where is not None:
        kind = np.asarray(pc.fill_null(source.where(typed), False)) | rejections.mask
        typed, raw, rejections = (
            typed.filter(pa.array(kind)),
            raw.filter(pa.array(kind)),
            rejections.take(kind),
        )
    for column in source.raw:
        _check_column(column, typed.column(column.name), raw.column(column.name), rejections)
    rows = _derived(source, typed)
    _check_references(source, rows, rejections, known or {})
    for column in source.columns:
        _check_column(column, rows.column(column.name), rows.column(column.name), rejections)
    _check_times(rows, rejections)
    _check_rules(source, rows, rejections)
    filed = _filed_at(source, rows, raw)
    if not source.snapshot:
        kept = _inside(filed, window)
        mask = pa.array(kept)
        rows, raw, filed, rejections = rows.filter(mask), raw.filter(mask), filed.filter(mask), rejections.take(kept)
    _check_keys(source, rows, rejections)
    return _settled(source, rows, raw.append_column(FILED_AT, filed), rejections, delivered)


def _delivered(source: Source, raw: pa.Table, window: TimeWindow) -> int:
    """Return how many raw records of any kind the window has: what the share of broken ones is a share of."""
    return raw.num_rows if source.snapshot else int(_inside(raw.column(DELIVERED_AT), window).sum())


def _require_columns(source: Source, raw: pa.Table) -> None:
    missing = [c.name for c in source.raw if c.name not in raw.schema.names]
    if missing:
        there = [n for n in raw.schema.names if n not in {SOURCE_FILE, SOURCE_LINE, DELIVERED_AT, MALFORMED}]
        raise SourceChanged(
            f"source {source.name!r}: column(s) {', '.join(missing)} missing from the raw records, which have "
            f"{', '.join(there)}; nothing was written. Mend the delivery, or declare the new shape."
        )


def _typed(source: Source, raw: pa.Table, rejections: Rejections) -> pa.Table:
    broken = raw.column(MALFORMED)
    if broken.null_count < len(broken):
        rejections.add(np.asarray(pc.is_valid(broken)), rule="malformed", column="", values=broken)
    columns = {}
    for column in source.raw:
        text = raw.column(column.name)
        for null in source.nulls:
            text = pc.if_else(pc.equal(text, null), pa.scalar(None, pa.string()), text)
        columns[column.name], unreadable = _cast(text, column.type)
        if unreadable is not None:
            rejections.add(unreadable, rule=f"not {column.type}", column=column.name, values=text)
    origin = {name: raw.column(name) for name in (SOURCE_FILE, SOURCE_LINE, DELIVERED_AT) if name in raw.schema.names}
    return pa.table(columns | origin)


def _cast(text: pa.ChunkedArray, kind: str) -> tuple[pa.ChunkedArray, Mask | None]:
    """Return the typed column and, if any value could not be read, which ones."""
    target = Column("", kind).arrow.type
    if kind == "string":
        return text, None
    try:
        if not pc.any(pc.match_substring(text, "x")).as_py():  # Arrow reads hexadecimal, which nobody declared
            return text.cast(target), None
    except pa.ArrowInvalid:
        pass  # some value is not of the type: below, which
    if kind in {"int64", "float64", "float32"}:
        readable = pc.fill_null(
            pc.match_substring_regex(text, INTEGER if kind == "int64" else DECIMAL),
            True,
        )
        return pc.if_else(readable, text, None).cast(target), ~np.asarray(readable)
    values = [_cast_one(value, target) for value in text]
    typed = pa.chunked_array([pa.array(values, target)])
    return typed, np.asarray(pc.and_(pc.is_valid(text), pc.is_null(typed)))


def _cast_one(value: pa.Scalar, target: pa.DataType) -> object:
    try:
        return value.cast(target).as_py()
    except pa.ArrowInvalid:
        return None


def _derived(source: Source, typed: pa.Table) -> pa.Table:
    rows = source.derive(typed)
    if rows.num_rows != typed.num_rows:
        raise ValueError(
            f"source {source.name!r}: derive() returned {rows.num_rows} rows for {typed.num_rows}; "
            "it must work row by row and in order"
        )
    for name in {SOURCE_FILE, SOURCE_LINE} - set(rows.schema.names):
        rows = rows.append_column(name, typed.column(name))
    absent = [n for n in source.schema.names if n not in rows.schema.names]
    if absent:
        raise ValueError(f"source {source.name!r}: derive() did not return {', '.join(absent)}")
    return rows.select(source.schema.names).cast(pa.schema([f.with_nullable(True) for f in source.schema]))


def _check_column(
    column: Column,
    values: pa.ChunkedArray,
    shown: pa.ChunkedArray,
    rejections: Rejections,
) -> None:
    if not column.nullable and values.null_count:
        rejections.add(
            np.asarray(pc.is_null(values)),
            rule="required",
            column=column.name,
            values=shown,
        )
    outside = _outside(column, values)
    if outside is not None and pc.any(outside).as_py():
        rejections.add(
            np.asarray(pc.fill_null(outside, False)),
            rule="range",
            column=column.name,
            values=shown,
        )
    if column.pattern:
        unlike = pc.and_(pc.is_valid(values), _unlike(shown, column.pattern))
        if pc.any(unlike).as_py():
            rejections.add(np.asarray(unlike), rule="pattern", column=column.name, values=shown)


def _unlike(text: pa.ChunkedArray, pattern: str) -> pa.Array:
    """Which values do not match; each distinct value is matched once."""
    coded = text.cast(pa.string()).combine_chunks().dictionary_encode()
    return pc.invert(pc.match_substring_regex(coded.dictionary, pattern)).take(coded.indices)


def _outside(column: Column, values: pa.ChunkedArray) -> pa.ChunkedArray | None:
    tests = []
    if column.type.startswith("float"):
        tests.append(pc.invert(pc.is_finite(values)))
    if column.minimum is not None:
        tests.append(pc.less(values, column.minimum))
    if column.maximum is not None:
        tests.append(pc.greater(values, column.maximum))
    if not tests:
        return None
    outside = tests[0]
    for test in tests[1:]:
        outside = pc.or_kleene(outside, test)
    return outside


def _check_times(rows: pa.Table, rejections: Rejections) -> None:
    for name in (EVENT_TIME, KNOWN_AT):
        column = rows.column(name)
        if column.null_count:
            rejections.add(
                np.asarray(pc.is_null(column)),
                rule="impossible time",
                column=name,
                values=column,
            )


def _check_rules(source: Source, rows: pa.Table, rejections: Rejections) -> None:
    for rule in source.rules:
        broken = pc.invert(pc.fill_null(rule.holds(rows), True))
        if pc.any(broken).as_py():
            rejections.add(
                np.asarray(broken),
                rule=rule.name,
                column=rule.column,
                values=rows.column(rule.column),
            )


def _check_references(
    source: Source,
    rows: pa.Table,
    rejections: Rejections,
    known: Mapping[str, pa.Table],
) -> None:
    for reference in source.references:
        there = known[reference.source.name].column(reference.key).combine_chunks()
        allowed = pa.concat_arrays([there.cast(pa.string()), pa.array(reference.allow, pa.string())])
        values = rows.column(reference.column)
        unknown = pc.and_(pc.is_valid(values), pc.invert(pc.is_in(values, value_set=allowed)))
        if pc.any(unknown).as_py():
            rule = f"not in {reference.source.name}.{reference.key}"
            rejections.add(np.asarray(unknown), rule=rule, column=reference.column, values=values)


def _filed_at(source: Source, rows: pa.Table, raw: pa.Table) -> pa.ChunkedArray:
    """When a row became known; a row too broken to tell goes by its delivery."""
    own = rows.column(KNOWN_AT)
    return own if source.snapshot else pc.coalesce(own, raw.column(DELIVERED_AT))


def _inside(moments: pa.ChunkedArray, window: TimeWindow) -> Mask:
    start, end = pa.scalar(window.start, TIMESTAMP), pa.scalar(window.end, TIMESTAMP)
    inside = pc.and_(pc.greater_equal(moments, start), pc.less(moments, end))
    return np.asarray(pc.fill_null(inside, False))


def _check_keys(source: Source, rows: pa.Table, rejections: Rejections) -> None:
    """Quarantine all but the first of the sound rows that share a key."""
    sound = np.flatnonzero(~rejections.mask)
    keys = rows.select(source.key).take(pa.array(sound)).append_column("row", pa.array(sound))
    firsts = keys.group_by(list(source.key), use_threads=False).aggregate([("row", "min")])
    if firsts.num_rows == len(sound):
        return
    first = np.zeros(rows.num_rows, dtype=bool)
    first[np.asarray(firsts.column("row_min"))] = True
    again = ~first & ~rejections.mask
    names = ", ".join(source.key)
    rejections.add(again, rule="duplicate key", column=names, values=rows.column(source.key[0]))


def _settled(source: Source, rows: pa.Table, raw: pa.Table, rejections: Rejections, delivered: int) -> Ingested:
    read = rows.num_rows
    broken = rejections.mask
    _refuse_if_too_many(source, rejections, max(read, delivered))
    accepted = rows.filter(pa.array(~broken)).cast(source.schema)
    quarantined = rejections.table(raw) if broken.any() else QUARANTINE.empty_table()
    return Ingested(accepted, quarantined, read, tuple(_findings(source, raw, accepted, rejections)))


def _refuse_if_too_many(source: Source, rejections: Rejections, records: int) -> None:
    bad = int(rejections.mask.sum())
    allowed = max(ALLOWED_ROWS, source.allowed_share * records) if source.allowed_share else 0
    if bad > allowed:
        raise SourceChanged(
            f"source {source.name!r}: {bad} of {records} rows are broken, {source.allowed_share:.0%} are allowed "
            f"({source.kind}); nothing was written. Most broken: {rejections.summary(SHOWN)}."
        )


def _findings(source: Source, raw: pa.Table, accepted: pa.Table, rejections: Rejections) -> list[Finding]:
    read, bad = rejections.rows, int(rejections.mask.sum())
    found = [
        Finding(
            "every_row_accounted_for",
            accepted.num_rows + bad == read,
            f"{read} rows read = {accepted.num_rows} accepted + {bad} quarantined"
            + (f" ({rejections.summary(SHOWN)})" if bad else ""),
            evidence={"read": read, "accepted": accepted.num_rows, "quarantined": bad},
        )
    ]
    if source.header:
        own = {SOURCE_FILE, SOURCE_LINE, DELIVERED_AT, MALFORMED, FILED_AT}
        added = sorted(set(raw.schema.names) - set(source.header) - own)
        summary = (
            f"columns not declared: {', '.join(added)}; they are ignored" if added else "the columns are as declared"
        )
        found.append(Finding("no_undeclared_columns", not added, summary, Severity.WARN))
    found += [_reference_finding(source, accepted, r.column, r.allow) for r in source.references if r.allow]
    return found


def _reference_finding(source: Source, accepted: pa.Table, column: str, allow: tuple[str, ...]) -> Finding:
    values = accepted.column(column)
    missing = int(pc.sum(pc.is_in(values, value_set=pa.array(allow, pa.string()))).as_py() or 0)
    return Finding(
        f"{column}_is_known",
        missing == 0,
        f"{missing} rows name {', '.join(allow)}, which the reference lacks; {source.name} allows them",
        Severity.WARN,
        {"rows": missing, "values": ", ".join(allow)},
    )
