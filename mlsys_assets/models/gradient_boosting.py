"""Gradient boosted trees by LightGBM's native API: deterministic, stopped on validation, refitted with fixed rounds."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.features.preprocessing.prepared_once import transform_once
from mlsys_assets.features.preprocessing.preprocessor import FOR_TREES, Prepared, Preprocessor
from mlsys_assets.mistakes import not_one, out_of_range
from mlsys_assets.models.booster import few_where_cores_are_taken
from mlsys_assets.models.booster_predictor import BoosterPredictor
from mlsys_assets.models.candidate import (
    FitError,
    Fitted,
    LossCurve,
    Recipe,
    check_train,
    check_validation,
    prepare,
    prepared_record,
    preprocessor_mistakes,
    preprocessor_needs,
)
from mlsys_assets.models.lightgbm_calls import dataset, few_threads, stop_early, tell
from mlsys_assets.models.lightgbm_names import FIXED, LOG_LOSS, SOFT, SOFT_LOSS, UNBOUNDED, taken, unknown
from mlsys_assets.models.margin_predictor import MarginPredictor
from mlsys_assets.models.objectives import Boosting, Objective
from mlsys_assets.models.predictor import Predictor
from mlsys_assets.models.soft_labels import Floats, check_soft
from mlsys_assets.models.stateful.batch_journal import BatchJournals
from mlsys_assets.models.stateful.stateful import Stateful
from mlsys_assets.models.stateful.tree_updates import learned_on, trees_of
from mlsys_assets.models.watch import Watch
from mlsys_assets.types import DeclarationError, Scalar

BY_HEART_RATE, BY_HEART_ROUNDS = 0.1, 150
"""Rounds of this learning rate or more bring each row's odds beyond 1000 to 1."""
BRIEF_ROUNDS = 30
"""Enough to tell how trees are grown, not how good they are."""
LEAST_LEAVES = 2
"""A tree of one leaf splits nothing."""


@dataclass(frozen=True)
class LightGBM:
    """A LightGBM classifier.

    Parameters
    ----------
    rounds
        Trees: exactly as many, or at most, if ``patience`` is given.
    patience
        Stop when validation log loss has not improved for so many rounds, and keep the best; the
        refit then uses the number found.
    leaves, learning_rate, least_rows
        LightGBM's num_leaves, learning_rate and min_data_in_leaf.
    column_share, row_share
        The shares of columns and of rows that each tree sees.
    l2
        LightGBM's lambda_l2.
    more
        Further LightGBM parameters by their names. LightGBM itself passes over names that it does not know;
        here a fit refuses them, and any that is another name of what is declared above.
    preprocessor
        How rows become numbers.
    objective
        A loss of one's own in place of log loss; ``patience`` then watches that one.
    """

    rounds: int = 120
    patience: int | None = None
    leaves: int = 31
    learning_rate: float = 0.1
    least_rows: int = 20
    column_share: float = 1.0
    row_share: float = 1.0
    l2: float = 0.0
    more: Mapping[str, Scalar] = field(default_factory=dict)
    preprocessor: Preprocessor = FOR_TREES
    name: str = "lightgbm"
    objective: Objective | None = None

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
        """Trees."""
        return BoosterPredictor.kind if self.objective is None else MarginPredictor.kind

    def mistakes(self) -> list[str]:
        """Return the numbers that no fit can be made with, and what is not for ``more`` to say."""
        what = f"candidate {self.name!r}"
        found = [
            *out_of_range(f"{what}: rounds", self.rounds, whole=True, least=1),
            *out_of_range(f"{what}: leaves", self.leaves, whole=True, least=LEAST_LEAVES),
            *out_of_range(f"{what}: learning_rate", self.learning_rate, above=0),
            *out_of_range(f"{what}: least_rows", self.least_rows, whole=True, least=0),
            *out_of_range(f"{what}: column_share", self.column_share, above=0, most=1),
            *out_of_range(f"{what}: row_share", self.row_share, above=0, most=1),
            *out_of_range(f"{what}: l2", self.l2, least=0),
            *preprocessor_mistakes(self.preprocessor, what=what),
        ]
        if self.patience is not None:
            found += out_of_range(f"{what}: patience", self.patience, whole=True, least=1)
        return found + self._unsound() + (not_one(f"{what}: more", self.more, Mapping) or taken(what, self.more))

    def _unsound(self) -> list[str]:
        """Return what is wrong with the objective."""
        if self.objective is None:
            return []
        what = f"candidate {self.name!r}"
        wrong = not_one(f"{what}: objective", self.objective, Objective)
        return wrong or [f"{what}: {mistake}" for mistake in self.objective.mistakes()]

    @property
    def randomized(self) -> bool:
        """Whether a seed decides which rows or columns a tree sees."""
        return self.row_share < 1.0 or self.column_share < 1.0

    def unbounded(self) -> "LightGBM":
        """Return the same, free to learn a few rows by heart; of ``more`` nothing is left, which bounds or hurries."""
        return replace(
            self,
            rounds=max(self.rounds, BY_HEART_ROUNDS), patience=None, leaves=max(self.leaves, 31),
            learning_rate=max(self.learning_rate, BY_HEART_RATE), least_rows=1, column_share=1.0, row_share=1.0, l2=0.0,
            more=UNBOUNDED,
        )  # fmt: skip

    def brief(self) -> "LightGBM":
        """Return the same with a few rounds: a question of how it learns, not how well, takes no more."""
        return replace(self, rounds=min(self.rounds, BRIEF_ROUNDS))

    def fit(self, train: Train, validation: Validation, *, seed: int, threads: int) -> Fitted:
        """Fit on train; the number of rounds is chosen on validation, where ``patience`` is given.

        Raises DeclarationError for parameters that LightGBM does not know: it would pass over them in silence.
        """
        return self._fit(train, validation, None, seed=seed, threads=threads)

    def fit_watched(self, train: Train, validation: Validation, *, seed: int, threads: int, watch: Watch) -> Fitted:
        """Fit as ``fit`` does; ``watch`` hears the validation loss after each round, and may end it by Stopped."""
        return self._fit(train, validation, watch, seed=seed, threads=threads)

    def _fit(self, train: Train, validation: Validation, watch: Watch | None, *, seed: int, threads: int) -> Fitted:
        check_train(train, what=self.name)
        check_validation(validation, what=self.name)
        prepared = prepare(self.preprocessor, train, what=self.name)
        params = self.lightgbm_params(seed, threads)
        return self._fitted(train, validation, prepared, params, self.rounds, watch)

    def refit(self, train: Train, *, recipe: Recipe, seed: int, threads: int) -> Fitted:
        """Fit on all rows with the number of rounds in the recipe."""
        check_train(train, what=self.name)
        rounds = self._rounds_of(recipe)
        prepared = prepare(self.preprocessor, train, what=self.name)
        return self._fitted(train, None, prepared, self.lightgbm_params(seed, threads), rounds)

    def cannot_go_on(self, parent: Predictor, *, by: Stateful) -> str:
        """Return that a model's trees are of another kind, or that they and those of its next fits are too many."""
        if self.objective is not None or not isinstance(parent, BoosterPredictor):
            return f"a {parent.kind} model, or one of an objective of its own, is not gone on from"
        most = trees_of(parent) + 2 * by.trees.adds  # it is evaluated, and then goes on over the rows that evaluated it
        return f"it would have {most} trees, and {by.most_trees} are allowed" if most > by.most_trees else ""

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
        """Learn from new rows as ``by.trees`` says, which takes no longer than a kill is worth guarding against."""
        if not isinstance(parent, BoosterPredictor):
            raise FitError(f"{self.name}: {self.cannot_go_on(parent, by=by)}")
        params = self.lightgbm_params(seed, threads)
        predictor, told = learned_on(parent, new, by=by.trees, params=params, what=self.name)
        record = {**params, "preprocessor": self.preprocessor.described, **told}
        return Fitted(self.name, predictor, params=record, recipe={"rounds": told["rounds"]})

    def _rounds_of(self, recipe: Recipe) -> int:
        rounds = recipe.get("rounds")
        if not isinstance(rounds, int) or rounds < 1:
            raise ValueError(f"{self.name} is refitted by a recipe with a number of rounds, got {dict(recipe)}")
        return rounds

    def fit_soft(self, train: Train, soft: Floats, validation: Validation, *, seed: int, threads: int) -> Fitted:
        """Fit on (n,) probabilities in place of the labels, by their cross entropy; ``patience`` watches labels."""
        check_validation(validation, what=self.name)
        return self._soft(train, soft, validation, self.lightgbm_params(seed, threads), self.rounds)

    def refit_soft(self, train: Train, soft: Floats, *, recipe: Recipe, seed: int, threads: int) -> Fitted:
        """Fit on (n,) probabilities in place of the labels, with the number of rounds in the recipe."""
        return self._soft(train, soft, None, self.lightgbm_params(seed, threads), self._rounds_of(recipe))

    def _soft(
        self, train: Train, soft: Floats, validation: Validation | None, params: dict[str, Scalar], rounds: int
    ) -> Fitted:
        check_soft(train, soft, what=self.name)
        if self.objective is not None:
            raise FitError(f"{self.name} has an objective of its own, which takes labels and no probabilities")
        prepared = prepare(self.preprocessor, train, what=self.name)
        return self._fitted(replace(train, label=soft), validation, prepared, {**params, **SOFT}, rounds)

    def lightgbm_params(self, seed: int, threads: int) -> dict[str, Scalar]:
        """Return all that LightGBM is told; raises DeclarationError for what it does not know."""
        what = f"candidate {self.name!r}"
        if mistakes := [*taken(what, self.more), *self._unsound(), *unknown(what, self.more)]:
            raise DeclarationError(what, mistakes)
        own: dict[str, Scalar] = {
            "num_leaves": self.leaves,
            "learning_rate": self.learning_rate,
            "min_data_in_leaf": self.least_rows,
            "feature_fraction": self.column_share,
            "bagging_fraction": self.row_share,
            "bagging_freq": int(self.row_share < 1.0),
            "lambda_l2": self.l2,
        }
        return {**own, **self.more, **FIXED, "seed": seed, "num_threads": threads}

    def _fitted(
        self,
        train: Train,
        validation: Validation | None,
        prepared: Prepared,
        params: dict[str, Scalar],
        rounds: int,
        watch: Watch | None = None,
    ) -> Fitted:
        import lightgbm

        preprocessing = prepared.preprocessing
        params = few_threads(params, prepared)
        data = dataset(prepared, train.label, params)
        boosting = None if self.objective is None else Boosting.of(self.objective, train.label)
        curve: dict[str, dict[str, list[float]]] = {}
        callbacks, watched = [], {}  # a refit, which chooses nothing, is not watched: a tenth of its time
        if validation is not None:
            callbacks.append(lightgbm.record_evaluation(curve))
            watched["train"] = data
            watched["validation"] = data.create_valid(transform_once(preprocessing, validation), validation.label)
            if self.patience is not None:
                callbacks.append(stop_early(self.patience))
            if watch is not None:
                callbacks.append(tell(watch))
        own: dict[str, Any] = {}
        if boosting is not None:
            own = {"objective": boosting.gradient, "metric": "none"}
            for one in watched.values() or (data,):
                boosting.begin(one)
        try:
            with few_where_cores_are_taken(cast(int, params["num_threads"])):
                booster = lightgbm.train(
                    params | own, data, rounds, valid_sets=list(watched.values()), valid_names=list(watched),
                    callbacks=callbacks, feval=boosting.watch if boosting else None,
                )  # fmt: skip
        except lightgbm.basic.LightGBMError as error:
            raise FitError(f"{self.name}: {error}") from error
        used = booster.best_iteration if booster.best_iteration > 0 else booster.current_iteration()
        text = booster.model_to_string(num_iteration=used).encode()
        losses = {name: tuple(values[LOG_LOSS if LOG_LOSS in values else SOFT_LOSS]) for name, values in curve.items()}
        predictor: Predictor = BoosterPredictor(preprocessing, text)
        if self.objective is not None and boosting is not None:
            predictor = MarginPredictor(preprocessing, text, boosting.start)
            params |= self.objective.record
        return Fitted(
            self.name,
            predictor,
            params={**params, **prepared_record(self.preprocessor, prepared), "rounds": used},
            recipe={"rounds": used},
            loss_curve=LossCurve(**losses),
        )
