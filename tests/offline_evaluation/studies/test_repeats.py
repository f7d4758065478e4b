"""Means over seeds, with an interval that holds the truth as often as it says when both days and seeds vary."""

import numpy as np
import pytest

from mlsys_assets.measures.intervals import difference
from mlsys_assets.measures.metrics import LogLoss, RocAuc, Weights
from mlsys_assets.offline_evaluation.studies.repeats import TestRows

DAYS, A_DAY = 20, 30
N = DAYS * A_DAY
AT = np.datetime64("2013-06-01", "us") + (np.arange(N) // A_DAY).astype("timedelta64[D]")


def drawn(seeds: int = 3) -> tuple[np.ndarray, list[np.ndarray]]:
    random = np.random.default_rng(0)
    p = random.uniform(0.05, 0.95, N)
    label = (random.random(N) < p).astype(float)
    return label, [np.clip(p + random.normal(0, 0.1, N), 0, 1) for _ in range(seeds)]


def test_one_seed_is_the_plain_paired_difference() -> None:
    label, (first, second, _) = drawn()
    rows = TestRows.of(label, AT)
    for metric, sign in ((RocAuc(), 1), (LogLoss(), -1)):
        gain = rows.measure(metric, [first]).gain_over(rows.measure(metric, [second]))
        plain = difference(metric, label, (first, second), weights=rows.weights)
        assert gain.value == pytest.approx(sign * plain.value)
        spread = gain.high - gain.low
        assert sorted([gain.low, gain.high]) == pytest.approx(
            sorted([sign * plain.low, sign * plain.high]), abs=spread * 0.3
        )


def test_several_seeds_are_their_mean_and_a_recipe_does_not_differ_from_itself() -> None:
    label, scores = drawn()
    rows = TestRows.of(label, AT)
    found = rows.measure(RocAuc(), scores)
    each = [rows.measure(RocAuc(), [score]).estimate.value for score in scores]
    assert found.estimate.value == pytest.approx(np.mean(each))
    assert found.spread == pytest.approx(np.std(each, ddof=1))
    assert np.isnan(rows.measure(RocAuc(), scores[:1]).spread)
    nothing = found.gain_over(found)
    assert (nothing.value, nothing.low, nothing.high) == (0, 0, 0)


def test_the_variance_of_the_mean_is_that_of_new_seeds() -> None:
    """Without any chance of days, k seeds of variance 1 have a mean of variance 1/k, not (k-1)/k of it."""
    values = np.random.default_rng(1).normal(size=(400, 3))
    weights = Weights(np.zeros(1, dtype=np.intp), np.ones((2000, 1)))
    rows = TestRows(np.zeros(1), weights)
    found = [rows._drawn(v, np.repeat(v[:, None], 2000, axis=1)).var() for v in values]
    assert np.mean(found) == pytest.approx(1 / 3, rel=0.1)


def test_too_little_is_insufficient_and_wrong_scores_are_told() -> None:
    label, scores = drawn()
    few = TestRows.of(label[: 2 * A_DAY], AT[: 2 * A_DAY])
    found = few.measure(LogLoss(), [scores[0][: 2 * A_DAY]])
    assert not found.estimate.sufficient
    assert not found.gain_over(found).sufficient
    one_class = TestRows.of(np.zeros(N), AT).measure(RocAuc(), scores)
    assert not one_class.estimate.sufficient
    rows = TestRows.of(label, AT)
    for wrong in (np.full(N, np.nan), np.full(N, 1.5)):
        with pytest.raises(ValueError, match=r"not finite|probabilities are in"):
            rows.measure(LogLoss(), [wrong])
    with pytest.raises(ValueError, match="no scores to measure"):
        rows.measure(LogLoss(), [])
    with pytest.raises(ValueError, match=f"7 scores for {N} labels"):
        rows.measure(LogLoss(), [np.ones(7)])
    with pytest.raises(ValueError, match="3 labels and 2 prediction times"):
        TestRows.of(np.ones(3), AT[:2])
    with pytest.raises(ValueError, match="of one metric"):
        rows.measure(LogLoss(), scores).gain_over(rows.measure(RocAuc(), scores))
