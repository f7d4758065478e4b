"""Deletion: what it costs to drop the rows that have missing values, and whose rows they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets import thumbnails
from mlsys_assets.charts import bars
from mlsys_assets.data_sampling.views import Train, require_train
from mlsys_assets.features.named_columns import is_category, require
from mlsys_assets.features.quality.groups import ByCategory, ByRange, Grouping, Mask, membership, standard_error
from mlsys_assets.measures.intervals import LEAST_BLOCKS, Estimate, bootstrap, day_blocks, spread
from mlsys_assets.measures.metrics import divide
from mlsys_assets.types import Finding, Scalar, Severity

LEAST_ROWS: Final = 100
"""Of smaller groups nothing is said."""
LEAST_LIFT: Final = 1.5
"""A group that loses so many times the share of all rows is told."""
SURE: Final = 4.0
"""So many standard errors a group's share must lie above that of all rows too: of a thousand by chance alone, none."""
MOST_LOST: Final = 0.05
"""The share of rows that deletion may cost without a word."""
NAMED: Final = 5
FINDING: Final = "deletion_loses_no_group"


@dataclass(frozen=True)
class Lost:
    """A group that loses more of its rows than all do.

    Parameters
    ----------
    by, group
        Which one.
    rows
        Its rows before.
    share
        Of them, that are lost.
    lift
        That share over the share of all rows that are lost.
    part
        Of all lost rows, that are of the group.
    """

    by: str
    group: str
    rows: int
    share: float
    lift: float
    part: float

    def __str__(self) -> str:
        return f"{self.share:.1%} of the rows with {self.by} {self.group} ({self.lift:.1f} times the share of all)"


@dataclass(frozen=True)
class Deletion:
    """What it costs to drop the rows that miss a value in some columns.

    Parameters
    ----------
    columns
        In which a value may be missing.
    rows, lost
        Rows before, and those of them that are dropped.
    groups
        The groups that lose more than their share, those first that lose the largest share.
    label
        The mean label of the rows that are kept, and of those that are lost: of labels 0 and 1, rates.
    label_difference
        The first minus the second, with its interval by day.
    """

    columns: tuple[str, ...]
    rows: int
    lost: int
    groups: tuple[Lost, ...]
    label: tuple[float, float]
    label_difference: Estimate

    @property
    def share(self) -> float:
        """The share of rows that are lost; NaN without rows."""
        return self.lost / self.rows if self.rows else np.nan

    @property
    def finding(self) -> Finding:
        """Whether few rows are lost, and of no group far more than of others."""
        evidence: Mapping[str, Scalar] = {
            "columns": ", ".join(self.columns), "rows": self.rows, "lost": self.lost, "label_kept": self.label[0],
            "label_lost": self.label[1], "groups": len(self.groups),
        }  # fmt: skip
        told = f"to drop rows without {', '.join(self.columns)} loses {self.lost:,} of {self.rows:,} rows"
        if not self.lost:
            return Finding(FINDING, True, told, Severity.WARN, evidence)
        more = f", and {len(self.groups) - NAMED} more groups" if len(self.groups) > NAMED else ""
        whom = f": {'; '.join(map(str, self.groups[:NAMED]))}{more}" if self.groups else ", of all groups alike"
        labels = f"; mean label {self.label[0]:.3f} of those kept, {self.label[1]:.3f} of those lost"
        fine = self.share <= MOST_LOST and not self.groups
        advice = "" if fine else ". Keep the rows: fill the value where a model needs one, with an indicator beside it"
        return Finding(FINDING, fine, told + f" ({self.share:.1%})" + whom + labels + advice, Severity.WARN, evidence)

    def __str__(self) -> str:
        return self.finding.summary

    def table(self) -> list[dict[str, str | float]]:
        """Return a row for each group that loses more than its share."""
        return [
            {
                "by": one.by,
                "group": one.group,
                "rows": one.rows,
                "lost": one.share,
                "lift": one.lift,
                "of_lost": one.part,
            }
            for one in self.groups
        ]

    def thumbnail(self) -> str:
        """Return the groups' losses as Markdown that is seen at once."""
        return thumbnails.bars(self._shares, title=f"share of rows lost without {', '.join(self.columns)}")

    def plot(self) -> str:
        """Draw the groups' losses beside that of all rows."""
        title = f"share of rows lost without {', '.join(self.columns)}"
        return bars(dict(list(self._shares.items())[:20]), title=title, marks={"all rows": self.share})

    @property
    def _shares(self) -> dict[str, float]:
        return {f"{one.by} {one.group}": one.share for one in self.groups}


def drop_rows(
    train: Train, columns: Sequence[str], *, by: Sequence[Grouping] | None = None, seed: int = 0
) -> tuple[Train, Deletion]:
    """Return the training rows that have a value in every one of the columns, and what the others were.

    Parameters
    ----------
    train
        Training rows only: rows that are tested, or predicted, may not be chosen by what they lack.
    columns
        Where a value may not be missing; names of feature columns.
    by
        The groups that are asked after, such as a system's slices; categories and ranges of each column, if not given.
    seed
        Of the days drawn for the interval.

    Raises TypeError for anything but a Train view, ColumnError for columns that are not there.
    """
    require_train(train, what="deletion")
    require(train.features, columns)
    lost = np.zeros(len(train), dtype=bool)
    for name in columns:
        lost |= np.asarray(train.features[name].is_null(nan_is_null=True)).astype(bool)
    groupings = _every(train.features) if by is None else by
    found = Deletion(
        tuple(columns),
        len(train),
        int(lost.sum()),
        tuple(_losers(train, lost, groupings)) if lost.any() else (),
        (_mean(train.label[~lost]), _mean(train.label[lost])),
        _difference(train, lost, seed=seed),
    )
    return train.take(~lost), found


def _every(features: pa.Table) -> list[Grouping]:
    return [ByCategory(f.name) if is_category(f.type) else ByRange(f.name) for f in features.schema]


def _losers(train: Train, lost: Mask, groupings: Sequence[Grouping]) -> list[Lost]:
    """Return the groups that lose far more than their share, and surely more; those that lose the largest first."""
    block, of_all, ranked = day_blocks(train.at), float(lost.mean()), list[Lost]()
    for grouping in groupings:
        groups = list(grouping.groups(train.features))
        member = membership(groups, rows=len(lost))
        rows, own = member.sum(axis=1, dtype=np.float64), (member @ lost.astype(np.float32)).astype(np.float64)
        share = divide(own, rows)
        for g in np.flatnonzero((rows >= LEAST_ROWS) & (share > LEAST_LIFT * of_all)):
            mine: NDArray[np.bool_] = groups[g][1]
            error = standard_error(lost[mine].astype(np.float64), block[mine])
            days = len(np.unique(block[mine]))
            if days >= LEAST_BLOCKS and share[g] - SURE * error > of_all:
                name, part = groups[g][0], float(own[g] / lost.sum())
                ranked.append(Lost(grouping.name, name, int(rows[g]), float(share[g]), float(share[g] / of_all), part))
    return sorted(ranked, key=lambda one: -one.share)


def _mean(label: NDArray[np.float64]) -> float:
    return float(label.mean()) if len(label) else np.nan


def _difference(train: Train, lost: Mask, *, seed: int) -> Estimate:
    block = day_blocks(train.at)
    days = min((len(np.unique(block[own])) for own in (lost, ~lost)), default=0)
    if days < LEAST_BLOCKS:
        return Estimate.untold(train.label, days)
    weights = bootstrap(block, seed=seed)
    gone, kept = lost.astype(np.float64), (~lost).astype(np.float64)
    whole, drawn = (
        divide(w.totals(kept * train.label), w.totals(kept)) - divide(w.totals(gone * train.label), w.totals(gone))
        for w in (weights.whole, weights)
    )
    like = Estimate(0.0, 0.0, 0.0, len(train), int(lost.sum()), days)
    return spread(float(whole[0]), drawn, like=like)
