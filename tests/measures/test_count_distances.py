"""Distances of counts are SciPy's, and rare bins are pooled as the chi-square distribution needs it."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats
from scipy.spatial import distance

from mlsys_assets.measures.count_distances import LEAST_EXPECTED, chi_square_p, jensen_shannon, total_variation

COUNTS = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=1, max_size=12)
MANY = st.lists(st.tuples(st.integers(20, 500), st.integers(20, 500)), min_size=2, max_size=12)


@given(MANY)
def test_without_rare_bins_it_is_scipys_test(counts: list[tuple[int, int]]) -> None:
    before, now = np.array(counts, float).T
    if stats.contingency.expected_freq([before, now]).min() < LEAST_EXPECTED:
        return
    expected = stats.chi2_contingency([before, now], correction=False).pvalue
    assert chi_square_p(before, now) == pytest.approx(expected, rel=1e-9)


def test_rare_bins_are_one() -> None:
    before, now = np.array([500.0, 300.0, 4, 3, 2, 1]), np.array([250.0, 140.0, 2, 1, 3, 9])
    pooled = [[500, 300, 10], [250, 140, 15]]
    assert chi_square_p(before, now) == pytest.approx(stats.chi2_contingency(pooled, correction=False).pvalue)
    few, other = np.array([500.0, 300.0, 1.0]), np.array([250.0, 140.0, 2.0])  # too few even so: the next joins
    pooled = [[500, 301], [250, 142]]
    assert chi_square_p(few, other) == pytest.approx(stats.chi2_contingency(pooled, correction=False).pvalue)


def test_one_row_proves_nothing() -> None:
    assert chi_square_p(np.array([20_000.0, 0.0]), np.array([0.0, 1.0])) == 1.0
    assert np.isnan(chi_square_p(np.array([1.0]), np.array([0.0])))


def test_under_no_change_p_values_of_rare_categories_are_no_smaller_than_chance() -> None:
    rng = np.random.default_rng(0)
    shares = 1 / np.arange(1, 51) ** 2
    shares /= shares.sum()
    p = np.array(
        [
            chi_square_p(rng.multinomial(20_000, shares).astype(float), rng.multinomial(300, shares).astype(float))
            for _ in range(4_000)
        ]
    )
    for level in (0.1, 0.01, 0.001):
        assert (p <= level).mean() <= level + 3 * np.sqrt(level / len(p)) + 0.001


@given(COUNTS)
def test_distances_are_scipys_and_the_definitions(counts: list[tuple[int, int]]) -> None:
    before, now = np.array(counts, float).T
    if before.sum() == 0 or now.sum() == 0:
        assert np.isnan(jensen_shannon(before, now))
        assert np.isnan(total_variation(before, now))
        return
    assert jensen_shannon(before, now) == pytest.approx(distance.jensenshannon(before, now), abs=1e-7)
    changed = sum(max(p - q, 0) for p, q in zip(before / before.sum(), now / now.sum(), strict=True))
    assert total_variation(before, now) == pytest.approx(changed)


def test_what_shares_nothing_is_as_far_as_can_be() -> None:
    assert jensen_shannon(np.array([3.0, 0.0]), np.array([0.0, 9.0])) == pytest.approx(np.sqrt(np.log(2)))
    assert total_variation(np.array([3.0, 0.0]), np.array([0.0, 9.0])) == 1.0
