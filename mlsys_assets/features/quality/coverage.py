"""Coverage: the share of rows that have a value, by group, by part of the split and by month (Huyen 2022, ch. 5)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets import thumbnails
from mlsys_assets.charts import grid
from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.features.quality.groups import Grouping, Mask, by_default, membership, months, standard_error
from mlsys_assets.measures.intervals import LEAST_BLOCKS, day_blocks
from mlsys_assets.types import Finding, Scalar, Severity

APART: Final = 0.3
"""A group whose coverage is so much lower than that of all rows is told."""
FALL: Final = 0.1
"""A month, or the validation rows, whose coverage is so much lower than before is told."""
SURE: Final = 4.0
"""So many standard errors wide the gap must be as well: of a thousand groups by chance alone, none is."""
LEAST_ROWS: Final = 100
"""Of smaller groups nothing is said."""
MONTH, PART = "month", "part"
"""The groupings that every table has."""
TRAIN, VALIDATION = "train", "validation"
STEPS: Final = {
    "below 20%": "#d62728",
    "20–50%": "#ff7f0e",
    "50–80%": "#ffdd71",
    "80–95%": "#98df8a",
    "95% and more": "#2ca02c",
}
ENDS: Final = (0.2, 0.5, 0.8, 0.95)
"""Where the steps of the picture end."""
DRAWN: Final = 20
"""Columns that are drawn: those whose coverage differs most."""
NAMED: Final = 5
FINDING: Final = "coverage_is_even"


@dataclass(frozen=True)
class Uneven:
    """A group of rows with a much lower coverage of a column.

    Parameters
    ----------
    column, by, group
        Of what, and of whom.
    share, other
        The group's coverage; that of all rows or, of a month or part, of those before.
    rows
        The group's.
    """

    column: str
    by: str
    group: str
    share: float
    other: float
    rows: int

    def __str__(self) -> str:
        than = "before" if self.by in (MONTH, PART) else "of all rows"
        return f"{self.column} is there in {self.share:.1%} of {self.by} {self.group}, {self.other:.1%} {than}"


@dataclass(frozen=True, eq=False)
class Coverage:
    """The coverage of each column in each group.

    Parameters
    ----------
    columns
        (d,) names.
    groups
        (g,) the grouping, the group, and how many rows it has.
    shares
        (g, d) the share of the group's rows that have a value.
    overall
        (d,) of all rows.
    uneven
        What differs more than it may, the widest gap first.
    """

    columns: tuple[str, ...]
    groups: tuple[tuple[str, str, int], ...]
    shares: NDArray[np.float64]
    overall: NDArray[np.float64]
    uneven: tuple[Uneven, ...]

    def of(self, column: str, by: str) -> dict[str, float]:
        """Return a column's coverage in each group of a grouping."""
        j = self.columns.index(column)
        return {group: float(self.shares[g, j]) for g, (grouping, group, _) in enumerate(self.groups) if grouping == by}

    @property
    def finding(self) -> Finding:
        """Whether columns are there alike for everybody, and still."""
        evidence: Mapping[str, Scalar] = {
            "columns": len(self.columns),
            "groups": len(self.groups),
            "uneven": len(self.uneven),
        }
        if not self.uneven:
            told = (
                f"no column of {len(self.columns)} is there for {APART:.0%} fewer of a group, or {FALL:.0%} fewer later"
            )
            return Finding(FINDING, True, told, Severity.WARN, evidence)
        widest = {(one.column, one.by): one for one in reversed(self.uneven)}
        ranked = sorted(widest.values(), key=lambda one: one.share - one.other)
        told = "; ".join(map(str, ranked[:NAMED])) + (
            f"; and {len(ranked) - NAMED} more" if len(ranked) > NAMED else ""
        )
        advice = ". Know why, and whether it will stay so: what is missing for a group is a mark of it"
        named = ", ".join(dict.fromkeys(one.column for one in ranked))
        return Finding(FINDING, False, told + advice, Severity.WARN, {**evidence, "uneven_columns": named})

    def table(self) -> list[dict[str, str | float]]:
        """Return a row for each column and group."""
        return [
            {"column": column, "by": by, "group": group, "rows": rows, "coverage": float(self.shares[g, j])}
            for j, column in enumerate(self.columns)
            for g, (by, group, rows) in enumerate(self.groups)
        ]

    def thumbnail(self) -> str:
        """Return the lowest coverages as Markdown that is seen at once."""
        shares = {f"{one.column}: {one.group}": one.share for one in self.uneven}
        return thumbnails.bars(shares, title="coverage where it is uneven")

    def plot(self, by: str = MONTH) -> str:
        """Draw the coverage of the columns that differ most, by group of a grouping."""
        rows = [g for g, (grouping, _, _) in enumerate(self.groups) if grouping == by]
        spread = np.ptp(self.shares[rows], axis=0) if rows else np.zeros(len(self.columns))
        drawn = np.argsort(-np.nan_to_num(spread), kind="stable")[:DRAWN]
        steps = list(STEPS)
        said = {
            self.columns[j]: [steps[int(np.searchsorted(ENDS, share, side="right"))] for share in self.shares[rows, j]]
            for j in drawn
        }
        return grid([self.groups[g][1] for g in rows], said, title=f"share of rows with a value, by {by}",
                    colours=STEPS)  # fmt: skip


def coverage(train: Train, validation: Validation | None = None, *, by: Sequence[Grouping] | None = None) -> Coverage:
    """Return how many rows have a value, by group, by month and by part: a test's rows are sealed, and left out.

    Parameters
    ----------
    train, validation
        Rows with the same columns: give samples (``evenly``) of many.
    by
        The groupings, such as a system's slices; by each column of categories, if not given.

    Raises ValueError for parts with other columns.
    """
    parts: list[Train | Validation] = [train] if validation is None else [train, validation]
    if validation is not None and validation.features.schema.names != train.features.schema.names:
        apart = sorted(set(train.features.schema.names) ^ set(validation.features.schema.names))
        raise ValueError(f"the parts must have the same columns in the same order; these differ: {apart}")
    features = pa.concat_tables([part.features for part in parts], promote_options="permissive")
    at = np.concatenate([part.at for part in parts])
    columns = tuple(features.schema.names)
    present = (
        np.array([_present(features[name]) for name in columns], dtype=np.float32).reshape(len(columns), len(at)).T
    )
    later = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    dealt = [(one.name, list(one.groups(features))) for one in (by_default(features) if by is None else by)]
    dealt.append((MONTH, list(months(at))))
    dealt.append((PART, [(name, later == k) for k, name in enumerate((TRAIN, VALIDATION)) if (later == k).any()]))
    look = _Look(columns, present, day_blocks(at))
    shares = [look.shares(groups) for _, groups in dealt]
    uneven = [one for (name, groups), own in zip(dealt, shares, strict=True) for one in look.uneven(name, groups, own)]
    return Coverage(
        columns,
        tuple((name, group, int(own.sum())) for name, groups in dealt for group, own in groups),
        np.concatenate(shares),
        look.overall,
        tuple(sorted(uneven, key=lambda one: one.share - one.other)),
    )


def _present(column: pa.ChunkedArray) -> Mask:
    """Return (n,) whether there is a value; NaN is none."""
    there: Mask = np.asarray(column.is_null(nan_is_null=True)) == 0
    return there


@dataclass(frozen=True, eq=False)
class _Look:
    """Which of (n, d) values are there, and (n,) each row's day."""

    columns: tuple[str, ...]
    present: NDArray[np.float32]
    block: NDArray[np.intp]

    @property
    def overall(self) -> NDArray[np.float64]:
        """(d,) the coverage of all rows; NaN without rows."""
        n = len(self.present)
        return self.present.sum(axis=0, dtype=np.float64) / n if n else np.full(len(self.columns), np.nan)

    def shares(self, groups: Sequence[tuple[str, Mask]]) -> NDArray[np.float64]:
        """Return (g, d) each group's coverage."""
        member = membership(groups, rows=len(self.present))
        there = np.asarray(member @ self.present, dtype=np.float64)
        shares: NDArray[np.float64] = there / np.maximum(member.sum(axis=1, dtype=np.float64), 1)[:, None]
        return shares

    def uneven(self, by: str, groups: Sequence[tuple[str, Mask]], shares: NDArray[np.float64]) -> Iterator[Uneven]:
        """Yield the groups whose coverage is lower than it may be, and surely lower than that of the others."""
        in_time = by in (MONTH, PART)
        limit, before = FALL if in_time else APART, np.zeros(len(self.present), dtype=bool)
        for g, (group, own) in enumerate(groups):
            other = self.overall if not in_time else self.shares([("", before)])[0]
            compared = bool(before.any()) if in_time else True
            if compared and own.sum() >= LEAST_ROWS and len(np.unique(self.block[own])) >= LEAST_BLOCKS:
                for j in np.flatnonzero(other - shares[g] >= limit):
                    error = standard_error(self.present[own, j].astype(np.float64), self.block[own])
                    if other[j] - shares[g, j] - SURE * error > 0:
                        yield Uneven(self.columns[j], by, group, float(shares[g, j]), float(other[j]), int(own.sum()))
            before = before | own if in_time else before
