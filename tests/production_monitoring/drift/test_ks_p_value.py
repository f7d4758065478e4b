"""The p-value is SciPy's, and takes no longer for more rows."""

import time

import numpy as np
import pytest
from scipy.stats import kstwo

from mlsys_assets.production_monitoring.drift.ks_p_value import ks_p_value


@pytest.mark.parametrize("n", [1, 2, 30, 1_999, 2_001, 10_000, 40_000])
def test_it_is_scipys(n: int) -> None:
    for squared in (0.001, 0.029, 0.031, 0.1, 0.5, 1, 2.19, 2.21, 3, 10, 30, 100, 300):
        gap = np.sqrt(squared / n)
        if gap <= 1:
            assert ks_p_value(gap, n) == pytest.approx(np.clip(kstwo.sf(gap, n), 0, 1), rel=1e-6), squared


def test_ends() -> None:
    assert ks_p_value(0.0, 5_000) == 1.0
    assert ks_p_value(1.0, 5_000) == pytest.approx(0.0, abs=1e-300)
    assert ks_p_value(0.9999, 5_000) == pytest.approx(0.0, abs=1e-300)
    assert np.isnan(ks_p_value(np.nan, 5))


def test_many_rows_cost_no_more() -> None:
    ks_p_value(0.01, 500_000)
    begun = time.process_time()
    for _ in range(20):
        ks_p_value(0.01, 500_000)
    assert time.process_time() - begun < 0.5  # SciPy: ten seconds
