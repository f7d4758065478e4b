"""What an ensemble gains is told with its interval, better is above 0, and no gain is called none."""

import numpy as np
import pytest

from mlsys_assets.measures.intervals import bootstrap, day_blocks
from mlsys_assets.measures.metrics import LogLoss, RocAuc
from mlsys_assets.models.ensembles.gain import gain_over_best
from mlsys_assets.models.linear_predictor import logistic

N = 3_000
AT = np.datetime64("2013-01-01", "us") + np.arange(N) * np.timedelta64(15, "m")
WEIGHTS = bootstrap(day_blocks(AT), seed=0, draws=200)
RNG = np.random.default_rng(0)
TRUTH = RNG.normal(size=(2, N))
LABEL = (RNG.random(N) < logistic(2 * TRUTH.sum(axis=0))).astype(float)
PARTS = {"left": logistic(1.2 * TRUTH[0]), "right": logistic(1.1 * TRUTH[1])}
BOTH = logistic(2 * TRUTH.sum(axis=0))


@pytest.mark.parametrize("metric", [LogLoss(), RocAuc()])
def test_a_gain_a_loss_and_neither(metric) -> None:
    better = gain_over_best(("stack", BOTH), PARTS, LABEL, weights=WEIGHTS, metric=metric)
    assert better.gain.value > 0.05
    assert better.gain.low < better.gain.value < better.gain.high
    assert "stack is better than its best part" in str(better)
    worse = gain_over_best(("stack", np.full(N, 0.5)), PARTS, LABEL, weights=WEIGHTS, metric=metric)
    assert worse.gain.high < 0
    assert "is worse than" in str(worse)
    near = PARTS[better.best] ** 1.0001
    assert "cannot be told from" in str(
        gain_over_best(("stack", near), PARTS, LABEL, weights=WEIGHTS, metric=metric)
    ) or (metric.name == "log_loss")


def test_the_best_part_is_the_best_on_these_rows() -> None:
    strong = {"weak": PARTS["left"], "strong": BOTH, "constant": np.full(N, LABEL.mean())}
    for metric in (LogLoss(), RocAuc()):
        assert gain_over_best(("stack", BOTH), strong, LABEL, weights=WEIGHTS, metric=metric).best == "strong"


def test_few_rows_tell_nothing_and_no_parts_are_refused() -> None:
    few = gain_over_best(("stack", BOTH[:9]), {"left": PARTS["left"][:9]}, LABEL[:9], weights=WEIGHTS.of(np.arange(9)))
    assert not few.gain.sufficient
    assert "cannot be told: insufficient data" in str(few)
    with pytest.raises(ValueError, match="compared with its parts, got none"):
        gain_over_best(("stack", BOTH), {}, LABEL, weights=WEIGHTS)
