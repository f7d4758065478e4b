"""All looks at the columns of a training set at once, on few enough rows to be had in every training."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.features.quality.bad_columns import BadColumns, bad_columns
from mlsys_assets.features.quality.coverage import Coverage, coverage
from mlsys_assets.features.quality.deletion import Deletion, drop_rows
from mlsys_assets.features.quality.groups import Grouping
from mlsys_assets.features.quality.missingness import Missingness, missingness
from mlsys_assets.features.quality.mostly_missing import MOST_MISSING, MostlyMissing, mostly_missing
from mlsys_assets.features.quality.overlap import Overlap, overlap
from mlsys_assets.features.quality.sample import evenly
from mlsys_assets.features.quality.spikes import Spikes, spikes
from mlsys_assets.types import Finding

TRAIN_ROWS: Final = 15_000
"""Training rows that are looked at, evenly spaced in time."""
VALIDATION_ROWS: Final = 5_000
"""Validation rows that are."""


@dataclass(frozen=True)
class ColumnQuality:
    """What was seen of the columns; ``deletion`` is of rows without the value whose loss would move the labels most."""

    bad: BadColumns
    spikes: Spikes
    missing: Missingness
    mostly_missing: MostlyMissing
    coverage: Coverage
    overlap: Overlap
    deletion: Deletion | None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The checks; what a deletion would cost is none, since nobody has deleted yet."""
        looks = (self.bad, self.spikes, self.missing, self.mostly_missing, self.coverage, self.overlap)
        return tuple(look.finding for look in looks)


def column_quality(
    train: Train,
    validation: Validation,
    *,
    seed: int,
    required: Collection[str] = (),
    by: Sequence[Grouping] | None = None,
) -> ColumnQuality:
    """Return all that can be said of the columns; tests are sealed, and not looked at.

    Parameters
    ----------
    train, validation
        All rows of both: samples are taken here.
    seed
        Of the days drawn for intervals.
    required
        The columns that may have no missing value.
    by
        The groups whose coverage is compared, such as a system's slices; by each category, if not given.
    """
    few, fewer = evenly(train, most=TRAIN_ROWS), evenly(validation, most=VALIDATION_ROWS)
    missing = missingness(few, seed=seed)
    told = [one for one in missing.columns if one.label_difference.sufficient and one.share < MOST_MISSING]
    most = max(told, key=lambda one: abs(one.label_difference.value) * one.share, default=None)
    return ColumnQuality(
        bad_columns(few, required=required),
        spikes(few),
        missing,
        mostly_missing(few.features),
        coverage(few, fewer, by=by),
        overlap(train, validation),
        None if most is None else drop_rows(few, most.columns, seed=seed)[1],
    )
