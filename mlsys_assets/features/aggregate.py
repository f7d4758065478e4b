"""Aggregates of a window's rows: what to count, sum, average, compare or take last."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from mlsys_assets.features.expression import Expression

RESOLUTION = 2.0**-30
"""The grid on which numbers are summed, in the column's own unit; whole numbers are exact."""
SQUARED_RESOLUTION = 2.0**-15
"""The grid on which numbers are taken to be squared and summed, in the column's own unit."""


class AggregateKind(StrEnum):
    """How a window's rows become one number."""

    COUNT = "count"
    SUM = "sum"
    MEAN = "mean"
    RATE = "rate"
    VARIANCE = "variance"
    MINIMUM = "minimum"
    MAXIMUM = "maximum"
    DISTINCT = "distinct"
    LAST = "last"
    AGE = "age"
    HISTORY = "history"


ADDITIVE = frozenset({AggregateKind.COUNT, AggregateKind.SUM, AggregateKind.MEAN, AggregateKind.RATE})
"""The kinds that add up, so that rows can be weighted by their age."""
IN_ORDER = frozenset({AggregateKind.LAST, AggregateKind.AGE, AggregateKind.HISTORY})
"""The kinds that depend on the order in which rows became known."""


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
    where
        Which rows count: the name of a column of true and false, or an expression; all, if not given. A row of
        which it is unknown does not count.
    half_life
        In how much time a row's weight is halved, from when it became known to the prediction; None: no decay.
    resolution
        The grid of a sum, in the column's unit; all values together must stay below 2**62 steps of it.
    """

    kind: AggregateKind
    of: str | Expression | None = None
    where: str | Expression | None = None
    half_life: timedelta | None = None
    resolution: float = RESOLUTION


def count(where: str | Expression | None = None, *, half_life: timedelta | None = None) -> Aggregate:
    """Count rows, or those for which ``where`` is true; 0 where there are none."""
    return Aggregate(AggregateKind.COUNT, where=where, half_life=half_life)


def sum(  # noqa: A001 - reads as SQL does
    of: str | Expression,
    *,
    where: str | Expression | None = None,
    half_life: timedelta | None = None,
    resolution: float = RESOLUTION,
) -> Aggregate:
    """Add up the known values; 0 where there are none."""
    return Aggregate(AggregateKind.SUM, of, where, half_life, resolution)


def mean(
    of: str | Expression,
    *,
    where: str | Expression | None = None,
    half_life: timedelta | None = None,
    resolution: float = RESOLUTION,
) -> Aggregate:
    """Average the known values; null where there are none."""
    return Aggregate(AggregateKind.MEAN, of, where, half_life, resolution)


def rate(
    condition: str | Expression, *, where: str | Expression | None = None, half_life: timedelta | None = None
) -> Aggregate:
    """Take the share of rows for which ``condition`` is true, of those where it is known; null where there are none."""
    return Aggregate(AggregateKind.RATE, condition, where, half_life)


def variance(
    of: str | Expression, *, where: str | Expression | None = None, resolution: float = SQUARED_RESOLUTION
) -> Aggregate:
    """Take the mean squared distance of the known values from their mean; null where there are none."""
    return Aggregate(AggregateKind.VARIANCE, of, where, resolution=resolution)


def minimum(of: str | Expression, *, where: str | Expression | None = None) -> Aggregate:
    """Take the least known value; null where there are none."""
    return Aggregate(AggregateKind.MINIMUM, of, where)


def maximum(of: str | Expression, *, where: str | Expression | None = None) -> Aggregate:
    """Take the greatest known value; null where there are none."""
    return Aggregate(AggregateKind.MAXIMUM, of, where)


def distinct(of: str | Expression, *, where: str | Expression | None = None) -> Aggregate:
    """Count the different known values; 0 where there are none."""
    return Aggregate(AggregateKind.DISTINCT, of, where)


def last(of: str | Expression, *, where: str | Expression | None = None) -> Aggregate:
    """Take the value of the row that became known last; null where it is missing or there are no rows.

    Of rows known at one moment the later event is taken, then the greater key.
    """
    return Aggregate(AggregateKind.LAST, of, where)


def age(where: str | Expression | None = None) -> Aggregate:
    """Take the hours since the last row became known; null where there are none."""
    return Aggregate(AggregateKind.AGE, where=where)


def history(where: str | Expression | None = None) -> Aggregate:
    """Take the hours since the window's first row became known; null where there are none.

    Up to the window's length it tells how long a key has been there: short for one that has just begun.
    """
    return Aggregate(AggregateKind.HISTORY, where=where)
