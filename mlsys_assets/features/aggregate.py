"""Aggregates of a window's rows: what to count, sum, average or take last."""

from dataclasses import dataclass
from enum import StrEnum

from mlsys_assets.features.expression import Expression

RESOLUTION = 2.0**-30
"""The grid on which numbers are summed, in the column's own unit; whole numbers are exact."""


class AggregateKind(StrEnum):
    """How a window's rows become one number."""

    COUNT = "count"
    SUM = "sum"
    MEAN = "mean"
    RATE = "rate"
    LAST = "last"
    AGE = "age"


@dataclass(frozen=True)
class Aggregate:
    """One number of a window's rows.

    Sums are of whole multiples of ``resolution``, so that they do not depend on where a pass began:
    a week computed alone, a year in one pass and a stream give the same bits.

    Parameters
    ----------
    kind
        How rows become a number.
    of
        Which column: its name, or an expression over a row's columns.
    resolution
        The grid of a sum, in the column's unit; all values together must stay below 2**62 steps of it.
    """

    kind: AggregateKind
    of: str | Expression | None = None
    resolution: float = RESOLUTION

    @property
    def orders(self) -> bool:
        """Whether it depends on the order of rows known at one moment."""
        return self.kind is AggregateKind.LAST


def count(condition: str | Expression | None = None) -> Aggregate:
    """Count rows, or those for which ``condition`` is true; 0 where there are none."""
    return Aggregate(AggregateKind.COUNT, condition)


def sum(of: str | Expression, *, resolution: float = RESOLUTION) -> Aggregate:  # noqa: A001 - reads as SQL does
    """Add up the known values; 0 where there are none."""
    return Aggregate(AggregateKind.SUM, of, resolution)


def mean(of: str | Expression, *, resolution: float = RESOLUTION) -> Aggregate:
    """Average the known values; null where there are none."""
    return Aggregate(AggregateKind.MEAN, of, resolution)


def rate(condition: str | Expression) -> Aggregate:
    """Take the share of rows for which ``condition`` is true, of those where it is known; null where there are none."""
    return Aggregate(AggregateKind.RATE, condition)


def last(of: str | Expression) -> Aggregate:
    """Take the value of the row that became known last; null where it is missing or there are no rows.

    Of rows known at one moment the later event is taken, then the greater key.
    """
    return Aggregate(AggregateKind.LAST, of)


def age() -> Aggregate:
    """Take the hours since the last row became known; null where there are none."""
    return Aggregate(AggregateKind.AGE)
