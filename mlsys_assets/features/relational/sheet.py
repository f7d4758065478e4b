"""Columns computed from one table's rows, each once, whoever needs them."""

from collections.abc import Callable, Hashable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mlsys_assets.features.expression import Expression
from mlsys_assets.features.numpy_table import unknown_column
from mlsys_assets.features.relational.arithmetic import double
from mlsys_assets.features.relational.database import Database
from mlsys_assets.features.relational.term import Term
from mlsys_assets.tables import TYPES

if TYPE_CHECKING:
    import ibis.expr.types as ir


class _Reading(Mapping[str, Term]):
    """A table's columns as terms, that remembers which an expression reads."""

    def __init__(self, table: "ir.Table", database: Database, widened: bool) -> None:
        self._table, self._database, self._widened = table, database, widened
        self.seen: dict[str, Term] = {}

    def __getitem__(self, name: str) -> Term:
        if name not in self._table.columns:
            raise KeyError(unknown_column(name, self._table.columns))
        if name not in self.seen:
            column = self._table[name]
            wide = self._widened and column.type().is_float32()
            self.seen[name] = _term(column.cast("float64") if wide else column, self._database)
        return self.seen[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._table.columns)

    def __len__(self) -> int:
        return len(self._table.columns)


def evaluate(of: str | Expression, table: "ir.Table", database: Database, *, widened: bool = False) -> Term:
    """Return a column by name or by expression; null wherever a column that it read is null or NaN, or it is NaN.

    ``widened``: numbers of single precision are read in double. Raises KeyError for a column that is not there.
    """
    import ibis

    reading = _Reading(table, database, widened)
    found = reading[of] if isinstance(of, str) else _computed(of(reading))
    value = ibis.ifelse(found.value.isnan(), ibis.null(), found.value) if found.may_be_nan else found.value
    known = [_is_known(term) for term in reading.seen.values()]
    for one in known:
        value = ibis.ifelse(one, value, ibis.null())
    return Term(value.cast(found.value.type()), found.dtype)


class Sheet:
    """Named columns computed from one table's rows.

    ``table`` is asked, as it was given; ``rows`` gives the columns that were asked for until then.
    """

    def __init__(self, table: "ir.Table", database: Database) -> None:
        self.table, self.database = table, database
        self._terms: dict[str | Expression, Term] = {}
        self._names: dict[Hashable, str] = {}
        self.columns: dict[str, ir.Value] = {}

    def term(self, of: str | Expression) -> Term:
        """Return a column or expression, null where it is unknown."""
        if of not in self._terms:
            self._terms[of] = evaluate(of, self.table, self.database)
        return self._terms[of]

    def add(self, what: Hashable, make: Callable[[], Any]) -> str:
        """Return the name of a column; ``what`` tells it from others, ``make`` computes it."""
        if what not in self._names:
            name = f"c{len(self._names)}"
            self.columns[name] = make()
            self._names[what] = name
        return self._names[what]

    def moment(self, name: str) -> str:
        """Return the name of a moment in microseconds."""
        return self.add(("moment", name), lambda: self.database.micros(self.table[name]))

    def value(self, of: str | Expression, kind: str) -> str:
        """Return the name of a column or expression as one of Ibis's types."""
        return self.add(("value", of, kind), lambda: self.term(of).value.cast(kind))

    def rows(self) -> "ir.Table":
        """Return the rows, of the named columns only."""
        return self.table.select(**self.columns)


def _computed(found: Any) -> Term:
    import ibis

    if isinstance(found, Term):
        return found
    value = np.asarray(found)
    if value.ndim or value.dtype.kind not in "biufU":
        raise ValueError(f"an expression must give one value a row, written with operators; got {found!r}")
    kind = {"b": "boolean", "U": "string"}.get(value.dtype.kind, "int64")
    constant = double(value.item()) if value.dtype.kind == "f" else ibis.literal(value.item(), kind)
    return Term(constant, value.dtype, may_be_nan=value.dtype.kind == "f" and bool(np.isnan(value)))


def _term(column: "ir.Value", database: Database) -> Term:
    kind = column.type()
    if kind.is_timestamp():
        return Term(database.micros(column), np.dtype("M8[us]"))
    if kind.is_integer():
        return Term(column.cast("int64"), np.dtype(np.int64))
    if kind.is_float32() or kind.is_float64():
        return Term(column, np.dtype(np.float32 if kind.is_float32() else np.float64))
    if kind.is_boolean():
        return Term(column, np.dtype(np.bool_))
    if kind.is_string():
        return Term(column, np.dtype(object))
    raise TypeError(f"a column of type {kind} cannot be used in a feature; allowed: {', '.join(TYPES)}")


def _is_known(term: Term) -> "ir.Value":
    known = term.value.notnull()
    return known & ~term.value.isnan() if term.dtype.kind == "f" else known
