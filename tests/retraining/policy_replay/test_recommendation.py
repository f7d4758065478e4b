"""The recommended policy is the cheapest that is as good, or the data cannot tell; later requests judge the choice."""

from dataclasses import replace

import pytest

from mlsys_assets.measures.metrics import LogLoss
from mlsys_assets.retraining.policy_replay.frontier import Frontier, frontier
from mlsys_assets.retraining.policy_replay.judging import Judging
from mlsys_assets.retraining.policy_replay.recommendation import MARGIN, Answer, recommend
from mlsys_assets.types import TimeWindow, days

from .simulated_lives import SINCE, Distorted, lived, true_loss

JUDGING = Judging(LogLoss(), seed=5, reference="weekly")
CLEAR = {
    "weekly": Distorted(0.0, 20, 90.0),
    "fortnightly": Distorted(0.02, 10, 50.0),
    "monthly": Distorted(0.05, 4, 30.0),
    "yearly": Distorted(0.5, 1, 10.0),
    "never": Distorted(0.9, 0),
}


def judged(policies, *, seed: int, length: int = 90, switch: int | None = None) -> tuple[Frontier, Frontier]:
    lives = lived(policies, seed=seed, length=length, a_day=60, switch=switch)
    middle, end = SINCE + days(length * 2 // 3), SINCE + days(length)
    periods = TimeWindow(SINCE, middle), TimeWindow(middle, end)
    first, second = (frontier(lives, JUDGING, period=period) for period in periods)
    return first, second


def right(simulations: int) -> float:
    """Return how often the cheapest policy within the margin is recommended, where the truth is clear."""
    assert true_loss(0.05) < MARGIN / 4 < MARGIN < true_loss(0.5) / 4
    found = [recommend(judged(CLEAR, seed=seed)[0]) for seed in range(simulations)]
    return sum(one.policy == "monthly" and one.answer is Answer.RECOMMENDED for one in found) / simulations


def test_the_cheapest_that_is_as_good_is_recommended_where_the_truth_is_clear() -> None:
    assert right(60) >= 0.95


@pytest.mark.prove
def test_the_cheapest_that_is_as_good_is_recommended_in_19_of_20_cases() -> None:
    assert right(200) >= 0.95


def test_what_two_cost_that_the_data_cannot_tell_apart_cannot_be_told() -> None:
    """A policy whose true loss is the margin itself is within it in half of the cases, whatever the data."""
    policies = {"weekly": Distorted(0.0, 20), "other": Distorted(0.15, 3)}
    found = [recommend(judged(policies, seed=seed)[0], true_loss(0.15)) for seed in range(60)]
    untold = [one for one in found if one.answer is Answer.CANNOT_BE_TOLD]
    assert len(untold) >= 0.65 * len(found)  # a uniform share lies between 0.1 and 0.9 in 80 of 100
    for one in untold:
        assert one.policy == "weekly"
        assert 0.1 < one.open["other"] < 0.9
        assert str(one).startswith("cannot be told: none cheaper than weekly is surely within 0.00")
        assert "until more is known, keep to weekly" in str(one)


def test_it_says_how_sure_it_is_and_what_later_requests_say() -> None:
    chosen, later = judged(CLEAR, seed=1)
    found = recommend(chosen, judged=later)
    assert found.policy == "monthly"
    assert found.sure == pytest.approx((chosen.losses_of("monthly") <= MARGIN).mean())
    assert found.chosen == chosen["monthly"].loss
    assert found.judged == later["monthly"].loss
    assert found.holds
    said = str(found)
    assert said.startswith("monthly is the cheapest that is surely within 0.002 of weekly, in ")
    assert "On later requests, which it was not chosen on, it holds: loss " in said
    assert found.as_dict()["judged"]["value"] == pytest.approx(later["monthly"].loss.value)


def test_a_choice_that_does_not_hold_later_is_told() -> None:
    policies = CLEAR | {"monthly": Distorted(0.02, 4, 30.0, later=0.6)}
    chosen, later = judged(policies, seed=1, switch=60)
    found = recommend(chosen, judged=later)
    assert (found.policy, found.holds) == ("monthly", False)
    assert "it does not hold: loss +0.0" in str(found)


def test_without_later_requests_it_says_that_the_best_of_many_is_flattered() -> None:
    found = recommend(judged(CLEAR, seed=1)[0])
    assert found.judged is found.holds is None
    assert "same requests, on which the best of many looks better than it is" in str(found)
    assert found.as_dict()["judged_sure"] is None


def test_the_best_of_twelve_equals_looks_better_than_it_is_until_it_is_judged_later() -> None:
    """All are as far from the truth, each on days of its own: whose lead is luck shows none on other days."""
    policies = {"weekly": Distorted(0.3, 12)} | {f"p{n}": Distorted(0.3 + 1e-3 * n, n) for n in range(11)}
    leads, later = [], []
    for seed in range(40):
        lives = lived(policies, seed=seed, length=60, a_day=30)
        lives = [replace(one, score=_jittered(one.score, 100 * seed + n)) for n, one in enumerate(lives)]
        halves = TimeWindow(SINCE, SINCE + days(30)), TimeWindow(SINCE + days(30), SINCE + days(60))
        first, second = (frontier(lives, JUDGING, period=half) for half in halves)
        found = recommend(first, judged=second)
        assert found.best_judged is not None
        leads.append(-found.best_chosen.value)
        later.append(-found.best_judged.value)
    assert sum(leads) / 40 > 0.003
    assert abs(sum(later) / 40) < 0.003


def _jittered(score, seed: int):
    import numpy as np

    odds = np.log(score / (1 - score)) + 0.4 * np.random.default_rng(seed).normal(size=len(score))
    return 1 / (1 + np.exp(-odds))


def test_of_two_that_train_alike_the_one_that_computes_less_is_taken() -> None:
    policies = {"weekly": Distorted(0.0, 9, 90), "long": Distorted(0.0, 2, 60), "short": Distorted(0.0, 2, 30)}
    assert recommend(judged(policies, seed=0)[0]).policy == "short"


def test_the_reference_is_recommended_if_all_cheaper_are_surely_worse() -> None:
    policies = {name: CLEAR[name] for name in ("weekly", "yearly", "never")}
    found = recommend(judged(policies, seed=0)[0])
    assert (found.answer, found.policy, found.sure, found.open) == (Answer.RECOMMENDED, "weekly", 1.0, {})


def test_a_better_policy_than_the_reference_is_within_the_margin() -> None:
    policies = {"weekly": Distorted(0.6, 9), "never": Distorted(0.0, 0)}
    found = recommend(judged(policies, seed=0)[0], 0.0)
    assert (found.policy, found.best) == ("never", "never")
    assert found.chosen.high < 0


def test_too_little_data_is_told() -> None:
    found = recommend(judged(CLEAR, seed=0, length=6)[0])
    assert (found.answer, found.policy) == (Answer.CANNOT_BE_TOLD, "weekly")
    assert "cannot be told: insufficient data" in str(found)
    assert found.as_dict()["sure"] is None


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"margin": -1}, "margin is -1; it must be a number, at least 0, in the unit of log_loss"),
        ({"margin": float("nan")}, "margin is nan"),
        ({"confidence": 0.5}, r"confidence is 0.5; it must lie between"),
        ({"judged": "itself"}, "judged on later requests than its own"),
        ({"judged": "others"}, "both must be of the same policies"),
    ],
)
def test_what_is_no_rule_is_refused(change, words: str) -> None:
    chosen, later = judged(CLEAR, seed=0)
    others = replace(later, points=later.points[1:])
    change = {k: {"itself": chosen, "others": others}.get(v, v) for k, v in change.items()}
    with pytest.raises(ValueError, match=words):
        recommend(chosen, **change)


def test_of_many_that_may_do_as_well_those_are_named_that_come_nearest() -> None:
    found = recommend(judged(CLEAR, seed=1)[0])
    may = {"never": 0.2, "drift": 0.6, "rarely": 0.6, "seldom": 0.3, "hardly": 0.11}
    assert "cheaper ones may be: drift in 60%, rarely in 60%, seldom in 30% and 2 more. It was" in str(
        replace(found, open=may)
    )
    assert "cheaper ones may be: never in 20%. It was" in str(replace(found, open={"never": 0.2}))


def test_the_best_is_not_told_twice() -> None:
    policies = {"weekly": Distorted(0.4, 9), "monthly": Distorted(0.0, 2)}
    chosen, later = judged(policies, seed=1)
    found = recommend(chosen, judged=later)
    assert found.best == found.policy == "monthly"
    assert "The best of all" not in str(found)
