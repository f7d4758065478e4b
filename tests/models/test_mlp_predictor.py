"""A perceptron as files: the same bits for a row wherever it stands, and nothing is read that is none."""

import io
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from mlsys_assets.features.preprocessing.number import Number
from mlsys_assets.features.preprocessing.transform import Preprocessing
from mlsys_assets.models.bundle import from_files, to_files
from mlsys_assets.models.layers import Layer, write_layers
from mlsys_assets.models.matrices import Dense, Int8, Masked
from mlsys_assets.models.mlp_predictor import BLOCK, MlpPredictor
from mlsys_assets.models.predictor import BundleError


def preprocessing(width):
    return Preprocessing(tuple(Number(f"x{j}") for j in range(width)))


def made(widths, *, seed=0, form=Dense):
    """A network of random weights, in the float32 that they are learned in."""
    rng = np.random.default_rng(seed)
    layers = [
        Layer((form(rng.normal(size=(a, b)).astype(np.float32)),), rng.normal(size=b))
        for a, b in zip(widths, [*widths[1:], 1], strict=True)
    ]
    return MlpPredictor(preprocessing(widths[0]), tuple(layers))


def table(x):
    return pa.table({f"x{j}": np.ascontiguousarray(x[:, j]) for j in range(x.shape[1])})


@given(st.integers(0, 10**6), st.lists(st.integers(1, 70), min_size=1, max_size=4), st.integers(1, 40), st.data())
def test_a_rows_bits_do_not_depend_on_its_neighbours(seed, widths, n, data):
    predictor = made(widths, seed=seed, form=data.draw(st.sampled_from([Dense, Int8.of, Masked.of])))
    x = np.random.default_rng(seed).normal(size=(n, widths[0])).astype(np.float32)
    whole = predictor.predict(table(x))
    some = np.sort(data.draw(st.sets(st.integers(0, n - 1), min_size=1).map(list)))
    assert np.array_equal(predictor.predict(table(x[some])), whole[some])
    for i in some:
        assert predictor.predict({f"x{j}": float(x[i, j]) for j in range(widths[0])})[0] == whole[i]


@pytest.mark.parametrize("n", [BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 7])
def test_nor_on_how_many_blocks_there_are(n):
    predictor = made([33, 17])
    x = np.random.default_rng(1).normal(size=(n, 33)).astype(np.float32)
    whole = predictor.predict(table(x))
    rows = table(x)
    for i in {*range(0, n, 97), *range(n - 9, n)}:
        assert predictor.predict(rows[i : i + 1])[0] == whole[i]
    assert np.array_equal(predictor.predict(rows[5:]), whole[5:])


@given(st.integers(0, 10**6), st.lists(st.integers(1, 30), min_size=1, max_size=4))
def test_probabilities_are_those_of_the_formula(seed, widths):
    predictor = made(widths, seed=seed)
    x = np.random.default_rng(seed).normal(size=(5, widths[0])).astype(np.float32)
    h = x.astype(np.longdouble)
    for i, layer in enumerate(predictor.layers):
        h = (np.maximum(h, 0) if i else h) @ layer.weights.astype(np.longdouble) + layer.bias
    expected = 1 / (1 + np.exp(-h[:, 0]))
    np.testing.assert_allclose(predictor.predict(table(x)), expected.astype(float), rtol=1e-9, atol=1e-300)


@pytest.mark.parametrize("sign", [1, -1])
def test_the_largest_numbers_that_a_row_can_have_give_a_probability(sign):
    largest = np.full((1, 1), np.finfo(np.float32).max)
    layers = (Layer((Dense(largest),), np.zeros(1)), Layer((Dense(sign * largest),), np.zeros(1)))
    assert MlpPredictor(preprocessing(1), layers).predict({"x0": 1e12})[0] == (sign > 0)


@pytest.fixture(scope="module")
def files():
    return to_files(made([5, 4, 3]))


def refused(files, reason, **changed):
    named = {name.replace("_", "."): content for name, content in changed.items()}
    with pytest.raises(BundleError, match=reason):
        from_files({**files, **named})


def told(files, change):
    """layers.json with one thing changed."""
    content = json.loads(files["layers.json"])
    change(content["layers"])
    return json.dumps(content).encode()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda layers: layers.clear(), "from 1 to 16 layers"),
        (lambda layers: layers.extend(layers * 20), "from 1 to 16 layers"),
        (lambda layers: layers[0]["factors"].clear(), "1 to 2 factors"),
        (lambda layers: layers[0]["factors"].extend(layers[0]["factors"] * 2), "1 to 2 factors"),
        (lambda layers: layers[0]["factors"][0].update(shape=[10**6, 10**6]), "weights are taken"),
        (
            lambda layers: [f.update(shape=[4000, 5000], kept=20_000_000) for n in layers for f in n["factors"]],
            "at most",
        ),
        (lambda layers: layers[0]["factors"][0].update(shape=[-5, -4]), "from 1 to"),
        (lambda layers: layers[0]["factors"][0].update(shape=[4, 5]), "is not what was written"),
        (lambda layers: layers[0]["factors"][0].update(dtype="object"), "Invalid enum value 'object'"),
        (lambda layers: layers[0]["factors"][0].update(dtype="float64"), "expected"),
        (lambda layers: layers[0]["factors"][0].update(form="pickle"), "Invalid enum value 'pickle'"),
        (lambda layers: layers[0]["factors"][0].update(form="int8"), "expected"),
        (lambda layers: layers[0]["factors"][0].update(kept=3), "keeps 3"),
        (lambda layers: layers[0]["factors"][0].update(run="rm"), "unknown field `run`"),
        (lambda layers: layers.pop(), "expected"),
    ],
)
def test_layers_that_were_not_written_so_are_refused(files, change, reason):
    refused(files, reason, layers_json=told(files, change))


def test_layers_of_another_models_preprocessing_are_refused(files):
    other = to_files(made([6, 4, 3]))
    refused(files, "do not lead from 5 inputs", layers_json=other["layers.json"], weights_npz=other["weights.npz"])
    with pytest.raises(ValueError, match="do not lead from 6 inputs"):
        MlpPredictor(preprocessing(6), made([5, 4]).layers)
    with pytest.raises(ValueError, match="do not lead from 5 inputs to 1 output"):
        MlpPredictor(preprocessing(5), made([5, 4]).layers[:1])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_are_refused(files, value):
    for place in ("weights", "bias"):
        predictor = made([5, 4, 3])
        layer = predictor.layers[1]
        (layer.bias if place == "bias" else layer.factors[0].weights)[0] = value
        with pytest.raises(BundleError, match=r"weights.npz is not what was written: .*(finite|no numbers)"):
            from_files({**files, **predictor.contents()})


def test_a_scale_that_is_no_number_is_refused_even_where_every_code_is_zero(files):
    for scale in (np.inf, np.nan):
        codes = Int8(np.zeros((5, 1), np.int8), np.array([scale]))
        with pytest.raises(BundleError, match="int8 weights are not all finite"):
            from_files({**files, **write_layers((Layer((codes,), np.zeros(1)),))})


def test_weights_whose_sums_may_be_infinite_are_refused(files):
    predictor = made([5, 4, 3])
    for layer in predictor.layers:
        layer.bias[:] = 1e308
    with pytest.raises(BundleError, match="may not be finite"):
        from_files({**files, **predictor.contents()})


def test_a_mask_that_keeps_another_number_of_weights_is_refused():
    files = to_files(made([5, 3], form=Masked.of))
    with np.load(io.BytesIO(files["weights.npz"])) as archive:
        mask, values = archive["0.0.mask"], archive["0.0.values"]
    assert (len(mask), len(values)) == (2, 15)
    for broken in (mask & 0x7F, mask | 0x01, mask & 0x7F | np.array([0x80, 1], np.uint8)):
        data = files["weights.npz"]
        at = data.index(mask.tobytes(), data.index(b"0.0.mask.npy"))
        crc = data[:at] + broken.tobytes() + data[at + 2 :]
        refused(files, "weights.npz is not what was written", weights_npz=_with_crc(crc))


def _with_crc(data):
    """The archive with the sums of its files as they should be."""
    import zipfile

    out, broken = io.BytesIO(), io.BytesIO(data)
    with zipfile.ZipFile(broken) as archive, zipfile.ZipFile(out, "w") as new:
        for entry in archive.infolist():
            start = entry.header_offset + 30 + len(entry.filename)
            new.writestr(entry.filename, data[start : start + entry.file_size])
    return out.getvalue()


@pytest.mark.parametrize("form", [Dense, Int8.of, Masked.of])
def test_each_form_is_read_as_it_was(form):
    predictor = made([7, 5, 3], form=form)
    files = to_files(predictor)
    loaded = from_files(files)
    assert to_files(loaded) == files
    for one, two in zip(predictor.layers, loaded.layers, strict=True):
        assert [type(f) for f in one.factors] == [type(f) for f in two.factors]
        assert np.array_equal(one.weights, two.weights)
        assert np.array_equal(one.bias, two.bias)


def test_layers_that_do_not_fit_together_are_refused():
    wide, narrow = Dense(np.ones((3, 2), np.float32)), Dense(np.ones((4, 1), np.float32))
    with pytest.raises(ValueError, match="must follow on each other"):
        Layer((wide, narrow), np.zeros(1))
    with pytest.raises(ValueError, match="needs as many biases"):
        Layer((wide,), np.zeros(3))
    with pytest.raises(ValueError, match="float64, float32 or float16"):
        _ = Dense(np.ones((2, 2), np.int32)).form
