"""What a derived row is held against: its columns' limits, its source's rules, and other tables."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.data_ingestion.quarantine import Rejections
from mlsys_assets.data_ingestion.source import Reference, Source
from mlsys_assets.tables import EVENT_TIME, KNOWN_AT, Column


def check_column(column: Column, values: pa.ChunkedArray, shown: pa.ChunkedArray, rejections: Rejections) -> None:
    """Reject nulls, values and texts that the column does not allow; ``shown`` is what stood in the file."""
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


def check_times(rows: pa.Table, rejections: Rejections) -> None:
    """Reject rows that cannot say when they happened or became known."""
    for name in (EVENT_TIME, KNOWN_AT):
        column = rows.column(name)
        if column.null_count:
            rejections.add(
                np.asarray(pc.is_null(column)),
                rule="impossible time",
                column=name,
                values=column,
            )


def check_rules(source: Source, rows: pa.Table, rejections: Rejections) -> None:
    """Reject rows that break one of the source's rules."""
    for rule in source.rules:
        broken = pc.invert(pc.fill_null(rule.holds(rows), True))
        if pc.any(broken).as_py():
            rejections.add(
                np.asarray(broken),
                rule=rule.name,
                column=rule.column,
                values=rows.column(rule.column),
            )


def check_references(
    source: Source,
    rows: pa.Table,
    rejections: Rejections,
    known: Mapping[str, pa.Table],
) -> None:
    """Reject rows that name what the referenced table did not hold when they became known."""
    for reference in source.references:
        unknown = _unknown(reference, rows, known[reference.source.name])
        if pc.any(unknown).as_py():
            values = rows.column(reference.column)
            rejections.add(np.asarray(unknown), rule=reference.rule, column=reference.column, values=values)


def _unknown(reference: Reference, rows: pa.Table, there: pa.Table) -> pa.ChunkedArray:
    values, allowed = rows.column(reference.column), pa.array(reference.allow, pa.string())
    first = there.group_by(reference.key, use_threads=False).aggregate([(KNOWN_AT, "min")])
    names, since = first[reference.key].combine_chunks().cast(pa.string()), first[f"{KNOWN_AT}_min"]
    asked = pc.and_(pc.is_valid(values), pc.invert(pc.is_in(values, value_set=allowed)))
    if not rows.num_rows or not there.num_rows or pc.max(since).as_py() <= pc.min(rows[KNOWN_AT]).as_py():
        return pc.and_(asked, pc.invert(pc.is_in(values, value_set=names)))  # all of it was known by then
    known = pc.less_equal(since.take(pc.index_in(values, value_set=names)), rows[KNOWN_AT])
    return pc.and_(asked, pc.invert(pc.fill_null(known, False)))
