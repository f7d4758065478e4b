"""Training on two workers, on real flights: as good as in one process, and what it takes."""

import resource
import time
from collections.abc import Iterator

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mlsys_assets import LightGBM
from mlsys_assets.data_sampling.splits import Split
from mlsys_assets.data_sampling.views import Train
from mlsys_assets.models.candidate import Fitted
from mlsys_assets.models.distributed.dask_training import DaskTraining
from mlsys_assets.models.distributed.newton import fit_by_blocks
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.training import LocalTraining, Training
from mlsys_resources.training_cluster import TrainingCluster

AS_GOOD = 0.002
"""How far the ROC AUC on rows that neither model saw may lie apart."""
HELD = 50_000
"""Rows that neither is fitted on: a random part, so that the models differ and not the months."""


@pytest.fixture(scope="module")
def training() -> Iterator[DaskTraining]:
    with TrainingCluster("dask", workers=2).open() as client:
        yield DaskTraining(client, workers=2)


def _parted(train: Train, rows: int) -> tuple[Train, Train]:
    order = np.random.default_rng(0).permutation(len(train))
    return train.take(np.sort(order[HELD:][:rows])), train.take(np.sort(order[:HELD]))


def _auc(fitted: Fitted, held: Train) -> float:
    return float(roc_auc_score(held.label, fitted.predict(held.features)))


def test_trees_of_two_workers_are_as_good_as_those_of_one_process(flights_split: Split, training) -> None:
    some, held = _parted(flights_split.train, 20_000)
    candidate = LightGBM(rounds=40, leaves=15, column_share=0.5)
    local, spread = (
        where.refit(candidate, some, recipe={"rounds": 40}, seed=1, threads=1) for where in (LocalTraining(), training)
    )
    assert spread.params["training rows per worker"] == "10000, 10000"
    assert _auc(local, held) > 0.78
    assert abs(_auc(spread, held) - _auc(local, held)) <= AS_GOOD


def test_the_line_of_two_workers_is_the_line_of_one(flights_split: Split, training) -> None:
    some, _ = _parted(flights_split.train, 10_000)
    candidate = LogisticRegression()
    spread = training.refit(candidate, some, recipe={}, seed=1, threads=1)
    assert spread.params["training rows per worker"] == "5000, 5000"
    matrix = candidate.preprocessor.fit(some).matrix
    single = fit_by_blocks(lambda: [(matrix, some.label)], c=candidate.c)
    assert np.abs(spread.predictor.weights - single.weights).max() < 1e-9
    assert abs(spread.predictor.intercept - single.intercept) < 1e-9


def _spent(training: Training, candidate: LightGBM, train: Train, seed: int) -> tuple[Fitted, float, float]:
    """Return the model, and the seconds of this process and of the clock that it took."""
    own, clock = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    fitted = training.refit(candidate, train, recipe={"rounds": candidate.rounds}, seed=seed, threads=1)
    now = resource.getrusage(resource.RUSAGE_SELF)
    return fitted, now.ru_utime + now.ru_stime - own.ru_utime - own.ru_stime, time.perf_counter() - clock


@pytest.mark.prove
def test_a_year_of_trees_of_two_workers_is_as_good_as_those_of_one_process(flights_split: Split, training) -> None:
    many, held = _parted(flights_split.train, len(flights_split.train))
    candidate = LightGBM(rounds=60, column_share=0.5)
    training.refit(candidate, many.take(np.arange(2_000)), recipe={"rounds": 1}, seed=1, threads=1)  # loads libraries
    for seed in (1, 2, 3):
        local, cpu_local, wall_local = _spent(LocalTraining(), candidate, many, seed)
        before = sum(training.client.run(time.process_time).values())
        spread, cpu_driver, wall_spread = _spent(training, candidate, many, seed)
        cpu_workers = sum(training.client.run(time.process_time).values()) - before
        apart = _auc(spread, held) - _auc(local, held)
        print(
            f"{len(many)} rows: one process {cpu_local:.1f} CPU s, {wall_local:.1f} s; two workers {cpu_workers:.1f} "
            f"and {cpu_driver:.1f} here, {wall_spread:.1f} s; ROC AUC {apart:+.5f}"
        )
        assert abs(apart) <= AS_GOOD
