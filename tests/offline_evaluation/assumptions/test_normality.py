"""Normality of sums of days against statsmodels, and against distributions that are known."""

import numpy as np
import pytest
from statsmodels.stats.stattools import jarque_bera

from mlsys_assets.offline_evaluation.assumptions.normality import LEAST_SUMS, normality


def test_the_figures_are_statsmodels_of_the_sums_of_centred_values():
    random = np.random.default_rng(1)
    day = np.sort(random.integers(0, 60, size=900)) * 3
    x = random.exponential(size=900)
    sums = [(x - x.mean())[day == d].sum() for d in np.unique(day)]
    _, p_value, skewness, kurtosis = jarque_bera(np.array(sums))
    found = normality(x, day)
    assert found.blocks == len(sums)
    assert found.jarque_bera == pytest.approx(p_value)
    assert found.skewness == pytest.approx(skewness)
    assert found.kurtosis == pytest.approx(kurtosis - 3)
    assert found.skewness_of_mean == pytest.approx(skewness / np.sqrt(len(sums)))


def test_normal_sums_are_seldom_doubted_and_lopsided_ones_nearly_always():
    random = np.random.default_rng(2)
    doubted = [not normality(random.normal(size=100), np.arange(100)).finding.passed for _ in range(300)]
    assert np.mean(doubted) < 0.06
    lopsided = [not normality(random.exponential(size=100), np.arange(100)).finding.passed for _ in range(50)]
    assert np.mean(lopsided) > 0.95


def test_many_rows_a_day_make_its_sum_normal():
    random = np.random.default_rng(3)
    x = random.exponential(size=50_000)
    assert not normality(x[:100], np.arange(100)).finding.passed
    assert normality(x, np.repeat(np.arange(100), 500)).finding.passed


def test_what_to_do_is_said():
    found = normality(np.random.default_rng(4).exponential(size=200), np.arange(200)).finding
    assert "Student's t on days is then approximate" in found.summary
    assert found.evidence["days"] == 200


def test_few_or_equal_days_tell_nothing():
    random = np.random.default_rng(5)
    for values in (random.normal(size=LEAST_SUMS - 1), np.ones(50), np.empty(0)):
        found = normality(values, np.arange(len(values)))
        assert found.finding.passed
        assert found.finding.summary.startswith("insufficient data")
        assert np.isnan(found.skewness_of_mean)
    assert not np.isnan(normality(random.normal(size=LEAST_SUMS), np.arange(LEAST_SUMS)).dagostino)


def test_values_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="1 labels or scores are not finite"):
        normality(np.array([1.0, np.nan, 2.0]), np.arange(3))
    with pytest.raises(ValueError, match="3 scores for 2 labels"):
        normality(np.array([1.0, 3.0, 2.0]), np.arange(2))
