"""The meta learner finds what scipy and scikit-learn find, shares alike among equals, and takes OutOfFold alone."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.ensembles.meta import LogisticMeta, read_line
from mlsys_assets.models.ensembles.out_of_fold import OutOfFold
from mlsys_assets.models.linear_predictor import logistic
from mlsys_assets.models.log_odds import log_odds


def drawn(n: int, bases: int, *, seed: int, alike: float = 0.5) -> OutOfFold:
    """Scores of bases that each see a part of the truth, some of them the wrong way round."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(size=n)
    label = (rng.random(n) < logistic(2 * truth - 1)).astype(float)
    margins = alike * truth[:, None] + rng.normal(size=(n, bases)) * rng.uniform(0.1, 2, size=bases)
    margins *= rng.choice([-1.0, 1.0], size=bases, p=[0.3, 0.7])
    at = np.datetime64("2013-01-01", "us") + np.arange(n) * np.timedelta64(1, "h")
    names = tuple(f"base_{i}" for i in range(bases))
    ids, fold = pa.array(range(n)), np.zeros(n, dtype=np.intp)
    return OutOfFold(names, ids, at, label, logistic(margins), fold, at[:1] - np.timedelta64(1, "D"))


@given(st.integers(2, 6), st.integers(0, 1_000), st.sampled_from([0.01, 1.0, 100.0]), st.booleans())
def test_it_finds_no_worse_a_line_than_scipy(bases: int, seed: int, penalty: float, non_negative: bool) -> None:
    scored = drawn(300, bases, seed=seed)
    x = np.column_stack([np.ones(300), log_odds(scored.scores)])

    def loss(v: np.ndarray) -> float:
        margin = x @ v
        return float(
            (np.logaddexp(0, margin) - scored.label * margin).sum() + penalty / 2 * ((v[1:] - 1 / bases) ** 2).sum()
        )

    line = LogisticMeta(penalty, non_negative=non_negative).fit(scored)
    found = np.array([line.intercept, *line.weights.values()])
    bounds = [(None, None)] + [(0 if non_negative else None, None)] * bases
    truth = minimize(loss, np.zeros(bases + 1), method="L-BFGS-B", bounds=bounds, options={"ftol": 1e-15, "gtol": 1e-9})
    assert loss(found) <= truth.fun + 1e-7
    assert found == pytest.approx(truth.x, abs=2e-3)
    assert not non_negative or min(line.weights.values()) >= 0


def test_free_weights_without_much_penalty_are_scikit_learns() -> None:
    scored = drawn(2_000, 3, seed=4)
    truth = LogisticRegression(C=1e9, tol=1e-10, max_iter=1_000).fit(log_odds(scored.scores), scored.label)
    line = LogisticMeta(1e-9, non_negative=False).fit(scored)
    assert list(line.weights.values()) == pytest.approx(truth.coef_[0], abs=1e-4)
    assert line.intercept == pytest.approx(truth.intercept_[0], abs=1e-4)


def test_bases_that_say_the_same_share_their_weight_and_one_that_errs_always_gets_none() -> None:
    scored, rng = drawn(1_000, 1, seed=11), np.random.default_rng(3)
    right, against = (logistic(sign * (scored.label - 0.5) + rng.normal(size=1_000)) for sign in (1.0, -1.0))
    three = replace(scored, bases=("a", "same", "against"), scores=np.column_stack([right, right, against]))
    line = LogisticMeta().fit(three)
    assert line.weights["a"] == pytest.approx(line.weights["same"], rel=1e-9)
    assert line.weights["a"] > 0.1
    assert line.weights["against"] == 0.0
    assert LogisticMeta(non_negative=False).fit(three).weights["against"] < -0.1


def test_a_base_that_separates_the_classes_still_has_an_optimum() -> None:
    scored = drawn(200, 2, seed=1)
    certain = replace(scored, scores=np.column_stack([scored.label, scored.scores[:, 1]]))
    line = LogisticMeta().fit(certain)
    assert np.isfinite([line.intercept, *line.weights.values()]).all()
    assert line.apply(dict(zip(certain.bases, certain.scores.T, strict=True)))[scored.label > 0].min() > 0.95


def test_bases_that_are_certain_and_wrong_are_found_where_newtons_own_steps_overshoot() -> None:
    scored, rng = drawn(500, 2, seed=1), np.random.default_rng(0)
    right = rng.random((500, 2)) < 0.6
    certain = np.where(right == (scored.label > 0)[:, None], 1.0, 0.0)
    for non_negative in (True, False):
        line = LogisticMeta(non_negative=non_negative).fit(replace(scored, scores=certain))
        truth = LogisticRegression(C=1e9, tol=1e-10).fit(log_odds(certain), scored.label)
        assert list(line.weights.values()) == pytest.approx(truth.coef_[0], abs=1e-3)
        assert 0.0 < max(line.weights.values()) < 0.1


def test_nothing_but_out_of_fold_scores_is_learned_from() -> None:
    scored = drawn(200, 2, seed=1)
    for other in (scored.scores, (scored.scores, scored.label), None):
        with pytest.raises(TypeError, match="fitted on OutOfFold scores only, got"):
            LogisticMeta().fit(other)
    with pytest.raises(FitError, match="all 200 out-of-fold rows have label 1"):
        LogisticMeta().fit(replace(scored, label=np.ones(200)))


@pytest.mark.parametrize("penalty", [0, -1, np.nan, "1"])
def test_a_penalty_that_is_none_is_told(penalty) -> None:
    assert "penalty" in LogisticMeta(penalty).mistakes("stack: meta")[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "is no line"),
        ("[]", "is no line"),
        ('{"intercept":0,"weights":{}}', "0 weights"),
        ('{"intercept":0,"weights":{"a.b":1}}', "parts called"),
        ('{"intercept":1e308,"weights":{"a":1e308}}', "may not be finite"),
        ('{"intercept":0,"weights":{"a":1},"more":1}', "is no line"),
    ],
)
def test_a_recipe_that_holds_no_line_is_refused(text, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        read_line(text)
