"""Tables that are exactly what was declared, or nothing is written.

Delta Lake's writer casts in silence (1.7 into an integer column stores 1), so the comparison is ours.
"""

from collections.abc import Sequence

import pyarrow as pa

from mlsys_resources.names import identifier

TIMESTAMP = pa.timestamp("us", tz="UTC")
"""The one type of a moment in the lake."""

STORABLE = (
    pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.float32(), pa.float64(),
    pa.string(), pa.binary(), pa.date32(), TIMESTAMP,
)  # fmt: skip
"""The types a column may be declared with: those that come back as they went in."""


class SchemaMismatch(ValueError):
    """Rows that are not what was declared, or a declaration that is not what is stored.

    ``missing``, ``unexpected`` and ``retyped`` name columns; ``problems`` says everything in words.
    """

    def __init__(
        self,
        what: str,
        problems: Sequence[str],
        *,
        missing: Sequence[str] = (),
        unexpected: Sequence[str] = (),
        retyped: Sequence[str] = (),
    ) -> None:
        self.missing, self.unexpected, self.retyped = tuple(missing), tuple(unexpected), tuple(retyped)
        self.problems = tuple(problems)
        super().__init__(f"{what}\n" + "\n".join(f"  - {p}" for p in problems))


def storable(what: str, schema: pa.Schema, *, reserved: Sequence[str]) -> pa.Schema:
    """Return the declared schema without metadata, if a table can be stored under it.

    Raises SchemaMismatch for names that are not identifiers, are reserved or differ only by case,
    and for types outside ``STORABLE``.
    """
    problems, seen = [], {name.casefold() for name in reserved}
    for field in schema:
        try:
            identifier(field.name)
        except ValueError as error:
            problems.append(str(error))
        if field.name.casefold() in seen:
            problems.append(f"{field.name!r} stands there twice (case does not count) or is reserved for the lake")
        seen.add(field.name.casefold())
        if field.type not in STORABLE:
            problems.append(f"{field.name!r} has type {field.type}; allowed: {', '.join(map(str, STORABLE))}")
    if problems or not len(schema):
        raise SchemaMismatch(f"{what} cannot be declared so; nothing was written", problems or ["it has no columns"])
    return pa.schema([pa.field(f.name, f.type, nullable=f.nullable) for f in schema])


def conform(what: str, data: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return ``data`` under exactly ``schema``; only the way values are held may change.

    Dictionaries become their values, large and view strings plain ones, and aware timestamps of any
    zone and unit UTC microseconds where nothing is lost. Raises SchemaMismatch, listing every
    missing, unexpected, misplaced and retyped column and every null where none is allowed.
    """
    own = data.schema.names
    missing = [n for n in schema.names if n not in own]
    unexpected = [n for n in own if n not in schema.names or own.count(n) > 1]
    problems = [f"column {n!r} is missing" for n in missing]
    problems += [f"column {n!r} is not declared, or stands there twice" for n in unexpected]
    if not problems and own != schema.names:
        problems.append(f"the order is {', '.join(own)}; declared: {', '.join(schema.names)}")
    retyped, columns = [], []
    for field in schema:
        if field.name in missing or field.name in unexpected:
            continue
        try:
            columns.append(_plain(data[field.name], field))
        except ValueError as error:
            retyped.append(field.name)
            problems.append(f"column {field.name!r} {error}")
    if problems:
        advice = "; nothing was written: mend what makes the rows, or declare what they are"
        raise SchemaMismatch(
            f"{what} was given rows that are not what is declared{advice}", problems,
            missing=missing, unexpected=unexpected, retyped=retyped,
        )  # fmt: skip
    return pa.table(columns, schema=schema)


def agree(what: str, declared: pa.Schema, stored: pa.Schema, *, advice: str) -> None:
    """Raise SchemaMismatch if two schemas differ in a column's name, type, nullability or place."""
    if declared.equals(stored):
        return
    missing = [n for n in stored.names if n not in declared.names]
    unexpected = [n for n in declared.names if n not in stored.names]
    both = [n for n in declared.names if n in stored.names]
    retyped = [n for n in both if not declared.field(n).equals(stored.field(n))]
    problems = [f"column {n!r} is stored and no longer declared" for n in missing]
    problems += [f"column {n!r} is declared and not stored" for n in unexpected]
    problems += [f"column {n!r} is {_said(declared.field(n))}; stored: {_said(stored.field(n))}" for n in retyped]
    if not problems:
        problems.append(f"the order is {', '.join(declared.names)}; stored: {', '.join(stored.names)}")
    raise SchemaMismatch(
        f"{what} is stored with another schema; nothing was written: {advice}", problems,
        missing=missing, unexpected=unexpected, retyped=retyped,
    )  # fmt: skip


def _plain(column: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    """Return the column's values held as the declared type holds them; raises ValueError if it cannot."""
    if column.type != field.type:
        if _meaning(column.type) != field.type:
            raise ValueError(f"has type {column.type}; declared: {field.type}")
        try:
            column = column.cast(field.type)
        except pa.ArrowInvalid as error:
            raise ValueError(f"has type {column.type}, which loses by becoming {field.type}: {error}") from error
    if column.null_count and not field.nullable:
        raise ValueError(f"holds {column.null_count} null(s) and may hold none")
    return column


def _meaning(kind: pa.DataType) -> pa.DataType:
    """Return the type whose values a column holds, whatever way it holds them."""
    if pa.types.is_dictionary(kind):
        return _meaning(kind.value_type)
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return pa.binary()
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return TIMESTAMP
    return kind


def _said(field: pa.Field) -> str:
    return f"{field.type}{'' if field.nullable else ' not null'}"
