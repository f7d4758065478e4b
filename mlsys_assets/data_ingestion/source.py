"""A source: where rows of one kind of event come from, and when each became known."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import cached_property
from typing import Protocol

import pyarrow as pa

from mlsys_assets.mistakes import sound
from mlsys_assets.tables import EVENT_TIME, KNOWN_AT, SOURCE_FILE, SOURCE_LINE, TIMESTAMP, TYPES, Column
from mlsys_assets.types import DeclarationError, TimeWindow, days

DELIVERED_AT = "delivered_at"
"""When a raw record arrived, and so belongs to if its own time cannot be told or stand; given by the reader."""

MALFORMED = "malformed"
"""Why a raw record could not be read at all; null for the others; given by the reader."""
READERS_OWN = (SOURCE_FILE, SOURCE_LINE, DELIVERED_AT, MALFORMED)
"""The columns that a reader adds to the raw ones."""


class SourceKind(StrEnum):
    """Who makes the data, which decides how strictly a broken row is met (Huyen 2022, ch. 3)."""

    USER_INPUT = "user_input"
    SYSTEM_LOGS = "system_logs"
    INTERNAL_DATABASE = "internal_database"
    THIRD_PARTY = "third_party"


TOLERANCE = {
    SourceKind.USER_INPUT: 0.20,
    SourceKind.THIRD_PARTY: 0.05,
    SourceKind.INTERNAL_DATABASE: 0.0,
    SourceKind.SYSTEM_LOGS: 0.0,
}
"""The share of broken rows a tick may have: people and third parties err, our own machines must not."""


class Reader(Protocol):
    """Reads the raw records delivered within a window, all columns as text.

    The table holds the raw columns plus ``source_file``, ``source_line``, ``malformed`` and, unless
    the source is a snapshot, ``delivered_at``. It may hold records of other windows: ingestion picks.
    """

    def __call__(self, window: TimeWindow) -> pa.Table:
        """Return the raw records delivered within ``window``."""
        ...


@dataclass(frozen=True)
class Reference:
    """Values of ``column`` must appear in ``key`` of another source, save those in ``allow``."""

    column: str
    source: "Source"
    key: str
    allow: tuple[str, ...] = ()

    @property
    def rule(self) -> str:
        """What a row with another value breaks."""
        return f"not in {self.source.name}.{self.key}"


@dataclass(frozen=True)
class Rule:
    """What must hold between a row's columns, such as "lands after it departs".

    ``holds`` maps the table to a boolean array; null (unknown) passes.
    """

    name: str
    column: str
    holds: Callable[[pa.Table], pa.Array | pa.ChunkedArray]


@dataclass(frozen=True, eq=False)
class Source:
    """One table of one kind of event.

    Parameters
    ----------
    name
        The table's name: an identifier.
    read
        Gives raw records as text.
    raw
        The raw columns this table is made from, with their types; others are ignored.
    columns
        The table's own columns; ``event_time`` and ``known_at`` are added to every table.
    derive
        Turns typed raw columns into the table's columns, row by row and in order, with
        ``event_time`` and ``known_at``. It is given only rows whose raw columns are as declared.
    key
        The columns that name a row; two rows of one name cannot both be true: the first known stays, unless
        ``corrections``.
    where
        Which raw records are events of this kind (a boolean array); all, if not given.
    references
        Columns whose values must have existed elsewhere when the row became known.
    rules
        What must hold within a row.
    header
        Every column the file is known to have: one more is reported, and ignored.
    nulls
        The texts that stand for a missing value.
    tolerance
        The share of broken rows above which the whole tick is refused; by kind, if not given.
    known_within
        How far from its delivery a row may become known, (earliest, latest): (hours(-1), days(2)) is
        from an hour before to two days after. Further off, it goes to quarantine.
    corrections
        True where a row that becomes known later under the same name replaces the earlier one from then on. Both
        stay in the table: what is computed as of a time before the correction does not change.
    snapshot
        True for slowly changing reference data that is delivered whole and belongs to no tick.
    """

    name: str
    read: Reader
    raw: tuple[Column, ...]
    columns: tuple[Column, ...]
    derive: Callable[[pa.Table], pa.Table]
    key: tuple[str, ...]
    where: Callable[[pa.Table], pa.ChunkedArray] | None = None
    references: tuple[Reference, ...] = ()
    rules: tuple[Rule, ...] = ()
    header: tuple[str, ...] = ()
    nulls: tuple[str, ...] = ("", "NA")
    tolerance: float | None = None
    known_within: tuple[timedelta, timedelta] = (days(-3), days(3))
    corrections: bool = False
    snapshot: bool = False
    kind: SourceKind = SourceKind.THIRD_PARTY
    owner: str = ""
    licence: str = ""
    description: str = ""

    def mistakes(self, *, thorough: bool = False) -> list[str]:
        """Return what is wrong with the declaration; ``thorough``: try its functions even if that loads pandas."""
        from mlsys_assets.data_ingestion.source_mistakes import source_mistakes  # it rests on what is declared here

        return [f"source {self.name!r}: {mistake}" for mistake in source_mistakes(self, thorough=thorough)]

    def require_sound(self) -> None:
        """Raise DeclarationError if the declaration has mistakes."""
        if self._mistakes:
            raise DeclarationError(f"source {self.name!r}", self._mistakes)

    @cached_property
    def _mistakes(self) -> list[str]:
        return self.mistakes(thorough=True)

    @property
    def is_legible(self) -> bool:
        """Whether its columns can be told, so that what reads them can be checked."""
        columns = sound(self.columns, Column)
        return columns == self.columns and all(c.type in TYPES and isinstance(c.name, str) for c in columns)

    @property
    def schema(self) -> pa.Schema:
        """The table as it stands in the lake, without the storage columns."""
        times = [
            pa.field(EVENT_TIME, TIMESTAMP, nullable=False),
            pa.field(KNOWN_AT, TIMESTAMP, nullable=False),
        ]
        origin = [pa.field(SOURCE_FILE, pa.string()), pa.field(SOURCE_LINE, pa.int32())]
        return pa.schema([c.arrow for c in self.columns] + times + origin)

    @property
    def allowed_share(self) -> float:
        """The share of broken rows above which a tick is refused."""
        return TOLERANCE[self.kind] if self.tolerance is None else self.tolerance

    def no_rows(self) -> pa.Table:
        """Return the table without rows, on which what reads it can be tried."""
        # Not schema.empty_table(), which imports pandas: a second that every declaration would cost.
        return pa.table({field.name: pa.nulls(0, field.type) for field in self.schema})

    @property
    def column_names(self) -> tuple[str, ...]:
        """The names of the table's own columns and its two times."""
        return (*(c.name for c in self.columns), EVENT_TIME, KNOWN_AT)
