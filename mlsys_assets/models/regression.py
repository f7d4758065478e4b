"""Gradient boosted trees that foretell a number, and from it how likely that number exceeds a cut."""

from dataclasses import dataclass, field
from typing import Any, Final, cast

import msgspec
import numpy as np

from mlsys_assets.data_sampling.views import Train, Validation, require_train, require_validation
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.mistakes import not_one
from mlsys_assets.models.booster import few_where_cores_are_taken
from mlsys_assets.models.candidate import FitError, Fitted, Recipe, prepare, prepared_record
from mlsys_assets.models.exceedance_predictor import ExceedancePredictor, Residuals, ResidualsByNumber
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.lightgbm_calls import dataset, few_threads, stop_early
from mlsys_assets.models.predictor import encode
from mlsys_assets.models.task import Regression
from mlsys_assets.types import DeclarationError, Scalar

UNKNOWN: Final = ResidualsByNumber((), (Residuals((0.0,), 1),))
"""Stands for the residuals until rows have told them."""
METRICS: Final = {"squared_error": ("regression", "l2"), "absolute_error": ("regression_l1", "l1")}
"""LightGBM's objective and metric of each objective of a regression."""


@dataclass(frozen=True)
class RegressedLightGBM:
    """A LightGBM regression of the task's target, which gives the probability that it exceeds the cut.

    Its views hold the target in the label's place, see ``with_target``. What its numbers are off by is
    learned on validation rows, which are later than those it was fitted on; a refit, which has none,
    takes it from the recipe.

    Parameters
    ----------
    task
        The target and the cut.
    trees
        How the trees grow.
    """

    task: Regression
    trees: LightGBM = field(default_factory=LightGBM)
    name: str = "regressed_lightgbm"

    @property
    def baseline(self) -> bool:
        """It is a model."""
        return False

    @property
    def needs(self) -> tuple[str, ...]:
        """The columns that its trees name."""
        return self.trees.needs if isinstance(self.trees, LightGBM) else ()

    @property
    def kind(self) -> str:
        """Trees, a cut and residuals."""
        return ExceedancePredictor.kind

    def mistakes(self) -> list[str]:
        """Return what is wrong with the task and the trees; their objective is the task's."""
        what = f"candidate {self.name!r}"
        found = not_one(f"{what}: task", self.task, Regression) or [f"{what}: {m}" for m in self.task.mistakes()]
        found += not_one(f"{what}: trees", self.trees, LightGBM) or [f"{what}: {m}" for m in self.trees.mistakes()]
        if not found and self.trees.objective is not None:
            found.append(f"{what}: its trees have an objective; the task says what is minimised, so leave it out")
        return found

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        """Fit on train; the number of rounds, where trees have patience, and the residuals come from validation."""
        require_train(train, what=self.name)
        require_validation(validation, what=self.name)
        _check_target(self.name, validation.label, part="validation")
        predictor, rounds, params = self._boosted(train, validation, self.trees.rounds, seed=seed, threads=threads)
        number = predictor.number(validation.features, threads=threads)
        residuals = ResidualsByNumber.of(number, validation.label)
        recipe: dict[str, Scalar] = {"rounds": rounds, "residuals": encode(residuals).decode()}
        return Fitted(self.name, predictor.knowing(residuals), params=params, recipe=recipe)

    def refit(self, train: Train, *, recipe: Recipe, seed: int, threads: int) -> Fitted:
        """Fit on all rows with the number of rounds and the residuals in the recipe."""
        require_train(train, what=self.name)
        rounds, residuals = recipe.get("rounds"), recipe.get("residuals")
        if not isinstance(rounds, int) or rounds < 1 or not isinstance(residuals, str):
            raise ValueError(f"{self.name} is refitted by a recipe with rounds and residuals, got {dict(recipe)}")
        predictor, _, params = self._boosted(train, None, rounds, seed=seed, threads=threads)
        known = msgspec.json.decode(residuals, type=ResidualsByNumber)
        return Fitted(self.name, predictor.knowing(known), params=params, recipe=dict(recipe))

    def _boosted(
        self, train: Train, validation: Validation | None, rounds: int, *, seed: int, threads: int
    ) -> tuple[ExceedancePredictor, int, dict[str, Scalar]]:
        """Return the regression, its residuals not known yet, its rounds and its parameters."""
        import lightgbm

        if mistakes := self.mistakes():
            raise DeclarationError(f"candidate {self.name!r}", mistakes)
        _check_target(self.name, train.label, part="training")
        if not 0.0 < (above := float((train.label > self.task.cut).mean())) < 1.0:
            told = "none" if above == 0 else "each"
            raise FitError(
                f"{self.name}: {told} of {len(train)} training rows has a {self.task.target} above {self.task.cut:g}; "
                "both sides are needed: were the rows given their target, by with_target(...)?"
            )
        objective, metric = METRICS[self.task.objective]
        own: dict[str, Scalar] = {"objective": objective, "metric": metric}
        prepared = prepare(self.trees.preprocessor, train, what=self.name)
        params = few_threads(self.trees.lightgbm_params(seed, threads) | own, prepared)
        preprocessing, record = prepared.preprocessing, prepared_record(self.trees.preprocessor, prepared)
        data = dataset(prepared, train.label, params)
        callbacks: list[Any] = []
        watched = []
        if validation is not None and self.trees.patience is not None:
            callbacks.append(stop_early(self.trees.patience))
            watched.append(data.create_valid(preprocessing.transform(validation.features), validation.label))
        try:
            with few_where_cores_are_taken(cast(int, params["num_threads"])):
                booster = lightgbm.train(params, data, rounds, valid_sets=watched, callbacks=callbacks)
        except lightgbm.basic.LightGBMError as error:
            raise FitError(f"{self.name}: {error}") from error
        used = booster.best_iteration if booster.best_iteration > 0 else booster.current_iteration()
        text = booster.model_to_string(num_iteration=used).encode()
        predictor = ExceedancePredictor(preprocessing, text, self.task.cut, UNKNOWN)
        return predictor, used, {**params, **record, **self.task.record, "rounds": used}


def _check_target(what: str, target: Floats, *, part: str) -> None:
    """Raise FitError unless there are rows, each with a finite target."""
    if len(target) == 0:
        raise FitError(f"{what} needs {part} rows, got none")
    if odd := int((~np.isfinite(target)).sum()):
        raise FitError(f"{what} takes finite numbers, and {odd} of {len(target)} {part} rows have none")
