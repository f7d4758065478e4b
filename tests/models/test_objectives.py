"""An objective's derivatives are those of its losses, and what is fitted by it is what LightGBM fits."""

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.optimize import minimize_scalar

from mlsys_assets.measures.pareto import pareto_front
from mlsys_assets.models.bundle import from_files, to_files
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.margin_predictor import MarginPredictor
from mlsys_assets.models.objectives import LEAST_CURVATURE, Boosting, Combined, Objective, best_constant
from mlsys_assets.types import DeclarationError

WEIGHT = st.floats(0.01, 10)
STEP = 1e-5


@st.composite
def objectives(draw: st.DrawFn) -> Combined:
    return Combined(draw(WEIGHT), draw(st.floats(0, 10)), threshold=draw(st.floats(0.01, 0.99)))


@given(objectives(), st.floats(-20, 20), st.sampled_from([0.0, 1.0]))
def test_derivatives_are_those_of_finite_differences(objective: Combined, margin: float, label: float) -> None:
    def losses(at: float) -> float:
        return float(objective.losses(np.array([label]), np.array([at]))[0])

    def first(at: float) -> float:
        return float(objective.derivatives(np.array([label]), np.array([at]))[0][0])

    found = objective.derivatives(np.array([label]), np.array([margin]))
    slope = (losses(margin + STEP) - losses(margin - STEP)) / (2 * STEP)
    assert found[0][0] == pytest.approx(slope, rel=1e-5, abs=1e-6)
    bend = (first(margin + STEP) - first(margin - STEP)) / (2 * STEP)
    assert found[1][0] == pytest.approx(bend, rel=1e-5, abs=1e-6)
    assert found[1][0] >= 0


def test_far_margins_neither_overflow_nor_lie_flat() -> None:
    label, margin = np.array([0.0, 1, 0, 1]), np.array([800.0, 800, -800, -800])
    objective = Combined(1, 1, threshold=0.2)
    assert objective.losses(label, margin) == pytest.approx([800, 0, 0, 1600 - np.log(4)], abs=1e-6)
    assert np.isfinite(objective.derivatives(label, margin)).all()

    class Data:
        def get_label(self) -> np.ndarray:
            return label

    first, second = Boosting(objective, 0.0).gradient(margin, Data())
    assert first.tolist() == [1, 0, 0, -2]
    assert (second >= LEAST_CURVATURE).all()


@given(objectives(), st.integers(1, 99))
def test_boosting_starts_at_the_best_constant(objective: Combined, percent: int) -> None:
    label = (np.arange(100) < percent).astype(float)
    found = best_constant(objective, label)
    by_search = minimize_scalar(
        lambda margin: objective.losses(label, np.full(100, margin)).mean(), bounds=(-20, 20), method="bounded"
    )
    assert objective.losses(label, np.full(100, found)).mean() <= by_search.fun + 1e-9
    if objective.false_negative == 0:
        assert found == pytest.approx(np.log(percent / (100 - percent)))


def test_log_loss_alone_gives_the_trees_that_lightgbm_itself_gives(train, validation, later) -> None:
    built_in = LightGBM(rounds=20).fit(train, validation, seed=1, threads=1)
    own = LightGBM(rounds=20, objective=Combined()).fit(train, validation, seed=1, threads=1)
    assert np.abs(own.predict(later.features) - built_in.predict(later.features)).max() < 1e-5
    assert own.loss_curve.validation == pytest.approx(built_in.loss_curve.validation, abs=1e-6)
    assert own.loss_curve.train == pytest.approx(built_in.loss_curve.train, abs=1e-6)


def test_what_is_served_is_what_was_fitted_and_says_that_it_is_a_margin(train, validation, later) -> None:
    declared = LightGBM(rounds=12, objective=Combined(1, 0.4, threshold=0.3))
    fitted = declared.fit(train, validation, seed=1, threads=1)
    files = to_files(fitted.predictor)
    assert b'"kind":"lightgbm_margin"' in files["bundle.json"]
    assert b"\nobjective=" not in files["model.txt"]
    served = from_files(files)
    assert isinstance(served, MarginPredictor)
    assert np.array_equal(served.predict(later.features), fitted.predict(later.features))
    raw = served.booster.predict(served.preprocessing.transform(later.features), threads=1)
    assert served.predict(later.features) == pytest.approx(1 / (1 + np.exp(-(raw + served.start))), rel=1e-12)
    recorded = {k: v for k, v in fitted.params.items() if k.startswith("objective")}
    assert recorded == {
        "objective": "combined", "objective log_loss": 1, "objective false_negative": 0.4, "objective threshold": 0.3,
    }  # fmt: skip


def test_patience_watches_the_objective(train, validation) -> None:
    objective = Combined(1, 2, threshold=0.2)
    declared = LightGBM(rounds=150, patience=10, learning_rate=0.3, objective=objective)
    fitted = declared.fit(train, validation, seed=1, threads=1)
    rounds = int(fitted.recipe["rounds"])

    def loss(n: int) -> float:
        model = declared.refit(train, recipe={"rounds": n}, seed=1, threads=1)
        p = model.predict(validation.features)
        return float(objective.losses(validation.label, np.log(p) - np.log1p(-p)).mean())

    assert rounds < 150
    assert loss(rounds) <= min(loss(n) for n in range(max(rounds - 3, 1), rounds + 4)) + 1e-9


@dataclass(frozen=True)
class Bold:
    """Log loss to descend, and something else to watch, which goes on improving as margins grow."""

    record: dict = field(default_factory=lambda: {"objective": "bold"})

    def mistakes(self) -> list[str]:
        return []

    def losses(self, label: np.ndarray, margin: np.ndarray) -> np.ndarray:
        return -np.abs(margin)

    def derivatives(self, label: np.ndarray, margin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return Combined().derivatives(label, margin)


def test_log_loss_that_grows_again_stops_no_other_objective(train, validation) -> None:
    declared = LightGBM(rounds=40, patience=5, learning_rate=0.3)
    assert declared.fit(train, validation, seed=1, threads=1).recipe["rounds"] < 20
    own = replace(declared, objective=Bold())
    assert own.mistakes() == []
    fitted = own.fit(train, validation, seed=1, threads=1)
    assert fitted.recipe["rounds"] > 30
    assert fitted.params["objective"] == "bold"


def test_the_more_misses_weigh_the_fewer_there_are_and_the_dearer_log_loss_is(train, validation) -> None:
    points = []
    for weight in (0, 0.5, 2, 8):
        declared = LightGBM(rounds=30, objective=Combined(1, weight, threshold=0.3))
        p = declared.fit(train, validation, seed=1, threads=1).predict(validation.features)
        missed = float(((p < 0.3) & (validation.label > 0)).mean())
        points.append((float(Combined().losses(validation.label, np.log(p) - np.log1p(-p)).mean()), missed))
    losses, misses = np.array(points).T
    assert (np.diff(losses) > 0).all()
    assert (np.diff(misses) < 0).all()
    assert pareto_front(np.array(points), ("lower", "lower")).all()


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        (Combined(0, 1), "log_loss is 0; it must be a number, above 0"),
        (Combined(1, -1), "false_negative is -1"),
        (Combined(1, 1, threshold=1), "threshold is 1"),
        (Combined(1, 1, threshold=np.nan), "threshold is nan"),
        (Combined, "objective is the class Combined"),
        ("binary", "objective is 'binary'; it must be Objective"),
    ],
)
def test_mistakes_are_told_when_declared_and_when_fitted(train, validation, objective, words: str) -> None:
    declared = LightGBM(rounds=2, objective=objective)
    (told,) = declared.mistakes()
    assert words in told
    with pytest.raises(DeclarationError, match="objective"):
        declared.fit(train, validation, seed=1, threads=1)


def test_an_objective_is_one_by_its_methods_and_cannot_be_declared_twice(train, validation) -> None:
    assert isinstance(Combined(), Objective)
    both = LightGBM(objective=Combined(), more={"objective": "regression"})
    assert len(both.mistakes()) == 1
    with pytest.raises(FitError, match=r"(?i)num_leaves"):
        LightGBM(leaves=1, objective=Combined()).fit(train, validation, seed=1, threads=1)
