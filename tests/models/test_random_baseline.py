"""Random scores are uniform, know nothing of the label, and are the same for the same row wherever it stands."""

import numpy as np
import pyarrow as pa
import pytest
from scipy.stats import kstest, spearmanr
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from mlsys_assets.data_sampling.views import Train
from mlsys_assets.models.predictor import BundleError
from mlsys_assets.models.random_baseline import RandomBaseline, RandomPredictor
from mlsys_assets.types import TimeWindow

N = 20_000


@pytest.fixture(scope="module")
def wide() -> Train:
    random = np.random.default_rng(0)
    label = (random.random(N) < 0.2).astype(float)
    features = pa.table(
        {"x": pa.array(random.normal(size=N) + label, pa.float32()), "c": random.choice(list("abc"), N)}
    )
    at = np.datetime64("2013-01-01", "us") + np.arange(N)
    return Train(pa.array(np.arange(N).astype(str)), at, features, label, TimeWindow.of("2013-01-01", "2013-02-01"))


def scores(rows: Train, seed: int) -> np.ndarray:
    return RandomBaseline().refit(rows, recipe={}, seed=seed, threads=1).predict(rows.features)


def test_they_are_uniform_and_have_the_metrics_that_chance_has(wide: Train) -> None:
    score = scores(wide, 0)
    assert kstest(score, "uniform").pvalue > 0.001
    assert roc_auc_score(wide.label, score) == pytest.approx(0.5, abs=0.02)
    assert log_loss(wide.label, score) == pytest.approx(1.0, abs=0.03)
    assert brier_score_loss(wide.label, score) == pytest.approx(1 / 3, abs=0.01)


def test_they_follow_no_feature_and_no_other_seed(wide: Train) -> None:
    score = scores(wide, 0)
    assert spearmanr(score, wide.features["x"].to_numpy()).pvalue > 0.001
    assert spearmanr(score, scores(wide, 1)).pvalue > 0.001
    assert len(np.unique(score)) > N * 0.999


def test_a_row_is_told_apart_by_every_feature(wide: Train) -> None:
    predictor = RandomBaseline().refit(wide, recipe={}, seed=3, threads=1)
    row = {"x": 1.5, "c": "a"}
    others = [row | {"x": 1.25}, row | {"c": "b"}, row | {"x": None}, row | {"c": None}]
    found = [float(predictor.predict(one)[0]) for one in [row, *others]]
    assert len(set(found)) == 5
    assert float(predictor.predict(row | {"z": 3})[0]) == found[0]
    coded = pa.table({"c": pa.array(["a"]).dictionary_encode(), "x": pa.array([1.5], pa.float64())})
    assert float(predictor.predict(coded)[0]) == found[0]


def test_a_seed_that_no_hash_can_hold_is_refused() -> None:
    with pytest.raises(ValueError, match="the seed must be from 0"):
        RandomPredictor((), (), -1)
    with pytest.raises(BundleError, match="seed must be"):
        RandomPredictor.from_contents({"columns.json": b'{"numbers":[],"texts":[],"seed":-1}'})
