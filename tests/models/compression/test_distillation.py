import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.data_sampling.time_folds import BlockedFolds, WalkForward
from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.models.baselines import GroupRate, ZeroRule
from mlsys_assets.models.candidate import FitError, Fitted
from mlsys_assets.models.compression.distillation import Distillation, compare_with_control
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.tuning.space import Integers
from mlsys_assets.models.tuning.tuned import Tuned
from mlsys_assets.types import TimeWindow, days, hours

HOUR = np.timedelta64(1, "h")


def truth(table):
    x = table["x"].to_numpy().astype(float)
    y = table["y"].to_numpy().astype(float)
    return 1 / (1 + np.exp(-(2 * np.sin(2 * x) + y)))


def view(kind, n, *, seed, start="2013-01-01"):
    """Rows an hour apart whose probabilities are known."""
    rng = np.random.default_rng(seed)
    table = pa.table({
        "x": rng.normal(size=n).astype(np.float32), "y": rng.normal(size=n).astype(np.float32),
        "n": np.arange(n, dtype=np.float32) + seed,
    })  # fmt: skip
    label = (rng.random(n) < truth(table)).astype(float)
    at = np.datetime64(start, "us") + np.arange(n) * HOUR
    ids = pa.array([f"{seed}-{i}" for i in range(n)])
    return kind(ids, at, table, label, TimeWindow.of("2013-01-01", "2015-01-01"))


@pytest.fixture(scope="module")
def train():
    return view(Train, 24 * 40, seed=1)


@pytest.fixture(scope="module")
def validation():
    return view(Validation, 24 * 100, seed=2, start="2013-03-01")


@dataclass
class Says:
    """A predictor that says what a function of the rows does."""

    say: Callable[[pa.Table], np.ndarray]
    kind: str = "zero_rule"
    columns: tuple[str, ...] = ("x",)

    def predict(self, rows, *, threads=1):
        return self.say(rows)

    def contents(self):
        return {}


@dataclass(frozen=True)
class Teacher:
    """Says what a function of its training rows says; keeps what it was fitted on."""

    say: Callable[[Train], Callable[[pa.Table], np.ndarray]]
    fits: list = field(default_factory=list)
    name: str = "teacher"
    baseline: bool = False
    needs: tuple[str, ...] = ("x",)
    kind: str = "zero_rule"

    def mistakes(self):
        return []

    def fit(self, train, validation, *, seed, threads):
        return replace(self.refit(train, recipe={}, seed=seed, threads=threads), recipe={"found": 7})

    def refit(self, train, *, recipe, seed, threads):
        self.fits.append((len(train), dict(recipe)))
        return Fitted(self.name, Says(self.say(train)))


def memory(train):
    """Says 0.9 of rows that it was fitted on, 0.1 of others."""
    known = set(train.features["n"].to_pylist())
    return lambda rows: np.array([0.9 if n in known else 0.1 for n in rows["n"].to_pylist()])


STUDENT = LightGBM(rounds=25, leaves=6, least_rows=5)


@pytest.mark.parametrize(
    ("folds", "rows"), [(BlockedFolds(4, hours(2)), 960), (WalkForward(3, days(5), hours(2)), 360)]
)
def test_the_teacher_never_scores_a_row_that_it_was_fitted_on(train, folds, rows):
    teacher = Teacher(memory)
    seen, soft = Distillation(teacher, STUDENT, folds).soft_labels(train, recipe={"found": 7}, seed=0, threads=1)
    assert (len(seen), len(soft)) == (rows, rows)
    assert set(soft) == {0.1}
    assert (np.diff(seen.at) > np.timedelta64(0)).all()
    assert all(recipe == {"found": 7} for _, recipe in teacher.fits)


def test_soft_labels_stand_beside_their_rows_and_are_mixed_with_labels(train):
    def own(_):
        return lambda rows: rows["n"].to_numpy() / 2_000

    teacher = Teacher(own)
    train = train.take(np.random.default_rng(3).permutation(len(train)))  # else rows come in the order of the folds
    for share in (0.0, 0.25):
        seen, soft = Distillation(teacher, STUDENT, hard_share=share).soft_labels(train, recipe={}, seed=0, threads=1)
        expected = (1 - share) * seen.features["n"].to_numpy() / 2_000 + share * seen.label
        np.testing.assert_allclose(soft, expected, atol=1e-6)


def test_a_teacher_that_knows_pays_and_one_that_knows_nothing_costs(train, validation):
    """Probabilities tell more than labels drawn by them; one number for all tells nothing."""
    knows = Distillation(Teacher(lambda _: truth), STUDENT)
    found = compare_with_control(knows, train, validation, seeds=(0, 1, 2), threads=1)
    assert found.gain.high < 0
    assert str(found).endswith("distillation pays")
    assert (found.gain.rows, len(found.by_seed)) == (len(validation), 3)
    assert np.mean(found.by_seed) == pytest.approx(found.gain.value)
    nothing = Distillation(Teacher(lambda train: lambda rows: np.full(len(rows), train.label.mean())), STUDENT)
    found = compare_with_control(nothing, train, validation, seeds=(0,), threads=1)
    assert found.gain.low > 0
    assert str(found).endswith("distillation costs")


def test_a_teacher_like_the_student_makes_no_difference_and_few_days_cannot_tell(train, validation):
    same = Distillation(STUDENT, STUDENT, hard_share=0.95)
    assert "no difference that these days can tell" in str(
        compare_with_control(same, train, validation, seeds=(0,), threads=1)
    )
    few = validation.take(np.arange(48))
    assert "cannot be told: insufficient data" in str(compare_with_control(same, train, few, seeds=(0,), threads=1))


def test_the_control_is_the_student_on_the_labels_of_the_same_rows(train, validation):
    own = Distillation(LightGBM(rounds=5), STUDENT, WalkForward(3, days(5), hours(2)))
    control = own.fit_control(train, validation, seed=0, threads=1)
    last = train.take(train.at >= train.at.max().astype("datetime64[D]") + 1 - np.timedelta64(15, "D"))
    by_hand = STUDENT.fit(last, validation, seed=0, threads=1)
    assert control.predictor.text == by_hand.predictor.text


def test_the_recipe_holds_what_both_found_and_a_refit_searches_nothing(train, validation):
    teacher = LightGBM(rounds=60, patience=4, learning_rate=0.3, name="large")
    own = Distillation(teacher, replace(STUDENT, rounds=60, patience=4, learning_rate=0.3))
    fitted = own.fit(train, validation, seed=0, threads=1)
    found = {part: json.loads(text) for part, text in fitted.recipe.items()}
    assert found["teacher"] == dict(teacher.fit(train, validation, seed=0, threads=1).recipe)
    assert 1 <= found["student"]["rounds"] < 60
    again = own.refit(train, recipe=fitted.recipe, seed=0, threads=1)
    np.testing.assert_array_equal(again.predict(validation.features), fitted.predict(validation.features))
    assert (fitted.params["teacher"], fitted.params["soft_rows"]) == ("large", len(train))
    for recipe in ({}, {"teacher": "{}"}, {"rounds": 3}):
        with pytest.raises(ValueError, match="refitted by a recipe with a"):
            own.refit(train, recipe=recipe, seed=0, threads=1)


def test_what_both_searched_is_counted(train, validation):
    teacher = Tuned(LightGBM(rounds=2), {"leaves": Integers(2, 9)}, trials=3)
    own = Distillation(teacher, STUDENT)
    fitted = own.fit(train, validation, seed=0, threads=1)
    assert fitted.recipe["trials"] == 4
    assert own.refit(train, recipe=fitted.recipe, seed=0, threads=1).recipe == fitted.recipe


def test_rows_that_cannot_be_cut_or_learned_from_are_a_failed_candidate(train, validation):
    short = train.take(np.arange(60))
    with pytest.raises(FitError, match="lightgbm_distilled: 4 blocks need as many days"):
        Distillation(ZeroRule(), STUDENT).fit(short, validation, seed=0, threads=1)
    late = replace(train, label=(np.arange(len(train)) >= 900).astype(float))
    with pytest.raises(FitError, match=r"the teacher of the fold .*needs both classes"):
        Distillation(ZeroRule(), STUDENT, WalkForward(1, days(20), hours(2))).fit(late, validation, seed=0, threads=1)


def test_mistakes_of_all_parts_are_listed():
    assert Distillation(LightGBM(), LogisticRegression()).mistakes() == []
    own = Distillation(GroupRate(by=("a", "a")), LightGBM(rounds=0), BlockedFolds(1, days(1)), hard_share=1.0)
    told = "\n".join(own.mistakes())
    for part in ("hard_share is 1", "blocked folds: count is 1", "holds 'a' twice", "rounds is 0"):
        assert part in told
    assert "must be SoftLearner, and lacks" in Distillation(LightGBM(), ZeroRule()).mistakes()[0]
    assert set(Distillation(GroupRate(by=("a",)), LightGBM()).needs) == {"a"}
