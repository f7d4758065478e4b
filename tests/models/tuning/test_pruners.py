"""What every pruner must do, and that each decides as Optuna's does."""

import numpy as np
import optuna
import pytest

from mlsys_assets.models.tuning.pruners import HalvingPruner, MedianPruner, Pruner
from mlsys_assets.models.tuning.trial import Trial

PRUNERS = {
    "median": (MedianPruner(3, 4), optuna.pruners.MedianPruner(n_startup_trials=3, n_warmup_steps=5)),
    "median_from_the_first_step": (MedianPruner(1, 0), optuna.pruners.MedianPruner(n_startup_trials=1)),
    "halving": (
        HalvingPruner(2, 3),
        optuna.pruners.SuccessiveHalvingPruner(min_resource=2, reduction_factor=3, min_early_stopping_rate=0),
    ),
    "halving_by_two": (
        HalvingPruner(4, 2),
        optuna.pruners.SuccessiveHalvingPruner(min_resource=4, reduction_factor=2, min_early_stopping_rate=0),
    ),
}
CURVES = [
    (end + slope / np.arange(1, 31) + noise).tolist()
    for seed in range(40)
    for rng in [np.random.default_rng(seed)]
    for end, slope, noise in [(rng.uniform(0.3, 0.5), rng.uniform(0.1, 0.5), rng.normal(0, 0.02, 30))]
]


@pytest.fixture(params=PRUNERS)
def pair(request):
    return PRUNERS[request.param]


def ours(pruner):
    trials = []
    for k, curve in enumerate(CURVES):
        steps = next((n for n in range(1, 31) if pruner.stops(curve[:n], trials)), None)
        ended = Trial(k, {}, "pruned", losses=tuple(curve[:steps]))
        trials.append(ended if steps else Trial(k, {}, "complete", curve[-1], losses=tuple(curve)))
    return [t.pruned_at for t in trials]


def optunas(pruner):
    study = optuna.create_study(pruner=pruner)

    def objective(trial):
        for step, value in enumerate(CURVES[trial.number], start=1):
            trial.report(value, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return CURVES[trial.number][-1]

    study.optimize(objective, n_trials=len(CURVES))
    return [t.last_step if t.state.name == "PRUNED" else None for t in study.trials]


def test_each_trial_is_pruned_where_optuna_prunes_it(pair):
    own, theirs = pair
    assert isinstance(own, Pruner)
    assert own.mistakes("pruner") == []
    found = ours(own)
    assert found == optunas(theirs)
    assert 5 < sum(at is not None for at in found) < 40


def test_nothing_is_pruned_without_anything_to_compare_with():
    assert not MedianPruner().stops([9.0] * 50, [])
    assert not HalvingPruner(3, 2).stops([9.0] * 3, [])
    failed = [Trial(k, {}, "failed", reason="no") for k in range(20)]
    assert not MedianPruner().stops([9.0] * 50, failed)


def test_what_cannot_be_counted_is_a_mistake():
    assert len(MedianPruner(0, -1).mistakes("pruner")) == 2
    assert len(HalvingPruner(0, 1).mistakes("pruner")) == 2


def test_what_was_pruned_or_failed_is_none_of_the_trials_that_must_be_there_first():
    curve, worse = (0.5,) * 9, [0.9] * 9
    ended = [Trial(k, {}, state, losses=curve) for k, state in enumerate(("pruned", "failed", "pruned"))]
    complete = [Trial(k, {}, "complete", 0.5, losses=curve) for k in range(3, 6)]
    assert not MedianPruner(3, 2).stops(worse, [*ended, *complete[:2]])
    assert MedianPruner(3, 2).stops(worse, [*ended, *complete])
