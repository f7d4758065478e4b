from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from mlsys_assets.measures.metrics import RocAuc
from mlsys_assets.models.bundle import to_files
from mlsys_assets.models.calibration import Calibrated
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.tuning.pruners import MedianPruner
from mlsys_assets.models.tuning.samplers import RandomSearch, Tpe
from mlsys_assets.models.tuning.search import SearchContext
from mlsys_assets.models.tuning.space import Choice, Integers, Reals
from mlsys_assets.models.tuning.tuned import Searching, Tuned
from mlsys_assets.offline_evaluation.studies.budgets import Budget, comparable

SPACE = {"leaves": Integers(2, 31, log=True), "learning_rate": Reals(0.01, 0.6, log=True)}
TUNED = Tuned(LightGBM(rounds=15), SPACE, trials=6, sampler=Tpe(3))


def test_the_model_is_that_of_the_best_trial_and_no_fit_is_made_twice(train, validation):
    fits = []

    class Counted(LightGBM):
        def fit(self, *rows, **how):
            fits.append(self)
            return super().fit(*rows, **how)

    tuned = replace(TUNED, candidate=Counted(rounds=15))
    fitted = tuned.fit(train, validation, seed=3, threads=1)
    losses = [
        log_loss(validation.label, one.fit(train, validation, seed=3, threads=1).predict(validation.features))
        for one in tuple(fits)
    ]
    assert len(losses) == 6
    best = fits[int(np.argmin(losses))]
    assert fitted.predictor.text == best.fit(train, validation, seed=3, threads=1).predictor.text
    assert fitted.params["best trial validation log_loss"] == pytest.approx(min(losses))
    assert fitted.params["num_leaves"] == best.leaves
    assert fitted.candidate == "tuned"
    assert fitted.recipe["trials"] == 6


def test_a_metric_that_is_better_the_higher_is_followed_up(train, validation):
    found = replace(TUNED, metric=RocAuc()).search(train, validation, seed=3, threads=1, context=SearchContext())
    assert found.best.value == max(t.value for t in found.trials)
    assert found.best.value == pytest.approx(roc_auc_score(validation.label, found.fitted.predict(validation.features)))


def test_of_equal_trials_the_first_wins(train, validation):
    tuned = Tuned(LightGBM(rounds=3), {"l2": Reals(0, 1e-300)}, trials=4, sampler=RandomSearch())
    found = tuned.search(train, validation, seed=1, threads=1, context=SearchContext())
    assert len({t.value for t in found.trials}) == 1
    assert found.best.number == 0


def test_a_refit_takes_what_was_found_and_searches_nothing(train, validation, later):
    tuned = replace(TUNED, candidate=LightGBM(rounds=60, patience=5))
    fitted = tuned.fit(train, validation, seed=3, threads=1)
    again = tuned.refit(train, recipe=fitted.recipe, seed=3, threads=1)
    assert np.array_equal(again.predict(later.features), fitted.predict(later.features))
    assert again.recipe == fitted.recipe
    other = replace(tuned, space={"leaves": Integers(2, 3)}, trials=999)
    assert other.refit(train, recipe=fitted.recipe, seed=3, threads=1).recipe == fitted.recipe


@pytest.mark.parametrize("recipe", [{}, {"rounds": 3}, {"tuned": "[]", "trials": 3}, {"tuned": "{}", "trials": "3"}])
def test_another_candidates_recipe_is_refused(train, recipe):
    with pytest.raises(ValueError, match="refitted by a recipe with 'tuned' and 'trials'"):
        TUNED.refit(train, recipe=recipe, seed=1, threads=1)


def test_settings_within_a_wrapper_are_tuned_too(train, validation):
    tuned = Tuned(Calibrated(LogisticRegression()), {"candidate.c": Reals(1e-5, 1.0, log=True)}, trials=3)
    assert tuned.mistakes() == []
    fitted = tuned.fit(train, validation, seed=1, threads=1)
    assert set(fitted.recipe) == {"calibration", "tuned", "trials"}
    assert tuned.refit(train, recipe=fitted.recipe, seed=1, threads=1).recipe == fitted.recipe


def test_with_a_pruner_the_model_is_the_same_to_the_last_bit(train, validation):
    watched = replace(TUNED, pruner=MedianPruner(99), sampler=RandomSearch()).fit(train, validation, seed=3, threads=1)
    alone = replace(TUNED, sampler=RandomSearch()).fit(train, validation, seed=3, threads=1)
    assert to_files(watched.predictor) == to_files(alone.predictor)


def test_what_wraps_it_passes_on_how_many_were_tried(train, validation):
    calibrated = Calibrated(replace(TUNED, trials=2))
    fitted = calibrated.fit(train, validation, seed=1, threads=1)
    assert fitted.recipe["trials"] == 2
    assert calibrated.refit(train, recipe=fitted.recipe, seed=1, threads=1).recipe == fitted.recipe


def test_twenty_trials_are_not_compared_with_five(train, validation):
    def budget(trials):
        tuned = Tuned(LightGBM(rounds=2), SPACE, trials=trials, sampler=RandomSearch(), name=f"of_{trials}")
        recipe = tuned.fit(train, validation, seed=1, threads=1).recipe
        return Budget(tuned.name, int(recipe["trials"]), 1.0, len(train), train.features.num_columns)

    twenty, five = budget(20), budget(5)
    refused = comparable([twenty, five])
    assert not refused.passed
    assert "trials: of_20 20, of_5 5" in refused.summary
    assert comparable([twenty, replace(twenty, candidate="other")]).passed


@pytest.mark.parametrize(
    ("tuned", "said"),
    [
        (replace(TUNED, space={}), "space is empty"),
        (replace(TUNED, trials=0), "trials is 0; it must be a whole number, at least 1"),
        (replace(TUNED, trials=1e9), "trials is 1000000000.0; it must be a whole number"),
        (replace(TUNED, parallel=0), "parallel is 0"),
        (replace(TUNED, seconds=0), "seconds is 0; it must be a number, above 0"),
        (replace(TUNED, sampler="tpe"), "sampler is 'tpe'; it must be Sampler"),
        (replace(TUNED, sampler=Tpe), "sampler is the class Tpe; write Tpe(...)"),
        (replace(TUNED, sampler=Tpe(-1)), "startup is -1"),
        (replace(TUNED, pruner=MedianPruner(0)), "startup is 0"),
        (replace(TUNED, pruner="median"), "pruner is 'median'"),
        (replace(TUNED, metric="log_loss"), "metric is 'log_loss'"),
        (replace(TUNED, candidate=3), "candidate is 3; it must be Candidate"),
        (replace(TUNED, candidate=LightGBM(rounds=0)), "rounds is 0"),
        (replace(TUNED, candidate=TUNED, space={"candidate.leaves": Integers(3, 7)}), "which searches already"),
        (replace(TUNED, candidate=Calibrated(TUNED), space={"share": Reals(0.2, 0.5)}), "which searches already"),
        (Tuned(LogisticRegression(), {"c": Reals(0.1, 1)}, pruner=MedianPruner()), "tells no loss on its way"),
        (replace(TUNED, space={"objective": Choice(())}), "options are empty"),
    ],
)
def test_a_mistake_is_told(tuned, said):
    (mistake,) = tuned.mistakes()
    assert said in mistake


def test_it_can_be_given_a_context():
    assert isinstance(TUNED, Searching)
    assert not isinstance(LightGBM(), Searching)
