"""What every sampler must do, and that what Optuna's propose is what Optuna proposes."""

import itertools

import numpy as np
import optuna
import pytest
from scipy.stats import kstest

from mlsys_assets.measures.metrics import LogLoss, RocAuc
from mlsys_assets.models.tuning.optuna_study import study_of
from mlsys_assets.models.tuning.samplers import GridSearch, RandomSearch, Sampler, Tpe, seed_of
from mlsys_assets.models.tuning.space import Choice, Integers, Reals
from mlsys_assets.models.tuning.trial import Trial

SPACE = {"x": Reals(-2.0, 2.0), "n": Integers(1, 64, log=True), "kind": Choice(("a", "b", None))}
SAMPLERS = {"grid": GridSearch(3), "random": RandomSearch(), "tpe": Tpe(3)}


def loss(params):
    return (params["x"] - 0.5) ** 2 + abs(np.log(params["n"]) - 2) + (params["kind"] != "b")


def searched(sampler, n, *, seed=4, batch=1, metric=None):
    trials = []
    while len(trials) < n:
        found = sampler.propose(SPACE, tuple(trials), metric=metric or LogLoss(), seed=seed, n=batch)
        if not found:
            break
        trials += [Trial(len(trials) + k, p, "complete", loss(p)) for k, p in enumerate(found)]
    return trials


@pytest.fixture(params=SAMPLERS)
def sampler(request):
    return SAMPLERS[request.param]


def test_proposals_are_of_the_space_and_equal_for_equal_seeds(sampler):
    assert isinstance(sampler, Sampler)
    assert sampler.mistakes("sampler") == []
    one, two, other = searched(sampler, 12), searched(sampler, 12), searched(sampler, 12, seed=5)
    assert one == two != other
    for trial in one:
        assert set(trial.params) == set(SPACE)
        assert -2 <= trial.params["x"] <= 2
        assert isinstance(trial.params["n"], int)
        assert trial.params["kind"] in {"a", "b", None}


def test_of_more_asked_at_once_the_first_are_the_same(sampler):
    finished = searched(sampler, 6)
    many = sampler.propose(SPACE, finished, metric=LogLoss(), seed=4, n=5)
    assert many[:2] == sampler.propose(SPACE, finished, metric=LogLoss(), seed=4, n=2)
    assert len({tuple(map(str, p.values())) for p in many}) == 5


def test_the_order_in_which_a_space_is_written_changes_nothing(sampler):
    turned = dict(reversed(SPACE.items()))
    here, there = (sampler.propose(s, (), metric=LogLoss(), seed=1, n=3) for s in (SPACE, turned))
    assert here == there


def test_a_grid_holds_each_combination_once_and_then_ends():
    trials = searched(GridSearch(3), 100)
    every = itertools.product(("a", "b", None), (1, 8, 64), (-2.0, 0.0, 2.0))
    assert {(t.params["kind"], t.params["n"], t.params["x"]) for t in trials} == set(every)
    assert len(trials) == 27


def test_random_draws_are_spread_evenly_and_heed_no_result():
    trials = searched(RandomSearch(), 200)
    assert kstest([(t.params["x"] + 2) / 4 for t in trials], "uniform").pvalue > 0.01
    worse = [Trial(t.number, t.params, "failed") for t in trials[:50]]
    assert RandomSearch().propose(SPACE, worse, metric=LogLoss(), seed=4, n=1)[0] == trials[50].params


def test_tpe_proposes_what_optuna_does_in_one_study():
    study = optuna.create_study()
    for k in range(15):
        study.sampler = optuna.samplers.TPESampler(n_startup_trials=3, seed=seed_of(4, k))
        trial = study.ask({name: SPACE[name].distribution() for name in sorted(SPACE)})
        study.tell(trial, loss(trial.params))
    assert [t.params for t in study.trials] == [dict(t.params) for t in searched(Tpe(3), 15)]


def test_tpe_goes_where_it_was_good_and_follows_the_metric():
    def mean(metric):
        later = [searched(Tpe(8), 25, seed=s, metric=metric)[12:] for s in range(2)]
        return np.mean([loss(t.params) for trials in later for t in trials])

    by_chance = np.mean([loss(t.params) for s in range(4) for t in searched(RandomSearch(), 25, seed=s)])
    assert mean(LogLoss()) < 0.7 * by_chance
    assert mean(RocAuc()) > 1.3 * by_chance


def test_tpe_asked_for_many_keeps_them_apart():
    finished = searched(Tpe(5), 20)
    many = Tpe(5).propose(SPACE, finished, metric=LogLoss(), seed=4, n=6)
    assert len({p["x"] for p in many}) == 6


def test_tpe_asked_for_many_takes_those_before_for_bad_as_optuna_does():
    finished = searched(Tpe(5), 20)

    def alone(liar):
        sampler = optuna.samplers.TPESampler(
            n_startup_trials=5, multivariate=True, constant_liar=liar, seed=seed_of(4, 20)
        )
        study = study_of(SPACE, finished, metric=LogLoss(), sampler=sampler)
        told = {name: SPACE[name].distribution() for name in sorted(SPACE)}
        return tuple(dict(study.ask(told).params) for _ in range(8))

    assert Tpe(5).propose(SPACE, finished, metric=LogLoss(), seed=4, n=8) == alone(liar=True) != alone(liar=False)


def test_failed_and_pruned_trials_are_known_and_no_hindrance():
    finished = [
        Trial(k, t.params, ("complete", "pruned", "failed")[k % 3], t.value if k % 3 == 0 else None, losses=(1.0, 0.9))
        for k, t in enumerate(searched(RandomSearch(), 9))
    ]
    assert Tpe(2).propose(SPACE, finished, metric=LogLoss(), seed=1, n=1)


def test_what_cannot_be_counted_is_a_mistake():
    assert GridSearch(0).mistakes("sampler") == ["sampler: levels is 0; it must be a whole number, at least 1"]
    assert Tpe(-1).mistakes("sampler") == ["sampler: startup is -1; it must be a whole number, at least 0"]
