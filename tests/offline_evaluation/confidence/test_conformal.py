"""Sets hold the right label as often as promised on exchangeable rows, and where they do not, that is found."""

import numpy as np
import pytest
from mapie.metrics.classification import classification_coverage_score, classification_mean_width_score

from mlsys_assets.offline_evaluation.confidence.conformal import (
    PredictionSets,
    coverage_holds,
    coverage_report,
    prediction_sets,
)
from mlsys_assets.types import Severity


def scored(n: int = 4_000, *, seed: int = 0, moved: float = 0.0, days: int = 30):
    rng = np.random.default_rng(seed)
    truth = rng.normal(-1.0, 1.4, n)
    label = (rng.uniform(size=n) < 1 / (1 + np.exp(-truth - moved))).astype(float)
    at = np.datetime64("2013-12-01", "us") + (np.arange(n) * days // n).astype("timedelta64[D]")
    return label, 1 / (1 + np.exp(-truth)), at


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.99])
def test_the_sets_are_those_of_the_definition(level) -> None:
    label, score, _ = scored(700)
    new = scored(500, seed=1)[1]
    unlikely = np.sort(np.where(label > 0, 1 - score, score))
    most = unlikely[int(np.ceil((len(label) + 1) * level)) - 1]
    expected = np.column_stack([new <= most, 1 - new <= most])
    assert np.array_equal(prediction_sets(label, score, new, level=level).holds, expected)


@pytest.mark.parametrize("level", [0.8, 0.9])
def test_on_exchangeable_rows_coverage_is_what_was_promised(level) -> None:
    kept = []
    for seed in range(40):
        label, score, _ = scored(1_000, seed=seed)
        fresh, new, _ = scored(1_000, seed=1_000 + seed)
        holds = prediction_sets(label, score, new, level=level).holds
        kept.append(np.where(fresh > 0, holds[:, 1], holds[:, 0]).mean())
    assert np.mean(kept) == pytest.approx(level, abs=0.006)
    assert max(abs(k - level) for k in kept) < 0.06


def test_coverage_and_size_are_mapies() -> None:
    label, score, _ = scored()
    fresh, new, at = scored(seed=1)
    sets = prediction_sets(label, score, new)
    report = coverage_report(fresh, sets, at)
    assert report.coverage.value == pytest.approx(
        classification_coverage_score(fresh.astype(int), sets.holds[:, :, None])[0]
    )
    assert report.size == pytest.approx(classification_mean_width_score(sets.holds[:, :, None])[0])
    assert report.size == pytest.approx(1 + report.undecided - report.empty)
    assert report.coverage.low < report.coverage.value < report.coverage.high
    assert coverage_holds(report).passed


def test_coverage_lost_under_shift_is_found_with_its_numbers() -> None:
    label, score, _ = scored()
    fresh, new, at = scored(seed=1, moved=1.2)
    found = coverage_holds(coverage_report(fresh, prediction_sets(label, score, new), at))
    assert not found.passed
    assert found.severity is Severity.WARN
    assert "0.9 was promised, at least 0.88 is allowed" in found.summary
    assert found.evidence["high"] < 0.88
    assert coverage_holds(coverage_report(fresh, prediction_sets(label, score, new), at), tolerance=0.5).passed


def test_a_slice_that_is_covered_less_is_named() -> None:
    label, score, _ = scored(20_000)
    fresh, new, at = scored(20_000, seed=1)
    hard = np.random.default_rng(0).uniform(size=len(fresh)) < 0.1
    fresh = np.where(hard, 1 - fresh, fresh)
    groups = {"origin=LGA": hard, "origin=EWR": ~hard, "origin=JFK": np.zeros(len(fresh), dtype=bool)}
    report = coverage_report(fresh, prediction_sets(label, score, new), at, groups=groups)
    found = coverage_holds(report, tolerance=0.1)
    assert found.passed
    assert "less in origin=LGA" in found.summary
    assert "origin=EWR" not in found.summary
    assert not report.slices["origin=JFK"].sufficient
    assert found.evidence["coverage origin=LGA"] == report.slices["origin=LGA"].value
    assert report.slices["origin=EWR"].value == pytest.approx(0.9, abs=0.02)


@pytest.mark.parametrize(
    ("rows", "level", "reason"),
    [
        ((np.array([0.0, 1.0, 0.0]), np.array([0.1, 0.8, 0.2])), 0.9, "3 rows cannot promise a coverage of 0.9; 9 can"),
        ((np.zeros(50), np.linspace(0, 1, 50)), 0.9, "both classes, all 50 have label 0"),
        ((np.arange(50) % 2.0, np.linspace(0, 2, 50)), 0.9, r"\[0, 1\], got 1.0"),
        ((np.arange(50) % 2.0, np.full(50, np.nan)), 0.9, r"\[0, 1\], got nan"),
        ((np.zeros(0), np.zeros(0)), 0.9, "at least one"),
        ((np.arange(50) % 2.0, np.linspace(0, 1, 50)), 1.0, "level must lie between 0 and 1, got 1.0"),
        ((np.arange(50) % 2.0, np.linspace(0, 1, 50)), 0.0, "level must lie between 0 and 1, got 0.0"),
    ],
    ids=["3 rows", "one class", "outside", "nan", "none", "certain", "nothing"],
)
def test_what_no_sets_can_be_learned_from_is_refused(rows, level, reason) -> None:
    with pytest.raises(ValueError, match=reason):
        prediction_sets(*rows, np.array([0.5]), level=level)


def test_constant_scores_give_sets_of_both() -> None:
    sets = prediction_sets(np.arange(50) % 2.0, np.full(50, 0.4), np.full(3, 0.4))
    assert sets.holds.all()


def test_no_requests_have_no_sets_and_no_coverage() -> None:
    label, score, at = scored(100)
    sets = prediction_sets(label, score, np.zeros(0))
    assert sets.holds.shape == (0, 2)
    report = coverage_report(label[:0], sets, at[:0])
    assert not report.coverage.sufficient
    assert np.isnan(report.size)
    assert "cannot be told" in coverage_holds(report).summary


def test_sets_of_other_rows_are_refused() -> None:
    label, _, at = scored(100)
    with pytest.raises(ValueError, match="100 labels, 99 sets, 100 times"):
        coverage_report(label, PredictionSets(0.9, np.ones((99, 2), dtype=bool)), at)
