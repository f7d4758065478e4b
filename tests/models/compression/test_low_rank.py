"""Low rank: the best approximation there is, by numpy's singular values, and only where it is smaller."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from mlsys_assets.features.preprocessing.number import Number
from mlsys_assets.features.preprocessing.transform import Preprocessing
from mlsys_assets.models.bundle import from_files, to_files
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.compression.low_rank import LowRank
from mlsys_assets.models.compression.quantization import Quantization
from mlsys_assets.models.layers import Layer
from mlsys_assets.models.matrices import Dense
from mlsys_assets.models.mlp_predictor import MlpPredictor


def network_of(weights):
    """A network whose first layer has these weights."""
    inputs, outputs = weights.shape
    last = Layer((Dense(np.ones((outputs, 1))),), np.zeros(1))
    preprocessing = Preprocessing(tuple(Number(f"x{j}") for j in range(inputs)))
    return MlpPredictor(preprocessing, (Layer((Dense(weights),), np.zeros(outputs)), last))


def narrowed(method, predictor, train):
    return method.compress(predictor, train, seed=0, threads=1)


@given(st.integers(0, 10**6), st.integers(8, 30), st.integers(8, 30), st.integers(1, 3))
def test_the_error_is_the_tail_of_the_singular_values(train, seed, inputs, outputs, rank):
    weights = np.random.default_rng(seed).normal(size=(inputs, outputs))
    layer = narrowed(LowRank(rank=rank), network_of(weights), train).layers[0]
    assert [factor.form.shape for factor in layer.factors] == [(inputs, rank), (rank, outputs)]
    tail = np.linalg.svd(weights, compute_uv=False)[rank:]
    assert np.linalg.norm(weights - layer.weights) == pytest.approx(np.sqrt((tail**2).sum()), rel=1e-9)
    assert np.linalg.norm(weights - layer.weights, ord=2) == pytest.approx(tail[0], rel=1e-9)


@pytest.mark.parametrize("energy", [0.3, 0.5, 0.8])
def test_the_rank_is_the_least_that_keeps_the_energy(train, energy):
    weights = np.random.default_rng(0).normal(size=(40, 30)) * np.geomspace(1, 0.01, 30)
    rank = narrowed(LowRank(energy=energy), network_of(weights), train).layers[0].factors[0].form.shape[1]
    squares = np.linalg.svd(weights, compute_uv=False) ** 2
    kept = [squares[:r].sum() / squares.sum() for r in range(31)]
    assert kept[rank] >= energy > kept[rank - 1]


def test_a_matrix_of_that_rank_is_kept_as_it_is(train):
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(30, 3)) @ rng.normal(size=(3, 20))
    for method in (LowRank(rank=3), LowRank(energy=1 - 1e-12)):
        np.testing.assert_allclose(narrowed(method, network_of(weights), train).layers[0].weights, weights, atol=1e-12)


def test_a_network_is_smaller_and_its_last_layer_is_left_alone(network, train, later):
    small = narrowed(LowRank(rank=3), network, train)
    assert [len(layer.factors) for layer in small.layers] == [2, 2, 1]
    assert small.layers[2] is network.layers[2]
    files = to_files(small)
    assert len(files["weights.npz"]) < len(to_files(network)["weights.npz"])
    assert to_files(from_files(files)) == files == to_files(narrowed(LowRank(rank=3), network, train))
    assert np.array_equal(from_files(files).predict(later.features), small.predict(later.features))
    assert {factor.form.dtype for factor in small.layers[0].factors} == {"float32"}
    x = small.preprocessing.transform(later.features).astype(float)
    for i, layer in enumerate(small.layers):
        x = (np.maximum(x, 0) if i else x) @ layer.weights + layer.bias
    np.testing.assert_allclose(small.predict(later.features), 1 / (1 + np.exp(-x[:, 0])), atol=1e-12)


def test_a_layer_stays_whole_where_two_factors_would_hold_more(network, train):
    assert {5 * sum(layer.shape) < layer.shape[0] * layer.shape[1] for layer in network.layers} == {True, False}
    with pytest.raises(FitError, match=r"rank_15 makes no layer of .* smaller; take a lower rank"):
        narrowed(LowRank(rank=15), network, train)
    few = narrowed(LowRank(rank=5), network, train)
    for new, old in zip(few.layers, network.layers, strict=True):
        pays = 5 * sum(old.shape) < old.shape[0] * old.shape[1]
        assert (len(new.factors) == 2) == pays
        assert (new is old) != pays


def test_narrower_again_is_of_the_product_and_of_codes_in_single_precision(network, train):
    once = narrowed(LowRank(rank=3), network, train)
    twice = narrowed(LowRank(rank=2), once, train)
    assert twice.layers[0].factors[0].form.shape[1] == 2
    np.testing.assert_allclose(
        twice.layers[0].weights, narrowed(LowRank(rank=2), network, train).layers[0].weights, atol=1e-5
    )
    codes = Quantization(8).compress(network, train, seed=0, threads=1)
    assert narrowed(LowRank(rank=2), codes, train).layers[0].factors[0].form.dtype == "float32"


def test_it_does_not_apply_to_a_linear_model_and_says_so(linear, train):
    for model in (linear, Quantization(8).compress(linear, train, seed=0, threads=1)):
        with pytest.raises(FitError, match="rank_2 does not apply to a linear model: its weights are one vector"):
            narrowed(LowRank(rank=2), model, train)


def test_names_and_mistakes():
    names = [LowRank(rank=8).name, LowRank(energy=0.9).name, LowRank(energy=0.975).name]
    assert names == ["rank_8", "energy_90", "energy_97_5"]
    assert LowRank(rank=8).mistakes() == LowRank(energy=1).mistakes() == []
    for wrong in (LowRank(), LowRank(rank=8, energy=0.9), LowRank(rank=0), LowRank(energy=0), LowRank(energy=1.1)):
        assert len(wrong.mistakes()) == 1
