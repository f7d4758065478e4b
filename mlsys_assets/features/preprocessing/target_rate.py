"""A category as the mean of its labels: out-of-fold in training, so that no row's label tells itself."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import Train, require_train
from mlsys_assets.features.named_columns import ColumnError
from mlsys_assets.features.preprocessing.category import CategoryAmount
from mlsys_assets.features.preprocessing.encoding import LARGEST_SEED, Categorical, FitOfColumn
from mlsys_assets.features.preprocessing.number import LARGEST
from mlsys_assets.measures.intervals import day_blocks
from mlsys_assets.mistakes import out_of_range

LEAST_FOLDS: Final = 2
"""With fewer there is nothing out of the fold."""

Smoothing = float | Literal["auto"]
"""How many rows' weight the mean of all has; "auto": what empirical Bayes finds for each value."""


@dataclass(frozen=True)
class TargetRate:
    """The mean label of a value's rows, drawn towards that of all rows, in one output (Micci-Barreca 2001).

    Training rows get the mean of rows of other days only: folds are whole days, so that neither a row's own
    label nor that of a row of the same fold changes what it gets. All others get the mean of all training
    rows: a missing value that of the missing ones, an unseen one that of all rows.

    Parameters
    ----------
    folds
        In how many parts the days are dealt; fewer days are a fold each.
    smoothing
        How many rows' weight the mean of all has. "auto" weighs by the variances within the value and
        of all labels, as scikit-learn's TargetEncoder does.
    seed
        Deals the days.
    """

    folds: int = 5
    smoothing: Smoothing = "auto"
    seed: int = 0

    def mistakes(self, what: str) -> list[str]:
        """Return numbers that leave nothing."""
        found = out_of_range(f"{what}: folds", self.folds, whole=True, least=LEAST_FOLDS)
        if self.smoothing != "auto":
            found += [f"{m}, or 'auto'" for m in out_of_range(f"{what}: smoothing", self.smoothing, least=0)]
        return found + out_of_range(f"{what}: seed", self.seed, whole=True, least=0, most=LARGEST_SEED)

    def fit_column(self, column: Categorical, train: Train) -> FitOfColumn:
        """Return the means of all rows, and those out of the fold for the training rows; raises ColumnError."""
        require_train(train, what=type(self).__name__)
        if not (np.abs(train.label) <= LARGEST).all():
            raise ColumnError(
                f"column {column.name!r} becomes the rate of labels, some of which are not finite, "
                f"or beyond ±{LARGEST:g}"
            )
        size = len(column.values) + 1
        codes = np.where(column.codes < 0, size - 1, column.codes)
        fold = self._folds(column.name, train)
        training = np.zeros(len(codes))
        for one in range(int(fold.max(initial=-1)) + 1):
            mine = fold == one
            means, _ = self._means(codes[~mine], train.label[~mine], size)
            training[mine] = means[codes[mine]]
        means, prior = self._means(codes, train.label, size)
        amounts = tuple(means[:-1].tolist())
        return FitOfColumn(
            CategoryAmount(column.name, column.values, amounts, prior, float(means[-1]), column.of), training=training
        )

    def _folds(self, name: str, train: Train) -> NDArray[np.intp]:
        """Return (n,) the fold of each row: whole days, dealt by the seed."""
        day = day_blocks(train.at)
        days = int(day.max(initial=-1)) + 1
        if days < LEAST_FOLDS:
            raise ColumnError(
                f"column {name!r} becomes the rate of labels on other days, and training has {days} day(s); "
                f"it needs {LEAST_FOLDS} or more"
            )
        return np.random.default_rng(self.seed).permutation(days)[day] % min(self.folds, days)

    def _means(
        self, codes: NDArray[np.intp], label: NDArray[np.float64], size: int
    ) -> tuple[NDArray[np.float64], float]:
        """Return (size,) the smoothed mean label of each code, and that of all rows."""
        prior = float(label.mean())
        count = np.bincount(codes, minlength=size).astype(np.float64)
        known = np.maximum(count, 1.0)
        mean = np.bincount(codes, weights=label, minlength=size) / known
        if self.smoothing == "auto":
            within = np.bincount(codes, weights=(label - mean[codes]) ** 2, minlength=size) / known
            spread = float(label.var()) * count
            weight = np.divide(spread, spread + within, out=np.zeros(size), where=spread > 0)
        else:
            weight = np.divide(count, count + self.smoothing, out=np.zeros(size), where=count > 0)
        return weight * mean + (1 - weight) * prior, prior
