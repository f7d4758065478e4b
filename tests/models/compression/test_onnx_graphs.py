import lightgbm
import numpy as np
import pytest

from mlsys_assets.features.preprocessing.transform import Preprocessing
from mlsys_assets.models.baselines import ZeroRulePredictor
from mlsys_assets.models.booster_predictor import BoosterPredictor
from mlsys_assets.models.booster_text import BoosterText
from mlsys_assets.models.booster_trees import CATEGORICAL
from mlsys_assets.models.bundle import from_files, to_files
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.compression.low_rank import LowRank
from mlsys_assets.models.compression.magnitude_pruning import MagnitudePruning
from mlsys_assets.models.compression.onnx_graphs import floor32, to_onnx
from mlsys_assets.models.compression.quantization import Quantization
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.mlp import Mlp
from mlsys_assets.models.objectives import Combined

INFINITE = np.float32(np.inf)
LAST_BIT = 3e-16


def of_booster(matrix, label, **params):
    """A Booster of any matrix, behind a preprocessing that only names its columns."""
    own = {"objective": "binary", "verbosity": -1, "num_threads": 1, "seed": 3, "min_data_in_leaf": 5, **params}
    rounds, codes = own.pop("rounds", 15), own.pop("codes", "auto")
    booster = lightgbm.train(own, lightgbm.Dataset(matrix, label, params=own, categorical_feature=codes), rounds)
    names = tuple(f"x{j}" for j in range(matrix.shape[1]))
    return BoosterPredictor(Plain(names), booster.model_to_string().encode())


class Plain(Preprocessing):
    """Hands a matrix through."""

    def __new__(cls, names):
        return object.__new__(cls)

    def __init__(self, names):
        object.__setattr__(self, "names", names)

    def transform(self, rows):
        return rows


@pytest.fixture(scope="module")
def mixed():
    """Numbers with and without gaps, a column of few values, and categories by the hundred."""
    rng = np.random.default_rng(5)
    n = 3_000
    matrix = np.column_stack([
        rng.normal(size=n), np.where(rng.random(n) < 0.2, np.nan, rng.exponential(size=n)), rng.integers(-2, 3, size=n),
        rng.integers(0, 150, size=n), np.where(rng.random(n) < 0.1, -1, rng.integers(0, 8, size=n)),
    ]).astype(np.float32)  # fmt: skip
    effect = rng.normal(size=151)
    margin = matrix[:, 0] + np.nan_to_num(matrix[:, 1], nan=2.0) - 1 + effect[matrix[:, 3].astype(int)]
    return matrix, (rng.random(n) < 1 / (1 + np.exp(-margin))).astype(float)


CATEGORIES = {"codes": [3, 4], "min_data_per_group": 5, "max_cat_threshold": 64}


def borders(predictor, matrix):
    """Rows that lie on each threshold and as near to it as a float32 can, missing ones, and unknown categories."""
    rows = [matrix[:300]]
    for tree in BoosterText.of(predictor.text).trees:
        for n, feature in enumerate(tree.integers("split_feature")):
            near = floor32(tree.numbers("threshold")[n : n + 1]).astype(np.float32)[0]
            values = [np.nan, 0.0, -0.0, -1, 149, 999, 10_000]
            if not int(tree.fields["decision_type"][n]) & CATEGORICAL:  # codes of categories are whole numbers
                values += [near, np.nextafter(near, INFINITE), np.nextafter(near, -INFINITE), 1e-36, -1e-35]
            part = np.repeat(matrix[n : n + 1], len(values), axis=0)
            part[:, feature] = values
            rows.append(part)
    return np.concatenate(rows)


@pytest.mark.parametrize("params", [CATEGORIES, {"use_missing": False}, {"max_bin": 15, **CATEGORIES},
                                    {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}])  # fmt: skip
def test_no_row_goes_another_way_not_even_on_the_border(mixed, params):
    matrix, label = mixed
    predictor = of_booster(matrix, label, **params)
    rows = borders(predictor, matrix)
    assert len(rows) > 3_000
    before, after = predictor.predict(rows), to_onnx(predictor, double=True).predict(rows)
    np.testing.assert_allclose(after, before, rtol=0, atol=LAST_BIT)
    single = to_onnx(predictor, double=False).predict(rows)
    assert 0 < np.abs(single - before).max() < 1e-6


def test_the_nearest_float32_as_a_threshold_would_send_rows_the_other_way(mixed, monkeypatch):
    """Else the rows on borders prove nothing."""
    matrix, label = mixed
    predictor = of_booster(matrix, label, **CATEGORIES)
    rows = borders(predictor, matrix)
    near = "mlsys_assets.models.compression.onnx_graphs.floor32"
    monkeypatch.setattr(near, lambda number: np.clip(number, -3e38, 3e38).astype(np.float32).astype(np.float64))
    apart = np.abs(to_onnx(predictor, double=True).predict(rows) - predictor.predict(rows))
    assert (apart > 1e-4).sum() > 10


def test_the_largest_float32_not_above():
    rng = np.random.default_rng(1)
    numbers = np.concatenate([rng.normal(size=1_000), 10.0 ** rng.uniform(-40, 38, size=1_000), [0.0, 1.0, 1e-35]])
    numbers = np.concatenate([numbers, -numbers])
    found = floor32(numbers)
    assert (found <= numbers).all()
    assert (found == found.astype(np.float32)).all()
    assert (np.nextafter(found.astype(np.float32), INFINITE).astype(np.float64) > numbers).all()
    largest = float(np.finfo(np.float32).max)
    assert floor32(np.array([np.inf, 1.8e308, -1.8e308])).tolist() == [largest, largest, -largest]


def test_a_tree_that_does_not_split_gives_its_value(mixed):
    matrix, label = mixed
    predictor = of_booster(matrix, label, min_data_in_leaf=len(label), rounds=2)
    assert BoosterText.of(predictor.text).splits == 0
    np.testing.assert_allclose(to_onnx(predictor, double=True).predict(matrix), label.mean(), atol=1e-12)


def test_linear_models_and_margins(train, validation, later):
    for candidate in (LogisticRegression(), LightGBM(rounds=9, objective=Combined(1, 0.5, threshold=0.3))):
        predictor = candidate.fit(train, validation, seed=1, threads=1).predictor
        found = to_onnx(predictor, double=True)
        assert found.columns == predictor.columns
        np.testing.assert_allclose(
            found.predict(later.features), predictor.predict(later.features), rtol=0, atol=2 * LAST_BIT
        )


def test_networks_and_compact_lines_are_what_they_are_made_of(train, validation, later):
    network = Mlp((16, 8), epochs=3).fit(train, validation, seed=1, threads=1).predictor
    line = LogisticRegression().fit(train, validation, seed=1, threads=1).predictor
    few = [Quantization(), Quantization(16), MagnitudePruning(0.6)]
    models = [network, *(one.compress(of, train, seed=0, threads=1) for one in few for of in (network, line))]
    models.append(LowRank(3).compress(network, train, seed=0, threads=1))
    for predictor in models:
        found = to_onnx(predictor, double=True)
        np.testing.assert_allclose(
            found.predict(later.features), predictor.predict(later.features), rtol=0, atol=10 * LAST_BIT
        )
        again = from_files(to_files(found))
        np.testing.assert_array_equal(again.predict(later.features), found.predict(later.features))
        with pytest.raises(FitError, match="not written in single precision"):
            to_onnx(predictor, double=False)


def test_equal_models_give_equal_bytes_and_no_name_of_who_wrote_them(train, validation):
    from onnx import ModelProto

    one, other = (
        to_onnx(LightGBM(rounds=9).fit(train, validation, seed=1, threads=1).predictor, double=True).model
        for _ in range(2)
    )
    assert one == other
    model = ModelProto.FromString(one)
    assert (model.producer_name, model.producer_version, model.doc_string) == ("mlsys", "", "")
    assert [node.name for node in model.graph.node] == [""] * 3


def test_onnx_itself_finds_no_fault_and_its_reference_gives_the_same(train, validation, later):
    import onnx
    from onnx.reference import ReferenceEvaluator

    predictor = LogisticRegression().fit(train, validation, seed=1, threads=1).predictor
    model = onnx.load_model_from_string(to_onnx(predictor, double=True).model)
    onnx.checker.check_model(model, full_check=True)
    rows = predictor.preprocessing.transform(later.features)
    probability, _ = ReferenceEvaluator(model).run(None, {"x": rows})
    np.testing.assert_allclose(probability[:, 0], predictor.predict(later.features), atol=1e-14)


def test_another_converter_gives_the_same_up_to_its_precision(train, validation, later):
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    predictor = LightGBM(rounds=9).fit(train, validation, seed=1, threads=1).predictor
    kind = [("x", FloatTensorType([None, len(predictor.preprocessing.names)]))]
    booster = lightgbm.Booster(model_str=predictor.text.decode())
    other = convert_lightgbm(booster, initial_types=kind, zipmap=False, target_opset=15).SerializeToString()
    from mlsys_assets.models.onnx_first_parse import session

    rows = predictor.preprocessing.transform(later.features)
    theirs = session(other).run(None, {"x": rows})[1][:, 1]
    ours = to_onnx(predictor, double=True)
    np.testing.assert_allclose(ours.predict(later.features), theirs, atol=1e-6)
    assert len(ours.model) < len(other)


def test_what_cannot_be_written_says_so(mixed):
    matrix, label = mixed
    with pytest.raises(FitError, match="'zero_rule' is not written as ONNX in single"):
        to_onnx(ZeroRulePredictor(0.2), double=False)
    with pytest.raises(FitError, match="zero_as_missing"):
        to_onnx(of_booster(matrix, label, zero_as_missing=True), double=True)
    with pytest.raises(FitError, match="objective 'regression'"):
        to_onnx(of_booster(matrix, label, objective="regression"), double=True)
    with pytest.raises(FitError, match="sigmoid:2"):
        to_onnx(of_booster(matrix, label, sigmoid=2.0), double=True)


def test_a_kind_is_added_by_one_function():
    class Own(ZeroRulePredictor):
        pass

    made = object()
    to_onnx.register(Own)(lambda predictor, *, double: made)
    assert to_onnx(Own(0.5), double=True) is made
