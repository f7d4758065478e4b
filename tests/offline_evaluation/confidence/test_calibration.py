"""The report says by how much scores are wrong, equals the references, and finds what calibration leaves."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression

from mlsys_assets.measures.intervals import bootstrap, day_blocks, estimate
from mlsys_assets.measures.metrics import Ece, Weights, value
from mlsys_assets.offline_evaluation.confidence import calibration
from mlsys_assets.offline_evaluation.confidence.calibration import (
    CalibrationIntercept,
    CalibrationInTheLarge,
    CalibrationSlope,
    calibration_report,
    residual_miscalibration,
)
from mlsys_assets.types import Severity


def scored(n: int = 6_000, *, slope: float = 1.0, level: float = 0.0, days: int = 30, seed: int = 0):
    """Labels, scores that need ``slope`` and ``level`` to be right, and times."""
    rng = np.random.default_rng(seed)
    told = rng.normal(-1.2, 1.0, n)
    label = (rng.uniform(size=n) < 1 / (1 + np.exp(-(slope * told + level)))).astype(float)
    at = np.datetime64("2013-12-01", "us") + (np.arange(n) * days // n).astype("timedelta64[D]")
    return label, 1 / (1 + np.exp(-told)), at


def cox(label: np.ndarray, score: np.ndarray, weight: np.ndarray | None = None) -> tuple[float, float]:
    solver = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-12)
    solver.fit(np.log(score / (1 - score))[:, None], label, sample_weight=weight)
    return solver.coef_[0, 0], solver.intercept_[0]


def test_slope_and_intercept_are_scikit_learns_logistic_regression() -> None:
    label, score, _ = scored(slope=0.7, level=0.4)
    found = value(CalibrationSlope(), label, score), value(CalibrationIntercept(), label, score)
    assert found == pytest.approx(cox(label, score), abs=1e-7)


def test_the_level_is_where_what_is_foretold_happens() -> None:
    label, score, _ = scored(slope=0.7, level=0.4)
    moved = value(CalibrationInTheLarge(), label, score)
    assert (1 / (1 + np.exp(-(np.log(score / (1 - score)) + moved)))).mean() == pytest.approx(label.mean(), abs=1e-12)


def test_draws_over_groups_of_rows_are_those_over_rows() -> None:
    label, score, at = scored(slope=0.7, level=0.4)
    weights = bootstrap(day_blocks(at), seed=1, draws=5)
    slopes, intercepts = (m.draws(label, score, weights) for m in (CalibrationSlope(), CalibrationIntercept()))
    levels = CalibrationInTheLarge().draws(label, score, weights)
    for counts, slope, intercept, level in zip(weights.counts, slopes, intercepts, levels, strict=True):
        weight = counts[weights.block]
        assert (slope, intercept) == pytest.approx(cox(label, score, weight), abs=2e-3)
        moved = 1 / (1 + np.exp(-(np.log(score / (1 - score)) + level)))
        assert weight @ moved == pytest.approx(weight @ label, rel=1e-3)


@pytest.mark.parametrize("metric", [CalibrationSlope(), CalibrationIntercept(), CalibrationInTheLarge()])
@pytest.mark.parametrize("label", [np.zeros(9), np.ones(9), np.zeros(0)], ids=["zeros", "ones", "none"])
def test_one_class_and_no_rows_are_no_recalibration(metric, label) -> None:
    score = np.linspace(0.1, 0.9, len(label))
    assert np.isnan(value(metric, label, score))
    assert np.isnan(metric.draws(label, score, Weights(np.arange(len(label)) // 3, np.ones((2, 3))))).all()


def test_the_bins_are_scikit_learns_with_intervals_by_day() -> None:
    label, score, at = scored(6_004)  # so that no row lies on an edge, which the two deal to different sides
    report = calibration_report(label, score, at)
    observed, predicted = calibration_curve(label, score, n_bins=10, strategy="quantile")
    assert [b.predicted for b in report.bins] == pytest.approx(list(predicted))
    assert [b.observed.value for b in report.bins] == pytest.approx(list(observed))
    assert all(b.observed.low < b.observed.value < b.observed.high for b in report.bins)
    assert report.ece == estimate(Ece(), label, score, weights=bootstrap(day_blocks(at), seed=0))


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    held = np.zeros(3)
    for seed in range(60):
        report = calibration_report(*scored(3_000, slope=0.8, level=0.3, seed=seed), seed=seed)
        bin_truth = 1 / (1 + np.exp(-(0.8 * np.log(report.bins[5].predicted / (1 - report.bins[5].predicted)) + 0.3)))
        for i, (found, truth) in enumerate(
            [(report.slope, 0.8), (report.intercept, 0.3), (report.bins[5].observed, bin_truth)]
        ):
            held[i] += found.low <= truth <= found.high
    assert (held >= 50).all(), held


def test_a_calibrated_model_passes_with_its_numbers() -> None:
    found = residual_miscalibration(calibration_report(*scored()))
    assert found.passed
    assert found.severity is Severity.WARN
    assert found.evidence["rows"] == 6_000
    assert found.evidence["days"] == 30
    assert found.evidence["slope low"] < 1 < found.evidence["slope high"]
    assert found.evidence["in_the_large low"] < 0 < found.evidence["in_the_large high"]


def test_a_december_after_an_autumn_is_found_and_named() -> None:
    label, score, at = scored(level=0.8)
    found = residual_miscalibration(calibration_report(label, score, at))
    assert not found.passed
    assert f"{score.mean():.3f} is foretold and {label.mean():.3f} happened: all scores are too low" in found.summary
    assert found.evidence["in_the_large value"] == pytest.approx(0.8, abs=0.1)
    assert "too high" in residual_miscalibration(calibration_report(*scored(level=-0.8))).summary


@pytest.mark.parametrize(("slope", "word"), [(0.6, "too bold"), (1.5, "too timid")])
def test_scores_too_bold_or_too_timid_are_found(slope, word) -> None:
    label, score, at = scored(12_000, slope=slope, level=slope * 1.2 - 1.2)
    found = residual_miscalibration(calibration_report(label, score, at), level=1.0)
    assert not found.passed
    assert word in found.summary


def test_what_is_tolerated_is_the_callers() -> None:
    report = calibration_report(*scored(level=0.8))
    assert residual_miscalibration(report, level=1.2).passed
    assert not residual_miscalibration(report, level=0.2).passed


@pytest.mark.parametrize(
    "rows",
    [
        (np.array([0.0, 1.0, 0.0]), np.array([0.1, 0.2, 0.3]), np.full(3, np.datetime64("2013-01-01", "us"))),
        (np.zeros(0), np.zeros(0), np.zeros(0, dtype="datetime64[us]")),
        (np.zeros(6_000), *scored()[1:]),
        (*scored(days=3),),
    ],
    ids=["3 rows", "none", "one class", "few days"],
)
def test_what_cannot_be_told_is_insufficient_data(rows) -> None:
    report = calibration_report(*rows)
    assert not report.slope.sufficient
    assert not report.in_the_large.sufficient
    found = residual_miscalibration(report)
    assert found.passed
    assert "cannot be told: insufficient data" in found.summary
    assert found.evidence["slope value"] is None


def test_constant_scores_have_a_level_and_no_slope() -> None:
    label, _, at = scored()
    report = calibration_report(label, np.full(len(label), 0.2), at)
    assert len(report.bins) == 1
    assert not report.slope.sufficient
    assert report.in_the_large.value == pytest.approx(np.log(label.mean() / (1 - label.mean())) - np.log(0.25))
    assert not residual_miscalibration(report).passed


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda y, s, t: (y, np.where(s > 0.5, np.nan, s), t), r"\[0, 1\], got nan"),
        (lambda y, s, t: (y, s * 3, t), r"\[0, 1\], got"),
        (lambda y, s, t: (y * 2, s, t), "labels must be 0 or 1, got 2"),
        (lambda y, s, t: (y[1:], s, t), "5999 labels and 6000 scores"),
        (lambda y, s, t: (y, s, t[1:]), "got 6000 labels and 5999 times"),
    ],
)
def test_impossible_rows_are_refused(change, reason) -> None:
    with pytest.raises(ValueError, match=reason):
        calibration_report(*change(*scored()))


def test_groups_are_as_many_as_declared() -> None:
    label, score, at = scored()
    weights = bootstrap(day_blocks(at), seed=0)
    at_, count, positive = calibration._cells(label, score, weights)
    assert len(at_) == calibration.CELLS
    np.testing.assert_allclose(count.sum(axis=1), weights.totals(np.ones(len(label))))
    np.testing.assert_allclose(positive.sum(axis=1), weights.totals(label))
