"""Little's test equals his formula where rows are independent, and holds its level where rows share their day."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from mlsys_assets.features.quality.mcar import little
from mlsys_assets.features.quality.observed import Observed

TRIALS = 400
LEVEL = 0.05
MARGIN = 2 * np.sqrt(LEVEL * (1 - LEVEL) / TRIALS)


def littles_d2(values: np.ndarray) -> tuple[float, int]:
    """Little 1988, eq. 5, for any patterns of NaN: means and covariance by EM under a normal distribution."""
    n, p = values.shape
    absent = np.isnan(values)
    mean, cov = np.nanmean(values, axis=0), np.diag(np.nanvar(values, axis=0))
    patterns, of = np.unique(absent, axis=0, return_inverse=True)
    for _ in range(200):
        filled, extra = np.where(absent, 0.0, values), np.zeros((p, p))
        for k, gone in enumerate(patterns):
            rows, there = of.ravel() == k, ~gone
            if gone.any():
                beta = cov[np.ix_(gone, there)] @ np.linalg.inv(cov[np.ix_(there, there)])
                filled[np.ix_(rows, gone)] = mean[gone] + (values[np.ix_(rows, there)] - mean[there]) @ beta.T
                left = cov[np.ix_(gone, gone)] - beta @ cov[np.ix_(there, gone)]
                extra[np.ix_(gone, gone)] += rows.sum() * left
        mean = filled.mean(axis=0)
        cov = ((filled - mean).T @ (filled - mean) + extra) / n
    d2, degrees = 0.0, -p
    for k, gone in enumerate(patterns):
        rows, there = of.ravel() == k, ~gone
        gap = values[np.ix_(rows, there)].mean(axis=0) - mean[there]
        d2 += rows.sum() * gap @ np.linalg.inv(cov[np.ix_(there, there)]) @ gap
        degrees += int(there.sum())
    return float(d2), degrees


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("strength", [0.0, 0.05])
def test_of_independent_rows_it_is_littles_d2(view_of, strength, seed) -> None:
    random = np.random.default_rng(seed)
    n = 6_000
    x = random.multivariate_normal([0, 1, 2], [[1, 0.5, 0.1], [0.5, 2, 0.3], [0.1, 0.3, 1]], size=n)
    y = x.sum(axis=1) + random.normal(size=n)
    y[random.random(n) < 0.3 + strength * np.tanh(x[:, 0])] = np.nan
    columns = {"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": y}
    theirs, degrees = littles_d2(np.column_stack(list(columns.values())))
    (ours,) = little(Observed.of(view_of(columns, days=n)))  # every row is a day of its own
    assert ours.directions == degrees == 3
    assert ours.d2 == pytest.approx(theirs, rel=0.05, abs=0.05)
    assert ours.p_value == pytest.approx(stats.chi2(degrees).sf(theirs), abs=0.02)


def _rejected(observed: Observed, gaps: list[np.ndarray]) -> float:
    found = little(replace(observed, missing=np.array(gaps).T, alike=(("y",),) * len(gaps)))
    return float(np.mean([one.p_value < LEVEL for one in found]))


@pytest.mark.parametrize("shared", ["row", "hour", "day", "uneven days"])
def test_it_holds_its_level_however_missing_rows_cluster(view_of, days_of, shared) -> None:
    days = days_of(1)
    observed = Observed.of(view_of(days.columns(slow=days.slow)))
    random = np.random.default_rng(2)
    draw = {
        "row": lambda: random.random(days.n) < 0.2,
        "hour": lambda: (random.random(days.n // 4) < 0.2)[days.hour],
        "day": lambda: (random.random(days.days) < 0.4)[days.day],
        "uneven days": lambda: random.random(days.n) < random.beta(0.3, 1.2, days.days)[days.day],
    }[shared]
    gaps = [draw() for _ in range(TRIALS)]
    assert _rejected(observed, gaps) <= LEVEL + MARGIN
    if shared == "day":  # what a test of independent rows makes of the same
        naive = [stats.ttest_ind(days.x[gap], days.x[~gap]).pvalue < LEVEL for gap in gaps]
        assert np.mean(naive) > 0.5


def test_what_depends_on_an_observed_column_is_found(view_of, days_of) -> None:
    days = days_of(4)
    observed = Observed.of(view_of(days.columns()))
    random = np.random.default_rng(5)
    gaps = [random.random(days.n) < 0.2 + 0.15 * np.tanh(days.x) for _ in range(50)]
    assert _rejected(observed, gaps) > 0.95
    gaps = [random.random(days.n) < np.where(days.place == "C", 0.4, 0.2) for _ in range(50)]
    assert _rejected(observed, gaps) > 0.95


@pytest.mark.parametrize(("first", "number"), [(0, 3), (0, 48)])
def test_a_few_rows_or_a_day_do_not_tell(view_of, days_of, first, number) -> None:
    days = days_of(6)
    gap = np.zeros(days.n, dtype=bool)
    gap[first : first + number] = True
    observed = replace(Observed.of(view_of(days.columns())), missing=gap[:, None], alike=(("y",),))
    (found,) = little(observed)
    assert np.isnan(found.p_value)
    assert np.isnan(found.d2)
