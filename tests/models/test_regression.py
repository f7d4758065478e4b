"""A regression's probabilities are those of its residuals, known from rows later than those it was fitted on."""

import lightgbm
import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import norm

from mlsys_assets.data_sampling.views import OpenedTest
from mlsys_assets.measures.metrics import RocAuc, value
from mlsys_assets.models.booster import library_path
from mlsys_assets.models.bundle import from_files, to_files
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.exceedance_predictor import LEVELS, ExceedancePredictor, Residuals, ResidualsByNumber
from mlsys_assets.models.first_parse import ParseError, parse_in_child
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.objectives import Combined
from mlsys_assets.models.predictor import BundleError
from mlsys_assets.models.regression import RegressedLightGBM
from mlsys_assets.models.task import Regression, with_target
from mlsys_assets.types import DeclarationError

LATE = RegressedLightGBM(Regression("arr_delay", cut=15, unit="min"), LightGBM(rounds=20))


@pytest.fixture(scope="module")
def fitted(late_train, late_validation):
    return LATE.fit(late_train, late_validation, seed=1, threads=1)


def test_residuals_of_a_normal_law_give_its_tail() -> None:
    residuals = Residuals.of(np.random.default_rng(0).normal(2.0, 3.0, 20_000))
    distance = np.linspace(-6, 10, 50)
    assert residuals.above(distance) == pytest.approx(norm.sf(distance, 2.0, 3.0), abs=0.6 / LEVELS)


@given(st.lists(st.integers(-30, 30), min_size=1, max_size=60), st.integers(-40, 40))
def test_above_is_the_share_of_residuals_above(found: list[int], distance: int) -> None:
    """Nothing is lost but what lies between two levels, and the share that n residuals leave open."""
    seen = np.array(found, dtype=float)
    above = float(Residuals.of(seen).above(np.array([distance + 0.5]))[0])
    n = len(seen)
    assert abs(above - (seen > distance + 0.5).mean()) <= 1 / (n + 1) + 1 / (LEVELS - 1) + 1e-9
    assert 1 / (n + 1) - 1e-9 <= above <= n / (n + 1) + 1e-9


def test_a_longer_way_to_the_cut_is_never_more_likely() -> None:
    residuals = Residuals.of(np.random.default_rng(1).exponential(20, 500).round())
    assert (np.diff(residuals.above(np.linspace(-5, 300, 700))) <= 0).all()


def test_the_number_is_that_of_lightgbms_own_regression(fitted, late_train, later) -> None:
    transform = fitted.predictor.preprocessing.transform
    params = {
        "objective": "regression", "seed": 1, "num_threads": 1, "deterministic": True, "force_row_wise": True,
        "verbosity": -1,
    }  # fmt: skip
    data = lightgbm.Dataset(transform(late_train.features), late_train.label, categorical_feature=[3, 4], params=params)
    reference = lightgbm.train(params, data, 20)
    assert np.array_equal(fitted.predictor.number(later.features), reference.predict(transform(later.features)))


def test_a_probability_is_the_share_of_residuals_that_would_cross_the_cut(fitted, late_validation) -> None:
    p = fitted.predict(late_validation.features)
    number = fitted.predictor.number(late_validation.features)
    off, group = late_validation.label - number, np.searchsorted(fitted.predictor.residuals.edges, number, side="right")
    assert np.abs(np.bincount(group) - 100).max() <= 1
    expected = [(off[group == g] > 15 - n).mean() for n, g in zip(number, group, strict=True)]
    assert p == pytest.approx(expected, abs=0.03)


def test_residuals_are_those_of_similar_numbers() -> None:
    """Noise that grows with the number: one law for all would be wrong at both ends."""
    rng = np.random.default_rng(0)
    number = rng.uniform(0, 10, 20_000)
    residuals = ResidualsByNumber.of(number, number + rng.normal(0, 0.2 + number))
    for at in (0.5, 3.5, 9.5):
        found = residuals.above(np.array([at]), at + 2)
        assert found == pytest.approx(norm.sf(2 / (0.2 + at)), abs=0.06)
    one = ResidualsByNumber.of(np.zeros(3_000), rng.normal(size=3_000))
    assert (one.edges, len(one.groups)) == ((), 1)
    few = ResidualsByNumber.of(number[:30], number[:30])
    assert few.above(number[:4], 100.0) == pytest.approx(1 / 31)


def test_it_ranks_rows_it_never_saw(fitted, later: OpenedTest) -> None:
    assert value(RocAuc(), later.label, fitted.predict(later.features)) > 0.65


def test_another_cut_is_the_same_model(fitted, later) -> None:
    later_still = fitted.predictor.at(60)
    assert later_still.text is fitted.predictor.text
    assert (later_still.predict(later.features) <= fitted.predict(later.features)).all()
    assert later_still.at(15).predict(later.features).tolist() == fitted.predict(later.features).tolist()


def test_the_residuals_are_those_of_validation_and_a_refit_takes_them_from_the_recipe(
    fitted, late_train, late_validation, later
) -> None:
    early = late_validation.take(np.arange(len(late_validation)) < 250)
    half = LATE.fit(late_train, early, seed=1, threads=1)
    assert half.predictor.text == fitted.predictor.text
    assert half.predictor.residuals != fitted.predictor.residuals
    refitted = LATE.refit(late_train, recipe=half.recipe, seed=1, threads=1)
    assert refitted.predictor.residuals == half.predictor.residuals
    assert len(str(half.recipe["residuals"])) < 6_000  # what MLflow holds of a parameter
    assert half.params["task output"] == "P(arr_delay > 15 min)"


def test_patience_stops_on_validation(late_train, late_validation) -> None:
    patient = RegressedLightGBM(LATE.task, LightGBM(rounds=200, patience=5, learning_rate=0.3))
    fitted = patient.fit(late_train, late_validation, seed=1, threads=1)
    assert fitted.predictor.text.count(b"\nTree=") == fitted.recipe["rounds"] < 200


def test_saved_and_loaded_it_gives_the_same_bits(fitted, later) -> None:
    loaded = from_files(to_files(fitted.predictor))
    assert isinstance(loaded, ExceedancePredictor)
    assert np.array_equal(loaded.predict(later.features), fitted.predict(later.features))


@pytest.mark.parametrize("more", [300, -300])
def test_minutes_pass_for_a_number_and_not_for_a_probability(late_train, late_validation, more: int) -> None:
    shifted = RegressedLightGBM(Regression("arr_delay", cut=15 + more), LightGBM(rounds=2))
    views = (with_target(view, view.label + more) for view in (late_train, late_validation))
    text = shifted.fit(*views, seed=1, threads=1).predictor.text
    parse_in_child(text, library=library_path(), features=5, probabilities=False)
    with pytest.raises(ParseError):
        parse_in_child(text, library=library_path(), features=5)


@pytest.mark.parametrize(
    ("edges", "quantiles", "words"),
    [
        (b"[]", b"[]", "quantiles in rising order"),
        (b"[]", b"[2.0,1.0]", "quantiles in rising order"),
        (b"[1.0]", b"[1.0]", "one group more than edges"),
        (b"[2.0,1.0]", b"[1.0]", "edges in rising order"),
    ],
)
def test_residuals_that_are_none_are_refused(fitted, edges: bytes, quantiles: bytes, words: str) -> None:
    groups = b'"groups":[{"quantiles":' + quantiles + b',"rows":3}]'
    changed = b'{"cut":15.0,"residuals":{"edges":' + edges + b"," + groups + b"}}"
    with pytest.raises(BundleError, match=words):
        from_files({**to_files(fitted.predictor), "exceedance.json": changed})


def test_rows_without_their_target_are_refused(train, validation, late_train, late_validation) -> None:
    with pytest.raises(FitError, match=r"none of 1500 training rows has a arr_delay above 15.*with_target"):
        LATE.fit(train, validation, seed=1, threads=1)
    nothing = late_validation.take(np.zeros(len(late_validation), bool))
    with pytest.raises(FitError, match="needs validation rows, got none"):
        LATE.fit(late_train, nothing, seed=1, threads=1)
    with pytest.raises(ValueError, match="a recipe with rounds and residuals"):
        LATE.refit(late_train, recipe={"rounds": 3}, seed=1, threads=1)


def test_mistakes_are_told_when_declared_and_when_fitted(late_train, late_validation) -> None:
    assert LATE.mistakes() == []
    own = RegressedLightGBM(LATE.task, LightGBM(objective=Combined()))
    assert "leave it out" in own.mistakes()[0]
    with pytest.raises(DeclarationError, match="leave it out"):
        own.fit(late_train, late_validation, seed=1, threads=1)
    assert len(RegressedLightGBM(Regression("", cut=np.nan), LightGBM(leaves=1)).mistakes()) == 3
    assert "task is 3" in RegressedLightGBM(3).mistakes()[0]  # type: ignore[arg-type]
