"""Flights by any estimator: early, on time or late; minutes of delay; and a forest, held against scikit-learn."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import log_loss, mean_absolute_error, roc_auc_score

from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.data_sampling.splits import Split
from mlsys_assets.data_sampling.views import Train, View
from mlsys_assets.features.preprocessing.preprocessor import FOR_TREES
from mlsys_assets.measures.metrics import LogLoss, RocAuc, value
from mlsys_assets.measures.regression_metrics import MeanAbsoluteError
from mlsys_assets.models.bundle import from_files, to_files
from mlsys_assets.models.estimator import Estimator
from mlsys_assets.models.random_forest import RandomForest
from mlsys_assets.models.task import MultiClass, PlainRegression, with_target

CLASSES = MultiClass(("early", "on time", "late"))
MINUTES = PlainRegression("arr_delay", unit="min")


def classifier() -> Any:
    return HistGradientBoostingClassifier(max_iter=25)


def regressor() -> Any:
    return HistGradientBoostingRegressor(loss="absolute_error", max_iter=25)


@pytest.fixture(scope="module")
def few(flights_split: Split) -> Train:
    rows = np.sort(np.random.default_rng(0).choice(len(flights_split.train), size=8_000, replace=False))
    return flights_split.train.take(rows)


@pytest.fixture(scope="module")
def delay_of(flights_rows: LabelledRows, flights_delay: np.ndarray) -> Callable[[View], np.ndarray]:
    return lambda view: flights_delay[pc.index_in(view.ids, value_set=flights_rows.ids).to_numpy()]


def kind_of(delay: np.ndarray) -> np.ndarray:
    """0 where a flight came before its time, 2 where more than 15 minutes after it, 1 between."""
    return np.searchsorted([0.0, 15.0 + 1e-9], delay, side="right").astype(np.float64)


def test_early_on_time_or_late_as_scikit_learn_says(
    few: Train, flights_split: Split, delay_of: Callable[[View], np.ndarray]
) -> None:
    train, validation = (with_target(v, kind_of(delay_of(v))) for v in (few, flights_split.validation))
    candidate = Estimator(classifier, name="three", task=CLASSES, preprocessor=FOR_TREES)
    fitted = candidate.fit(train, validation, seed=1, threads=1)
    score = from_files(to_files(fitted.predictor)).predict(validation.features)
    prepared = FOR_TREES.fit(train)
    own = classifier().set_params(random_state=1).fit(prepared.matrix, train.label.astype(int))
    expected = own.predict_proba(prepared.preprocessing.transform(validation.features))
    assert np.array_equal(score, expected)
    loss = value(LogLoss(), validation.label, score)
    assert loss == pytest.approx(log_loss(validation.label, expected))
    assert loss == pytest.approx(fitted.loss_curve.validation[0])
    shares = np.bincount(train.label.astype(int)) / len(train)
    assert loss < log_loss(validation.label, np.tile(shares, (len(validation), 1))) - 0.05
    area = value(RocAuc(), validation.label, score)
    assert area == pytest.approx(roc_auc_score(validation.label, expected, multi_class="ovr"))
    assert area > 0.65
    late = validation.label == 2  # what is late by three classes is late by two
    assert np.array_equal(late, flights_split.validation.label == 1)


def test_minutes_of_delay_as_scikit_learn_says(
    few: Train, flights_split: Split, delay_of: Callable[[View], np.ndarray]
) -> None:
    train, validation = (with_target(v, delay_of(v)) for v in (few, flights_split.validation))
    candidate = Estimator(regressor, name="minutes", task=MINUTES, preprocessor=FOR_TREES)
    fitted = candidate.fit(train, validation, seed=1, threads=1)
    score = from_files(to_files(fitted.predictor)).predict(validation.features)
    prepared = FOR_TREES.fit(train)
    own = regressor().set_params(random_state=1).fit(prepared.matrix, train.label)
    expected = own.predict(prepared.preprocessing.transform(validation.features))
    assert np.array_equal(score, expected)
    error = value(MeanAbsoluteError(), validation.label, score)
    assert error == pytest.approx(mean_absolute_error(validation.label, expected))
    assert error < np.abs(validation.label - np.median(train.label)).mean()


def test_a_forest_of_flights_is_small_and_soon_read(few: Train, flights_split: Split) -> None:
    validation = flights_split.validation
    fitted = RandomForest(trees=30).fit(few, validation, seed=0, threads=1)
    files = to_files(fitted.predictor)
    assert sum(map(len, files.values())) < 2_000_000
    begun = time.process_time()
    loaded = from_files(files)
    assert time.process_time() - begun < 3.0
    score = loaded.predict(validation.features)
    assert np.array_equal(score, fitted.predict(validation.features))
    assert value(RocAuc(), validation.label, score) > 0.74
