"""Errors of differences of means: those of Welch for independent rows, wider where rows of a day go together."""

import numpy as np
import pytest
from scipy.stats import ttest_ind

from mlsys_assets.production_monitoring.shift_kind.by_day import Days, Moved, two_sided

DAY = np.timedelta64(1, "D")
START = np.datetime64("2013-03-01", "us")


def days(first: np.ndarray, second: np.ndarray) -> Days:
    return Days.of(START + first * DAY, START + second * DAY)


def test_the_error_of_independent_rows_is_that_of_welch() -> None:
    random = np.random.default_rng(0)
    first, second = random.normal(size=400), random.normal(0.2, 2.0, 300)
    found = days(np.arange(400), np.arange(1_000, 1_300)).mean(first, second)
    welch = ttest_ind(second, first, equal_var=False)
    assert found.by_rows == pytest.approx(found.value / welch.statistic, rel=0.01)
    assert found.p == pytest.approx(welch.pvalue, rel=0.1)
    assert found.p_of_rows == pytest.approx(welch.pvalue, rel=0.1)


@pytest.mark.parametrize("shared", [True, False])
def test_chance_is_as_often_as_it_says_where_rows_of_a_day_go_together(shared: bool) -> None:
    p, naive = [], []
    for seed in range(400):
        random = np.random.default_rng(seed)
        first, second = random.integers(0, 20, 1_000), random.integers(0, 20, 1_000) + (0 if shared else 20)
        shock = random.normal(size=40)
        found = days(first, second).mean(
            shock[first] + random.normal(size=1_000), shock[second] + random.normal(size=1_000)
        )
        p.append(found.p)
        naive.append(found.p_of_rows)
    assert 0.005 <= np.mean(np.array(p) < 0.05) <= 0.08
    assert shared or np.mean(np.array(naive) < 0.05) > 0.5


def test_a_day_on_both_sides_cancels_out() -> None:
    random = np.random.default_rng(1)
    day = np.repeat(np.arange(10), 50)
    shock = random.normal(0, 5, 10)[day]
    together = days(day, day).mean(shock + random.normal(size=500), shock + random.normal(size=500))
    assert together.error < 0.5 < days(day, day + 10).mean(shock, shock).error


def test_no_difference_and_no_error_is_no_news() -> None:
    assert two_sided(np.array([0.0, 1.0]), np.zeros(2), 5).tolist() == [1.0, 0.0]
    assert str(Moved(0.5, 0.1, 7)) == "+0.5000 (standard error 0.1000, 7 days)"
