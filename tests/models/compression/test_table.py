from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.compression.method import CompressionMethod
from mlsys_assets.models.compression.table import CALLS, CompressionStudy, Variant
from mlsys_assets.types import TimeWindow

N, DAYS = 3_000, 30


@pytest.fixture(scope="module")
def validation():
    rng = np.random.default_rng(1)
    score = rng.uniform(0.05, 0.6, size=N)
    at = np.datetime64("2013-02-01", "us") + np.arange(N) * np.timedelta64(DAYS * 24 * 60 // N, "m")
    label = (rng.random(N) < score).astype(float)
    ids = pa.array([str(i) for i in range(N)])
    return Validation(ids, at, pa.table({"p": score}), label, TimeWindow.of("2013-01-01", "2014-01-01"))


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self):
        return self.now


@dataclass
class Fake:
    """Gives the column p, moved by some log odds; a call moves the clock by as much as it is told."""

    clock: Clock
    size: int
    takes: tuple[float, ...] = (1e-3,)
    moved: float = 0.0
    kind: str = "zero_rule"
    columns: tuple[str, ...] = ("p",)
    calls: list = field(default_factory=list)

    def predict(self, rows, *, threads=1):
        self.clock.now += self.takes[len(self.calls) % len(self.takes)]
        self.calls.append(rows)
        p = np.array([rows["p"]]) if isinstance(rows, dict) else rows["p"].to_numpy()
        return 1 / (1 + np.exp(-(np.log(p / (1 - p)) + self.moved)))

    def contents(self):
        return {"a": b"x" * (self.size - 10), "b": b"y" * 10}


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def study(clock):
    return CompressionStudy(clock, clock)


def test_each_figure_is_what_it_says(study, clock, validation):
    slow = tuple([1e-3] * 97 + [9e-3] * 3)
    own, other = Fake(clock, 1_000), Fake(clock, 400, slow, moved=0.3)
    table = study.measure([Variant("original", own), Variant("other", other, 2.5)], validation, seed=0)
    first, second = table.rows
    assert (first.size, second.size) == (1_000, 400)
    assert (first.p50, second.p50, second.p99) == (pytest.approx(1e-3), pytest.approx(1e-3), pytest.approx(9e-3))
    assert first.rate == pytest.approx(N / 1e-3)
    assert second.seconds == 2.5
    scores = [one.predict(validation.features) for one in (own, other)]
    for row, score in zip(table.rows, scores, strict=True):
        assert row.loss.value == pytest.approx(log_loss(validation.label, score))
        assert row.auc == pytest.approx(roc_auc_score(validation.label, score))
    assert second.lost.value == pytest.approx(second.loss.value - first.loss.value)
    assert second.lost.high - second.lost.low < second.loss.high - second.loss.low  # the same rows: paired
    assert second.apart == pytest.approx(np.abs(scores[0] - scores[1]).max())
    assert (first.apart, first.lost.value) == (0, 0)


def test_models_take_turns_and_the_first_call_does_not_count(study, clock, validation):
    first = Fake(clock, 10, (5.0, *[1e-3] * 10_000))
    table = study.measure([Variant("a", first), Variant("b", Fake(clock, 10))], validation, seed=0)
    assert table.original.p99 == pytest.approx(1e-3)
    assert sum(isinstance(rows, dict) for rows in first.calls) == CALLS + 1


@pytest.mark.parametrize(
    ("size", "takes", "moved", "told"),
    [
        (400, 1e-3, 1.0, "other is 60% smaller, and worse: log loss +0."),
        (400, 0.5e-3, 0.01, "other is 60% smaller and 50% faster for one row; log loss"),
        (400, 2e-3, 0.0, "other is 60% smaller and 100% slower for one row; no probability differs by more than 0"),
        (990, 0.99e-3, 1.0, "other is of the same size and speed: it does not pay"),
        (2_000, 1e-3, 0.0, "other is 100% larger: it does not pay"),
    ],
)
def test_it_says_what_is_saved_what_it_costs_and_where_it_does_not_pay(
    study, clock, validation, size, takes, moved, told
):
    variants = [Variant("original", Fake(clock, 1_000)), Variant("other", Fake(clock, size, (takes,), moved))]
    table = study.measure(variants, validation, seed=0)
    assert table.text().startswith(told)
    if moved == 0.01:
        assert table.text().endswith("no loss that these days can tell")


def test_a_model_that_is_better_is_said_to_be(study, clock, validation):
    worse = Variant("original", Fake(clock, 1_000, moved=1.0))
    table = study.measure([worse, Variant("mended", Fake(clock, 500))], validation, seed=0)
    assert "mended is 50% smaller, and better: log loss -0." in table.text()


def test_few_rows_cannot_tell(study, clock, validation):
    few = validation.take(np.arange(150))
    variants = [Variant("original", Fake(clock, 1_000)), Variant("other", Fake(clock, 400, moved=0.5))]
    table = study.measure(variants, few, seed=0)
    assert "what it costs cannot be told: insufficient data" in table.text()
    assert "insufficient data" in table.plot()
    assert "insufficient data" in table.table()


@dataclass(frozen=True)
class Halved:
    name: str = "halved"

    def mistakes(self):
        return []

    def compress(self, predictor, train, *, seed, threads):
        predictor.clock.now += 3.0
        return replace(predictor, size=predictor.size // 2)


@dataclass(frozen=True)
class Never(Halved):
    name: str = "never"

    def compress(self, predictor, train, *, seed, threads):
        raise FitError("it is no model of that sort")


def test_any_method_is_tried_and_one_that_does_not_apply_says_why(study, clock, validation):
    train = Train(validation.ids, validation.at, validation.features, validation.label, validation.window)
    assert isinstance(Halved(), CompressionMethod)
    made = study.make(Fake(clock, 1_000), [Halved(), Never()], train, seed=0)
    table = study.measure(made, validation, seed=0)
    assert [row.name for row in table.rows] == ["original", "halved"]
    assert table.rows[1].seconds == pytest.approx(3.0)
    assert table.text().endswith("never does not apply: it is no model of that sort")
    lines = table.table().split("\n")
    assert len(lines) == 2 + 3
    assert len({line.count("|") for line in lines}) == 1
    assert "halved" in table.plot()
    assert table.plot().startswith("<svg")
    assert len(table.thumbnail()) < 1_000


def test_what_cannot_be_measured_is_refused(study, clock, validation):
    own = Variant("original", Fake(clock, 10))
    for variants, rows in (([], validation), ([own, own], validation), ([own], validation.take(np.arange(0)))):
        with pytest.raises(ValueError, match="models of different names on rows"):
            study.measure(variants, rows, seed=0)
    with pytest.raises(TypeError, match="a Validation view only"):
        study.measure([own], validation.features, seed=0)
