"""From text to declared types: what cannot be read is rejected, never guessed."""

from functools import reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.data_ingestion.quarantine import Rejections
from mlsys_assets.data_ingestion.source import DELIVERED_AT, MALFORMED, Source
from mlsys_assets.tables import SOURCE_FILE, SOURCE_LINE, TIMESTAMP, Column

HEXADECIMAL = "xX"
"""The letters that only a hexadecimal number has."""

Mask = NDArray[np.bool_]


def typed_columns(source: Source, raw: pa.Table, rejections: Rejections) -> pa.Table:
    """Return the declared raw columns typed, null where the text could not be read, which is noted."""
    broken = raw.column(MALFORMED)
    if broken.null_count < len(broken):
        rejections.add(np.asarray(pc.is_valid(broken)), rule="malformed", column="", values=broken)
    columns, nulls = {}, pa.array(source.nulls, pa.string())
    for column in source.raw:
        text = raw.column(column.name)
        if pc.any(nothing := pc.is_in(text, value_set=nulls)).as_py():
            text = pc.if_else(nothing, pa.scalar(None, pa.string()), text)
        columns[column.name], unreadable = cast(text, column.type)
        if unreadable is not None:
            rejections.add(unreadable, rule=f"not {column.type}", column=column.name, values=text)
        if column.sentinels:
            stands_for_missing = are_sentinels(column, columns[column.name])
            columns[column.name] = pc.if_else(stands_for_missing, None, columns[column.name])
    origin = {name: raw.column(name) for name in (SOURCE_FILE, SOURCE_LINE, DELIVERED_AT) if name in raw.schema.names}
    return pa.table(columns | origin)


def are_sentinels(column: Column, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return which of a column's numbers are declared to stand for a missing value; null where there is none.

    >>> are_sentinels(Column("pdays", "int64", sentinels=(999,)), pa.chunked_array([[3, 999, None]])).to_pylist()
    [False, True, None]
    """
    kind = int if pa.types.is_integer(values.type) else float
    first, *more = (pc.equal(values, pa.scalar(kind(sentinel), values.type)) for sentinel in column.sentinels)
    return reduce(pc.or_, more, first)


def read_moments(text: pa.ChunkedArray, *, zone: str = "") -> pa.ChunkedArray:
    """Return ISO 8601 texts as moments; null where there is none that exists.

    Parameters
    ----------
    zone
        The time zone of texts that name none, such as UTC or Europe/Berlin: a time that its clocks show twice is the
        first of the two, one that they skip is when they go forward. Changes of the clocks are known until 2037.
        Without a zone, such texts are null.

    >>> read_moments(pa.chunked_array([["2024-05-01 12:00:00", "2024-05-01"]]), zone="Europe/Berlin")[0].as_py().hour
    10
    """
    found = cast(text, "timestamp")[0]
    if not zone:
        return found
    local = cast_local(text)
    placed = pc.assume_timezone(local, zone, ambiguous="earliest", nonexistent="latest").cast(TIMESTAMP)
    return pc.coalesce(found, placed)


def cast_local(text: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return ISO 8601 texts without a zone as what a clock shows; null where it is none."""
    coded = text.combine_chunks().dictionary_encode()
    shown = [_cast_one(value, pa.timestamp("us")) for value in coded.dictionary]
    return pa.chunked_array([pa.array(shown, pa.timestamp("us")).take(coded.indices)])


def cast(text: pa.ChunkedArray, kind: str) -> tuple[pa.ChunkedArray, Mask | None]:
    """Return the typed column and, if any value could not be read, which ones.

    A value is read alike whatever stands beside it.
    """
    target = Column("", kind).arrow.type
    if kind == "string":
        return text, None
    try:
        if not pa.types.is_integer(target) or not _hexadecimal(text):
            return text.cast(target), None
    except pa.ArrowInvalid:
        pass  # some value is not of the type: below, which
    coded = text.combine_chunks().dictionary_encode()
    read = pa.array([_cast_one(value, target) for value in coded.dictionary], target)
    typed = pa.chunked_array([read.take(coded.indices)])
    return typed, np.asarray(pc.and_(pc.is_valid(text), pc.is_null(typed)))


def _hexadecimal(text: pa.ChunkedArray) -> bool:
    """Whether a value may be hexadecimal, which Arrow reads as a whole number and nobody declared."""
    return any(pc.any(pc.match_substring(text, letter)).as_py() for letter in HEXADECIMAL)


def _cast_one(value: pa.Scalar, target: pa.DataType) -> pa.Scalar | None:
    if pa.types.is_integer(target) and any(letter in value.as_py() for letter in HEXADECIMAL):
        return None
    try:
        return value.cast(target)
    except pa.ArrowInvalid:
        return None
