"""Quantization: no weight moves further than its scale allows, and what cannot be rounded is refused."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from mlsys_assets.data_sampling.views import OpenedTest
from mlsys_assets.models.baselines import ZeroRule
from mlsys_assets.models.bundle import from_files, to_files
from mlsys_assets.models.calibration import Calibrated
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.compression.low_rank import LowRank
from mlsys_assets.models.compression.magnitude_pruning import MagnitudePruning
from mlsys_assets.models.compression.method import CompressionMethod
from mlsys_assets.models.compression.quantization import Quantization
from mlsys_assets.models.layers import Layer
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.matrices import Dense, Int8, Masked
from mlsys_assets.models.mlp_predictor import MlpPredictor

WEIGHTS = arrays(
    np.float64, st.tuples(st.integers(1, 20), st.integers(1, 6)), elements=st.floats(-1e6, 1e6, allow_subnormal=False)
)


def compressed(method, predictor, train):
    return method.compress(predictor, train, seed=0, threads=1)


@given(WEIGHTS)
def test_no_weight_moves_by_more_than_half_of_its_outputs_scale(weights):
    found = Int8.of(weights)
    assert found.codes.dtype == np.int8
    assert np.abs(found.codes.astype(int)).max() <= 127
    assert (np.abs(found.dense - weights) <= found.scales / 2 * (1 + 1e-9)).all()
    assert np.allclose(found.scales * 127, np.abs(weights).max(axis=0))
    assert (found.dense[weights == 0] == 0).all()


def test_the_largest_weight_of_each_output_has_the_largest_code():
    found = Int8.of(np.array([[1.0, -100.0], [-2.0, 0.3], [0.0, 49.0]]))
    assert found.codes.tolist() == [[64, -127], [-127, 0], [0, 62]]
    assert found.scales.tolist() == [2 / 127, 100 / 127]


def test_a_score_moves_by_no_more_than_the_rounding_can_move_it(linear, train, later):
    quantized = compressed(Quantization(8), linear, train)
    moved = np.abs(_log_odds(quantized, later) - _log_odds(linear, later))
    allowed = np.abs(linear.preprocessing.transform(later.features)).sum(axis=1) * np.abs(linear.weights).max() / 254
    assert (moved <= allowed + 1e-9).all()
    assert moved.max() > 0


def _log_odds(predictor, view):
    p = predictor.predict(view.features)
    return np.log(p / (1 - p))


def test_half_precision_is_numpys(network, train):
    halved = compressed(Quantization(16), network, train)
    for new, old in zip(halved.layers, network.layers, strict=True):
        assert new.factors[0].weights.dtype == np.float16
        assert np.array_equal(new.weights, old.weights.astype(np.float16))
        assert np.array_equal(new.bias, old.bias)
        assert new.factors[0].weights.nbytes == old.factors[0].weights.nbytes / 2


@pytest.mark.parametrize(("bits", "error"), [(8, 0.05), (16, 2e-3)])
def test_the_network_is_smaller_and_scores_nearly_alike(network, train, later, bits, error):
    method = Quantization(bits)
    small = compressed(method, network, train)
    assert len(to_files(small)["weights.npz"]) < len(to_files(network)["weights.npz"])
    assert np.abs(small.predict(later.features) - network.predict(later.features)).max() < error
    again = compressed(method, network, train)
    assert to_files(again) == to_files(small) == to_files(from_files(to_files(small)))


def test_8_bits_a_weight_are_8_bits_a_weight(network, train):
    small = compressed(Quantization(8), network, train)
    stored = sum(array.nbytes for layer in small.layers for array in layer.factors[0].arrays.values())
    weights = sum(layer.weights.size for layer in network.layers)
    assert stored == weights + 8 * sum(layer.shape[1] for layer in network.layers)


def test_what_was_made_smaller_before_can_be_rounded_too(network, train):
    narrow = compressed(LowRank(rank=2), network, train)
    rounded = compressed(Quantization(8), narrow, train)
    assert [len(layer.factors) for layer in rounded.layers] == [len(layer.factors) for layer in narrow.layers]
    assert all(isinstance(f, Int8) for layer in rounded.layers for f in layer.factors)
    pruned = compressed(MagnitudePruning(0.5), network, train)
    halved = compressed(Quantization(16), pruned, train)
    assert all(isinstance(layer.factors[0], Masked) for layer in halved.layers)
    for new, old in zip(halved.layers, pruned.layers, strict=True):
        assert np.array_equal(new.weights, old.weights.astype(np.float16))


def test_a_weight_beyond_half_precision_is_refused(network, train):
    layers = [Layer((Dense(layer.weights * 1e6),), layer.bias) for layer in network.layers]
    with pytest.raises(FitError, match=r"float16 holds at most 65504, a weight is .*; take 8 bits"):
        compressed(Quantization(16), MlpPredictor(network.preprocessing, tuple(layers)), train)


def test_other_models_are_refused_with_the_kinds_that_it_is_for(train, validation):
    zero = ZeroRule().fit(train, validation, seed=0, threads=1).predictor
    calibrated = Calibrated(LogisticRegression()).fit(train, validation, seed=0, threads=1).predictor
    for method in (Quantization(), MagnitudePruning(), LowRank(rank=1)):
        with pytest.raises(FitError, match="for models of kind mlp, linear and compact_linear, got 'zero_rule'"):
            compressed(method, zero, train)
        with pytest.raises(FitError, match="before it is calibrated"):
            compressed(method, calibrated, train)


@pytest.mark.parametrize("method", [Quantization(8), MagnitudePruning(0.5), LowRank(rank=1)])
def test_it_is_a_method_that_is_given_training_rows_only(method, network, later):
    assert isinstance(method, CompressionMethod)
    assert method.mistakes() == []
    assert isinstance(later, OpenedTest)
    with pytest.raises(TypeError, match="a Train view only"):
        compressed(method, network, later)


def test_names_and_mistakes():
    assert [Quantization(bits).name for bits in (8, 16)] == ["int8", "float16"]
    assert Quantization(4).mistakes() == ["quantization: bits is 4; allowed: 8, 16."]
