"""What all records of the operations store have in common: one database, one clock, rows that are dataclasses."""

from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa

from mlsys_resources.database import Database
from mlsys_resources.operations_rows import (
    Alias,
    AliasAttempt,
    Decision,
    ModelVersion,
    OnlinePosition,
    RunLease,
    TestRead,
)

Row = TypeVar("Row", ModelVersion, Alias, AliasAttempt, Decision, TestRead, OnlinePosition, RunLease)


class Conflict(RuntimeError):
    """Another writer was there first, or the same key is on record with other content."""


class Records:
    """Records of one kind, in a database shared with the other kinds; ``clock`` stamps what is written."""

    def __init__(self, database: Database, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock

    def _rows(
        self, table: sa.Table, *conditions: sa.ColumnElement[bool], order: sa.ColumnElement[Any] | None = None
    ) -> list[Any]:
        with self._database.read() as connection:
            return list(connection.execute(sa.select(table).where(*conditions).order_by(order)).mappings())


def row_of(kind: type[Row], values: Any) -> Row:
    """Return a table's row as its dataclass, which leaves out what only the table needs."""
    return kind(**{field.name: values[field.name] for field in fields(kind)})


def values_of(row: Row, **more: object) -> dict[str, Any]:
    """Return a dataclass as a table's row, with ``more`` that the table needs."""
    return {field.name: getattr(row, field.name) for field in fields(row)} | more
