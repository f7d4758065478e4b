"""Each item is shown with just the chance that is logged, whatever the policy."""

import numpy as np
import pytest

from mlsys_assets.production_monitoring.feedback.exploration import (
    Beliefs,
    EpsilonGreedy,
    Greedy,
    Policy,
    Thompson,
    best,
    draw,
)

POLICIES = [Greedy(), EpsilonGreedy(0.0), EpsilonGreedy(0.2), EpsilonGreedy(1.0), Thompson(), Thompson(floor=1.0)]


def beliefs(n: int, *, seed: int = 0) -> Beliefs:
    rng = np.random.default_rng(seed)
    return Beliefs(np.round(rng.random(n), 1), rng.uniform(0.01, 0.2, n))  # with ties


@pytest.mark.parametrize("policy", POLICIES, ids=str)
@pytest.mark.parametrize(("n", "shown"), [(12, 4), (1, 1), (5, 5), (3, 10), (30, 1), (4, 0), (0, 3)])
def test_chances_sum_to_what_is_shown(policy: Policy, n: int, shown: int) -> None:
    assert isinstance(policy, Policy)
    chance = policy.inclusion(beliefs(n), shown, np.random.default_rng(0))
    assert chance.shape == (n,)
    assert ((chance >= 0) & (chance <= 1 + 1e-12)).all()
    assert chance.sum() == pytest.approx(min(n, shown))
    item = draw(chance, np.random.default_rng(1))
    assert len(item) == len(set(item.tolist())) == min(n, shown)


@pytest.mark.parametrize("policy", POLICIES, ids=str)
def test_items_come_as_often_as_their_chances_say(policy: Policy) -> None:
    rng = np.random.default_rng(0)
    chance, draws = policy.inclusion(beliefs(12), 4, rng), 6_000
    often = np.bincount(np.concatenate([draw(chance, rng) for _ in range(draws)]), minlength=12) / draws
    deviation = np.sqrt(chance * (1 - chance).clip(0) / draws)
    assert (np.abs(often - chance) <= 4.5 * deviation + 1e-12).all()


def test_epsilon_greedy_equals_its_own_lists_drawn_place_by_place() -> None:
    """Each of 3 places is explored with .4; what is explored is drawn from what is not better placed."""
    mean, rng, draws = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4]), np.random.default_rng(0), 20_000
    seen = np.zeros(6)
    for explored in rng.binomial(3, 0.4, draws):
        seen[: 3 - explored] += 1
        seen[rng.choice(np.arange(3 - explored, 6), explored, replace=False)] += 1
    chance = EpsilonGreedy(0.4).inclusion(Beliefs(mean, np.zeros(6)), 3, rng)
    assert chance == pytest.approx(seen / draws, abs=0.015)
    assert (np.diff(chance) <= 0).all()


def test_ties_at_the_end_of_a_list_share_its_places() -> None:
    assert best(np.array([0.9, 0.5, 0.5, 0.5, 0.1]), 2).tolist() == [1, 1 / 3, 1 / 3, 1 / 3, 0]
    assert best(np.full(4, 0.3), 1).tolist() == [0.25] * 4


def test_thompson_shows_more_often_what_less_is_known_of() -> None:
    mean, error = np.array([0.5, 0.4, 0.4, 0.1]), np.array([0.01, 0.2, 0.02, 0.01])
    chance = Thompson(floor=0.1, draws=2_000).inclusion(Beliefs(mean, error), 1, np.random.default_rng(0))
    assert chance[1] == pytest.approx(0.9 * 0.31 + 0.1 / 4, abs=0.03)  # P(Normal(.4, .2) > .5) = .31
    assert chance[2] < 0.05
    assert chance.min() >= 0.1 / 4
    again = Thompson(floor=0.1, draws=2_000).inclusion(Beliefs(mean, error), 1, np.random.default_rng(0))
    assert (chance == again).all()


def test_what_does_not_fit_is_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"chances reach from -0\.5 to 1\.5"):
        draw(np.array([-0.5, 1.5]), rng)
    with pytest.raises(ValueError, match=r"sum to 0\.7; they must sum to a whole number"):
        draw(np.array([0.3, 0.4]), rng)
    with pytest.raises(ValueError, match="2 means and 1 errors"):
        Beliefs(np.zeros(2), np.zeros(1))
    with pytest.raises(ValueError, match="finite"):
        Beliefs(np.array([np.nan]), np.zeros(1))
    assert EpsilonGreedy(1.5).mistakes() == [
        "epsilon-greedy: epsilon is 1.5; it must be a number, at least 0, at most 1"
    ]
    assert len(Thompson(floor=-1, draws=0).mistakes()) == 2
    assert EpsilonGreedy().mistakes() == Thompson().mistakes() == []
