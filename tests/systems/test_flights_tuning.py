"""Tuning on flights: TPE against chance at equal trials, and what a search costs beside Optuna alone."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import lightgbm
import numpy as np
import optuna
import pytest
from scipy.stats import t as student

from mlsys_assets import LightGBM, LogisticRegression, LogLoss
from mlsys_assets.data_sampling.splits import Split
from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.features.preprocessing.preprocessor import FOR_TREES
from mlsys_assets.measures.metrics import value
from mlsys_assets.models.lightgbm_calls import plain_names
from mlsys_assets.models.tuning.automl import AutoML, Family
from mlsys_assets.models.tuning.samplers import RandomSearch, Tpe, seed_of
from mlsys_assets.models.tuning.search import SearchContext
from mlsys_assets.models.tuning.space import Integers, Reals
from mlsys_assets.models.tuning.tuned import Tuned
from mlsys_assets.types import Scalar

SPACE = {
    "leaves": Integers(4, 63, log=True),
    "learning_rate": Reals(0.02, 0.5, log=True),
    "least_rows": Integers(5, 500, log=True),
    "column_share": Reals(0.1, 1.0),
    "l2": Reals(1e-3, 100, log=True),
}
TREES = LightGBM(rounds=40, more={"max_bin": 31})
TRIALS, SEEDS = 20, range(5)


def every(train: Train, nth: int) -> Train:
    """One row in n, over all of the time."""
    return train.take(np.arange(0, len(train), nth))


def test_the_same_seed_gives_the_same_leaderboard(flights_split: Split) -> None:
    lines = Family(LogisticRegression(rounds=30), {"c": Reals(1e-4, 0.1, log=True)})
    automl = AutoML((Family(replace(TREES, rounds=15), SPACE), lines), trials=3, sampler=Tpe(2))
    train, validation = every(flights_split.train, 100), flights_split.validation
    (one, board), (two, again) = (
        automl.compete(train, validation, seed=0, threads=1, context=SearchContext()) for _ in range(2)
    )
    print(board.table())
    assert board == again
    assert (one.recipe, one.params) == (two.recipe, two.params)
    zero_rule = value(LogLoss(), validation.label, np.full(len(validation), train.label.mean()))
    assert all(standing.best is not None and standing.best < zero_rule for standing in board.standings)


@pytest.mark.prove
def test_tpe_against_random_at_equal_trials_over_five_seeds(flights_split: Split) -> None:
    """Paired by seed: the first ten trials, which both draw at random, are the same."""
    train, validation = every(flights_split.train, 10), flights_split.validation
    gains = []
    for seed in SEEDS:
        tpe, random = (
            Tuned(TREES, SPACE, trials=TRIALS, sampler=sampler).search(
                train, validation, seed=seed, threads=1, context=SearchContext()
            )
            for sampler in (Tpe(), RandomSearch())
        )
        assert len(tpe.trials) == len(random.trials) == TRIALS
        assert [t.found for t in tpe.trials[:10]] == [t.found for t in random.trials[:10]]
        gains.append(random.best.value - tpe.best.value)
        print(f"seed {seed}: TPE {tpe.best.value:.5f}, random {random.best.value:.5f}")
    mean, error = np.mean(gains), np.std(gains, ddof=1) / np.sqrt(len(gains))
    low, high = student.interval(0.95, len(gains) - 1, mean, error)
    print(f"validation log loss: TPE is better by {mean:.5f} [{low:.5f}, {high:.5f}] (t, {len(gains)} seeds)")
    assert high > 0  # it is not shown to be worse; nor, as the interval tells, to be better


def bare(train: Train, validation: Validation, tuned: Tuned) -> tuple[float, list[float]]:
    """The same trials by Optuna and LightGBM alone, on rows prepared once; return CPU seconds and values."""
    began = time.process_time()
    prepared = FOR_TREES.fit(train)
    names, codes = plain_names(prepared.preprocessing.names), list(prepared.preprocessing.code_outputs)
    matrix = prepared.preprocessing.transform(validation.features)

    def objective(params: Mapping[str, Scalar]) -> float:
        told = replace(TREES, **params).lightgbm_params(1, 1)
        data = lightgbm.Dataset(
            prepared.matrix, train.label, feature_name=names, categorical_feature=codes, params=told
        )
        watched = [data.create_valid(matrix, validation.label)]
        booster = lightgbm.train(told, data, TREES.rounds, valid_sets=watched)
        return value(LogLoss(), validation.label, booster.predict(matrix, num_threads=1))

    study = optuna.create_study()
    for k in range(tuned.trials):
        study.sampler = optuna.samplers.TPESampler(n_startup_trials=3, seed=seed_of(1, k))
        trial = study.ask({name: SPACE[name].distribution() for name in sorted(SPACE)})
        study.tell(trial, objective(trial.params))
    return time.process_time() - began, [t.value for t in study.trials]


@pytest.mark.prove
def test_a_search_costs_at_most_a_tenth_more_than_optuna_and_lightgbm_alone(flights_split: Split) -> None:
    train, validation = every(flights_split.train, 10), flights_split.validation
    tuned = Tuned(TREES, SPACE, trials=6, sampler=Tpe(3))

    def ours() -> tuple[float, list[float]]:
        began = time.process_time()
        found = tuned.search(train, validation, seed=1, threads=1, context=SearchContext())
        return time.process_time() - began, [t.value for t in found.trials]

    ways: dict[str, Callable[[], tuple[float, list[float]]]] = {
        "ours": ours, "bare": lambda: bare(train, validation, tuned),
    }  # fmt: skip
    took: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(4):
        values = []
        for name, way in ways.items():
            seconds, found = way()
            took[name].append(seconds)
            values.append(found)
        assert values[0] == values[1]  # the same trials to the last bit
    share = min(took["ours"][1:]) / min(took["bare"][1:])  # the first round loads and warms
    print(f"CPU seconds of {tuned.trials} trials: {took}; {share:.3f} times those of Optuna alone")
    assert share <= 1.1
