"""Columns that nothing can be learned from, or that no later row will match: named, with what becomes of each."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets import thumbnails
from mlsys_assets.charts import bars
from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.features.named_columns import is_category
from mlsys_assets.types import Finding, Scalar, Severity

NEARLY_UNIQUE: Final = 0.5
"""A text column with more different values than this share of its rows names rows, and groups nothing."""
LEAST_ROWS: Final = 100
"""In fewer rows, values may be different by chance."""
NAMED: Final = 10
FINDING: Final = "columns_can_be_learned_from"


class Fault(StrEnum):
    """What is wrong with a column, and what becomes of it."""

    EMPTY = "has no value: trees never split on it, a linear model is given a constant"
    CONSTANT = "has one value throughout: no model can learn from it"
    ONE_CATEGORY = "has one category throughout: no model can learn from it"
    NEARLY_UNIQUE = "names nearly every row: later rows' values will be new, and taken for missing"
    INFINITE = "holds infinite numbers: fitting rejects or clips them, or takes them for missing, as is declared"


@dataclass(frozen=True)
class BadColumn:
    """A column with a fault.

    Parameters
    ----------
    column, fault
        Which, and what it is.
    share
        Of rows: without a value, with the one value, of different values, or infinite.
    required
        Whether it may have no missing value.
    """

    column: str
    fault: Fault
    share: float
    required: bool = False

    @property
    def severity(self) -> Severity:
        """ERROR for a column that must be there and has no value: whatever was to give it is broken."""
        return Severity.ERROR if self.required and self.fault is Fault.EMPTY else Severity.WARN

    def __str__(self) -> str:
        must = " and must not be missing" if self.severity is Severity.ERROR else ""
        return f"{self.column} {self.fault} ({self.share:.0%} of the rows){must}"


@dataclass(frozen=True)
class BadColumns:
    """The columns with faults, in the order of the table."""

    columns: tuple[BadColumn, ...]
    looked_at: int

    @property
    def finding(self) -> Finding:
        """Whether something can be learned from every column; ERROR if one that is required has no value."""
        evidence: Mapping[str, Scalar] = {
            "columns": ", ".join(one.column for one in self.columns),
            "looked_at": self.looked_at,
        }
        if not self.columns:
            return Finding(FINDING, True, f"each of {self.looked_at} columns varies, and may be met again",
                           Severity.WARN, evidence)  # fmt: skip
        ranked = sorted(self.columns, key=lambda one: one.severity is not Severity.ERROR)
        more = f"; and {len(ranked) - NAMED} more" if len(ranked) > NAMED else ""
        told = "; ".join(map(str, ranked[:NAMED])) + more + ". Mend where they are made, or leave them out"
        return Finding(FINDING, False, told, ranked[0].severity, evidence)

    def table(self) -> list[dict[str, str | float]]:
        """Return a row for each column with a fault."""
        return [
            {"column": one.column, "fault": str(one.fault), "share": one.share, "severity": str(one.severity)}
            for one in self.columns
        ]

    def thumbnail(self) -> str:
        """Return the shares as Markdown that is seen at once."""
        return thumbnails.bars({one.column: one.share for one in self.columns}, title="columns with faults")

    def plot(self) -> str:
        """Draw the shares."""
        shares = {f"{one.column} ({one.fault.name.lower()})": one.share for one in self.columns}
        return bars(shares, title="columns with faults, by the share of rows")


def bad_columns(rows: Train | Validation, *, required: Collection[str] = ()) -> BadColumns:
    """Return the columns that are empty, constant, of one category, nearly unique, or that hold infinite numbers.

    Parameters
    ----------
    rows
        (n, d) rows: give a sample (``evenly``) of many.
    required
        The columns that may have no missing value, as those of a source whose column is not nullable.

    Raises ValueError for a required column that is none.
    """
    names = rows.features.schema.names
    if unknown := sorted(set(required) - set(names)):
        raise ValueError(f"required columns {unknown} are not among the features; there are {names}")
    found = [
        BadColumn(name, fault, share, name in required)
        for name in names
        for fault, share in (_faults(rows.features[name]) if len(rows) else ())
    ]
    return BadColumns(tuple(found), len(names))


def _faults(column: pa.ChunkedArray) -> Iterator[tuple[Fault, float]]:
    n = len(column)
    if is_category(column.type):
        yield from _of_texts(column.cast(pa.string()).drop_null(), n)
        return
    values = column.drop_null().cast(pa.float64(), safe=False).to_numpy()
    values = values[~np.isnan(values)]
    if not len(values):
        yield Fault.EMPTY, 1.0
        return
    if infinite := int(np.isinf(values).sum()):
        yield Fault.INFINITE, infinite / n
    if len(values) == n and values.min() == values.max():  # what is missing elsewhere is itself a difference
        yield Fault.CONSTANT, 1.0


def _of_texts(there: pa.ChunkedArray, n: int) -> Iterator[tuple[Fault, float]]:
    distinct = int(pc.count_distinct(there).as_py())
    if not len(there):
        yield Fault.EMPTY, 1.0
    elif distinct == 1 and len(there) == n:
        yield Fault.ONE_CATEGORY, 1.0
    elif n >= LEAST_ROWS and distinct > NEARLY_UNIQUE * len(there):
        yield Fault.NEARLY_UNIQUE, distinct / n
