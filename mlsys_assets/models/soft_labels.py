"""Soft labels: probabilities that a model is fitted on in place of the labels (Hinton, Vinyals & Dean 2015)."""

from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import Train, Validation, require_train
from mlsys_assets.models.candidate import Candidate, FitError, Fitted, Recipe

Floats = NDArray[np.float64]


@runtime_checkable
class SoftLearner(Candidate, Protocol):
    """A candidate that can be fitted on probabilities too. ``fit`` and ``refit`` still take labels 0 and 1 only."""

    def fit_soft(self, train: Train, soft: Floats, validation: Validation, *, seed: int, threads: int) -> Fitted:
        """Fit on (n,) probabilities in place of train's labels; choose on validation's labels. Raises FitError."""
        ...

    def refit_soft(self, train: Train, soft: Floats, *, recipe: Recipe, seed: int, threads: int) -> Fitted:
        """Fit on (n,) probabilities in place of train's labels with what an earlier fit found. Raises FitError."""
        ...


def check_soft(train: Train, soft: Floats, *, what: str) -> None:
    """Raise TypeError for anything but a Train view, FitError unless there is a probability for each row."""
    require_train(train, what=what)
    if len(train) == 0 or len(soft) != len(train):
        raise FitError(f"{what} takes a probability for each training row, got {len(soft)} for {len(train)} rows")
    wrong = soft[~((soft >= 0.0) & (soft <= 1.0))]
    if len(wrong):
        raise FitError(f"{what} takes probabilities in [0, 1], got {wrong[0]} ({len(wrong)} such rows)")
    if not 0.0 < float(soft.mean()) < 1.0:
        raise FitError(f"{what} needs both classes, all {len(train)} probabilities are {soft[0]:g}")
