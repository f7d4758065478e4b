"""A perceptron on the flights, and what it and the logistic regression lose when they are made smaller."""

import time

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from mlsys_assets.data_sampling.splits import Split
from mlsys_assets.models.bundle import to_files
from mlsys_assets.models.candidate import Fitted
from mlsys_assets.models.compression.low_rank import LowRank
from mlsys_assets.models.compression.magnitude_pruning import MagnitudePruning
from mlsys_assets.models.compression.method import CompressionMethod
from mlsys_assets.models.compression.quantization import Quantization
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.mlp import Mlp
from mlsys_assets.models.predictor import Predictor

EVERY = 16
"""Of so many training rows the suite's small version takes one."""

MOST_SECONDS = 60
"""Seconds of a processor that 200,000 rows may take: 12 where it is quiet."""


@pytest.fixture(scope="module")
def small(flights_split: Split) -> Fitted:
    train = flights_split.train.take(np.arange(0, len(flights_split.train), EVERY))
    return Mlp(batch=256).fit(train, flights_split.validation, seed=1, threads=1)


def loss(predictor: Predictor, split: Split) -> float:
    return log_loss(split.validation.label, predictor.predict(split.validation.features))


def test_it_foretells_delays_better_than_the_logistic_regression_of_the_same_rows(
    flights_split: Split, small: Fitted
) -> None:
    train = flights_split.train.take(np.arange(0, len(flights_split.train), EVERY))
    line = LogisticRegression().fit(train, flights_split.validation, seed=1, threads=1)
    assert loss(small.predictor, flights_split) < loss(line.predictor, flights_split)


@pytest.mark.parametrize(
    ("method", "bytes_share", "worse"),
    [
        (Quantization(16), 0.55, 2e-4),
        (Quantization(8), 0.35, 2e-3),
        (MagnitudePruning(0.5), 0.6, 3e-3),
        (LowRank(rank=16), 0.45, 1e-2),
    ],
)
def test_made_smaller_it_is_nearly_as_good(
    flights_split: Split, small: Fitted, method: CompressionMethod, bytes_share: float, worse: float
) -> None:
    compressed = method.compress(small.predictor, flights_split.train, seed=0, threads=1)
    sizes = [len(to_files(one)["weights.npz"]) for one in (compressed, small.predictor)]
    assert sizes[0] < bytes_share * sizes[1]
    assert loss(compressed, flights_split) < loss(small.predictor, flights_split) + worse


def test_the_coefficients_of_the_logistic_regression_bear_8_bits(
    flights_split: Split, flights_fitted: dict[str, Predictor]
) -> None:
    line = flights_fitted["logistic_regression"]
    for bits in (8, 16):
        compressed = Quantization(bits).compress(line, flights_split.train, seed=0, threads=1)
        assert loss(compressed, flights_split) == pytest.approx(loss(line, flights_split), abs=5e-4)
        own = len(to_files(compressed)["weights.npz"]) + len(to_files(compressed)["layers.json"])
        assert own < 0.2 * len(to_files(line)["coefficients.json"])


@pytest.mark.prove
def test_of_all_rows_it_beats_the_logistic_regression_within_seconds_of_a_processor(
    flights_split: Split, flights_fitted: dict[str, Predictor]
) -> None:
    before = time.process_time()
    fitted = Mlp().fit(flights_split.train, flights_split.validation, seed=1, threads=1)
    spent = time.process_time() - before
    line = flights_fitted["logistic_regression"]
    assert loss(fitted.predictor, flights_split) < loss(line, flights_split) - 0.005
    label, features = flights_split.validation.label, flights_split.validation.features
    assert roc_auc_score(label, fitted.predict(features)) > roc_auc_score(label, line.predict(features)) + 0.01
    assert spent < MOST_SECONDS
