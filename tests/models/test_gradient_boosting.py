import lightgbm
import numpy as np
import pytest
from sklearn.metrics import log_loss

from mlsys_assets.data_sampling.views import Train
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.lightgbm_calls import plain_names
from mlsys_assets.models.watch import Stopped
from mlsys_assets.types import DeclarationError


def test_the_model_is_the_one_lightgbm_itself_trains(train, validation, later):
    declared = LightGBM(rounds=20, leaves=7, learning_rate=0.2, l2=1.0, column_share=0.6)
    fitted = declared.fit(train, validation, seed=5, threads=1)
    transform = fitted.predictor.preprocessing.transform
    params = {
        "objective": "binary", "num_leaves": 7, "learning_rate": 0.2, "lambda_l2": 1.0, "feature_fraction": 0.6,
        "seed": 5, "num_threads": 1, "deterministic": True, "force_row_wise": True, "verbosity": -1,
    }  # fmt: skip
    data = lightgbm.Dataset(transform(train.features), train.label, categorical_feature=[3, 4], params=params)
    reference = lightgbm.train(params, data, 20)
    assert np.array_equal(fitted.predict(later.features), reference.predict(transform(later.features)))


def test_the_loss_curve_is_the_log_loss_after_each_round(train, validation):
    fitted = LightGBM(rounds=6).fit(train, validation, seed=1, threads=1)
    assert len(fitted.loss_curve.train) == len(fitted.loss_curve.validation) == 6
    assert fitted.loss_curve.train[-1] == pytest.approx(log_loss(train.label, fitted.predict(train.features)), abs=1e-7)
    expected = log_loss(validation.label, fitted.predict(validation.features))
    assert fitted.loss_curve.validation[-1] == pytest.approx(expected, abs=1e-7)


def test_stopping_keeps_the_best_round_and_the_refit_repeats_it(train, validation):
    declared = LightGBM(rounds=200, patience=10, learning_rate=0.3)
    fitted = declared.fit(train, validation, seed=1, threads=1)
    best = int(np.argmin(fitted.loss_curve.validation)) + 1
    assert fitted.recipe == {"rounds": best}
    assert best < 200 == declared.rounds
    assert fitted.predictor.text.count(b"\nTree=") == best
    loss = log_loss(validation.label, fitted.predict(validation.features))
    assert loss == pytest.approx(min(fitted.loss_curve.validation), abs=1e-7)
    refitted = declared.refit(train, recipe=fitted.recipe, seed=1, threads=1)
    assert refitted.predictor.text.count(b"\nTree=") == best
    assert refitted.loss_curve.validation == ()


def test_another_seed_is_another_model_and_is_on_record(train, validation):
    declared = LightGBM(rounds=10, row_share=0.5)
    one, two = (declared.fit(train, validation, seed=s, threads=1) for s in (1, 2))
    assert one.predictor.text != two.predictor.text
    assert (one.params["seed"], two.params["seed"]) == (1, 2)
    assert one.params["num_threads"] == 1


def test_what_makes_a_fit_repeatable_cannot_be_declared_away(train, validation):
    away = {"deterministic": False, "objective": "regression", "seed": 3, "num_leaves": 7}
    declared = LightGBM(rounds=3, more={**away, "max_bin": 31})
    assert [name for name in declared.more if any(f"names {name!r}" in m for m in declared.mistakes())] == list(away)
    with pytest.raises(DeclarationError, match="4 mistake"):
        declared.fit(train, validation, seed=1, threads=1)
    fitted = LightGBM(rounds=3, more={"max_bin": 31}).fit(train, validation, seed=1, threads=1)
    assert fitted.params["deterministic"] is True
    assert b"[max_bin: 31]" in fitted.predictor.text


@pytest.mark.parametrize(
    ("name", "words"),
    [("num_leafs", "did you mean 'num_leaf'"), ("eta", "that is learning_rate"), ("nonsense", "does not know")],
)
def test_a_parameter_that_lightgbm_would_pass_over_is_refused(train, validation, name, words):
    declared = LightGBM(rounds=3, more={name: 2})
    with pytest.raises(DeclarationError, match=words):
        declared.fit(train, validation, seed=1, threads=1)
    with pytest.raises(DeclarationError, match=words):
        declared.refit(train, recipe={"rounds": 3}, seed=1, threads=1)


def test_parameters_that_lightgbm_refuses_are_a_failed_candidate(train, validation):
    with pytest.raises(FitError, match=r"(?i)num_leaves"):
        LightGBM(leaves=1).fit(train, validation, seed=1, threads=1)


@pytest.mark.parametrize("recipe", [{}, {"rounds": 0}, {"rounds": "12"}])
def test_a_refit_without_a_number_of_rounds_is_refused(train, recipe):
    with pytest.raises(ValueError, match="a number of rounds"):
        LightGBM().refit(train, recipe=recipe, seed=1, threads=1)


def test_names_that_lightgbm_would_refuse_are_made_plain(train, validation, later):
    odd = ["late rate, 7 d", "carrier [IATA]", 'pre"cip"', "dést", "späť"]
    renamed = train.features.rename_columns(odd)
    view = Train(train.ids, train.at, renamed, train.label, train.window)
    fitted = LightGBM(rounds=5).refit(view, recipe={"rounds": 5}, seed=1, threads=1)
    plain = LightGBM(rounds=5).refit(train, recipe={"rounds": 5}, seed=1, threads=1)
    assert fitted.predictor.columns == ("late rate, 7 d", 'pre"cip"', "späť", "carrier [IATA]", "dést")
    assert np.array_equal(fitted.predict(later.features.rename_columns(odd)), plain.predict(later.features))
    assert plain_names(("a b", "a_b", "c")) == ["a_b_0", "a_b_1", "c"]
    for names in (
        ("a b", "a_b", "a_b_0"),
        ("a_b_0", "a b", "a_b"),
        ("a b", "a_b", "a_b_0", "a_b_0_"),
        ("a_b_1", "a b", "a_b", "a.b"),
    ):
        assert len(set(plain_names(names))) == len(names)


def test_unseen_categories_score_as_missing_ones(train, validation, later):
    fitted = LightGBM(rounds=10).fit(train, validation, seed=1, threads=1)
    rows = later.features.to_pylist()[:30]
    unseen = [fitted.predict({**r, "carrier": "ZZ"})[0] for r in rows]
    missing = [fitted.predict({**r, "carrier": None})[0] for r in rows]
    assert unseen == missing
    assert fitted.predictor.preprocessing.encode({**rows[0], "carrier": "ZZ"}).unseen == {"carrier": 1}


@pytest.mark.parametrize("declared", [LightGBM(rounds=8, column_share=0.6), LightGBM(rounds=40, patience=3)])
def test_watched_it_is_the_same_model_and_tells_the_loss_of_each_round(declared, train, validation):
    heard = []
    watched = declared.fit_watched(train, validation, seed=4, threads=1, watch=lambda *told: heard.append(told))
    alone = declared.fit(train, validation, seed=4, threads=1)
    assert watched.predictor.text == alone.predictor.text
    assert (watched.params, watched.recipe, watched.loss_curve) == (alone.params, alone.recipe, alone.loss_curve)
    assert heard == list(enumerate(alone.loss_curve.validation, start=1))


def test_whoever_watches_ends_it(train, validation):
    heard = []

    def watch(step, loss):
        heard.append(step)
        return step == 3

    with pytest.raises(Stopped):
        LightGBM(rounds=8).fit_watched(train, validation, seed=4, threads=1, watch=watch)
    assert heard == [1, 2, 3]
