"""Out-of-fold scores: what models say of rows that are later than all they were fitted on."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.data_sampling.time_folds import WalkForward
from mlsys_assets.data_sampling.views import Train
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.models.candidate import Candidate, FitError, Recipe


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Scores of training rows, each with which fold's models gave it; to be made by ``score_out_of_fold``.

    A second model learns from these alone. Of scores that models gave to rows they were fitted on, it would learn to
    trust the one that remembers best (Wolpert 1992), so nothing of the kind can be held: a row that is not later
    than all that its fold's models were fitted on is refused.

    Parameters
    ----------
    bases
        (k,) the names of the models.
    ids, at, label
        (m,) the rows' identifiers, prediction times and labels.
    scores
        (m, k) a probability by each model.
    fold
        (m,) the number of the fold whose models scored the row.
    fitted_until
        (f,) the latest prediction time that each fold's models were fitted on.
    """

    bases: tuple[str, ...]
    ids: pa.Array
    at: NDArray[np.datetime64]
    label: Floats
    scores: Floats
    fold: NDArray[np.intp]
    fitted_until: NDArray[np.datetime64]

    def __post_init__(self) -> None:
        """Raise ValueError for what cannot be out-of-fold scores, FitError for scores that are no probabilities."""
        rows = len(self.label)
        if {len(self.ids), len(self.at), len(self.fold)} != {rows} or self.scores.shape != (rows, len(self.bases)):
            raise ValueError(f"out-of-fold scores of {len(self.bases)} models and {rows} rows, got {self.scores.shape}")
        if early := int((self.at <= self.fitted_until[self.fold]).sum()):
            raise ValueError(
                f"{early} of {rows} rows are not later than what the models that scored them were fitted on; "
                "score each row by models of earlier rows, as score_out_of_fold does"
            )
        if again := rows - len(self.ids.unique()):
            raise ValueError(f"{again} of {rows} rows were scored twice; each row belongs to one fold")
        for name, score in zip(self.bases, self.scores.T, strict=True):
            if bad := int((~((score >= 0.0) & (score <= 1.0))).sum()):
                raise FitError(f"{name} gave {bad} of {rows} rows a score that is no probability, or none at all")


def score_out_of_fold(
    bases: Sequence[tuple[Candidate, Recipe]], train: Train, folds: WalkForward, *, seed: int, threads: int
) -> OutOfFold:
    """Return what the bases say of each fold's rows when they are fitted, by their recipes, on what came before.

    A fold's rows are neither fitted nor chosen on: what a base needs to be chosen for, such as its number of rounds,
    stands in its recipe. Rows before the first fold have no score.

    Parameters
    ----------
    bases
        Candidates, each with what a fit of it found.
    folds
        How rows are walked through; its embargo keeps labels apart that were not known yet.

    Raises FoldError for too short a history, FitError for a part that a base cannot be fitted on and for scores that
    are no probabilities, TypeError for anything but a Train view as it came.
    """
    parts, until = [], []
    for fold in folds.folds(train):
        fitted = [c.refit(fold.train, recipe=recipe, seed=seed, threads=threads) for c, recipe in bases]
        scores = np.column_stack([one.predict(fold.validation.features, threads=threads) for one in fitted])
        parts.append((fold.validation, scores))
        until.append(fold.train.at.max())
    return OutOfFold(
        bases=tuple(candidate.name for candidate, _ in bases),
        ids=pa.concat_arrays([_whole(rows.ids) for rows, _ in parts]),
        at=np.concatenate([rows.at for rows, _ in parts]),
        label=np.concatenate([rows.label for rows, _ in parts]),
        scores=np.concatenate([scores for _, scores in parts]),
        fold=np.repeat(np.arange(len(parts)), [len(rows) for rows, _ in parts]),
        fitted_until=np.array(until),
    )


def _whole(ids: pa.Array | pa.ChunkedArray) -> pa.Array:
    """Return identifiers as one piece."""
    return ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
