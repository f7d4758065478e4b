"""Gains are paired differences, seconds are the meter's, and the better buy is named only where a gain is sure."""

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import log_loss

from mlsys_assets.data_sampling.views import OpenedTest, Train, Validation, View
from mlsys_assets.measures.metrics import LogLoss, RocAuc
from mlsys_assets.models.baselines import GroupRate, ZeroRule
from mlsys_assets.types import TimeWindow
from mlsys_assets.value_analysis.gain_per_compute import GainStudy, Step

DAYS, A_DAY = 20, 100


def view(kind: type[View], *, seed: int) -> View:
    random = np.random.default_rng(seed)
    n = DAYS * A_DAY
    a, b = random.integers(0, 5, n), random.integers(0, 5, n)
    label = (random.random(n) < 0.1 + 0.15 * a + 0.04 * b).astype(float)
    at = np.datetime64("2013-01-01", "us") + (np.arange(n) // A_DAY).astype("timedelta64[D]")
    features = pa.table({"a": [f"a{v}" for v in a], "b": [f"b{v}" for v in b]})
    return kind(pa.array([str(i) for i in range(n)]), at, features, label, TimeWindow.of("2013-01-01", "2013-02-01"))


TRAIN, VALIDATION, TEST = view(Train, seed=1), view(Validation, seed=2), view(OpenedTest, seed=3)
FEW = TRAIN.take(np.arange(0, len(TRAIN), 40))
BOTH = GroupRate(by=("a", "b"))
STEPS = (
    Step("nothing", "model", ZeroRule(), FEW),
    Step("by a", "model", GroupRate(by=("a",)), FEW, after="nothing"),
    Step("by a and b", "model", BOTH, FEW, after="by a"),
    Step("again", "model", BOTH, FEW, after="by a and b"),
    Step("all rows", "data", BOTH, TRAIN, after="by a and b"),
)
SECONDS = {"nothing": 1.0, "by a": 2.0, "by a and b": 4.0, "again": 8.0, "all rows": 16.0}


class Meter:
    """Each fit takes as long as is said, over each seed; what happens between fits takes a hundred seconds."""

    def __init__(self, seconds: dict[str, float], seeds: int) -> None:
        self.ticks = [t for s in seconds.values() for _ in range(seeds) for t in (100.0, s)]
        self.at = 0.0

    def __call__(self) -> float:
        self.at += self.ticks.pop(0)
        return self.at


def measured(metric=None, steps=STEPS, seconds=SECONDS, test=TEST):
    study = GainStudy(metric or LogLoss(), Meter(seconds, 2), seeds=(0, 1))
    return study.measure(steps, VALIDATION, test=test)


def test_each_step_is_its_gain_and_its_own_seconds_the_best_buy_first() -> None:
    found = measured()
    by_name = {one.name: one for one in found.steps}
    assert {name: one.cpu_seconds for name, one in by_name.items()} == SECONDS
    loss = {
        s.name: log_loss(TEST.label, s.candidate.fit(s.train, VALIDATION, seed=0, threads=1).predict(TEST.features))
        for s in STEPS
    }
    for step in STEPS[1:]:
        gain = loss[step.after] - loss[step.name]
        assert by_name[step.name].gain.value == pytest.approx(gain)
        assert by_name[step.name].per_second == pytest.approx(gain / SECONDS[step.name])
    rates = [one.per_second for one in found.steps]
    assert rates[:-1] == sorted(rates[:-1], reverse=True)
    assert found.steps[0].name == "by a"
    assert found.steps[-1].name == "nothing"
    assert found.steps[-1].gain is None
    assert np.isnan(rates[-1])
    assert by_name["again"].gain.value == 0
    assert not by_name["again"].surely_better
    assert found.table().count("\n") == 6
    assert found.thumbnail().startswith("![")


def test_the_better_buy_is_named() -> None:
    found = measured()
    assert found.best("model").name == "by a"
    assert found.best("data").name == "all rows"
    ratio = found.best("model").per_second / found.best("data").per_second
    assert found.text().startswith("iterate on the model: 'by a' gains 0.")
    assert f"{ratio:.1f} times less for a second" in found.text()
    cheap = measured(seconds=SECONDS | {"all rows": 0.001})
    assert cheap.text().startswith("iterate on the data: 'all rows'")
    assert found.best("model", after="by a and b") is None
    assert found.text(after="by a and b").startswith("iterate on the data: 'all rows'")
    assert found.text(after="all rows").startswith("no step surely improves")
    auc = measured(RocAuc())
    assert auc.best("model").gain.value > 0


def test_where_no_gain_is_sure_nothing_is_named() -> None:
    same = (STEPS[0], Step("again", "data", ZeroRule(), FEW, after="nothing"))
    assert measured(steps=same).text().startswith("no step surely improves log_loss")
    only = measured(steps=STEPS[:2])
    assert only.text().startswith("iterate on the model: 'by a'")
    assert "no step on the data surely improves" in only.text()
    few = TEST.take(np.arange(100))
    assert measured(test=few).best("model") is None


def test_a_meter_that_sees_nothing_pass_gives_no_rate() -> None:
    found = measured(seconds=SECONDS | {"by a": 0.0})
    (one,) = [s for s in found.steps if s.name == "by a"]
    assert np.isnan(one.per_second)
    assert [step.name for step in found.steps].index("by a") > [step.name for step in found.steps].index("again")


def test_steps_that_follow_none_are_refused() -> None:
    for steps in ((STEPS[1],), (STEPS[0], STEPS[0])):
        with pytest.raises(ValueError, match="named once and follows one before it"):
            measured(steps=steps)
