import threading
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from mlsys_assets.models.compression.onnx_graphs import to_onnx
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.layers import Layer
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.matrices import Dense
from mlsys_assets.models.mlp import Mlp
from mlsys_assets.models.mlp_predictor import MlpPredictor
from mlsys_assets.models.onnx_first_parse import session
from mlsys_assets.models.onnx_predictor import BLOCK, OnnxPredictor
from mlsys_assets.models.predictor import BundleError


@pytest.fixture(scope="module", params=["trees", "trees_single", "line", "network"])
def predictor(request, train, validation):
    candidate = {"line": LogisticRegression(), "network": Mlp(epochs=3)}.get(request.param, LightGBM(rounds=40))
    own = candidate.fit(train, validation, seed=1, threads=1).predictor
    return to_onnx(own, double=request.param != "trees_single")


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 17, 64, 399])
def test_a_row_has_the_same_bits_in_a_table_of_any_size(predictor, later, size):
    whole = predictor.predict(later.features)
    parts = [predictor.predict(later.features.slice(start, size)) for start in range(0, len(later), size)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_tables_of_several_blocks_are_scored_as_their_parts(predictor, train):
    whole = predictor.predict(train.features)
    assert len(whole) > BLOCK
    np.testing.assert_array_equal(predictor.predict(train.features.slice(BLOCK - 7)), whole[BLOCK - 7 :])
    assert predictor.predict(train.features.slice(0, 0)).shape == (0,)


@pytest.mark.parametrize("hidden", [(1,), (7,), (129, 65, 33), (300,)])
@pytest.mark.parametrize("width", [1, 3, 87, 400])
def test_the_runtimes_products_add_in_one_order_however_many_rows(hidden, width):
    rng, widths = np.random.default_rng(0), (width, *hidden, 1)
    layers = tuple(Layer((Dense(rng.normal(size=s) / s[0] ** 0.5),), rng.normal(size=s[1])) for s in pairwise(widths))
    named = SimpleNamespace(names=tuple(map(str, range(width))))
    running = session(to_onnx(MlpPredictor(named, layers), double=True).model)
    rows = rng.normal(size=(BLOCK, width)).astype(np.float32)
    (whole,) = running.run(["margin"], {"x": rows})
    for n in (1, 2, 3, 5, 6, 7, 16, 255):
        for start in (0, 1, 17):
            (part,) = running.run(["margin"], {"x": rows[start : start + n]})
            np.testing.assert_array_equal(part, whole[start : start + n])


def test_a_row_alone_is_its_row_in_the_table(predictor, later):
    alone = [predictor.predict(row)[0] for row in later.features.to_pylist()]
    np.testing.assert_array_equal(alone, predictor.predict(later.features))


def test_threads_share_one_session(predictor, later):
    expected, same = predictor.predict(later.features), []

    def score():
        same.extend(np.array_equal(predictor.predict(later.features, threads=2), expected) for _ in range(10))

    running = [threading.Thread(target=score) for _ in range(4)]
    for one in running:
        one.start()
    for one in running:
        one.join()
    assert same == [True] * 40


def test_a_graph_that_gives_the_probability_alone_is_read_too(predictor, later):
    from onnx import ModelProto

    found = ModelProto.FromString(predictor.model)
    del found.graph.output[1]
    alone = OnnxPredictor.from_contents(
        {**predictor.contents(), "model.onnx": found.SerializeToString(deterministic=True)}
    )
    np.testing.assert_allclose(alone.predict(later.features), predictor.predict(later.features), rtol=0, atol=1e-6)


def test_a_bundle_without_its_graph_or_with_another_models_is_refused(predictor, train, validation):
    files = predictor.contents()
    with pytest.raises(BundleError, match=r"lacks model\.onnx"):
        OnnxPredictor.from_contents({"preprocessing.json": files["preprocessing.json"]})
    narrow = train.features.drop_columns(["noise"])
    other = LightGBM(rounds=3).fit(
        replace(train, features=narrow), replace(validation, features=validation.features.drop_columns(["noise"])),
        seed=1, threads=1,
    )  # fmt: skip
    with pytest.raises(BundleError, match="takes rows of the shape"):
        OnnxPredictor.from_contents({**files, "model.onnx": to_onnx(other.predictor, double=True).model})
