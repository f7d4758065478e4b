"""Columns pure at both ends: no row at the smallest value is positive, no row at the largest is negative, or reversed.

A mean over labels that include the row's own is 0 only where the row's label is 0, and 1 only where it is 1. That needs
no key to be seen: of a window that ends before the row, both values come with both labels.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.charts import bars as chart
from mlsys_assets.data_sampling.views import Train
from mlsys_assets.features.leakage.binned import Codes
from mlsys_assets.features.leakage.suspicion import Suspicion, finding_of
from mlsys_assets.features.named_columns import is_category, read_numbers
from mlsys_assets.measures.intervals import day_blocks
from mlsys_assets.thumbnails import bars
from mlsys_assets.types import Finding, Scalar, Severity

FINDING: Final = "no_column_is_pure_at_both_ends"
CHANCE: Final = 1e-6
"""How likely each end must at most be so pure by chance, over all columns, with one row a day counted: no threshold of
any data set. At a rate of 0.25 that takes 64 days without a positive and 14 without a negative, of 90 columns."""
SHOWN: Final = 12
"""How many columns a picture shows."""


@dataclass(frozen=True)
class PureEnds:
    """A column with both ends pure, and how likely the likelier is by chance, over all columns.

    Parameters
    ----------
    column
        Its name.
    low_rows, high_rows
        How many rows stand at the smallest value and at the largest.
    chance
        The larger of the two ends' chances.
    """

    column: str
    low_rows: int
    high_rows: int
    chance: float


@dataclass(frozen=True)
class PureColumns:
    """The columns whose ends are pure, and what is said against them."""

    columns: tuple[PureEnds, ...]
    looked_at: int
    suspicions: tuple[Suspicion, ...]

    @property
    def evidence(self) -> Mapping[str, Scalar]:
        """How many were looked at, and the least likely."""
        found: dict[str, Scalar] = {"ends_looked_at": self.looked_at}
        for one in self.columns[:1]:
            found |= {"purest": one.column, "chance_of_purest": one.chance}
        return found

    @property
    def finding(self) -> Finding:
        """Whether no column's ends have one label each but by chance."""
        clean = f"of {self.looked_at} columns none has one label only at each end but by chance"
        return finding_of(FINDING, self.suspicions, clean=clean, evidence=self.evidence)

    @property
    def table(self) -> tuple[tuple[str, ...], list[tuple[object, ...]]]:
        """Header and rows."""
        rows: list[tuple[object, ...]] = [(c.column, c.low_rows, c.high_rows, c.chance) for c in self.columns]
        return ("column", "rows at the smallest value", "at the largest", "by chance"), rows

    def thumbnail(self) -> str:
        """Return how many rows stand at pure ends, as a small picture."""
        return bars(self._told(), title="rows at pure ends")

    def plot(self) -> str:
        """Return it as an SVG picture."""
        return chart(self._told(), title="rows at pure ends")

    def _told(self) -> dict[str, float]:
        return {one.column: float(one.low_rows + one.high_rows) for one in self.columns[:SHOWN]}


def pure_ends(train: Train) -> PureColumns:
    """Return the columns whose smallest value has one label only, and the largest the other only."""
    names = [field.name for field in train.features.schema if not is_category(field.type)]
    day, positive = day_blocks(train.at), train.label > 0
    found = [_ends(name, read_numbers(train.features, [name])[0], day, positive) for name in names]
    pure = [
        PureEnds(one.column, one.low_rows, one.high_rows, min(1.0, one.chance * len(names)))
        for one in found
        if one is not None
    ]
    pure.sort(key=lambda one: (one.chance, one.column))
    return PureColumns(tuple(pure), len(names), tuple(_suspicion(one) for one in pure if one.chance < CHANCE))


def _ends(name: str, values: NDArray[np.float32], day: Codes, positive: NDArray[np.bool_]) -> PureEnds | None:
    """Return a column's ends if both are pure, each of another label."""
    finite = np.isfinite(values)
    if not finite.any() or positive.all() or not positive.any():
        return None
    known = values[finite]
    low, high = known.min(), known.max()
    if low == high:
        return None
    ends = [values == end for end in (low, high)]
    labels = [positive[end] for end in ends]
    if any(label.any() and not label.all() for label in labels) or labels[0][0] == labels[1][0]:
        return None
    rate = float(positive.mean())
    chances = [
        (rate if label[0] else 1 - rate) ** len(np.unique(day[end])) for label, end in zip(labels, ends, strict=True)
    ]
    return PureEnds(name, len(labels[0]), len(labels[1]), max(chances))


def _suspicion(one: PureEnds) -> Suspicion:
    return Suspicion(
        (one.column,),
        Severity.ERROR,
        f"has one label only in all {one.low_rows} rows of its smallest value, and the other only in all "
        f"{one.high_rows} rows of its largest (by chance: {one.chance:.1e})",
        "So is a mean or a share that the row's own label is part of.",
        "End the window before the row, or encode each row by other rows.",
        {"low_rows": one.low_rows, "high_rows": one.high_rows, "chance": one.chance},
    )
