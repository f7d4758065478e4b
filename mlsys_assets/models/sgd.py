"""Logistic regression by stochastic gradient descent: learned by small batches, and gone on with later."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.features.preprocessing.preprocessor import Preprocessor
from mlsys_assets.features.preprocessing.transform import Preprocessing
from mlsys_assets.mistakes import out_of_range
from mlsys_assets.models.candidate import (
    FitError,
    Fitted,
    Recipe,
    check_train,
    check_validation,
    failures_told,
    prepare,
    prepared_record,
    preprocessor_mistakes,
    preprocessor_needs,
)
from mlsys_assets.models.linear_predictor import LinearPredictor
from mlsys_assets.models.predictor import Predictor
from mlsys_assets.models.sgd_predictor import SgdPredictor
from mlsys_assets.models.stateful.batch_journal import BatchJournal, BatchJournals, Progress
from mlsys_assets.models.stateful.stateful import Stateful
from mlsys_assets.models.stateful.tree_updates import UNSEEN
from mlsys_assets.types import Scalar

LARGEST_WEIGHT = 1e6
"""Of standardized numbers: log odds that no row can have."""
FIRST_STEP = 1.0
"""What scikit-learn counts rows from."""


@dataclass(frozen=True)
class Sgd:
    """scikit-learn's SGDClassifier with log loss, by ``partial_fit``: each row once, in the order in which it comes.

    Numbers are standardized and categories one-hot by what the rows of the first fit were like; both stay as they are
    when it goes on. Nothing is drawn, so that batches may be cut anywhere between two of them: a fit that is gone on
    with later, or after a kill, is bit for bit the one that was not interrupted.

    Parameters
    ----------
    learning_rate, decay
        The k-th row moves the weights by ``learning_rate / k ** decay`` times its gradient; ``decay=0`` forgets the
        old as fast at any age.
    l2
        The strength of the regularization, as scikit-learn's alpha.
    batch
        Rows of a call of ``partial_fit``.
    preprocessor
        How rows become numbers.
    """

    learning_rate: float = 0.01
    decay: float = 0.5
    l2: float = 1e-3
    batch: int = 512
    preprocessor: Preprocessor = Preprocessor()
    name: str = "sgd"

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
        """Coefficients, and where the descent stands."""
        return SgdPredictor.kind

    @property
    def randomized(self) -> bool:
        """Nothing is drawn."""
        return False

    def mistakes(self) -> list[str]:
        """Return the numbers that no fit can be made with."""
        what = f"candidate {self.name!r}"
        return [
            *out_of_range(f"{what}: learning_rate", self.learning_rate, above=0),
            *out_of_range(f"{what}: decay", self.decay, least=0, most=1),
            *out_of_range(f"{what}: l2", self.l2, least=0),
            *out_of_range(f"{what}: batch", self.batch, whole=True, least=1),
            *preprocessor_mistakes(self.preprocessor, what=what),
        ]

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        """Fit on train; nothing is chosen on validation."""
        check_validation(validation, what=self.name)
        return self.refit(train, recipe={}, seed=seed, threads=threads)

    def refit(self, train: Train, *, recipe: Recipe, seed: int, threads: int) -> Fitted:
        """Fit on train, in its order."""
        check_train(train, what=self.name)
        prepared = prepare(self.preprocessor, train, what=self.name)
        begun = Progress(np.zeros(prepared.matrix.shape[1]), 0.0, FIRST_STEP)
        found = self._descended(begun, prepared.matrix, train.label, None)
        return self._fitted(prepared.preprocessing, found, prepared_record(self.preprocessor, prepared))

    def cannot_go_on(self, parent: Predictor, *, by: Stateful) -> str:
        """Return that a model is not of this kind."""
        return "" if isinstance(parent, SgdPredictor) else f"a {parent.kind} model has no state of a descent"

    def go_on(
        self,
        parent: Predictor,
        new: Train,
        *,
        by: Stateful,
        seed: int,
        threads: int,
        journals: BatchJournals | None = None,
    ) -> Fitted:
        """Go on over new rows, in their order; where a journal holds a part of this very fit, from there."""
        check_train(new, what=self.name)
        if not isinstance(parent, SgdPredictor):
            raise FitError(f"{self.name}: {self.cannot_go_on(parent, by=by)}")
        encoded = parent.line.preprocessing.encode(new.features)
        journal = None if journals is None else journals.open(self.name, self._key(parent, new))
        begun = Progress(parent.line.weights, parent.line.intercept, parent.steps)
        if journal is not None:
            begun = journal.last(len(parent.line.weights)) or begun
        found = self._descended(begun, encoded.matrix, new.label, journal)
        record: dict[str, Scalar] = {
            "preprocessor": self.preprocessor.described, UNSEEN: sum(encoded.unseen.values()),
        }  # fmt: skip
        return self._fitted(parent.line.preprocessing, found, record)

    def _key(self, parent: Predictor, new: Train) -> dict[str, str]:
        state = hashlib.sha256()
        for name, content in sorted(parent.contents().items()):
            state.update(name.encode() + content)
        return {"parent": state.hexdigest(), "rows": new.content_hash, "declaration": repr(self)}

    def _descended(
        self,
        begun: Progress,
        matrix: NDArray[np.float32],
        label: NDArray[np.float64],
        journal: BatchJournal | None,
    ) -> Progress:
        """Return where the descent stands after (n, d) rows, of which the first ``begun.done`` batches are done."""
        solver, done = self._solver(begun), begun.done
        for start in range(done * self.batch, len(label), self.batch):
            rows = slice(start, start + self.batch)
            with failures_told(self.name):
                solver.partial_fit(matrix[rows].astype(np.float64), label[rows])
            done += 1
            if journal is not None:
                journal.keep(_progress(solver, done))
        return _progress(solver, done)

    def _solver(self, begun: Progress) -> Any:
        from sklearn.linear_model import SGDClassifier

        solver = SGDClassifier(
            loss="log_loss", alpha=self.l2, learning_rate="invscaling", eta0=self.learning_rate, power_t=self.decay,
            shuffle=False,
        )  # fmt: skip
        solver.classes_, solver.n_features_in_ = np.array([0.0, 1.0]), len(begun.weights)
        solver.coef_, solver.intercept_ = begun.weights.copy().reshape(1, -1), np.array([begun.intercept])
        solver.t_ = begun.steps
        return solver

    def _fitted(self, preprocessing: Preprocessing, found: Progress, record: dict[str, Scalar]) -> Fitted:
        largest = max(float(np.abs(found.weights).max(initial=0.0)), abs(found.intercept))
        if not largest < LARGEST_WEIGHT:
            raise FitError(
                f"{self.name} diverged to weights of up to {largest:.3g}; take a learning_rate below "
                f"{self.learning_rate:g}, or more decay"
            )
        predictor = SgdPredictor(LinearPredictor(preprocessing, found.intercept, found.weights), found.steps)
        own: dict[str, Scalar] = {
            "learning_rate": self.learning_rate, "decay": self.decay, "l2": self.l2, "batch": self.batch,
            "steps": found.steps,
        }  # fmt: skip
        return Fitted(self.name, predictor, own | record)


def _progress(solver: Any, done: int) -> Progress:
    weights = np.array(solver.coef_, dtype=np.float64).ravel()
    return Progress(weights, float(solver.intercept_[0]), float(solver.t_), done)
