"""A list that learns only of what it shows degenerates; one that keeps trying the rest does not."""

import numpy as np
import pytest

from mlsys_assets import Weekly
from mlsys_assets.production_monitoring.feedback.degeneration import degenerate
from mlsys_assets.production_monitoring.feedback.diversity import by_window
from mlsys_assets.production_monitoring.feedback.exploration import EpsilonGreedy, Greedy, Policy, Thompson
from mlsys_assets.production_monitoring.feedback.simulation import Lived, live

RATE = np.random.default_rng(0).beta(5, 15, 150)
DAYS = (42, 98)


def lived(policy: Policy, seed: int) -> Lived:
    return live(RATE, policy, shown=10, days=DAYS, seed=seed)


def passes(one: Lived) -> bool:
    return degenerate(list(by_window(one.log, Weekly("2012-12-31")).values())).passed


def test_a_greedy_list_degenerates_and_stays_ignorant() -> None:
    for seed in range(10):
        one = lived(Greedy(), seed)
        assert not passes(one)
        assert one.frozen(DAYS[0] + 28) > 0.6


@pytest.mark.parametrize("policy", [EpsilonGreedy(0.1), EpsilonGreedy(1.0), Thompson(draws=50)], ids=str)
def test_one_that_explores_does_not(policy: Policy) -> None:
    for seed in range(10):
        one = lived(policy, seed)
        assert passes(one)
        assert one.frozen(DAYS[0] + 28) < 0.6


def test_an_explored_list_ends_with_better_beliefs() -> None:
    """The error of what is believed of all items, in the mean of ten seeds, is less after exploration."""

    def error(policy: Policy) -> float:
        return float(np.mean([np.square(lived(policy, seed).believed[-1] - RATE).mean() for seed in range(10)]))

    assert error(EpsilonGreedy(1.0)) < error(EpsilonGreedy(0.1)) < error(Greedy())


def test_without_logged_propensities_a_narrow_list_is_not_acquitted() -> None:
    one = lived(EpsilonGreedy(0.1), 0)
    names, log = one.log.catalogue, one.log
    bare = type(log)(names, log.item, log.at)
    assert not degenerate(list(by_window(bare, Weekly("2012-12-31")).values())).passed


def test_a_life_depends_on_its_seed_alone_and_logs_all_of_it() -> None:
    first, again, other = lived(Greedy(), 3), lived(Greedy(), 3), lived(Greedy(), 4)
    assert (first.log.item == again.log.item).all()
    assert (first.log.item != other.log.item).any()
    log = first.log
    assert log.propensity is not None
    assert log.position is not None
    assert log.outcome is not None
    assert len(log) == sum(DAYS) * 10
    assert log.position[:11].tolist() == [*range(1, 11), 1]
    assert log.propensity[:10] == pytest.approx(np.full(10, 10 / 150))
    assert set(np.unique(log.outcome)) == {0, 1}
    hits = np.bincount(log.item, weights=log.outcome, minlength=150)
    rows = np.bincount(log.item, minlength=150)
    last = log.item[-10:]
    settled = np.setdiff1d(np.arange(150), last)  # what was shown on the last day is learned after it
    assert first.believed[-1][settled] == pytest.approx(((hits + 10 * RATE.mean()) / (rows + 10))[settled])


def test_a_catalogue_smaller_than_the_list_is_shown_whole_and_one_item_always() -> None:
    for n in (1, 4):
        one = live(RATE[:n], Thompson(draws=5), shown=10, days=(7, 63), seed=0)
        assert len(one.log) == 70 * n
        assert passes(one)
        assert one.regret == pytest.approx(0)
    for wrong in ({"days": (0, 0)}, {"shown": 0}, {"days": (-1, 5)}):
        with pytest.raises(ValueError, match="there must be one of each"):
            live(RATE, Greedy(), **{"shown": 3, "days": (1, 1), "seed": 0, **wrong})
    with pytest.raises(ValueError, match="with rates in"):
        live(np.array([0.5, np.nan]), Greedy(), shown=1, days=(1, 1), seed=0)
