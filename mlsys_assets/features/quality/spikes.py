"""Spikes: numbers that stand for missing and were not declared to, such as 999 days since a contact there never was."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlsys_assets import thumbnails
from mlsys_assets.charts import bars
from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.features.named_columns import is_category, read_numbers
from mlsys_assets.features.quality.groups import Mask
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.types import Finding, Scalar, Severity

LEAST_SHARE: Final = 0.01
"""Rows with one value that are a spike."""
LEAST_SHARE_OF_MARKS: Final = 0.001
"""The same for a value that looks like a mark, such as 999: few measured values do."""
LEAST_ROWS: Final = 5
"""Fewer rows than this are an outlier or two."""
FAR: Final = 10.0
"""So many widths of the other values away, any value is apart from them."""
FAR_FOR_MARKS: Final = 1.0
"""The same for a value that looks like a mark."""
WIDTH: Final = (0.01, 0.99)
"""The quantiles between which the other values' width is measured."""
LEAST_VALUES: Final = 5
"""A column with fewer other values may hold codes, of which -1 is as good as any."""
MARKS: Final = np.array([
    *(10.0**k - 1 for k in range(2, 13)),
    *(10.0**k - less for k in range(3, 6) for less in (2, 3)),
    *(10.0**k for k in range(4, 13)),
    *(2.0**k - less for k in (15, 16, 31, 32, 63) for less in (0, 1)),
])  # fmt: skip
"""What people and programs write for nothing: nines and, in surveys, the numbers before them, large powers of ten, the
largest whole number of a type."""
NEGATIVE_MARKS: Final = np.array([1.0, 9.0])
"""These stand for nothing where they are negative and everything else is not."""
CLOSE: Final = 1e-6
"""A feature has seven digits."""
NAMED: Final = 5
FINDING: Final = "no_number_stands_for_missing"


@dataclass(frozen=True)
class Spike:
    """One value of a number column that lies apart from the others and stands in many rows.

    Parameters
    ----------
    column, value
        Where it is, and what.
    share
        Of the column's numbers.
    low, high
        The quantiles of the others between which nearly all of them lie.
    """

    column: str
    value: float
    share: float
    low: float
    high: float

    def __str__(self) -> str:
        return (
            f"{self.column} is {self.value:.10g} in {self.share:.1%} of its rows, "
            f"and nearly always from {self.low:.6g} to {self.high:.6g} in the others"
        )


@dataclass(frozen=True)
class Spikes:
    """The spikes of a table, in the order of its columns."""

    found: tuple[Spike, ...]
    columns: int
    rows: int

    @property
    def finding(self) -> Finding:
        """Whether no number looks as if it stood for a missing value."""
        evidence: Mapping[str, Scalar] = {"columns_looked_at": self.columns, "rows": self.rows}
        if not self.found:
            return Finding(FINDING, True, f"no value of {self.columns} number columns lies apart from the others",
                           Severity.WARN, evidence)  # fmt: skip
        first, more = self.found[0], len(self.found) - NAMED
        told = "; ".join(map(str, self.found[:NAMED])) + (f"; and {more} more" if more > 0 else "")
        advice = (
            f". If it stands for missing, declare that where the source's raw column is: "
            f"Column({first.column!r}, ..., sentinels=({first.value:.10g},))"
        )
        named: Mapping[str, Scalar] = {
            "columns": ", ".join(dict.fromkeys(one.column for one in self.found)),
            "value": first.value,
            "share": first.share,
        }
        return Finding(FINDING, False, told + advice, Severity.WARN, {**evidence, **named})

    def table(self) -> list[dict[str, str | float]]:
        """Return a row for each spike."""
        return [
            {"column": s.column, "value": s.value, "share": s.share, "others_from": s.low, "others_to": s.high}
            for s in self.found
        ]

    def thumbnail(self) -> str:
        """Return the spikes' shares as Markdown that is seen at once."""
        return thumbnails.bars(self._shares, title="share of rows at a value apart from the others")

    def plot(self) -> str:
        """Draw the spikes' shares."""
        return bars(self._shares, title="share of rows at a value apart from the others")

    @property
    def _shares(self) -> dict[str, float]:
        return {f"{s.column} = {s.value:.10g}": s.share for s in self.found}


def spikes(rows: Train | Validation) -> Spikes:
    """Return the values of number columns that are frequent, lie apart from all others, and so may stand for missing.

    A value is apart if it lies many widths of the others beyond them; less far suffices if it looks like a mark
    (999, -9999, 1e9), or if it is the only negative one and is -1 or -9. A number that measurements pile up at, such
    as no rain or the farthest that can be seen, lies next to the others.
    """
    names = [f.name for f in rows.features.schema if not is_category(f.type)]
    numbers = read_numbers(rows.features, names).astype(np.float64)
    found = [spike for name, values in zip(names, numbers, strict=True) for spike in _of(name, values)]
    return Spikes(tuple(found), len(names), len(rows))


def _of(name: str, values: Floats) -> list[Spike]:
    distinct, counts = np.unique(values[np.isfinite(values)], return_counts=True)
    if not len(distinct):
        return []
    total = int(counts.sum())
    frequent = counts >= max(LEAST_ROWS, LEAST_SHARE_OF_MARKS * total)
    looks = frequent & _look_like_marks(distinct)
    candidates = np.flatnonzero(looks | (frequent & (counts >= LEAST_SHARE * total) & _at_the_end(distinct)))
    found = []
    for k in candidates:
        others = ~looks
        others[k] = False
        if others.sum() > 1 and (ends := _apart(distinct[k], distinct[others], counts[others], mark=bool(looks[k]))):
            found.append(Spike(name, float(distinct[k]), float(counts[k] / total), *ends))
    return found


def _look_like_marks(distinct: Floats) -> Mask:
    known = np.abs(np.abs(distinct)[:, None] - MARKS) <= CLOSE * MARKS
    negative = (distinct[:, None] == -NEGATIVE_MARKS).any(axis=1)
    looks: Mask = known.any(axis=1) | negative
    return looks


def _at_the_end(distinct: Floats) -> Mask:
    ends = np.zeros(len(distinct), dtype=bool)
    ends[[0, -1]] = True
    return ends


def _apart(value: float, others: Floats, counts: NDArray[np.integer], *, mark: bool) -> tuple[float, float] | None:
    """Return between what nearly all other values lie, if a value is apart from them; else None."""
    reached = np.searchsorted(np.cumsum(counts) / counts.sum(), WIDTH)
    low, high = others[np.minimum(reached, len(others) - 1)]
    beyond = max(others[0] - value, value - others[-1]) / (high - low) if high > low else 0.0
    alone_below = mark and value in -NEGATIVE_MARKS and others[0] >= 0 and len(others) >= LEAST_VALUES
    if alone_below or beyond >= (FAR_FOR_MARKS if mark and value not in -NEGATIVE_MARKS else FAR):
        return float(low), float(high)
    return None
