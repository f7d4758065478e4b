"""Errors of differences of means: those of Welch for independent rows, wider where rows of a day go together."""

import numpy as np
import pytest
from scipy.stats import norm, t, ttest_ind

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


@pytest.mark.parametrize("days", [2, 7, 21])
def test_chance_is_that_of_students_t_on_days_but_one(days: int) -> None:
    found = Moved(0.3, 0.1, days, by_rows=0.15)
    assert found.p == pytest.approx(2 * t.sf(3.0, days - 1))
    assert found.p_of_rows == pytest.approx(2 * norm.sf(2.0), rel=1e-4)
    assert Moved(-0.3, 0.1, days).p == found.p
    assert two_sided(np.array([0.0, 0.3]), np.zeros(2), days).tolist() == [1.0, 0.0]


def test_the_error_of_days_is_that_of_their_sums_among_as_many_days() -> None:
    """Days of equal rows that share all: each day's mean is one draw, with Bessel's correction of so few."""
    shock = np.random.default_rng(0).normal(size=(2, 6))
    day = np.repeat(np.arange(6), 100)
    found = days(day, day + 10).mean(*(side[day] for side in shock))
    assert found.error == pytest.approx(np.sqrt(shock.var(axis=1, ddof=1).sum() / 6))


def test_days_that_are_more_alike_than_chance_make_no_error_smaller() -> None:
    """Every day has the same rows: by days alone there would be no error at all."""
    day, value = np.repeat(np.arange(7), 50), np.tile(np.random.default_rng(0).normal(size=50), 7)
    found = days(day, day + 10).mean(value, value + 1.0)
    assert found.error == pytest.approx(np.sqrt(2 * value.var() / 350))
    assert found.error == pytest.approx(found.by_rows)
