"""Ensembles of flights: what the bases have in common, what a stack gains, said as it is; and candidates debugged."""

import time

import numpy as np
import pytest

from mlsys_assets import LightGBM, LogisticRegression, days
from mlsys_assets.data_sampling.splits import Split
from mlsys_assets.data_sampling.time_folds import WalkForward
from mlsys_assets.features.quality.sample import evenly
from mlsys_assets.measures.intervals import bootstrap, day_blocks
from mlsys_assets.measures.metrics import LogLoss, RocAuc
from mlsys_assets.models.baselines import GroupRate
from mlsys_assets.models.candidate import Fitted
from mlsys_assets.models.debugging import CHECKS, debugged
from mlsys_assets.models.ensembles.error_correlation import error_correlation
from mlsys_assets.models.ensembles.gain import Gain, gain_over_best
from mlsys_assets.models.ensembles.stacking import Stacking

TREES = LightGBM(column_share=0.3, more={"max_bin": 63})
BASES = (LogisticRegression(), TREES, GroupRate(by=("carrier", "sched_hour")))
FOLDS = WalkForward(3, days(28), days(2))


def scores(fitted: Fitted, rows) -> dict[str, np.ndarray]:
    return {name: part.predict(rows.features) for name, part in fitted.predictor.parts}


def gains(fitted: Fitted, validation) -> list[Gain]:
    weights = bootstrap(day_blocks(validation.at), seed=0)
    stacked = ("stack", fitted.predict(validation.features))
    parts = scores(fitted, validation)
    return [gain_over_best(stacked, parts, validation.label, weights=weights, metric=m) for m in (LogLoss(), RocAuc())]


@pytest.fixture(scope="module")
def few(flights_split: Split) -> tuple[Stacking, Fitted]:
    """A stack of a tenth of the rows and of few trees."""
    stack = Stacking(BASES, FOLDS).brief()
    train = evenly(flights_split.train, most=20_000)
    return stack, stack.fit(train, flights_split.validation, seed=0, threads=1)


def test_bases_of_flights_err_alike_and_the_rate_of_groups_least(few, flights_split: Split) -> None:
    validation = flights_split.validation
    found = error_correlation(validation.label, scores(few[1], validation))
    trees, line, rate = (found.names.index(n) for n in ("lightgbm", "logistic_regression", "group_rate"))
    assert found.errors[trees, line] > 0.7
    assert max(found.errors[trees, rate], found.errors[line, rate]) < found.errors[trees, line]
    assert found.q[trees, line] > 0.9
    assert "| logistic_regression, lightgbm |" in found.table().splitlines()[2]


def test_a_stack_of_few_flights_and_trees_ranks_better_and_is_no_better_calibrated(few, flights_split: Split) -> None:
    """Thirty trees of 20,000 rows leave something to a line; of all rows and trees nothing is left, see the proof."""
    weights = few[1].predictor.line.weights
    assert weights["group_rate"] < 0.1
    assert weights["lightgbm"] > weights["logistic_regression"]
    loss, auc = gains(few[1], flights_split.validation)
    assert loss.gain.low < 0.0 < loss.gain.high
    assert "stack cannot be told from its best part" in str(loss)
    assert 0.0 < auc.gain.low < auc.gain.high < 0.02
    assert str(auc).startswith("stack is better than its best part, lightgbm, by roc_auc: gain ")


@pytest.mark.parametrize("candidate", [LogisticRegression(), TREES], ids=lambda c: c.name)
def test_flights_candidates_are_debugged(candidate, flights_split: Split) -> None:
    found = debugged(candidate, flights_split.train, flights_split.validation, seed=0, threads=1)
    assert [f.name for f in found] == list(CHECKS)
    assert all(f.passed for f in found)
    assert found[0].evidence["rows"] == 64
    assert found[1].evidence["mean"] == pytest.approx(0.5, abs=0.005)


@pytest.mark.prove
def test_a_stack_of_all_rows_costs_at_most_four_times_its_bases_and_gains_nothing(flights_split: Split) -> None:
    train, validation, spent = flights_split.train, flights_split.validation, []
    for candidate in (*BASES, Stacking(BASES, FOLDS)):
        begun = time.process_time()
        fitted = candidate.fit(train, validation, seed=0, threads=1)
        spent.append(time.process_time() - begun)
    assert spent[-1] < 4 * sum(spent[:-1])
    assert all(gain.gain.low < 0.0 < gain.gain.high for gain in gains(fitted, validation))


@pytest.mark.prove
def test_debugging_trees_on_all_columns_takes_two_seconds_at_most(flights_split: Split) -> None:
    train, validation = flights_split.train, flights_split.validation
    debugged(LightGBM(rounds=2), train, validation, seed=0, threads=1)
    begun = time.process_time()
    assert all(f.passed for f in debugged(LightGBM(), train, validation, seed=0, threads=1))
    assert time.process_time() - begun < 2.0


@pytest.mark.prove
def test_no_shuffle_of_flights_accuses_trees_or_a_line(flights_split: Split) -> None:
    for candidate in (LogisticRegression(), LightGBM(rounds=15, column_share=0.5, row_share=0.5)):
        for seed in range(40):
            found = debugged(candidate, flights_split.train, flights_split.validation, seed=seed, threads=1)
            assert [f.summary for f in found if not f.passed] == []
