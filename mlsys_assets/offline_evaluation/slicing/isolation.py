"""How unusual a row's numbers are: an isolation forest (Liu, Ting and Zhou 2008), grown on Train only."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import Train, require_train
from mlsys_assets.features.named_columns import is_category, read_numbers
from mlsys_assets.measures.metrics import Floats

SAMPLE = 10_000
"""Rows that the forest is grown on at most: each tree sees 256 of them."""
TREES = 100
LEAST_ROWS = 100
USUAL = 0.95
"""The share of Train that is called usual."""


@dataclass(frozen=True, eq=False)
class Isolation:
    """A grown forest: rows that few cuts set apart from all others are unusual.

    Parameters
    ----------
    columns
        The number columns it looks at.
    typical
        (d,) what a missing number is read as: the median in Train.
    limit
        The score from which a row is unusual.
    forest
        scikit-learn's.
    """

    columns: tuple[str, ...]
    typical: NDArray[np.float32]
    limit: float
    forest: Any

    @classmethod
    def fit(cls, train: Train, *, seed: int, columns: Sequence[str] = ()) -> "Isolation":
        """Grow a forest on a sample of Train; raises TypeError for another view and ValueError for too little.

        Parameters
        ----------
        train
            The rows.
        seed
            Of the sample and the trees.
        columns
            Number columns; empty means all.
        """
        require_train(train, what="an isolation forest")
        if len(train) < LEAST_ROWS:
            raise ValueError(f"an isolation forest needs {LEAST_ROWS} rows, got {len(train)}; widen the Train window")
        chosen = np.random.default_rng(seed).permutation(len(train))[:SAMPLE]
        sample = train.features.take(pa.array(np.sort(chosen)))
        named = columns or [f.name for f in sample.schema if not is_category(f.type)]
        numbers = _numbers(sample, named)
        known = np.isfinite(numbers).any(axis=0)
        if not known.any():
            raise ValueError(f"an isolation forest needs columns of numbers, and there are none among {list(named)}")
        return cls._grown(tuple(np.array(named)[known].tolist()), numbers[:, known], seed)

    @classmethod
    def _grown(cls, columns: tuple[str, ...], numbers: NDArray[np.float32], seed: int) -> "Isolation":
        from sklearn.ensemble import IsolationForest

        typical = np.nanmedian(numbers, axis=0).astype(np.float32)
        filled = np.where(np.isnan(numbers), typical, numbers)
        forest = IsolationForest(n_estimators=TREES, random_state=seed).fit(filled)
        return cls(columns, typical, float(np.quantile(-forest.score_samples(filled), USUAL)), forest)

    def score(self, features: pa.Table) -> Floats:
        """Return (n,) scores in (0, 1): the larger, the more unusual."""
        if not len(features):
            return np.zeros(0)
        numbers = _numbers(features, self.columns)
        found: Floats = -self.forest.score_samples(np.where(np.isnan(numbers), self.typical, numbers))
        return found

    def unusual(self, features: pa.Table) -> NDArray[np.bool_]:
        """Return (n,) whether a row is more unusual than the usual share of Train."""
        return self.score(features) > self.limit


def _numbers(features: pa.Table, columns: Sequence[str]) -> NDArray[np.float32]:
    """Return (n, d) numbers, NaN where there is no finite one."""
    found = read_numbers(features, columns).T
    return np.where(np.isfinite(found), found, np.float32(np.nan))
