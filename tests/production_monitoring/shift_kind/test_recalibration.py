"""The line of a score: scikit-learn's on each side, with errors as wide as its draws spread."""

import numpy as np
import pytest
from scipy.optimize import brentq
from sklearn.linear_model import LogisticRegression

from mlsys_assets.models.linear_predictor import logistic
from mlsys_assets.models.log_odds import log_odds
from mlsys_assets.production_monitoring.shift_kind.by_day import Days
from mlsys_assets.production_monitoring.shift_kind.recalibration import Line, Recalibrated, common_level, recalibrated

from .simulated import STILL, World, moved


def between(reference: World, window: World, *, seed: int, n: int = 4_000) -> Recalibrated:
    first, second = reference.rows(n, seed=2 * seed), window.rows(n, seed=2 * seed + 1)
    found = recalibrated(first, second, Days.of(first.at, second.at))
    assert found is not None
    return found


def test_the_line_is_scikit_learns() -> None:
    rows = moved(stretch=1.3).rows(3_000, seed=0)
    line = Line.fit(rows.label, rows.score)
    other = LogisticRegression(C=1e9, tol=1e-10).fit(log_odds(rows.score)[:, None], rows.label)
    assert (line.slope, line.level) == pytest.approx((other.coef_[0, 0], other.intercept_[0]), abs=1e-4)
    assert line(rows.score).mean() == pytest.approx(rows.label.mean())


@pytest.mark.parametrize("by_day", [0.0, 0.4])
def test_errors_are_as_wide_as_the_draws_spread(by_day: float) -> None:
    found = [between(moved(by_day=by_day), moved(by_day=by_day, first_day=30), seed=s, n=2_000) for s in range(150)]
    for part in ("level", "slope"):
        value, error = (np.array([getattr(getattr(f, part), what) for f in found]) for what in ("value", "error"))
        assert 0.9 <= np.sqrt(np.mean(error**2)) / value.std() <= 1.35
        assert np.mean([getattr(f, part).p < 0.05 for f in found]) <= 0.08


def test_a_prior_that_moved_moves_the_level_and_no_slope() -> None:
    found = between(STILL, moved(share=0.4), seed=1, n=40_000)
    truth = np.log(0.4 / 0.6) - np.log(0.203 / 0.797)
    assert found.level.value == pytest.approx(truth, abs=0.1)
    assert found.prior == pytest.approx(truth, abs=0.05)
    assert found.slope.p > 0.01
    assert abs(found.slope_gain) < 1e-3 < found.level_gain


def test_random_flips_flatten_the_slope() -> None:
    found = between(STILL, moved(flipped=0.2), seed=1, n=20_000)
    assert found.slope.value < -0.3
    assert found.slope.p < 1e-6
    assert found.slope_gain > 0.01


def test_the_common_level_is_the_root() -> None:
    random = np.random.default_rng(0)
    score, label = random.uniform(size=500), (random.random(500) < 0.3).astype(float)
    root = brentq(lambda by: logistic(log_odds(score) + by).mean() - label.mean(), -20, 20, xtol=1e-12)
    assert common_level(label, score) == pytest.approx(root, abs=1e-9)


def test_what_is_gained_is_nothing_in_the_mean_where_nothing_changed() -> None:
    gains = np.array([[f.level_gain, f.slope_gain] for f in (between(STILL, STILL, seed=s) for s in range(100))])
    assert np.abs(gains.mean(axis=0)).max() < 1e-4


def test_a_score_that_separates_the_classes_has_no_line() -> None:
    rows = STILL.rows(500, seed=0)
    sure = type(rows)(rows.at, rows.features, np.where(rows.label > 0, 0.9, 0.1), rows.label)
    assert recalibrated(rows, sure, Days.of(rows.at, sure.at)) is None
