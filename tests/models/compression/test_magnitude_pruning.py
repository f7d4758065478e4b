"""Magnitude pruning: exactly the declared share goes, the smallest first, and the rest is as it was."""

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import arrays

from mlsys_assets.features.preprocessing.number import Number
from mlsys_assets.features.preprocessing.transform import Preprocessing
from mlsys_assets.models.bundle import from_files, to_files
from mlsys_assets.models.compression.magnitude_pruning import MagnitudePruning
from mlsys_assets.models.compression.quantization import Quantization
from mlsys_assets.models.linear_predictor import LinearPredictor
from mlsys_assets.models.matrices import Masked


def pruned(predictor, share, train):
    return MagnitudePruning(share).compress(predictor, train, seed=0, threads=1)


def all_weights(predictor):
    return np.concatenate([layer.weights.ravel() for layer in predictor.layers])


@pytest.mark.parametrize("share", [0.1, 0.29, 0.5, 0.9])
def test_exactly_the_share_goes_and_the_smallest_first_over_all_layers(network, train, share):
    before, after = all_weights(network), all_weights(pruned(network, share, train))
    gone = after == 0
    assert (before != 0).all()
    assert gone.sum() == round(share * len(before))
    assert np.abs(before[gone]).max() <= np.abs(before[~gone]).min()
    assert np.array_equal(before[~gone], after[~gone])


@given(arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(1, 9)), elements=st.sampled_from([0, 1, -2, 0.5])))
def test_a_masked_matrix_is_the_matrix(weights):
    found = Masked.of(weights)
    assert np.array_equal(found.dense, weights)
    assert len(found.values) == np.count_nonzero(weights) == found.form.kept
    assert len(found.mask) == -(-weights.size // 8)


@pytest.mark.parametrize("share", [0.3, 0.8])
def test_a_linear_model_is_pruned_by_its_coefficients(linear, train, later, share):
    small = pruned(linear, share, train)
    order = np.argsort(np.abs(linear.weights), kind="stable")
    expected = linear.weights.copy()
    expected[order[: round(share * len(order))]] = 0.0
    same = LinearPredictor(linear.preprocessing, linear.intercept, expected)
    assert np.array_equal(small.predict(later.features), same.predict(later.features))


def test_of_equal_weights_the_first_go(train):
    preprocessing = Preprocessing(tuple(Number(f"x{j}") for j in range(300)))
    level = LinearPredictor(preprocessing, 0.0, np.tile([2.0, 1.0], 150))
    expected = np.tile([2.0, 1.0], 150)
    expected[1:180:2] = 0.0
    assert pruned(level, 0.3, train).layer.weights[:, 0].tolist() == expected.tolist()


def test_what_is_stored_shrinks_with_the_share_and_comes_back(network, train, later):
    sizes = []
    for share in (0.3, 0.6, 0.9):
        small = pruned(network, share, train)
        files = to_files(small)
        sizes.append(len(files["weights.npz"]))
        assert to_files(from_files(files)) == files
        assert np.array_equal(from_files(files).predict(later.features), small.predict(later.features))
        stored = sum(a.nbytes for layer in small.layers for a in layer.factors[0].arrays.values())
        weights = len(all_weights(network))
        assert stored == 4 * (weights - round(share * weights)) + sum(-(-w.weights.size // 8) for w in small.layers)
    assert sizes[0] > sizes[1] > sizes[2]


def test_pruning_again_takes_what_was_zero_into_account(network, train):
    twice = pruned(pruned(network, 0.3, train), 0.6, train)
    assert to_files(twice) == to_files(pruned(network, 0.6, train))
    rounded = Quantization(8).compress(network, train, seed=0, threads=1)
    assert np.count_nonzero(all_weights(pruned(rounded, 0.5, train)) == 0) >= round(0.5 * len(all_weights(network)))


def test_names_and_mistakes():
    assert [MagnitudePruning(share).name for share in (0.5, 0.875)] == ["pruned_50", "pruned_87_5"]
    assert MagnitudePruning().mistakes() == []
    for share in (0, 1, 1.5, -0.1, "half"):
        assert len(MagnitudePruning(share).mistakes()) == 1
