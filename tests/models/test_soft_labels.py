from dataclasses import replace

import numpy as np
import pytest

from mlsys_assets.models.baselines import ZeroRule
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.objectives import Combined
from mlsys_assets.models.soft_labels import SoftLearner

LEARNERS = {"lightgbm": LightGBM(rounds=25, least_rows=0), "linear": LogisticRegression()}


@pytest.fixture(params=LEARNERS)
def learner(request):
    return LEARNERS[request.param]


@pytest.fixture(scope="module")
def soft(train):
    return np.random.default_rng(4).beta(2, 5, size=len(train)) * 0.5 + 0.5 * train.label


def test_who_can_be_fitted_on_probabilities(learner):
    assert isinstance(learner, SoftLearner)
    assert not isinstance(ZeroRule(), SoftLearner)


def test_labels_as_probabilities_give_the_model_of_the_labels(learner, train, validation, later):
    hard = learner.fit(train, validation, seed=1, threads=1)
    soft = learner.fit_soft(train, train.label, validation, seed=1, threads=1)
    np.testing.assert_allclose(soft.predict(later.features), hard.predict(later.features), atol=1e-6)


def test_the_coefficients_are_where_the_soft_loss_is_least(train, validation, soft):
    """Its gradient, mean of (p - soft) x plus the penalty's, is 0 there, and of the intercept without a penalty."""
    fitted = LogisticRegression(c=0.3).fit_soft(train, soft, validation, seed=1, threads=1).predictor
    x, p = fitted.preprocessing.transform(train.features).astype(float), fitted.predict(train.features)
    gradient = x.T @ (p - soft) + fitted.weights / 0.3
    assert np.abs(gradient).max() < 1e-2 < np.abs(x.T @ (p - train.label) + fitted.weights / 0.3).max()
    assert p.mean() == pytest.approx(soft.mean(), abs=1e-5)


def test_a_tree_steps_to_the_mean_probability_of_each_leaf(train, validation, soft):
    """Newton's step of cross entropy from the mean m: each leaf's mean less m, over m (1 - m), times the rate."""
    own = LightGBM(rounds=1, learning_rate=0.5, leaves=6)
    narrow, watched = (replace(v, features=v.features.drop_columns(["carrier", "dest"])) for v in (train, validation))
    fitted = own.fit_soft(narrow, soft, watched, seed=1, threads=1)
    p, m = fitted.predict(train.features), soft.mean()
    leaves = np.unique(p)
    assert len(leaves) == 6
    for leaf in leaves:
        step = 0.5 * (soft[p == leaf].mean() - m) / (m * (1 - m))
        assert np.log(leaf / (1 - leaf)) == pytest.approx(np.log(m / (1 - m)) + step, abs=1e-5)


def test_stopping_watches_the_labels_of_validation(train, validation, soft):
    from sklearn.metrics import log_loss

    own = LightGBM(rounds=80, patience=5, learning_rate=0.3)
    fitted = own.fit_soft(train, soft, validation, seed=1, threads=1)
    assert 1 <= fitted.recipe["rounds"] < 80
    told = fitted.loss_curve.validation[fitted.recipe["rounds"] - 1]
    assert told == pytest.approx(log_loss(validation.label, fitted.predict(validation.features)), abs=1e-9)
    again = own.refit_soft(train, soft, recipe=fitted.recipe, seed=1, threads=1)
    np.testing.assert_array_equal(again.predict(validation.features), fitted.predict(validation.features))


def test_what_are_no_probabilities_is_refused_and_fit_takes_labels_still(learner, train, validation, soft):
    for wrong, told in (
        (soft[:-1], "got 1499 for 1500 rows"), (soft + 0.5, r"in \[0, 1\], got 1\."), (soft * np.nan, "got nan"),
        (np.zeros(len(soft)), "needs both classes, all 1500 probabilities are 0"),
    ):  # fmt: skip
        with pytest.raises(FitError, match=told):
            learner.fit_soft(train, wrong, validation, seed=1, threads=1)
    with pytest.raises(FitError, match="takes labels 0 and 1"):
        learner.fit(replace(train, label=soft), validation, seed=1, threads=1)
    with pytest.raises(FitError, match="objective of its own"):
        LightGBM(objective=Combined(1, 0.5, threshold=0.3)).fit_soft(train, soft, validation, seed=1, threads=1)
