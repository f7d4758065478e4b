"""A small multi-layer perceptron by scikit-learn: stopped on our validation, refitted with fixed epochs."""

from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.features.preprocessing.preprocessor import Prepared, Preprocessor
from mlsys_assets.measures.metrics import Floats, LogLoss, value
from mlsys_assets.mistakes import not_all, out_of_range
from mlsys_assets.models.candidate import (
    FitError,
    Fitted,
    LossCurve,
    Recipe,
    check_train,
    check_validation,
    failures_told,
    prepare,
    prepared_record,
    preprocessor_mistakes,
    preprocessor_needs,
)
from mlsys_assets.models.layers import MOST_LAYERS, Layer
from mlsys_assets.models.matrices import MOST_WEIGHTS, Dense
from mlsys_assets.models.mlp_predictor import MlpPredictor
from mlsys_assets.types import Scalar

WIDEST: Final = 4096
"""The most units of a layer: a small network."""
DIVERGED: Final = 3.0
"""A log loss of a network's own training rows above this: it is sure and wrong. Where it has merely learned too
little of standardized rows, it is about 1."""
MEMORIZING_EPOCHS, MEMORIZING_BATCH, MEMORIZING_RATE = 300, 16, 3e-3
"""What a network of the default size needs to learn 64 rows of few columns by heart: small steps, and many."""


@dataclass(frozen=True)
class Mlp:
    """scikit-learn's MLPClassifier with rectified units and Adam, an epoch at a time.

    Its own early stopping draws the rows that it stops by at random, among them later ones than those it
    learns from; here it is our validation that says when to stop. It runs on one thread, whatever ``threads``
    says: the order of a matrix product's sums may depend on their number, and so would the bytes of the model.

    Parameters
    ----------
    hidden
        The units of each hidden layer.
    epochs
        Passes over the training rows: exactly as many, or at most, if ``patience`` is given.
    patience
        Stop when validation log loss has not improved for so many epochs, and keep the best; the refit then
        uses the number found.
    learning_rate
        The first step size of Adam.
    l2
        Half of the squared weights is added to the mean log loss this many times.
    batch
        Rows of a step.
    preprocessor
        How rows become numbers.
    """

    hidden: tuple[int, ...] = (64, 32)
    epochs: int = 30
    patience: int | None = 5
    learning_rate: float = 1e-3
    l2: float = 3e-3
    batch: int = 1024
    preprocessor: Preprocessor = Preprocessor()
    name: str = "mlp"

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
        """Layers of weights."""
        return MlpPredictor.kind

    def mistakes(self) -> list[str]:
        """Return the numbers that no fit can be made with."""
        what = f"candidate {self.name!r}"
        wrong = not_all(f"{what}: hidden", self.hidden, int)
        if not wrong:
            for i, units in enumerate(self.hidden):
                wrong += out_of_range(f"{what}: hidden[{i}]", units, whole=True, least=1, most=WIDEST)
            if not 1 <= len(self.hidden) < MOST_LAYERS:
                wrong.append(f"{what}: hidden has {len(self.hidden)} layers; give 1 to {MOST_LAYERS - 1}")
        found = [
            *wrong,
            *out_of_range(f"{what}: epochs", self.epochs, whole=True, least=1),
            *out_of_range(f"{what}: learning_rate", self.learning_rate, above=0),
            *out_of_range(f"{what}: l2", self.l2, least=0),
            *out_of_range(f"{what}: batch", self.batch, whole=True, least=1),
            *preprocessor_mistakes(self.preprocessor, what=what),
        ]
        if self.patience is not None:
            found += out_of_range(f"{what}: patience", self.patience, whole=True, least=1)
        return found

    @property
    def randomized(self) -> bool:
        """The first weights are drawn, and in which order rows are seen."""
        return True

    def unbounded(self) -> Self:
        """Return the same network with nothing that keeps it from learning a few rows by heart; slow for many."""
        return replace(
            self, l2=0.0, patience=None, epochs=MEMORIZING_EPOCHS, batch=MEMORIZING_BATCH, learning_rate=MEMORIZING_RATE
        )

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        """Fit on train; the number of epochs is chosen on validation, where ``patience`` is given."""
        check_train(train, what=self.name)
        check_validation(validation, what=self.name)
        prepared = prepare(self.preprocessor, train, what=self.name)
        later = prepared.preprocessing.transform(validation.features)
        network, curve = _Network(self, prepared, train.label, seed=seed), list[tuple[float, float]]()
        best, kept = 0, tuple[Layer, ...]()
        with _one_thread():
            for epoch in range(1, self.epochs + 1):
                network.learn()
                curve.append((network.loss(prepared.matrix, train.label), network.loss(later, validation.label)))
                if self.patience is None or best == 0 or curve[-1][1] < curve[best - 1][1]:
                    best, kept = epoch, network.layers
                elif epoch - best >= self.patience:
                    break
        losses = LossCurve(*zip(*curve, strict=True))
        return self._fitted(prepared, kept, epochs=best, train_loss=curve[best - 1][0], losses=losses)

    def refit(self, train: Train, *, recipe: Recipe, seed: int, threads: int) -> Fitted:
        """Fit on all rows with the number of epochs in the recipe."""
        check_train(train, what=self.name)
        epochs = recipe.get("epochs")
        if not isinstance(epochs, int) or epochs < 1:
            raise ValueError(f"{self.name} is refitted by a recipe with a number of epochs, got {dict(recipe)}")
        prepared = prepare(self.preprocessor, train, what=self.name)
        network = _Network(self, prepared, train.label, seed=seed)
        with _one_thread():
            for _ in range(epochs):
                network.learn()
            loss = network.loss(prepared.matrix, train.label)
        return self._fitted(prepared, network.layers, epochs=epochs, train_loss=loss, losses=LossCurve())

    def _fitted(
        self,
        prepared: Prepared,
        layers: tuple[Layer, ...],
        *,
        epochs: int,
        train_loss: float,
        losses: LossCurve,
    ) -> Fitted:
        """Return the model; raises FitError for one that is sure and wrong of its own rows."""
        if train_loss > DIVERGED:
            raise FitError(
                f"{self.name} diverged: after {epochs} epochs the log loss of its own training rows is "
                f"{train_loss:.4g}; lower the learning rate, or scale the numbers"
            )
        params: dict[str, Scalar] = {
            "hidden": ",".join(map(str, self.hidden)),
            "learning_rate": self.learning_rate,
            "l2": self.l2,
            "batch": self.batch,
            "epochs": epochs,
        }
        return Fitted(
            self.name,
            MlpPredictor(prepared.preprocessing, layers),
            params=params | prepared_record(self.preprocessor, prepared),
            recipe={"epochs": epochs},
            loss_curve=losses,
        )


class _Network:
    """A network as it learns."""

    def __init__(self, declared: Mlp, prepared: Prepared, label: Floats, *, seed: int) -> None:
        from sklearn.neural_network import MLPClassifier

        widths = [len(prepared.preprocessing.names), *declared.hidden, 1]
        weights = sum(a * b for a, b in pairwise(widths))
        if weights > MOST_WEIGHTS:
            raise FitError(
                f"{declared.name} would have {weights} weights between its layers of {widths}; at most {MOST_WEIGHTS} "
                "are taken: make hidden layers smaller, or hash the categories"
            )
        self.name, self.matrix, self.label = declared.name, prepared.matrix, label
        batch = min(declared.batch, len(label))
        self.solver: Any = MLPClassifier(
            declared.hidden,
            alpha=declared.l2 * batch,  # scikit-learn divides it by the rows of a step
            batch_size=batch,
            learning_rate_init=declared.learning_rate,
            random_state=np.random.RandomState(np.random.MT19937(np.random.SeedSequence(seed))),  # goes on by epochs
        )

    def learn(self) -> None:
        """Take one pass over the rows, in an order of its own; raises FitError if it diverges."""
        with failures_told(self.name), np.errstate(over="ignore", invalid="ignore"):
            try:
                self.solver.partial_fit(self.matrix, self.label, classes=[0.0, 1.0])
            except ValueError as error:
                raise FitError(f"{self.name} diverged, lower the learning rate: {error}") from error

    def loss(self, matrix: NDArray[np.float32], label: Floats) -> float:
        """Return the log loss of (n, d) rows; raises FitError if it is no number."""
        with failures_told(self.name), np.errstate(over="ignore", invalid="ignore"):
            score = self.solver.predict_proba(matrix)[:, 1].astype(np.float64)
        if not np.isfinite(score).all():
            raise FitError(f"{self.name} diverged: its scores are no numbers; lower the learning rate")
        return value(LogLoss(), label, score)

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers as they are now."""
        pairs = zip(self.solver.coefs_, self.solver.intercepts_, strict=True)
        return tuple(Layer((Dense(w.copy()),), b.astype(np.float64)) for w, b in pairs)


def _one_thread() -> AbstractContextManager[object]:
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    limited: AbstractContextManager[object] = threadpool_limits(limits=1)
    return limited
