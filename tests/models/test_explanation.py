"""Contributions add up to the score, and those of trees are Shapley values by brute force."""

from itertools import combinations
from math import factorial

import lightgbm
import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.features.named_columns import ColumnError
from mlsys_assets.features.preprocessing.category import Category
from mlsys_assets.features.preprocessing.cross import Cross
from mlsys_assets.features.preprocessing.encoding import OneHot
from mlsys_assets.features.preprocessing.number import Number
from mlsys_assets.features.preprocessing.preprocessor import Drop, Preprocessor
from mlsys_assets.features.preprocessing.transform import Preprocessing
from mlsys_assets.models.baselines import GroupRate, ZeroRule
from mlsys_assets.models.bundle import from_files, to_files
from mlsys_assets.models.calibrated_predictor import SigmoidMap, StepMap, calibrated
from mlsys_assets.models.calibration import Calibrated, Platt
from mlsys_assets.models.explanation import (
    EXPLAINED_ROWS,
    Contributions,
    Explainable,
    by_column,
    explain,
    explained_rows,
)
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.objectives import Combined

CANDIDATES = (ZeroRule(), GroupRate(by=("carrier", "sched_hour")), LogisticRegression(), LightGBM(rounds=20))


@pytest.fixture(scope="module")
def fitted(train, validation):
    return {c.name: c.fit(train, validation, seed=0, threads=1).predictor for c in CANDIDATES}


@pytest.mark.parametrize("name", [c.name for c in CANDIDATES])
def test_contributions_add_up_to_the_score(fitted, later, name):
    predictor = fitted[name]
    assert isinstance(predictor, Explainable)
    found = predictor.contributions(later.features)
    assert found.values.shape == (len(later), len(predictor.columns))
    np.testing.assert_allclose(found.scores, predictor.predict(later.features), rtol=0, atol=1e-12)
    if predictor.columns:
        assert set(found.columns) == set(predictor.columns)
        with pytest.raises(ColumnError):
            predictor.contributions(later.features.drop_columns([predictor.columns[0]]))


def test_a_margin_and_a_line_in_log_odds_add_up_too(fitted, train, validation, later):
    """A calibration by Platt's line scales what is within; a curve has no such parts, nor has a line over rates."""
    margin = LightGBM(rounds=20, objective=Combined(1, 0.5, threshold=0.3)).fit(train, validation, seed=0, threads=1)
    line, steps = SigmoidMap(0.7, -0.4), StepMap((0.1, 0.9), (0.2, 0.8))
    models = [margin.predictor, fitted["logistic_regression"], fitted["lightgbm"]]
    for predictor in (models[0], *(calibrated(model, line) for model in models)):
        assert isinstance(predictor, Explainable)
        found = predictor.contributions(later.features)
        np.testing.assert_allclose(found.scores, predictor.predict(later.features), rtol=0, atol=1e-12)
        assert predictor.contributions(later.features.slice(0, 0)).values.shape == (0, len(predictor.columns))
        again = from_files(to_files(predictor)).contributions(later.features)
        np.testing.assert_array_equal(again.values, found.values)
    assert np.abs(margin.predictor.contributions(later.features).values).max() > 0.1
    for predictor in (calibrated(models[1], steps), calibrated(fitted["zero_rule"], line)):
        assert not isinstance(predictor, Explainable)


def test_a_fitted_calibration_by_a_line_is_explained(train, validation, later):
    predictor = Calibrated(LightGBM(rounds=8), Platt()).fit(train, validation, seed=0, threads=1).predictor
    found = predictor.contributions(later.features)
    np.testing.assert_allclose(found.scores, predictor.predict(later.features), rtol=0, atol=1e-12)


def test_those_of_a_row_do_not_depend_on_its_neighbours(fitted, later):
    row = later.features.slice(7, 1).to_pylist()[0]
    for predictor in fitted.values():
        many = predictor.contributions(later.features).values[7]
        np.testing.assert_array_equal(predictor.contributions(row).values[0], many)


def test_those_of_no_rows_are_none(fitted, later):
    for predictor in fitted.values():
        found = predictor.contributions(later.features.slice(0, 0))
        assert found.values.shape == (0, len(predictor.columns))
        assert all(mean == 0 for _, mean in found.importance())


def test_a_linear_models_column_gathers_all_its_outputs(fitted, later):
    """A column's contribution is how the log odds would change if all its outputs were zero."""
    predictor = fitted["logistic_regression"]
    names, matrix = predictor.preprocessing.names, predictor.preprocessing.transform(later.features).astype(float)
    found = predictor.contributions(later.features)
    assert found.base == predictor.intercept
    for column in ("precip", "dest", "carrier"):
        own = [j for j, n in enumerate(names) if n == column or n.startswith((f"{column} =", f"{column} is"))]
        assert len(own) > 1
        without = matrix.copy()
        without[:, own] = 0
        change = (matrix - without) @ predictor.weights
        np.testing.assert_allclose(found.values[:, found.columns.index(column)], change, atol=1e-12)


def test_every_output_is_put_to_the_column_it_is_made_of():
    """Numbers come first, then the marks of those that were missing, then the categories."""
    preprocessing = Preprocessing(
        numbers=(Number("a", 0.0, indicator=True), Number("b", 0.0), Number("c", 0.0, indicator=True)),
        categories=(Category("d", ("x", "y"), one_hot=True, other=True), Category("e", ("z",), one_hot=True)),
    )
    names = ("a", "b", "c", "a is missing", "c is missing", "d = x", "d = y", "d is other", "e = z")
    assert preprocessing.names == names
    found = by_column(preprocessing, 2.0 ** np.arange(len(names))[None], base=0.5)
    assert found.columns == ("a", "b", "c", "d", "e")
    assert found.values.tolist() == [[1 + 8, 2, 4 + 16, 32 + 64 + 128, 256]]
    assert found.raw == [512 - 1 + 0.5]


def test_what_columns_add_together_is_shared_by_them_equally(train, validation, later):
    """The share of each in a pair is Shapley's: neither alone gives anything."""
    preprocessing = Preprocessing(
        numbers=(Number("x"),),
        categories=(Category("c", ("p",), one_hot=True), Category("c × d", (("p", "q"),), one_hot=True, of=("c", "d"))),
    )
    found = by_column(preprocessing, np.array([[1.0, 2.0, 8.0]]), base=0.0)
    assert found.columns == ("x", "c", "d")
    assert found.values.tolist() == [[1.0, 2.0 + 4.0, 4.0]]
    crossed = Preprocessor(columns={"noise": Drop()}, crosses=(Cross(("carrier", "dest"), OneHot(least=1)),))
    predictor = LogisticRegression(preprocessor=crossed).fit(train, validation, seed=0, threads=1).predictor
    found = predictor.contributions(later.features)
    assert found.columns == predictor.columns == ("sched_hour", "precip", "carrier", "dest")
    np.testing.assert_allclose(found.scores, predictor.predict(later.features), rtol=0, atol=1e-12)
    assert all(reason.split(" = ")[0] in found.columns for reason in found.reasons(0, later.features))


def test_a_group_rate_steps_from_coarse_to_fine(train, validation):
    """The steps end at the rates that the coarser groupings alone would give."""
    both, coarse = (
        GroupRate(by=by).fit(train, validation, seed=0, threads=1).predictor
        for by in (("carrier", "sched_hour"), ("carrier",))
    )
    found = both.contributions(train.features)
    assert found.base == train.label.mean()
    np.testing.assert_allclose(found.base + found.values[:, 0], coarse.predict(train.features), atol=1e-15)


def _expected(node: dict, x: np.ndarray, known: frozenset[int]) -> float:
    """The mean of a tree's leaves where only some features are known, by the rows that went each way in training."""
    if "leaf_value" in node:
        return node["leaf_value"]
    sides = node["left_child"], node["right_child"]
    if node["split_feature"] not in known:
        counts = [side.get("internal_count", side.get("leaf_count")) for side in sides]
        return sum(c * _expected(s, x, known) for c, s in zip(counts, sides, strict=True)) / sum(counts)
    value = x[node["split_feature"]]
    if node["decision_type"] == "==":
        left = not np.isnan(value) and str(int(value)) in node["threshold"].split("||")
    else:
        left = node["default_left"] if np.isnan(value) else value <= node["threshold"]
    return _expected(sides[0 if left else 1], x, known)


def _shapley(trees: list[dict], x: np.ndarray) -> np.ndarray:
    """Each feature's mean effect over all orders in which the features become known (Shapley 1953)."""
    d, everything = len(x), range(len(x))
    found = np.zeros(d + 1)
    worth = {
        frozenset(s): sum(_expected(t["tree_structure"], x, frozenset(s)) for t in trees)
        for size in range(d + 1)
        for s in combinations(everything, size)
    }
    for j in everything:
        for s in (s for s in worth if j not in s):
            weight = factorial(len(s)) * factorial(d - len(s) - 1) / factorial(d)
            found[j] += weight * (worth[s | {j}] - worth[s])
    found[d] = worth[frozenset()]
    return found


def test_those_of_trees_are_shapley_values_by_brute_force(train, validation, later):
    names = ["sched_hour", "carrier", "precip", "noise"]

    def few(view):
        return type(view)(view.ids, view.at, view.features.select(names), view.label, view.window)

    fitted = LightGBM(rounds=5, leaves=6).fit(few(train), few(validation), seed=0, threads=1)
    predictor, rows = fitted.predictor, few(later).features.slice(0, 25)
    trees = lightgbm.Booster(model_str=predictor.text.decode()).dump_model()["tree_info"]
    assert {t["tree_structure"]["decision_type"] for t in trees} & {"==", "<="}
    matrix = predictor.preprocessing.transform(rows).astype(float)
    expected = np.array([_shapley(trees, x) for x in matrix])
    found = predictor.contributions(rows)
    np.testing.assert_allclose(found.values, expected[:, :-1], atol=1e-9)
    assert found.base == pytest.approx(expected[0, -1], abs=1e-9)


def test_what_moves_scores_most_comes_first(fitted, later):
    found = explain(fitted["lightgbm"], later.features, seed=0)
    ranked = [name for name, _ in found.importance()]
    assert set(ranked[:3]) == {"carrier", "precip", "sched_hour"}  # the truth is a function of these
    again = dict(found.importance())
    assert again["precip"] == pytest.approx(np.abs(found.values[:, found.columns.index("precip")]).mean())


def test_reasons_name_the_value_and_the_direction():
    rows = pa.table({"rain": [0.5, None], "carrier": ["AA", "B6"], "noise": [1.0, 2.0]})
    values = np.array([[1.25, -2.0, 0.0], [-0.5, 0.0, 0.25]])
    found = Contributions(("rain", "carrier", "noise"), -1.0, values)
    assert found.reasons(0, rows) == (
        "carrier = 'AA' lowers the log odds by 2",
        "rain = 0.5 raises the log odds by 1.25",
    )
    assert found.reasons(1, rows, most=1) == ("rain = missing lowers the log odds by 0.5",)
    np.testing.assert_allclose(found.raw, [-1.75, -1.25])


def test_few_rows_are_drawn_and_always_the_same():
    assert explained_rows(3, seed=1).tolist() == [0, 1, 2]
    drawn = explained_rows(10_000, seed=1)
    assert len(set(drawn.tolist())) == EXPLAINED_ROWS
    np.testing.assert_array_equal(drawn, explained_rows(10_000, seed=1))
    assert not np.array_equal(drawn, explained_rows(10_000, seed=2))


def test_values_of_other_columns_are_refused():
    with pytest.raises(ValueError, match=r"2 columns need \(n, 2\)"):
        Contributions(("a", "b"), 0.0, np.zeros((4, 3)))
