"""The PSI is SciPy's relative entropy there and back, and what chance gives is what was derived."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from mlsys_assets.measures.stability_index import LARGE, MODERATE, SMOOTHING, chance_psi, expected_psi, psi

COUNTS = st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=1, max_size=12)
MANY = 1e9
"""So many rows that the smoothing does not show."""


@given(counts=COUNTS)
def test_it_is_scipys_relative_entropy_there_and_back(counts: list[tuple[int, int]]) -> None:
    before, now = np.array(counts, float).T
    found = psi(before, now)
    if before.sum() == 0 or now.sum() == 0:
        assert np.isnan(found)
        return
    used = before + now > 0
    p, q = before[used] + SMOOTHING, now[used] + SMOOTHING
    assert found == pytest.approx(stats.entropy(p, q) + stats.entropy(q, p), abs=1e-12)
    assert np.isfinite(found)


# Worked by hand: closed forms, and one table of three incomes term by term.
@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        ([0.5, 0.5], [0.75, 0.25], np.log(3) / 4),
        ([0.5, 0.5], [0.9, 0.1], 0.4 * np.log(9)),
        ([0.2, 0.8], [0.8, 0.2], 0.6 * np.log(16)),
        ([0.4, 0.3, 0.3], [0.35, 0.25, 0.4], 0.006677 + 0.009116 + 0.028768),
        ([0.1] * 10, [0.1] * 10, 0.0),
    ],
)
def test_equal_to_tables_worked_by_hand(before: list[float], now: list[float], expected: float) -> None:
    assert psi(np.array(before) * MANY, np.array(now) * MANY) == pytest.approx(expected, abs=1e-6)


def test_an_empty_bin_is_far_but_not_infinitely() -> None:
    assert MODERATE < LARGE < psi(np.array([50.0, 50.0]), np.array([100.0, 0.0])) < 3
    assert psi(np.array([50.0, 50.0, 0.0]), np.array([40.0, 60.0, 0.0])) == psi(np.array([50, 50]), np.array([40, 60]))


def test_under_no_change_it_is_distributed_as_was_derived() -> None:
    """Yurdakul 2018: divided by 1/n + 1/m it is chi-square with bins − 1 degrees of freedom."""
    rng = np.random.default_rng(0)
    shares, n, m = np.array([0.05, 0.1, 0.15, 0.3, 0.4]), 4_000, 2_500
    found = np.array([psi(a, b) for a, b in zip(*(rng.multinomial(k, shares, 1_500) for k in (n, m)), strict=True)])
    assert found.mean() == pytest.approx(expected_psi(5, n, m), rel=0.05)
    assert stats.kstest(found / (1 / n + 1 / m), stats.chi2(4).cdf).pvalue > 0.01


def test_what_is_expected_by_chance() -> None:
    assert expected_psi(10, 100, 100) == pytest.approx(0.18)
    assert expected_psi(1, 5, 5) == 0.0
    for bins in (2, 5, 10, 23):
        assert chance_psi(bins, 70, 30) == pytest.approx(stats.chi2(bins - 1).ppf(0.999) / 21, rel=0.04)
    assert chance_psi(1, 5, 5) == 0.0
    with pytest.raises(ValueError, match="5 rows before and 0 now"):
        expected_psi(10, 5, 0)
