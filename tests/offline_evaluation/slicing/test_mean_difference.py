"""The difference of two means has the interval of independent samples where rows are their own blocks."""

import numpy as np
import pytest
from scipy import stats

from mlsys_assets.measures.intervals import Support, bootstrap
from mlsys_assets.offline_evaluation.slicing.mean_difference import means_apart


def test_the_interval_is_welchs_where_every_row_is_a_block() -> None:
    rng = np.random.default_rng(0)
    first = rng.random(1_500) < 0.4
    values = rng.normal(np.where(first, 1.0, 0.0), np.where(first, 2.0, 1.0))
    found, drawn = means_apart(values, first, weights=bootstrap(np.arange(1_500), seed=0, draws=1_000))
    welch = stats.ttest_ind(values[first], values[~first], equal_var=False)
    assert found.value == pytest.approx(values[first].mean() - values[~first].mean())
    assert [found.low, found.high] == pytest.approx(list(welch.confidence_interval()), abs=0.03)
    assert drawn.shape == (1_000,)


def test_rows_of_a_day_that_share_a_value_count_as_one() -> None:
    rng = np.random.default_rng(1)
    day = np.repeat(np.arange(40), 50)
    values, first = rng.normal(size=40)[day], day % 2 == 0
    found, _ = means_apart(values, first, weights=bootstrap(day, seed=0, draws=1_000))
    alone = stats.ttest_ind(values[first][::50], values[~first][::50], equal_var=False).confidence_interval()
    assert found.high - found.low == pytest.approx(alone.high - alone.low, rel=0.2)


def test_a_side_without_support_is_insufficient_data() -> None:
    values, first = np.arange(100.0), np.arange(100) < 29
    weights = bootstrap(np.arange(100) % 10, seed=0)
    assert not means_apart(values, first, weights=weights)[0].sufficient
    assert means_apart(values, first, weights=weights, support=Support(29))[0].sufficient
    assert not means_apart(values, first, weights=weights, support=Support(29, least_blocks=11))[0].sufficient
    assert not means_apart(values, first & False, weights=weights, support=Support(0))[0].sufficient


def test_values_that_are_not_finite_are_refused() -> None:
    values = np.array([1.0, np.nan, 2.0])
    with pytest.raises(ValueError, match="a difference of means: 1 labels or scores are not finite"):
        means_apart(values, values > 1, weights=bootstrap(np.arange(3), seed=0))


def test_days_are_counted_on_each_side() -> None:
    """Of 30 days one side has rows on six: what all days tell of the other says nothing of it."""
    day = np.repeat(np.arange(30), 50)
    weights = bootstrap(day, seed=0)
    for few in (day < 6, day >= 6):
        found, _ = means_apart(np.ones(1_500), few, weights=weights)
        assert not found.sufficient
        assert found.blocks == 6
    assert means_apart(np.ones(1_500), day < 7, weights=weights)[0].sufficient


def test_intervals_of_a_side_with_few_days_hold_the_truth_as_often_as_they_say() -> None:
    """Days share an effect, seven of them are one side's: percentiles of the draws hold it in 87 of 100 weeks."""
    day, held = np.repeat(np.arange(40), 20), 0
    first = day < 7
    for trial in range(300):
        rng = np.random.default_rng(trial)
        values = rng.normal(size=40)[day] + rng.normal(size=800)
        found, _ = means_apart(values, first, weights=bootstrap(day, seed=trial, draws=300))
        held += found.low <= 0 <= found.high
        assert found.error > 0
    assert 0.92 <= held / 300 <= 0.99
