"""A refit is held against the champion on rows that were trusted before it learned of later ones."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression

from mlsys_assets import days, utc
from mlsys_assets.data_sampling.views import OpenedTest, Test, TestRead
from mlsys_assets.evaluated_models import JudgedRefit, judge_refit
from mlsys_assets.features.preprocessing.transform import Number, Preprocessing
from mlsys_assets.ledger import AS_EVALUATED, REFIT, REFITTED
from mlsys_assets.measures.intervals import Support
from mlsys_assets.measures.metrics import LogLoss, RocAuc, value
from mlsys_assets.models.bundle import from_files, to_files
from mlsys_assets.models.linear_predictor import LinearPredictor
from mlsys_assets.offline_evaluation.champion_gate import RECENT, STATIC, NonInferiority
from mlsys_assets.offline_evaluation.findings import JUDGED
from mlsys_assets.offline_evaluation.gates import Gates
from mlsys_assets.rollout.promotion import decide_promotion, objection
from mlsys_assets.types import CHAMPION, TimeWindow
from mlsys_resources.operations_rows import Alias, Decision, ModelVersion

AS_OF = utc("2013-03-12")
A_DAY = 60
GATE = NonInferiority(recent=0.01, static=0.01)
TOLD = f"{STATIC} refit minus {CHAMPION} {GATE.metric.name}"


def rows(name: str, start: str, count: int = 20, *, seed: int, flipped: float = 0.0) -> OpenedTest:
    """Return rows of which ``x`` tells the label, a share of whose labels are wrong."""
    random, n = np.random.default_rng(seed), count * A_DAY
    x = random.normal(size=n)
    label = (random.uniform(size=n) < 1 / (1 + np.exp(1 - 2 * x))).astype(float)
    label = np.where(random.uniform(size=n) < flipped, 1 - label, label)
    at = np.datetime64(start, "us") + (np.arange(n) // A_DAY) * np.timedelta64(1, "D")
    window = TimeWindow(utc(start), utc(start) + days(count))
    return OpenedTest(pa.array([f"{name}{i}" for i in range(n)]), at, pa.table({"x": x.astype("f4")}), label, window)


def learned(*views: OpenedTest) -> LinearPredictor:
    """Return the line that is fitted on the rows of all of them."""
    x = np.concatenate([view.features["x"].to_numpy() for view in views])[:, None]
    model = LogisticRegression(C=1e3).fit(x, np.concatenate([view.label for view in views]))
    return LinearPredictor(Preprocessing(numbers=(Number("x"),)), float(model.intercept_[0]), model.coef_[0])


@dataclass
class Step:
    """The part of a decision's step that a refit is judged by: a champion, the models, and what was opened."""

    champion: LinearPredictor | None
    refit: LinearPredictor
    static: bool = True
    gates: Gates = field(default_factory=lambda: Gates(champion=GATE))
    as_of: datetime = AS_OF
    opened: list[TestRead] = field(default_factory=list)
    loaded: list[int] = field(default_factory=list)

    @property
    def system(self) -> SimpleNamespace:
        return SimpleNamespace(
            name="it", threads=1, seed=3, slices=(), gates=self.gates, split=SimpleNamespace(static_test=self.static)
        )

    @property
    def stores(self) -> SimpleNamespace:
        return SimpleNamespace(models=self)

    def load(self, system: str, version: int) -> SimpleNamespace:
        self.loaded.append(version)
        model = {1: self.champion, 2: self.refit}[version]
        made = ModelVersion(system, version, "linear", f"hash {version}", "", f"run {version}", AS_OF, "")
        return SimpleNamespace(version=made, content=to_files(model))

    def champion_to_beat(self) -> Alias | None:
        return None if self.champion is None else Alias("it", CHAMPION, 1, "hash 1", AS_OF - days(7), 1)

    def record_read(self, read: TestRead) -> None:
        self.opened.append(read)


def told(verdict: str = REFITTED) -> Decision:
    return Decision("it", AS_OF, REFIT, "linear", verdict, "", {"model": "hash 2"}, {"version": 2})


TRAIN = rows("train", "2013-01-01", seed=0)
STATIC_ROWS = rows("static", "2013-01-21", seed=1)
SEALED = Test(STATIC_ROWS, name=STATIC, content_hash="rows", as_of=AS_OF)
LATER = {share: rows("later", "2013-02-10", seed=2, flipped=share) for share in (0.0, 0.8)}
BEFORE, CLEAN, POISONED = learned(TRAIN), learned(TRAIN, LATER[0.0]), learned(TRAIN, LATER[0.8])


def test_one_that_learned_of_flipped_labels_is_held_though_the_gate_passed_its_recipe() -> None:
    recipe, step = learned(TRAIN), Step(BEFORE, POISONED)
    assert judge_refit(Step(BEFORE, recipe), told(), SEALED).lacks == ""  # what was evaluated had not seen them
    found = judge_refit(step, told(), SEALED)
    assert found.lacks.startswith("log_loss may be worse than the champion's on static_test by ")
    outcome = decide_promotion(
        gate_passed=True, gate_reason="it is better", challenger="hash 2", champion="hash 1",
        objection=objection(retired=False, lacks=found.lacks, later=None),
    )  # fmt: skip
    assert (outcome.promote, outcome.verdict) == (False, "held")
    assert outcome.reason.startswith("the recipe passed, and its refit on the latest rows does not: log_loss may be")


def test_what_is_on_record_is_its_difference_to_the_champion() -> None:
    found = judge_refit(Step(BEFORE, POISONED), told(), SEALED)
    refit, champion = (
        value(LogLoss(), STATIC_ROWS.label, from_files(to_files(m)).predict(STATIC_ROWS.features))
        for m in (POISONED, BEFORE)
    )
    assert list(found.evidence) == [TOLD]
    told_of = found.evidence[TOLD]
    assert told_of["value"] == pytest.approx(refit - champion)
    assert GATE.static < told_of["low"] < told_of["value"] < told_of["high"]


def test_one_that_learned_of_sound_labels_passes_with_its_numbers_on_record() -> None:
    step = Step(BEFORE, CLEAN)
    found = judge_refit(step, told(), SEALED)
    assert found.lacks == ""
    assert found.evidence[TOLD]["high"] < GATE.static
    (read,) = step.opened
    assert (read.split, read.models, read.reason) == (STATIC, "hash 1 hash 2", JUDGED)
    assert set(step.loaded) == {1, 2}


def test_the_margin_is_that_of_the_static_test() -> None:
    wide = Gates(champion=NonInferiority(recent=0.0, static=9.0))
    narrow = Gates(champion=NonInferiority(recent=9.0, static=0.01))
    assert judge_refit(Step(BEFORE, POISONED, gates=wide), told(), SEALED).lacks == ""
    assert judge_refit(Step(BEFORE, POISONED, gates=narrow), told(), SEALED).lacks != ""
    assert RECENT not in judge_refit(Step(BEFORE, POISONED, gates=narrow), told(), SEALED).lacks


def test_a_metric_whose_more_is_better_is_turned() -> None:
    by_rank = Gates(champion=NonInferiority(RocAuc(), recent=0.01, static=0.01))
    turned = replace(POISONED, weights=-np.abs(BEFORE.weights))
    assert judge_refit(Step(BEFORE, turned, gates=by_rank), told(), SEALED).lacks.startswith("roc_auc may be worse")
    assert judge_refit(Step(turned, BEFORE, gates=by_rank), told(), SEALED).lacks == ""


def test_rows_too_few_to_tell_hold_nothing() -> None:
    few = replace(Gates(champion=GATE), support=Support(least_of_each_class=10_000))
    found = judge_refit(Step(BEFORE, POISONED, gates=few), told(), SEALED)
    assert found.lacks == ""
    assert found.evidence[TOLD]["sufficient"] is False


@pytest.mark.parametrize(
    ("step", "verdict"),
    [
        (Step(None, POISONED), REFITTED),
        (Step(BEFORE, POISONED, static=False), REFITTED),
        (Step(BEFORE, POISONED), AS_EVALUATED),
    ],
    ids=["no champion", "no static test", "not refitted"],
)
def test_nothing_is_asked_where_there_is_nothing_to_compare(step: Step, verdict: str) -> None:
    assert judge_refit(step, told(verdict), SEALED) == JudgedRefit()
    assert step.opened == []
    assert 2 not in step.loaded
