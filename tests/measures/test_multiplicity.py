"""Adjusted p-values are SciPy's and those of the definition, and keep their promise on simulated questions."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from mlsys_assets.measures.multiplicity import benjamini_hochberg, holm

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=40)


@given(P_VALUES)
def test_benjamini_hochberg_is_scipys(p_values: list[float]) -> None:
    assert benjamini_hochberg(p_values) == pytest.approx(stats.false_discovery_control(p_values), abs=1e-15)


@given(P_VALUES)
def test_holm_rejects_step_by_step(p_values: list[float]) -> None:
    """Holm 1979: from the smallest on, each against α divided by the number that is left."""
    for level in (0.01, 0.1, 0.5):
        rejected = np.zeros(len(p_values), bool)
        for step, i in enumerate(np.argsort(p_values, kind="stable")):
            if p_values[i] * (len(p_values) - step) > level:
                break
            rejected[i] = True
        assert (holm(p_values) <= level).tolist() == rejected.tolist()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=7))
def test_holm_is_the_closed_test_of_bonferroni(p_values: list[float]) -> None:
    """Marcus, Peritz & Gabriel 1976: a question is rejected if every set of questions with it is."""
    several = [chosen for k in range(1, len(p_values) + 1) for chosen in combinations(range(len(p_values)), k)]
    for i, found in enumerate(holm(p_values)):
        by_sets = max(min(len(s) * min(p_values[j] for j in s), 1.0) for s in several if i in s)
        assert found == pytest.approx(by_sets, abs=1e-15)


@pytest.mark.parametrize("adjust", [holm, benjamini_hochberg])
def test_what_cannot_be_answered_is_not_counted(adjust) -> None:
    found = adjust([np.nan, 0.01, 0.2, np.nan])
    assert np.isnan(found[[0, 3]]).all()
    assert found[1:3].tolist() == adjust([0.01, 0.2]).tolist()
    assert len(adjust([])) == 0
    assert np.isnan(adjust([np.nan])).all()


def test_false_ones_are_as_few_as_promised() -> None:
    rng, level = np.random.default_rng(0), 0.1
    true = np.arange(40) < 10
    false_shares, found = [], []
    for _ in range(2_000):
        p = stats.norm.sf(rng.normal(3.0 * true))
        rejected = benjamini_hochberg(p) <= level
        false_shares.append((rejected & ~true).sum() / max(rejected.sum(), 1))
        found.append(rejected.sum() > (holm(p) <= level).sum())
    assert np.mean(false_shares) == pytest.approx(level * 0.75, abs=0.01)  # Benjamini & Hochberg 1995: m0 / m of it
    assert np.mean(found) > 0.5
    alarms = [(benjamini_hochberg(rng.uniform(size=30)) <= 0.05).any() for _ in range(4_000)]
    assert np.mean(alarms) == pytest.approx(0.05, abs=0.011)
