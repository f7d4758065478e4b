"""Logistic regression: the simplest model that may be good enough."""

import warnings
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.features.preprocessing.preprocessor import Prepared, Preprocessor
from mlsys_assets.mistakes import out_of_range
from mlsys_assets.models.candidate import (
    FitError,
    Fitted,
    Recipe,
    check_train,
    check_validation,
    prepare,
    prepared_record,
    preprocessor_mistakes,
    preprocessor_needs,
)
from mlsys_assets.models.linear_predictor import LinearPredictor
from mlsys_assets.models.soft_labels import Floats, check_soft
from mlsys_assets.types import Scalar

FIRST = 10
"""Of so many rows one is fitted first: what it finds is near the optimum of all, for a tenth of a step's time."""
BY_HEART = 1e5
"""The c at which a few rows that a line can tell apart are learned by heart."""
MANY = 1_000
"""Fewer rows to fit first than this, and there is no time to be saved."""


@dataclass(frozen=True)
class LogisticRegression:
    """scikit-learn's L2-regularized logistic regression on standardized numbers and one-hot categories.

    Newton's method (newton-cholesky) takes 4 steps where lbfgs takes 90, and half of the time, as long
    as rows are many and outputs are hundreds: its time grows with their square. Begun from the optimum
    of every tenth row, it takes 2 steps over all rows to the same coefficients.

    Its products of matrices take one thread, however many are allowed: two add up in another order, so that
    coefficients differed from the seventh digit between machines, and wait for each other where a core is taken.

    Parameters
    ----------
    c
        Inverse strength of the regularization, as in scikit-learn.
    rounds
        The most iterations; a fit that needs more is refused, not returned half done.
    preprocessor
        How rows become numbers.
    """

    c: float = 0.01
    rounds: int = 500
    preprocessor: Preprocessor = Preprocessor()
    name: str = "logistic_regression"

    @property
    def baseline(self) -> bool:
        """It is a model."""
        return False

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns that its preprocessor names."""
        return preprocessor_needs(self.preprocessor)

    @property
    def kind(self) -> str:
        """Coefficients."""
        return LinearPredictor.kind

    def mistakes(self) -> list[str]:
        """Return the numbers that no fit can be made with."""
        what = f"candidate {self.name!r}"
        return [
            *out_of_range(f"{what}: c", self.c, above=0),
            *out_of_range(f"{what}: rounds", self.rounds, whole=True, least=1),
            *preprocessor_mistakes(self.preprocessor, what=what),
        ]

    @property
    def randomized(self) -> bool:
        """Nothing is drawn."""
        return False

    def unbounded(self) -> "LogisticRegression":
        """Return the same, free to learn a few rows by heart: next to no regularization."""
        return replace(self, c=max(self.c, BY_HEART))

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        """Fit on train; nothing is chosen on validation."""
        check_validation(validation, what=self.name)
        return self.refit(train, recipe={}, seed=seed, threads=threads)

    def refit(self, train: Train, *, recipe: Recipe, seed: int, threads: int) -> Fitted:
        """Fit on train."""
        check_train(train, what=self.name)
        prepared = prepare(self.preprocessor, train, what=self.name)
        return self._fitted(prepared, prepared.matrix, train.label, None)

    def fit_soft(self, train: Train, soft: Floats, validation: Validation, *, seed: int, threads: int) -> Fitted:
        """Fit on (n,) probabilities in place of the labels; nothing is chosen on validation."""
        check_validation(validation, what=self.name)
        return self.refit_soft(train, soft, recipe={}, seed=seed, threads=threads)

    def refit_soft(self, train: Train, soft: Floats, *, recipe: Recipe, seed: int, threads: int) -> Fitted:
        """Fit on (n,) probabilities in place of the labels: each row counts as both, by how likely they are."""
        check_soft(train, soft, what=self.name)
        prepared = prepare(self.preprocessor, train, what=self.name)
        both, label = np.concatenate([prepared.matrix] * 2), np.repeat([1.0, 0.0], len(train))
        return self._fitted(prepared, both, label, np.concatenate([soft, 1.0 - soft]))

    def _fitted(self, prepared: Prepared, matrix: NDArray[np.float32], label: Floats, weight: Floats | None) -> Fitted:
        """Return the optimum of (m, d) rows that each count once, or (m,) times."""
        from scipy.linalg import LinAlgWarning
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression as Solver
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        solver = Solver(C=self.c * FIRST, solver="newton-cholesky", max_iter=self.rounds, warm_start=True)
        with threadpool_limits(limits=1), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # refused below
            warnings.simplefilter("ignore", LinAlgWarning)  # columns nearly alike: it goes on with lbfgs by itself
            if len(label) >= FIRST * MANY and np.ptp(label[::FIRST]) > 0:
                solver.fit(matrix[::FIRST], label[::FIRST], None if weight is None else weight[::FIRST])
            solver.set_params(C=self.c).fit(matrix, label, weight)
        rounds = int(solver.n_iter_[0])
        if rounds >= self.rounds:
            raise FitError(f"{self.name} did not converge in {self.rounds} rounds; allow more, or regularize more")
        weights = np.ascontiguousarray(solver.coef_[0])
        predictor = LinearPredictor(prepared.preprocessing, float(solver.intercept_[0]), weights)
        params: dict[str, Scalar] = {"c": self.c, "iterations": rounds}
        return Fitted(self.name, predictor, params | prepared_record(self.preprocessor, prepared))
