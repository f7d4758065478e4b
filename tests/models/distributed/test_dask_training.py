"""Training on a cluster: the models of one process, or as good, from rows that really lie on several workers."""

import gc

import lightgbm
import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import roc_auc_score

from mlsys_assets.data_sampling.time_folds import WalkForward
from mlsys_assets.data_sampling.views import Train
from mlsys_assets.models.baselines import GroupRate
from mlsys_assets.models.booster_predictor import BoosterPredictor
from mlsys_assets.models.bundle import from_files, to_files
from mlsys_assets.models.calibration import Calibrated, Platt
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.compression.compressed import Compressed
from mlsys_assets.models.compression.onnx_export import OnnxExport
from mlsys_assets.models.distributed.dask_training import DaskTraining
from mlsys_assets.models.distributed.newton import fit_by_blocks
from mlsys_assets.models.ensembles.bagging import Bagging
from mlsys_assets.models.ensembles.stacking import Stacking
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.mlp import Mlp
from mlsys_assets.models.objectives import Combined
from mlsys_assets.models.random_forest import RandomForest
from mlsys_assets.models.training import LocalTraining
from mlsys_assets.models.tuning.space import Integers
from mlsys_assets.models.tuning.tuned import Tuned
from mlsys_assets.types import days, hours

TREES = LightGBM(rounds=15, leaves=7, column_share=0.6, row_share=0.7)
STOPPING = LightGBM(rounds=60, patience=5, leaves=7, learning_rate=0.3)


def _with_labels(train: Train, label: np.ndarray) -> Train:
    return Train(train.ids, train.at, train.features, label, train.window)


def test_trees_are_trained_by_both_workers_and_the_record_says_so(training, train, validation, later) -> None:
    fitted = training.fit(TREES, train, validation, seed=7, threads=1)
    assert isinstance(fitted.predictor, BoosterPredictor)
    assert fitted.params["training engine"] == "dask"
    assert fitted.params["training workers"] == 2
    assert fitted.params["training rows per worker"] == "750, 750"
    assert b"[num_machines: 2]" in fitted.predictor.text
    assert b"127.0.0.1" not in fitted.predictor.text
    loaded = from_files(to_files(fitted.predictor))
    assert np.array_equal(loaded.predict(later.features), fitted.predict(later.features))
    assert fitted.recipe == {"rounds": 15}
    assert len(fitted.loss_curve.validation) == 15


@pytest.mark.parametrize("candidate", [TREES, STOPPING, LogisticRegression()], ids=["trees", "stopping", "line"])
def test_the_same_seed_and_workers_give_the_same_bytes(training, candidate, train, validation) -> None:
    one, two = (training.fit(candidate, train, validation, seed=7, threads=1) for _ in range(2))
    assert to_files(one.predictor) == to_files(two.predictor)
    assert (one.recipe, one.params, one.loss_curve) == (two.recipe, two.params, two.loss_curve)


def test_trees_stop_where_validation_says_and_are_refitted_with_as_many(training, train, validation) -> None:
    fitted = training.fit(STOPPING, train, validation, seed=7, threads=1)
    losses = np.array(fitted.loss_curve.validation)
    assert fitted.recipe == {"rounds": int(losses.argmin()) + 1}
    assert len(losses) == fitted.recipe["rounds"] + 5 < 60
    told = -np.log(np.where(validation.label > 0, p := fitted.predict(validation.features), 1 - p)).mean()
    assert told == pytest.approx(losses.min(), abs=1e-9)
    again = training.refit(STOPPING, train, recipe=fitted.recipe, seed=7, threads=1)
    assert np.array_equal(again.predict(validation.features), fitted.predict(validation.features))


def test_columns_that_only_later_rows_have_are_learned_from(training, train) -> None:
    """In order of time one worker would never see them, and those whose bins it finds would be the worse for it."""
    truth = np.random.default_rng(0).normal(size=(4, len(train))).astype(np.float32)
    label = (truth.sum(axis=0) > 0) * 1.0
    truth[:, : len(train) // 2] = np.nan
    columns = {f"late_{i}": values for i, values in enumerate(truth)}
    only = Train(train.ids, train.at, pa.table(columns), label, train.window)
    fitted = training.refit(LightGBM(), only, recipe={"rounds": 60}, seed=1, threads=1)
    later = slice(len(train) // 2, None)
    assert roc_auc_score(label[later], fitted.predict(only.features)[later]) > 0.99
    used = {
        int(i) for row in fitted.predictor.text.splitlines() if row.startswith(b"split_f") for i in row[14:].split()
    }
    assert used == {0, 1, 2, 3}


def test_a_line_is_the_optimum_that_one_process_finds(training, train, validation) -> None:
    candidate = LogisticRegression(c=0.1)
    local = LocalTraining().fit(candidate, train, validation, seed=1, threads=1).predictor
    fitted = training.fit(candidate, train, validation, seed=1, threads=1)
    assert fitted.params["training rows per worker"] == "750, 750"
    matrix = fitted.predictor.preprocessing.transform(train.features)
    single = fit_by_blocks(lambda: [(matrix, train.label)], c=0.1)
    assert np.abs(fitted.predictor.weights - single.weights).max() < 1e-12
    assert fitted.predictor.intercept == pytest.approx(single.intercept, abs=1e-12)
    # scikit-learn's own fit, in single precision, stops some 1e-5 before the optimum.
    assert np.abs(fitted.predictor.weights - local.weights).max() < 3e-5


@pytest.mark.parametrize(
    "candidate",
    [
        GroupRate(by=("carrier",)),
        LightGBM(rounds=10, leaves=7, objective=Combined(1, 0.1), name="own_objective"),
        RandomForest(trees=5),
        Compressed(LightGBM(rounds=5), OnnxExport()),
        Tuned(LightGBM(rounds=5), {"leaves": Integers(2, 9)}, trials=2),
        Stacking((Calibrated(LightGBM(rounds=5)), GroupRate(by=("carrier",))), WalkForward(2, days(5), hours(1))),
        Bagging(Mlp((4,), epochs=2), n=2),
    ],
    ids=lambda c: c.name,
)
def test_any_other_candidate_is_one_task_of_one_worker(training, candidate, train, validation) -> None:
    local = LocalTraining().fit(candidate, train, validation, seed=1, threads=1)
    fitted = training.fit(candidate, train, validation, seed=1, threads=1)
    assert to_files(fitted.predictor) == to_files(local.predictor)
    assert fitted.recipe == local.recipe
    assert fitted.params == {
        **local.params, "training engine": "dask", "training workers": 1, "training rows per worker": "1500",
    }  # fmt: skip
    again = training.refit(candidate, train, recipe=fitted.recipe, seed=1, threads=1)
    assert to_files(again.predictor) == to_files(local.predictor)


def test_what_is_calibrated_is_trained_by_both_workers(training, train, validation, later) -> None:
    candidate = Calibrated(LightGBM(rounds=15, leaves=7), Platt())
    fitted = training.fit(candidate, train, validation, seed=1, threads=1)
    assert (fitted.candidate, fitted.predictor.kind) == (candidate.name, candidate.kind)
    assert fitted.params["training workers"] == 2
    again = training.refit(candidate, train, recipe=fitted.recipe, seed=1, threads=1)
    assert np.array_equal(again.predict(later.features), fitted.predict(later.features))


def test_rows_that_nothing_can_be_learned_from_are_the_candidates_fault(training, train, validation) -> None:
    for candidate in (TREES, LogisticRegression(), GroupRate(by=("carrier",)), Calibrated(TREES)):
        with pytest.raises(FitError, match="needs both classes"):
            training.fit(candidate, _with_labels(train, np.ones(len(train))), validation, seed=1, threads=1)
    odd = np.zeros(len(train))
    odd[::2] = 1.0
    with pytest.raises(FitError, match="of 750 rows of worker 1 of 2, 750 are positive; each worker needs both"):
        training.fit(TREES, _with_labels(train, odd), validation, seed=1, threads=1)


def _connected() -> int:
    """Return how many Boosters of a worker would close its connections when they are collected."""
    return sum(one._network for one in gc.get_objects() if type(one) is lightgbm.Booster)


def test_what_lightgbm_refuses_is_the_candidates_fault_and_the_workers_go_on(
    training, client, train, validation
) -> None:
    refused = LightGBM(rounds=5, more={"max_bin": 1})
    client.run(gc.disable)
    try:
        with pytest.raises(FitError, match="max_bin"):
            training.fit(refused, train, validation, seed=1, threads=1)
        assert list(client.run(_connected).values()) == [0, 0]
    finally:
        client.run(gc.enable)
    assert training.fit(TREES, train, validation, seed=1, threads=1).params["training workers"] == 2


def test_one_worker_is_no_cluster(client) -> None:
    with pytest.raises(ValueError, match="spread over 1 workers; it takes 2, or LocalTraining"):
        DaskTraining(client, workers=1)
