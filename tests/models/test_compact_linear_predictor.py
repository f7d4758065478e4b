"""A linear model stored in less: it scores and explains as a linear model of the weights that it holds."""

import numpy as np
import pytest

from mlsys_assets.models.bundle import from_files, to_files
from mlsys_assets.models.calibrated_predictor import SigmoidMap, calibrated
from mlsys_assets.models.compact_linear_predictor import CompactLinearPredictor
from mlsys_assets.models.compression.magnitude_pruning import MagnitudePruning
from mlsys_assets.models.compression.quantization import Quantization
from mlsys_assets.models.explanation import Explainable
from mlsys_assets.models.layers import Layer, write_layers
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.linear_predictor import LinearPredictor
from mlsys_assets.models.matrices import Dense
from mlsys_assets.models.predictor import BundleError

METHODS = [Quantization(8), Quantization(16), MagnitudePruning(0.5)]


@pytest.fixture(scope="module")
def linear(train, validation):
    return LogisticRegression().fit(train, validation, seed=0, threads=1).predictor


@pytest.mark.parametrize("method", METHODS)
def test_it_scores_and_explains_as_the_linear_model_of_its_weights(method, linear, train, later):
    compact = method.compress(linear, train, seed=0, threads=1)
    weights = np.ascontiguousarray(compact.layer.weights[:, 0])
    same = LinearPredictor(linear.preprocessing, linear.intercept, weights)
    assert np.array_equal(compact.predict(later.features), same.predict(later.features))
    assert isinstance(compact, Explainable)
    ours, theirs = (one.contributions(later.features) for one in (compact, same))
    assert np.array_equal(ours.values, theirs.values)
    np.testing.assert_allclose(ours.scores, compact.predict(later.features), atol=1e-12)
    assert compact.columns == linear.columns


@pytest.mark.parametrize("method", METHODS)
def test_it_comes_back_from_its_files_and_a_row_is_scored_as_in_its_table(method, linear, train, later):
    compact = method.compress(linear, train, seed=0, threads=1)
    files = to_files(compact)
    loaded = from_files(files)
    assert isinstance(loaded, CompactLinearPredictor)
    assert to_files(loaded) == files
    few = later.features[:40]
    singles = [loaded.predict(row)[0] for row in few.to_pylist()]
    assert np.array_equal(singles, compact.predict(later.features)[:40])


def test_calibrated_by_a_line_in_log_odds_it_still_explains_itself(linear, train, later):
    compact = Quantization(8).compress(linear, train, seed=0, threads=1)
    found = calibrated(compact, SigmoidMap(slope=0.8, intercept=0.1))
    assert isinstance(found, Explainable)
    np.testing.assert_allclose(found.contributions(later.features).scores, found.predict(later.features), atol=1e-9)


def test_files_of_more_than_one_layer_are_no_linear_model(linear, train):
    width = len(linear.weights)
    layers = (Layer((Dense(np.ones((width, 2))),), np.zeros(2)), Layer((Dense(np.ones((2, 1))),), np.zeros(1)))
    files = to_files(Quantization().compress(linear, train, seed=0, threads=1))
    with pytest.raises(BundleError, match="a linear model has one layer, got 2"):
        from_files({**files, **write_layers(layers)})
    with pytest.raises(ValueError, match="do not lead from"):
        CompactLinearPredictor(linear.preprocessing, layers[1])
