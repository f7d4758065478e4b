"""Dependence among errors against statsmodels, a count by hand, and simulations whose dependence is known."""

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import kstest
from statsmodels.stats.diagnostic import acorr_ljungbox

from mlsys_assets.data_sampling.views import OpenedTest
from mlsys_assets.measures.intervals import bootstrap, day_blocks
from mlsys_assets.offline_evaluation.assumptions.independence import (
    autocorrelation,
    dependence,
    design_effect,
    ljung_box,
)
from mlsys_assets.offline_evaluation.behavior.sensor_noise import Readings
from mlsys_assets.types import TimeWindow

WINDOW = TimeWindow.of("2013-06-01", "2013-08-01")
BY_ORIGIN = Readings("origin")


def ar(phi: float, n: int, random: np.random.Generator) -> np.ndarray:
    x = random.normal(size=n)
    for t in range(1, n):
        x[t] = phi * x[t - 1] + np.sqrt(1 - phi**2) * x[t]
    return x


@pytest.mark.parametrize("phi", [0.0, 0.4, -0.6])
def test_of_a_series_without_gaps_the_statistic_is_statsmodels(phi):
    x = ar(phi, 200, np.random.default_rng(1)) + 7
    expected = acorr_ljungbox(x, lags=range(1, 13))
    for lags in (1, 5, 12):
        found, pairs = autocorrelation(np.zeros(200, int), np.arange(200), x, lags=lags)
        assert pairs.tolist() == [200 - k for k in range(1, lags + 1)]
        statistic, p_value = ljung_box(found, pairs, n=200)
        assert statistic == pytest.approx(expected["lb_stat"][lags], rel=1e-10)
        assert p_value == pytest.approx(expected["lb_pvalue"][lags], rel=1e-8)


def test_with_gaps_and_places_it_is_a_count_by_hand():
    random = np.random.default_rng(2)
    cells = [(p, t) for p in range(3) for t in range(40) if random.random() < 0.6]
    order = random.permutation(len(cells))
    place, time = np.array(cells)[order].T
    x = random.normal(size=len(cells)) + place
    found, pairs = autocorrelation(place, time, x, lags=6)
    value = {cell: v - x.mean() for cell, v in zip(zip(place, time, strict=True), x, strict=True)}
    for k in range(1, 7):
        both = [value[p, t] * value[p, t + k] for p, t in value if (p, t + k) in value]
        assert pairs[k - 1] == len(both)
        assert found[k - 1] == pytest.approx(np.mean(both) / x.var())


def test_independent_series_are_called_dependent_as_often_as_said():
    """p-values of independent series with gaps are uniform."""
    random = np.random.default_rng(3)
    p_values = []
    for _ in range(300):
        cell = np.flatnonzero(random.random(1_500) < 0.7)
        found, pairs = autocorrelation(cell // 500, cell % 500, random.normal(size=len(cell)), lags=10)
        p_values.append(ljung_box(found, pairs, n=len(cell))[1])
    assert kstest(p_values, "uniform").pvalue > 0.01
    assert np.mean(np.array(p_values) < 0.05) < 0.09


@pytest.mark.parametrize(("m", "rho"), [(50, 0.1), (10, 0.5)])
def test_the_design_effect_is_kishs(m, rho):
    """Of blocks of m rows that correlate by rho within: 1 + (m - 1) rho."""
    random, blocks = np.random.default_rng(4), 2_000
    x = np.sqrt(rho) * np.repeat(random.normal(size=blocks), m) + np.sqrt(1 - rho) * random.normal(size=blocks * m)
    assert design_effect(x, np.repeat(np.arange(blocks), m)) == pytest.approx(1 + (m - 1) * rho, rel=0.08)


def test_of_independent_rows_it_is_one():
    random = np.random.default_rng(5)
    assert design_effect(random.normal(size=60_000), random.integers(0, 2_000, size=60_000)) == pytest.approx(
        1, abs=0.1
    )


def test_of_a_few_rows_it_is_a_sum_by_hand():
    """Three days of sums -3, 1, 2 about the mean, of which the variance of a total is 14 · 3/2."""
    x = np.array([-1.0, -2.0, 1.0, 1.8, 0.2])
    day = np.array([0, 0, 1, 2, 2])
    rows = (x**2).sum() * 5 / 4
    assert design_effect(x + 10, day) == pytest.approx((9 + 1 + 4) * 3 / 2 / rows)


def test_it_is_by_how_much_draws_of_days_vary_more_than_draws_of_rows():
    random = np.random.default_rng(6)
    day = np.repeat(np.arange(60), random.integers(15, 25, size=60))
    x = random.normal(size=len(day)) + 0.5 * random.normal(size=60)[day]
    x = x - x.mean()  # so that a draw of a large day does not weigh more
    days, rows = (bootstrap(block, seed=1, draws=4_000) for block in (day, np.arange(len(day))))
    drawn = days.totals(x).var() / rows.totals(x).var()
    assert design_effect(x, day) == pytest.approx(drawn, rel=0.15)
    assert drawn > 3


def test_what_cannot_vary_has_no_design_effect():
    assert np.isnan(design_effect(np.ones(10), np.arange(10) % 5))
    assert np.isnan(design_effect(np.arange(10.0), np.zeros(10, int)))


def _rows(days: int, score: np.ndarray, random: np.random.Generator, *, shared: float) -> OpenedTest:
    """Rows of two origins whose log odds differ from their score's by what their day and hour share."""
    n = len(score)
    hour = np.sort(random.integers(0, days * 24, size=n))
    origin = random.choice(["EWR", "JFK"], size=n)
    effect = ar(0.8, days * 24, random)[hour] * shared
    label = (random.random(n) < 1 / (1 + np.exp(-np.log(score / (1 - score)) - effect))).astype(float)
    at = np.datetime64("2013-06-01", "us") + hour * np.timedelta64(1, "h")
    ids = pa.array([str(i) for i in range(n)])
    return OpenedTest(ids, at, pa.table({"origin": origin.tolist()}), label, WINDOW)


def test_errors_that_share_their_hour_are_found():
    random = np.random.default_rng(7)
    score = random.uniform(0.1, 0.9, size=8_000)
    found = dependence(_rows(30, score, random, shared=1.0), score, readings=BY_ORIGIN)
    assert found.sufficient
    assert not found.finding.passed
    assert found.autocorrelation[0] > 0.3
    assert found.too_narrow == pytest.approx(np.sqrt(found.design_effect))
    assert 1.5 < found.too_narrow < 6
    assert "believe only intervals that draw whole days" in found.finding.summary


def test_an_hours_errors_count_by_their_sum_over_the_root_of_its_rows():
    """So that hours with many flights and with few vary alike, as long as flights are independent."""
    random = np.random.default_rng(10)
    score = random.uniform(0.1, 0.9, size=600)
    rows = _rows(10, score, random, shared=1.0)
    cells: dict[tuple[str, int], list[float]] = {}
    hours = (rows.at - rows.at.min()) // np.timedelta64(1, "h")
    errors = rows.label - score - (rows.label - score).mean()
    for place, hour, error in zip(rows.features["origin"].to_pylist(), hours, errors, strict=True):
        cells.setdefault((place, int(hour)), []).append(error)
    value = {cell: sum(errors) / np.sqrt(len(errors)) for cell, errors in cells.items()}
    mean, variance = np.mean(list(value.values())), np.var(list(value.values()))
    found = dependence(rows, score, readings=BY_ORIGIN, lags=3)
    for k in range(1, 4):
        both = [(v - mean) * (value[p, t + k] - mean) for (p, t), v in value.items() if (p, t + k) in value]
        assert found.autocorrelation[k - 1] == pytest.approx(np.mean(both) / variance)


def test_independent_errors_are_not():
    """Though the scores themselves go up and down by the hour: a right score explains its hour."""
    random = np.random.default_rng(8)
    score = random.uniform(0.1, 0.9, size=8_000)
    rows = _rows(30, score, random, shared=0.0)
    found = dependence(rows, score, readings=BY_ORIGIN)
    assert found.finding.passed, found.finding.summary
    assert found.design_effect == pytest.approx(1, abs=0.6)
    assert found.cells == len({*zip(rows.features["origin"].to_pylist(), rows.at.tolist(), strict=True)})
    assert found.days == len(np.unique(day_blocks(rows.at)))
    flat = dependence(rows, np.full(len(rows), 0.5), readings=BY_ORIGIN)
    assert flat.design_effect == pytest.approx(1, abs=0.6)


def test_a_mere_bias_is_no_dependence():
    """Hours of the day differ in how many flights they have, and every score is too low by as much."""
    random, days = np.random.default_rng(11), 30
    busy = np.where(np.arange(days * 24) % 24 < 12, 40, 2)
    hour = np.repeat(np.arange(days * 24), busy)
    n = len(hour)
    label = (random.random(n) < 0.5).astype(float)
    at = np.datetime64("2013-06-01", "us") + hour * np.timedelta64(1, "h")
    features = pa.table({"origin": ["EWR"] * n})
    rows = OpenedTest(pa.array([str(i) for i in range(n)]), at, features, label, WINDOW)
    right, biased = (dependence(rows, np.full(n, score), readings=BY_ORIGIN) for score in (0.5, 0.2))
    assert right.finding.passed, right.finding.summary
    assert biased.finding.passed, biased.finding.summary
    assert biased.autocorrelation == pytest.approx(right.autocorrelation)


def test_too_little_is_insufficient():
    random = np.random.default_rng(9)
    score = random.uniform(0.1, 0.9, size=500)
    for days in (1, 3):
        found = dependence(_rows(days, score, random, shared=0.0), score, readings=BY_ORIGIN)
        assert not found.sufficient
        assert found.finding.summary.startswith("insufficient data")
    empty = _rows(1, score[:0], random, shared=0.0)
    assert not dependence(empty, score[:0], readings=BY_ORIGIN).sufficient
    exact = _rows(30, np.linspace(0.1, 0.9, 500), random, shared=0.0)
    assert not dependence(exact, exact.label, readings=BY_ORIGIN).sufficient


def test_scores_that_do_not_fit_are_refused():
    random = np.random.default_rng(9)
    rows = _rows(10, np.full(50, 0.5), random, shared=0.0)
    for score in (np.full(49, 0.5), np.full(50, np.nan)):
        with pytest.raises(ValueError, match="50 rows need as many scores"):
            dependence(rows, score, readings=BY_ORIGIN)
