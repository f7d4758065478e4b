"""Holm's correction is the closure of Bonferroni's; p-values are wrong as seldom as they say."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import ttest_1samp

from mlsys_assets.measures.intervals import Estimate, bootstrap
from mlsys_assets.offline_evaluation.holm import holm, p_value


def closed(p: list[float]) -> list[float]:
    """Each question's largest Bonferroni p-value over all sets of questions it is in (Marcus et al. 1976)."""
    places = range(len(p))
    sets = [s for size in range(1, len(p) + 1) for s in combinations(places, size)]
    return [max(min(1.0, len(s) * min(p[j] for j in s)) for s in sets if i in s) for i in places]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_it_is_the_closed_test(p: list[float]) -> None:
    assert holm(p) == pytest.approx(closed(p))


def test_questions_without_an_answer_are_not_counted() -> None:
    found = holm([0.01, float("nan"), 0.03])
    assert found[::2] == pytest.approx((0.02, 0.03))
    assert np.isnan(found[1])
    assert holm([]) == ()


def of_days(days: np.ndarray) -> tuple[Estimate, np.ndarray]:
    weights = bootstrap(np.arange(len(days)), seed=0, draws=2000)
    drawn = weights.counts @ days / len(days)
    return Estimate(float(days.mean()), 0, 0, 1000, 500, len(days)), drawn


def test_p_values_are_those_of_a_t_test_of_the_days() -> None:
    random = np.random.default_rng(0)
    for k in (8, 14, 60):
        days = random.normal(0.3, 1, k)
        for one_sided, side in ((False, "two-sided"), (True, "greater")):
            found = p_value(*of_days(days), one_sided=one_sided)
            assert found == pytest.approx(ttest_1samp(days, 0, alternative=side).pvalue, rel=0.25, abs=0.01)


def test_of_nothing_one_in_twenty_is_found() -> None:
    random = np.random.default_rng(1)
    found = [p_value(*of_days(random.normal(size=14))) <= 0.05 for _ in range(300)]
    assert np.mean(found) == pytest.approx(0.05, abs=0.03)


def test_without_any_chance_it_is_certain() -> None:
    always = np.full(10, 0.2)
    like, drawn = of_days(always)
    exact = np.full(len(drawn), 0.2)
    assert p_value(like, exact) == 0
    assert p_value(Estimate(-0.2, 0, 0, 9, 5, 10), -exact, one_sided=True) == 1
    assert p_value(Estimate(0.0, 0, 0, 9, 5, 10), 0 * exact) == 1
    assert np.isnan(p_value(Estimate(0.2, 0, 0, 9, 5, 10, sufficient=False), exact))
