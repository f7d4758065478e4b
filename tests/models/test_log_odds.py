"""The line through log-odds is the optimum that SciPy and scikit-learn find; what has none is NaN."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import logit
from sklearn.linear_model import LogisticRegression

from mlsys_assets.models.log_odds import EDGE, fit_lines, log_odds


def rows(n: int, slope: float, intercept: float, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    at = rng.normal(-1.2, 1.1, n)
    return at, (rng.uniform(size=n) < 1 / (1 + np.exp(-(slope * at + intercept)))).astype(float)


def line(at: np.ndarray, label: np.ndarray) -> tuple[float, float]:
    slope, intercept = fit_lines(at, np.ones((1, len(at))), label[None])
    return float(slope[0]), float(intercept[0])


def test_log_odds_are_scipys_and_finite_at_the_ends() -> None:
    p = np.linspace(0.001, 0.999, 99)
    np.testing.assert_allclose(log_odds(p), logit(p), rtol=1e-12)
    assert log_odds(np.array([0.0, 1.0])).tolist() == pytest.approx([logit(EDGE), logit(1 - EDGE)])


@pytest.mark.parametrize(("slope", "intercept"), [(1.0, 0.0), (0.2, 2.0), (4.0, -3.0), (-1.0, 0.5), (0.0, -4.0)])
def test_equal_to_scikit_learns_unregularized_fit(slope, intercept) -> None:
    at, label = rows(2_000, slope, intercept)
    solver = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12).fit(at[:, None], label)
    assert line(at, label) == pytest.approx((solver.coef_[0, 0], solver.intercept_[0]), abs=1e-7)


def test_counts_weigh_and_each_regression_is_its_own() -> None:
    at, label = rows(400, 1.0, 0.3)
    count = np.random.default_rng(1).multinomial(400, np.full(400, 1 / 400), size=5).astype(float)
    slopes, intercepts = fit_lines(at, count, count * label)
    for weight, *found in zip(count, slopes, intercepts, strict=True):
        solver = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12)
        solver.fit(at[:, None], label, sample_weight=weight)
        assert found == pytest.approx([solver.coef_[0, 0], solver.intercept_[0]], abs=1e-7)


def test_targets_between_the_classes_are_scipys_optimum() -> None:
    at, label = rows(300, 1.5, -0.5)
    target = np.where(label > 0, 0.97, 0.02)

    def loss(v: np.ndarray) -> float:
        margin = v[0] * at + v[1]
        return float((np.logaddexp(0, margin) - target * margin).sum())

    best = minimize(loss, [0.0, 0.0], method="BFGS", options={"gtol": 1e-9}).x
    assert line(at, target) == pytest.approx(tuple(best), abs=1e-6)


@pytest.mark.parametrize(
    ("at", "label"),
    [
        ([], []),
        ([1.0], [1.0]),
        ([2.0, 2.0, 2.0, 2.0], [0.0, 1.0, 0.0, 1.0]),
        ([1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 0.0, 0.0]),
        ([1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 1.0, 1.0]),
        ([1.0, np.nan, 3.0, 4.0], [0.0, 1.0, 0.0, 1.0]),
    ],
    ids=["no rows", "one row", "one number", "one class", "separated", "nan"],
)
def test_what_has_no_optimum_is_nan(at, label) -> None:
    assert np.isnan(line(np.array(at), np.array(label))).all()
