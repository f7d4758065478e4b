"""What a row lost beyond what was foretold has no mean where the scores are right, and the moments that are told."""

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression

from mlsys_assets.offline_evaluation.slicing.excess_loss import relative, surprise


def test_it_is_log_loss_minus_entropy_where_the_scores_are_right() -> None:
    rng = np.random.default_rng(0)
    score = rng.uniform(0.02, 0.98, size=200_000)
    label = (rng.random(len(score)) < score).astype(float)
    loss = -np.where(label > 0, np.log(score), np.log(1 - score))
    entropy = stats.bernoulli(score).entropy()
    np.testing.assert_allclose(surprise(label, score).excess, loss - entropy, atol=0.05)


def test_the_recalibration_is_scikit_learns() -> None:
    rng = np.random.default_rng(1)
    score = rng.uniform(0.02, 0.98, size=20_000)
    logit = np.log(score / (1 - score))
    label = (rng.random(len(score)) < 1 / (1 + np.exp(0.7 - 0.6 * logit))).astype(float)
    fitted = LogisticRegression(C=np.inf, tol=1e-10).fit(logit[:, None], label).predict_proba(logit[:, None])[:, 1]
    np.testing.assert_allclose(surprise(label, score).excess, (fitted - label) * logit, atol=2e-3)
    assert abs(surprise(label, score).excess.mean()) < 1e-4


def test_the_moments_are_those_of_drawn_labels() -> None:
    score = np.array([0.03, 0.3, 0.5, 0.8, 0.97])
    q = np.repeat(score, 40_000)
    label = (np.random.default_rng(2).random(len(q)) < q).astype(float)
    found = surprise(label, q)
    excess = found.excess.reshape(5, -1)
    np.testing.assert_allclose(excess.mean(axis=1), 0, atol=0.02)
    np.testing.assert_allclose(excess.var(axis=1), found.variance.reshape(5, -1)[:, 0], rtol=0.05)
    third = ((excess - excess.mean(axis=1, keepdims=True)) ** 3).mean(axis=1)
    np.testing.assert_allclose(third, found.third.reshape(5, -1)[:, 0], rtol=0.1, atol=1e-4)


def test_the_swing_is_the_slope_in_the_log_odds() -> None:
    score, step = np.array([0.1, 0.4, 0.9]), 1e-5
    moved = 1 / (1 + np.exp(-(np.log(score / (1 - score)) + step)))
    logit = np.log(score / (1 - score))
    slope = (score - moved) * logit / step  # of the expected excess
    found = surprise(np.tile([0.0, 1.0], 30_000), np.full(60_000, 0.5))
    assert np.abs(found.swing).max() < 1e-6  # at one half either label costs the same
    labels = np.concatenate([(np.arange(10_000) < 10_000 * p).astype(float) for p in score])
    swing = surprise(labels, np.repeat(score, 10_000)).swing[::10_000]
    np.testing.assert_allclose(swing, slope, rtol=2e-3)


@pytest.mark.parametrize(
    ("label", "score"),
    [([0.0] * 3, [0.2] * 3), ([1.0] * 40, [0.2] * 40), ([1.0, 0.0], [0.0, 1.0]), ([], [])],
    ids=["three rows", "one class", "certain and wrong", "none"],
)
def test_it_exists_for_whatever_probabilities_there_are(label: list[float], score: list[float]) -> None:
    found = surprise(np.array(label), np.array(score))
    for part in (found.excess, found.variance, found.third, found.swing):
        assert part.shape == (len(label),)
        assert np.isfinite(part).all()
    assert (found.variance >= 0).all()


@pytest.mark.parametrize(
    ("label", "score", "told"),
    [
        ([1.0], [0.2, 0.3], "1 labels and 2 scores"),
        ([1.0, 0.0], [0.2, 1.3], "1 of 2 scores are no probabilities, such as 1.3"),
        ([1.0, 0.0], [0.2, np.nan], "1 of 2 scores are no probabilities, such as nan"),
        ([1.0, np.nan], [0.2, 0.3], "labels must be 0 or 1"),
    ],
)
def test_what_is_no_probability_is_refused(label: list[float], score: list[float], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        surprise(np.array(label), np.array(score))


def test_any_other_loss_is_held_against_its_own_mean() -> None:
    loss = np.random.default_rng(3).exponential(size=500)
    found = relative(loss)
    np.testing.assert_allclose(found.excess, loss - loss.mean())
    assert found.variance[0] == pytest.approx(loss.var())
    assert found.third[0] == pytest.approx(stats.moment(loss, 3))
    assert len(relative(np.zeros(0))) == 0
    with pytest.raises(ValueError, match="1 of 2 losses are not finite"):
        relative(np.array([1.0, np.inf]))
