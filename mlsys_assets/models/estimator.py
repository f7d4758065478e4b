"""Any scikit-learn-compatible estimator as a candidate, by one declaration."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from numbers import Real
from sys import modules
from typing import Any, Final, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import Train, Validation, require_train, require_validation
from mlsys_assets.features.preprocessing.preprocessor import Preprocessor
from mlsys_assets.features.preprocessing.transform import Preprocessing
from mlsys_assets.measures.metrics import LogLoss, value
from mlsys_assets.mistakes import misnamed, not_one
from mlsys_assets.models.candidate import (
    FitError,
    Fitted,
    LossCurve,
    Recipe,
    failures_told,
    prepare,
    prepared_record,
    preprocessor_mistakes,
    preprocessor_needs,
)
from mlsys_assets.models.estimator_file import write_estimator
from mlsys_assets.models.estimator_fit import Fitting, Labels
from mlsys_assets.models.estimator_predictor import PROBES, EstimatorPredictor, Output
from mlsys_assets.models.memorizing import memorizing
from mlsys_assets.models.predictor import BundleError
from mlsys_assets.models.task import Classification, MultiClass, PlainRegression
from mlsys_assets.models.trusted_types import ESTIMATORS
from mlsys_assets.types import DeclarationError, Scalar

Matrix: TypeAlias = NDArray[np.float32]
"""(n, d) rows as the preprocessor gives them."""
MOST_SCORED: Final = 10_000
"""Training rows that the loss of training is told of."""
LONGEST_VALUE: Final = 200
"""Characters of a parameter's value in the record."""


@dataclass(frozen=True)
class Estimator:
    """A candidate from anything with ``fit`` and ``predict_proba``, or ``predict`` where numbers are foretold.

    Pipelines and ensembles of such are taken too. What is stored must be made of scikit-learn's own classes, those
    that ``trusted_types`` names: a model that is loaded years later must run no code that came with it.

    Parameters
    ----------
    make
        Makes the estimator, anew each time. A function, so that a system's file loads no scikit-learn:
        import it within. The file that the function stands in is part of the model's record.
    name
        A name, unique in its system.
    task
        What goes in and what comes out.
    params
        Parameters by scikit-learn's names, ``step__name`` within a pipeline, which are set on what was made.
        What is named ``random_state`` or ``seed`` and is None gets the seed of the fit; ``n_jobs`` is the system's.
    preprocessor
        How rows become numbers.

    >>> def bayes():
    ...     from sklearn.naive_bayes import GaussianNB
    ...     return GaussianNB()
    >>> Estimator(bayes, name="naive_bayes", params={"var_smoothing": 1e-3}).mistakes()
    []
    """

    make: Callable[[], object]
    name: str
    task: Classification | MultiClass | PlainRegression = Classification()
    params: Mapping[str, Scalar] = field(default_factory=dict, hash=False)
    preprocessor: Preprocessor = Preprocessor()

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
        """An estimator."""
        return EstimatorPredictor.kind

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration.

        What is made is looked at only if scikit-learn is loaded already: a fit looks at it always.
        """
        what = f"candidate {self.name!r}"
        found = misnamed("a candidate", self.name)
        found += not_one(f"{what}: task", self.task, (Classification, MultiClass, PlainRegression)) or [
            f"{what}: {m}" for m in self.task.mistakes()
        ]
        found += not_one(f"{what}: params", self.params, Mapping) + preprocessor_mistakes(self.preprocessor, what=what)
        make: object = self.make
        if not callable(make):
            kind = type(make).__name__
            found.append(f"{what}: make is a {kind}; write a function that makes it, as lambda: {kind}(...)")
        return found + (self._unfit() if not found and "sklearn" in modules else [])

    def with_params(self, values: Mapping[str, Scalar]) -> Self:
        """Return the same with other values of scikit-learn's parameters."""
        return replace(self, params={**self.params, **values})

    def unbounded(self) -> Self | None:
        """Return the same with all taken away that keeps it from memorizing rows; None where that is not known."""
        found = memorizing(self._made())
        return None if found is None else self.with_params(found)

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        """Fit on train; on validation only the loss is told.

        Raises DeclarationError for what no fit could be made with, FitError for whatever goes wrong in one.
        """
        self._check()
        require_validation(validation, what=self.name)
        labels = Labels(self.task, self.name)
        labels.check(validation.label, part="validation")
        fitted, predictor, matrix = self._fitted(train, seed=seed, threads=threads, twice=True)
        scores = self._sound(fitted.predict(validation.features))
        if isinstance(self.task, PlainRegression):
            return fitted
        some = np.unique(np.linspace(0, len(train) - 1, MOST_SCORED).astype(np.intp))
        own = value(LogLoss(), train.label[some], self._sound(predictor.scores(matrix[some])))
        return replace(fitted, loss_curve=LossCurve((own,), (value(LogLoss(), validation.label, scores),)))

    def refit(self, train: Train, *, recipe: Recipe, seed: int, threads: int) -> Fitted:
        """Fit on all rows."""
        self._check()
        return self._fitted(train, seed=seed, threads=threads, twice=False)[0]

    def _fitted(
        self, train: Train, *, seed: int, threads: int, twice: bool
    ) -> tuple[Fitted, EstimatorPredictor, Matrix]:
        """Return the fitted candidate, its predictor, and the prepared rows that it was fitted on."""
        require_train(train, what=self.name)
        labels = Labels(self.task, self.name)
        label = labels.check_train(train.label)
        prepared = prepare(self.preprocessor, train, what=self.name)
        matrix = prepared.matrix
        fitting = Fitting(self._made, self.name, seed, threads)
        model = fitting.fitted(matrix, label)
        if twice and not fitting.repeats(model, matrix, label):
            raise FitError(
                f"{self.name} is not deterministic: fitted twice on the same rows with the same seed it is another "
                "model; let all chance in it come from random_state"
            )
        predictor = self._stored(model, prepared.preprocessing, labels.output, matrix)
        params = {**described(model), **self.task.record, **prepared_record(self.preprocessor, prepared)}
        return Fitted(self.name, predictor, {**params, "scored": predictor.form.scored}), predictor, matrix

    def _stored(self, model: Any, preprocessing: Preprocessing, output: Output, matrix: Matrix) -> EstimatorPredictor:
        """Return the model as it will be read again; raises FitError where it cannot be."""
        probes = matrix[np.linspace(0, len(matrix) - 1, PROBES).astype(np.intp)]
        with failures_told(f"{self.name}, stored and read again,"):
            try:
                return EstimatorPredictor.of(preprocessing, write_estimator(model), output=output, probes=probes)
            except BundleError as error:
                raise FitError(
                    f"{self.name} cannot be stored so that it is read safely: {error}; declare it otherwise, as "
                    "algorithm='brute' for neighbours, or give it a predictor of its own"
                ) from error

    def _sound(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return scores; raises FitError unless all are finite and, where they are to be, probabilities."""
        if odd := int((~np.isfinite(scores)).sum()):
            raise FitError(f"{self.name} gives {odd} of {scores.size} scores that are not finite")
        if not isinstance(self.task, PlainRegression) and not (0.0 <= scores.min() <= scores.max() <= 1.0):
            raise FitError(f"{self.name} gives scores from {scores.min():g} to {scores.max():g}, no probabilities")
        return scores

    def _check(self) -> None:
        """Raise DeclarationError for what no fit can be made with."""
        if mistakes := self.mistakes() or self._unfit():
            raise DeclarationError(f"candidate {self.name!r}", mistakes)

    def _made(self) -> Any:
        """Return a new estimator with the declared parameters."""
        from sklearn.base import clone

        return clone(self.make()).set_params(**self.params)

    def _unfit(self) -> list[str]:
        """Return what is wrong with what is made."""
        what = f"candidate {self.name!r}"
        try:
            made: Any = self.make()
        except Exception as error:  # noqa: BLE001 - a declared function may raise anything; all mistakes are listed
            return [f"{what}: make fails ({type(error).__name__}: {error})"]
        scores = "predict" if isinstance(self.task, PlainRegression) else "predict_proba"
        lacks = [name for name in ("fit", scores, "get_params", "set_params") if not _has(made, name)]
        if lacks:
            advice = "; let CalibratedClassifierCV make probabilities of its scores" * ("predict_proba" in lacks)
            return [f"{what} makes a {type(made).__name__}, which has no {', '.join(lacks)}{advice}"]
        known = made.get_params()
        found = []
        for name in self.params:
            if name not in known:
                near = get_close_matches(str(name), known, n=1)
                guess = f"; did you mean {near[0]!r}?" if near else f"; it has {', '.join(sorted(known))}"
                found.append(f"{what}: params name {name!r}, which a {type(made).__name__} has not{guess}")
        values = {**known, **self.params}
        for name, one in values.items():
            if name.rpartition("__")[2] == "n_jobs" and one is not None:
                found.append(f"{what}: {name} is {one!r}, which the system says for all its candidates; leave it out")
        parts = [one for one in (made, *known.values()) if hasattr(one, "get_params") and not isinstance(one, type)]
        names = {f"{type(one).__module__}.{type(one).__qualname__}" for one in parts}
        if foreign := sorted(names - ESTIMATORS):
            found.append(
                f"{what} is made of {', '.join(foreign)}, which cannot be stored so that no code runs when it is read; "
                "use scikit-learn's own, or give the candidate a predictor of its own"
            )
        return found


def _has(made: Any, name: str) -> bool:
    """Return whether it has a method; stacking has that of a final estimator that it gets only when it is fitted."""
    return hasattr(made, name) or (hasattr(type(made), name) and getattr(made, "final_estimator", made) is None)


def described(estimator: Any) -> dict[str, Scalar]:
    """Return an estimator's class and parameters as plain values, those within others as ``step__name``."""
    found = {name: _scalar(one) for name, one in sorted(estimator.get_params().items())}
    return {"estimator": type(estimator).__name__, **found}


def _scalar(one: object) -> Scalar:
    """Return a parameter's value, or text that says what it is and is the same in every process."""
    if one is None or isinstance(one, bool | int | str):
        return one
    if isinstance(one, Real) and np.isfinite(float(one)):
        return float(one)
    if hasattr(one, "get_params"):
        return type(one).__name__
    if isinstance(one, tuple | list):
        return f"[{', '.join(str(_scalar(part)) for part in one)}]"[:LONGEST_VALUE]
    if callable(one):
        return str(getattr(one, "__qualname__", type(one).__name__))
    return repr(one)[:LONGEST_VALUE]
