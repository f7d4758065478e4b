"""The bounded fit finds known laws, and no worse a fit than SciPy's."""

import numpy as np
import pytest
from scipy.optimize import curve_fit

from mlsys_assets.offline_evaluation.studies.power_law import FASTEST, SLOWEST, fit_power_law

ROWS = np.array([1, 2, 4, 8, 16, 32]) * 1000.0


@pytest.mark.parametrize(("a", "b", "c"), [(0.3, 5.0, 0.5), (0.0, 1.0, 0.2), (0.4, 200.0, 1.0)])
def test_an_exact_law_is_found(a: float, b: float, c: float) -> None:
    laws = fit_power_law(ROWS, np.array([a + b * ROWS**-c]), floor=0)
    assert laws.exponent[0] == pytest.approx(c, rel=0.05)
    assert laws.at(64_000)[0] == pytest.approx(a + b * 64_000**-c, abs=0.002)


def test_many_curves_are_fitted_as_each_alone_and_as_scipy_would() -> None:
    random = np.random.default_rng(0)
    truth = 0.3 + 5 * ROWS**-0.5
    curves = truth + random.normal(size=(20, len(ROWS))) * 0.05 * ROWS**-0.5
    together = fit_power_law(ROWS, curves, floor=0)
    for n, curve in enumerate(curves):
        alone = fit_power_law(ROWS, curve[None], floor=0)
        assert together.at(64_000)[n] == pytest.approx(alone.at(64_000)[0], rel=1e-12)

        def law(rows, a, b, c):
            return a + b * rows**-c

        found, _ = curve_fit(
            law, ROWS, curve, p0=(0.3, 5, 0.5), sigma=1 / ROWS, bounds=([0, 0, SLOWEST], [np.inf, np.inf, FASTEST])
        )
        own = (together.asymptote[n], together.scale[n], together.exponent[n])
        mine, scipys = (((curve - law(ROWS, *p)) ** 2 @ ROWS**2) for p in (own, found))
        assert mine <= scipys * 1.2  # the grid's steps; both are ten thousandths of a percent of the losses
        assert together.at(64_000)[n] == pytest.approx(law(64_000, *found), abs=5e-4)


def test_bounds_hold() -> None:
    rising = fit_power_law(ROWS, np.array([np.linspace(0.3, 0.6, 6)]), floor=0)
    assert rising.scale[0] == 0
    steep = fit_power_law(ROWS, np.array([0.5 - 0.05 * np.log(ROWS / 1000)]), floor=0.2)
    assert steep.asymptote[0] >= 0.2
    assert steep.at(1e12)[0] >= 0.2
    below = fit_power_law(ROWS, np.array([0.5 - 0.05 * np.log(ROWS / 1000)]), floor=0.35)  # as chance may have it
    assert below.asymptote[0] == 0.35
    flat = fit_power_law(ROWS, np.full((1, 6), 0.4), floor=0)
    assert flat.at(64_000)[0] == pytest.approx(0.4)


def test_too_few_sizes_are_refused() -> None:
    for rows, losses in ((ROWS[:2], np.ones((1, 2))), (np.full(4, 1e3), np.ones((1, 4))), (ROWS, np.ones((1, 3)))):
        with pytest.raises(ValueError, match="needs 3 distinct sizes or more"):
            fit_power_law(rows, losses)
