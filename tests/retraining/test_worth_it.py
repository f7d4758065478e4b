"""Whether a training is worth its cost, by what earlier ones gained."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from mlsys_assets.measures.cost_metric import ExpectedCost
from mlsys_assets.measures.costs import CostMatrix
from mlsys_assets.measures.metrics import RocAuc
from mlsys_assets.retraining.arbiter import Retraining, decide
from mlsys_assets.retraining.history import Change, History, Monitored, Training
from mlsys_assets.retraining.training_cost import TrainingCost
from mlsys_assets.retraining.trigger import Answer, TriggerVerdict
from mlsys_assets.retraining.worth_it import WorthIt, student_t
from mlsys_assets.types import days, utc

START = utc("2013-01-01")
COST = TrainingCost(fixed=50)
WORTH = WorthIt(price=1, over=days(28))
YES = {"every": TriggerVerdict(Answer.YES, "because")}
LABELS_A_DAY = 100


def lived(gains, ages=None, *, since: int = 20, metric: str = "log_loss", sign: float = -1) -> History:
    """A champion that each training replaced, ahead by these days with these gains; so many days since the last."""
    at, found = START, [Training(START, 1000)]
    for gain, age in zip(gains, ages or [10] * len(gains), strict=True):
        at += days(10)
        change = Change(sign * gain, sign * gain - 0.01, sign * gain + 0.01)
        found.append(Training(at, 1000, {}, {metric: change}, days(age)))
    now = at + days(since)
    attempts = tuple(t.as_of for t in found)
    return History(now, tuple(found), attempts, (Monitored(now, 1000 + LABELS_A_DAY * since),), True, at)


@pytest.mark.parametrize("chance", [0.9, 0.95, 0.975])
@pytest.mark.parametrize("free", [2, 3, 4, 5, 10, 30, 300])
def test_students_t_is_scipys(chance, free) -> None:
    assert student_t(chance, free) == pytest.approx(stats.t.ppf(chance, free), rel=0.01)


@given(
    st.lists(st.tuples(st.floats(-0.05, 0.05), st.integers(-25, 25)), min_size=4, max_size=12).filter(
        lambda seen: any(ahead for _, ahead in seen)
    )
)
def test_the_rate_is_that_of_a_regression_through_the_origin(seen) -> None:
    """Gain on the days ahead, which may be less than none: solved by NumPy, its quantile by SciPy."""
    gains, aheads = (np.array(one, float) for one in zip(*seen, strict=True))
    found = WORTH.verdict(lived(gains.tolist(), [ahead for _, ahead in seen]), COST).evidence
    (rate,), *_ = np.linalg.lstsq(aheads[:, None], gains, rcond=None)
    error = np.sqrt(np.sum((gains - rate * aheads) ** 2) / (len(gains) - 1) / np.sum(aheads**2))
    high = rate + stats.t.ppf(0.975, len(gains) - 1) * error
    pays = 20 * LABELS_A_DAY * 28  # days of age, requests of four weeks
    assert found["gain"] == pytest.approx(rate * pays, rel=1e-9, abs=1e-9)
    assert found["gain_high"] == pytest.approx(high * pays, rel=0.01, abs=0.01 * error * pays + 1e-9)


def test_what_is_compared_has_left_out_what_a_refitted_model_learns_from() -> None:
    """A world that moves .001 a day: four weeks out of it, a challenger of a monthly training is no newer than its
    champion and gains nothing, one of a weekly training loses. What a training gains is seen for all that."""
    drawn = np.random.default_rng(0).normal(0, 0.0005, 8)
    ages = [7, 28, 56, 7, 28, 35, 28, 42]
    aheads = [age - 28 for age in ages]
    gains = [0.001 * ahead + noise for ahead, noise in zip(aheads, drawn, strict=True)]
    found = WORTH.verdict(lived(gains, aheads, since=28), COST).evidence
    truth = 0.001 * 28 * LABELS_A_DAY * 28
    assert found["gain"] == pytest.approx(truth, rel=0.1)
    assert truth < found["gain_high"] < 1.2 * truth


@pytest.mark.parametrize("rate", [0.0, 0.0001, 0.001])
def test_the_optimistic_end_lies_below_the_truth_as_seldom_as_it_says(rate) -> None:
    """Two and a half in a hundred, whatever the truth; simulated, with a tolerance of three standard errors."""
    rng, aheads, times = np.random.default_rng(1), [-7, 14, 0, -7, 0, 7], 1000
    truth = rate * 20 * LABELS_A_DAY * 28
    below = sum(
        WORTH.verdict(lived([rate * a + rng.normal(0, 0.003) for a in aheads], aheads), COST).evidence["gain_high"]
        < truth
        for _ in range(times)
    )
    assert below / times == pytest.approx(0.025, abs=3 * np.sqrt(0.025 * 0.975 / times))


def test_challengers_that_are_no_newer_than_their_champions_tell_nothing() -> None:
    """Of trainings every four weeks that leave four weeks out."""
    found = WORTH.verdict(lived([0.001, -0.001, 0.002, 0.0], [0] * 4), COST)
    assert found.answer is Answer.INSUFFICIENT_DATA
    assert found.reason == "the 4 earlier challengers had learned from no later rows than the champions"


def test_a_training_that_pays_is_started_and_one_that_cannot_is_held_back() -> None:
    """A gain of .01 in ten days is .02 in twenty, on 2,800 requests 56."""
    policy = Retraining(cost=COST, worth_it=WORTH)
    found = decide(policy, YES, lived([0.01] * 4))
    assert found.train
    assert found.evidence["worth it: gain"] == pytest.approx(56)
    held = decide(policy, YES, lived([0.005] * 4))
    assert not held.train
    assert held.reason == (
        "every said yes, but a training costs 50; by 4 earlier ones it brings in 28, at most 28, on the 2,800 requests "
        "of 28 days"
    )
    assert (held.evidence["worth it"], held.evidence["worth it: earlier"]) == ("no", 4)


def test_it_waits_until_the_champion_is_old_enough() -> None:
    policy = Retraining(cost=COST, worth_it=WORTH)
    assert [decide(policy, YES, lived([0.005] * 4, since=n)).train for n in (20, 35, 36)] == [False, False, True]


def test_what_is_uncertain_is_not_held_back() -> None:
    """Gains around nothing: the mean would end training for good, the upper end does not."""
    found = WORTH.verdict(lived([0.02, -0.02, 0.01, -0.01]), COST)
    assert found.evidence["gain"] == pytest.approx(0, abs=1e-9)
    assert found.fires
    assert WORTH.verdict(lived([-0.01] * 6), COST).answer is Answer.NO


def test_with_too_few_trainings_it_cannot_tell_and_holds_nothing_back() -> None:
    few = lived([0.0] * 3)
    assert WORTH.verdict(few, COST).answer is Answer.INSUFFICIENT_DATA
    found = decide(Retraining(cost=COST, worth_it=WORTH), YES, few)
    assert found.train
    assert found.evidence["worth it"] == "insufficient data"
    old = WorthIt(price=1, over=days(28), looks_back=days(40))
    assert old.verdict(lived([0.0] * 4, since=20), COST).answer is Answer.INSUFFICIENT_DATA
    four = lived([0.0] * 4)
    untold = replace(four.trainings[1], ahead=None), replace(four.trainings[1], changes={})
    for blind in (
        replace(four, monitored=()),
        replace(four, champion=None),
        *(replace(four, trainings=(four.trainings[0], one, *four.trainings[2:])) for one in untold),
        History(few.as_of),
    ):
        assert WORTH.verdict(blind, COST).answer is Answer.INSUFFICIENT_DATA


def test_a_metric_that_is_better_when_higher_gains_when_it_rises() -> None:
    auc = WorthIt(price=1, over=days(28), metric=RocAuc())
    assert auc.verdict(lived([0.01] * 4, metric="roc_auc", sign=1), COST).fires
    assert not auc.verdict(lived([-0.01] * 4, metric="roc_auc", sign=1), COST).fires


def test_by_the_costs_of_decisions_it_counts_money() -> None:
    money = WorthIt(price=1, over=days(28), metric=ExpectedCost(CostMatrix(false_positive=1, false_negative=5)))
    found = money.verdict(lived([0.1] * 4, metric="expected_cost"), TrainingCost(fixed=559))
    assert found.fires
    assert found.evidence["gain"] == pytest.approx(560)


def test_without_a_model_none_is_waited_for() -> None:
    bad = replace(lived([-0.01] * 6), promoted=False)
    assert decide(Retraining(cost=COST, worth_it=WORTH), YES, bad).train


@pytest.mark.parametrize("gain", [0.01, -0.01])
def test_labels_that_stop_bring_in_nothing(gain) -> None:
    """Nor do fewer than there were, where each would cost something."""
    known = lived([gain] * 4)
    found = WORTH.verdict(replace(known, monitored=(Monitored(known.as_of, 0),)), COST)
    assert (found.answer, found.evidence["gain_high"]) == (Answer.NO, 0)


def test_a_price_is_of_one_unit_on_one_request() -> None:
    dear = WorthIt(price=10, over=days(28)).verdict(lived([0.01, 0.02, 0.01, 0.02]), COST).evidence
    cheap = WorthIt(price=0.1, over=days(28)).verdict(lived([0.01, 0.02, 0.01, 0.02]), COST).evidence
    for end in ("gain", "gain_high"):
        assert dear[end] == pytest.approx(100 * cheap[end])
    assert dear["gain"] == pytest.approx(10 * 0.0015 * 20 * LABELS_A_DAY * 28)


@pytest.mark.parametrize(("cost", "fires"), [(56, True), (56.001, False)])
def test_what_brings_in_just_its_cost_is_worth_it(cost, fires) -> None:
    assert WORTH.verdict(lived([0.01] * 4), TrainingCost(fixed=cost)).fires is fires


@pytest.mark.parametrize(("back", "seen"), [(30, 2), (31, 2), (40, 3)])
def test_earlier_trainings_count_up_to_the_day_that_is_looked_back_to(back, seen) -> None:
    """Of trainings 20, 30, 40 and 50 days ago."""
    found = WorthIt(price=1, over=days(28), looks_back=days(back)).verdict(lived([0.01] * 4), COST)
    assert found.reason == f"{seen} earlier trainings tell what one gains; asked for: 4"


def test_the_champion_ages_while_its_challengers_are_refused_or_an_earlier_one_is_put_back() -> None:
    """Ten days since the last training; a champion of twenty days before is as old as it is."""
    known = lived([0.01] * 4, since=10)
    older = replace(known, champion=known.champion - days(10))
    ages = [WORTH.verdict(h, COST).evidence["gain"] / (0.001 * LABELS_A_DAY * 28) for h in (known, older)]
    assert ages == pytest.approx([10, 20])
