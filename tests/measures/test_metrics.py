"""Metrics equal scikit-learn's, as observed and on every resample; what cannot be told is NaN."""

import numpy as np
import pytest
from sklearn import metrics as sk

from mlsys_assets.measures.intervals import bootstrap, day_blocks, difference, estimate
from mlsys_assets.measures.metrics import Accuracy, Brier, Ece, LogLoss, PrAuc, RocAuc, Weights, value

ORACLES = {
    LogLoss(): lambda y, p, w: sk.log_loss(y, p, sample_weight=w, labels=[0, 1]),
    Brier(): lambda y, p, w: sk.brier_score_loss(y, p, sample_weight=w),
    Accuracy(): lambda y, p, w: sk.accuracy_score(y, p >= 0.5, sample_weight=w),
    RocAuc(): lambda y, p, w: sk.roc_auc_score(y, p, sample_weight=w),
    PrAuc(): lambda y, p, w: sk.average_precision_score(y, p, sample_weight=w),
}
METRICS = [*ORACLES, Ece()]


def rows(seed: int, n: int = 400, days: int = 12, digits: int = 2):
    rng = np.random.default_rng(seed)
    score = np.round(rng.uniform(0.01, 0.99, n), digits)
    label = (rng.uniform(size=n) < score).astype(float)
    return label, score, rng.integers(0, days, n)


@pytest.mark.parametrize("metric", ORACLES, ids=lambda m: m.name)
@pytest.mark.parametrize("digits", [1, 2, 9])
def test_equal_to_scikit_learn_with_ties(metric, digits) -> None:
    label, score, _ = rows(1, digits=digits)
    assert value(metric, label, score) == pytest.approx(ORACLES[metric](label, score, None), abs=1e-12)


@pytest.mark.parametrize("metric", ORACLES, ids=lambda m: m.name)
def test_each_resample_equals_scikit_learn_with_weights(metric) -> None:
    label, score, block = rows(2)
    weights = bootstrap(block, seed=5, draws=20)
    drawn = metric.draws(label, score, weights)
    for counts, found in zip(weights.counts, drawn, strict=True):
        kept = counts[block] > 0
        assert found == pytest.approx(ORACLES[metric](label[kept], score[kept], counts[block][kept]), abs=1e-12)


def test_calibration_error_equals_its_definition_on_every_resample() -> None:
    label, score, block = rows(3, digits=9)  # no score stands on an edge
    weights = bootstrap(block, seed=5, draws=10)
    drawn = Ece(bins=20).draws(label, score, weights)
    for counts, found in zip(weights.counts, drawn, strict=True):
        weight, expected = counts[block], 0.0
        for low in np.arange(20) / 20:
            inside = (score >= low) & (score < low + 0.05)
            expected += abs((weight[inside] * (score[inside] - label[inside])).sum()) / weight.sum()
        assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.name)
def test_no_rows_are_no_value(metric) -> None:
    assert np.isnan(value(metric, np.zeros(0), np.zeros(0)))


@pytest.mark.parametrize("metric", [RocAuc(), PrAuc()], ids=lambda m: m.name)
def test_one_class_is_no_area(metric) -> None:
    assert np.isnan(value(metric, np.zeros(9), np.linspace(0, 1, 9)))


def test_thin_rows_are_insufficient_data() -> None:
    label, score, block = rows(4, n=40)
    found = estimate(LogLoss(), label, score, weights=bootstrap(block, seed=0))
    assert not found.sufficient
    assert "insufficient data" in str(found)


def test_draws_do_not_depend_on_how_many_rows_are_held_at_once(monkeypatch) -> None:
    label, score, block = rows(5)
    weights = bootstrap(block, seed=1, draws=30)
    whole = PrAuc().draws(label, score, weights)
    monkeypatch.setattr("mlsys_assets.measures.metrics.CHUNK", 300)  # ten thresholds at a time
    np.testing.assert_allclose(PrAuc().draws(label, score, weights), whole, rtol=1e-13)


def test_the_interval_by_day_covers_where_the_interval_by_row_does_not() -> None:
    rng = np.random.default_rng(0)
    by_day = by_row = 0
    trials, few, days, per_day = 120, 60, 30, 40
    for trial in range(trials):
        rate = np.repeat(rng.choice([0.1, 0.5], days), per_day)  # a day's flights share its weather; the mean is .3
        label = (rng.uniform(size=days * per_day) < rate).astype(float)
        score = np.zeros(days * per_day)
        truth = 0.3  # the Brier score of the score 0 is the rate of positives
        day = estimate(Brier(), label, score, weights=bootstrap(np.arange(len(label)) // per_day, seed=trial))
        by_day += day.low <= truth <= day.high
        if trial < few:  # a weight for each row is much to draw, and it misses by far
            row = estimate(Brier(), label, score, weights=bootstrap(np.arange(len(label)), seed=trial))
            by_row += row.low <= truth <= row.high
    assert by_day / trials > 0.88
    assert by_row / few < 0.6


def test_a_paired_difference_is_narrower_than_its_parts() -> None:
    label, score, block = rows(6, n=3_000, days=30, digits=9)
    worse = np.clip(score + 0.02, 0, 1)
    weights = bootstrap(block, seed=0)
    whole = estimate(LogLoss(), label, score, weights=weights)
    paired = difference(LogLoss(), label, (worse, score), weights=weights)
    assert paired.value == pytest.approx(value(LogLoss(), label, worse) - value(LogLoss(), label, score))
    assert paired.high - paired.low < (whole.high - whole.low) / 3


def test_blocks_are_days() -> None:
    at = np.array(["2013-01-02T23:59", "2013-01-01T00:00", "2013-01-02T00:00"], dtype="datetime64[us]")
    assert day_blocks(at).tolist() == [1, 0, 1]


def test_rows_without_weight_are_one_draw() -> None:
    assert Weights.once(3).counts.shape == (1, 1)
