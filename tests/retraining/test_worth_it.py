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
    """A champion that each training replaced, with these gains after these days, and so many days since the last."""
    at, found = START, [Training(START, 1000, promoted=True)]
    for gain, age in zip(gains, ages or [10] * len(gains), strict=True):
        at += days(age)
        change = Change(sign * gain, sign * gain - 0.01, sign * gain + 0.01)
        found.append(Training(at, 1000, {}, {metric: change}, True))
    now = at + days(since)
    attempts = tuple(t.as_of for t in found)
    return History(now, tuple(found), attempts, (Monitored(now, 1000 + LABELS_A_DAY * since),))


@pytest.mark.parametrize("chance", [0.9, 0.95, 0.975])
@pytest.mark.parametrize("free", [2, 3, 4, 5, 10, 30, 300])
def test_students_t_is_scipys(chance, free) -> None:
    assert student_t(chance, free) == pytest.approx(stats.t.ppf(chance, free), rel=0.01)


@given(st.lists(st.tuples(st.floats(-0.05, 0.05), st.integers(1, 25)), min_size=4, max_size=12))
def test_the_rate_is_that_of_a_weighted_regression_through_the_origin(seen) -> None:
    """Gain on age, with a variance in proportion to it: solved as least squares by NumPy, its quantile by SciPy."""
    gains, ages = [gain for gain, _ in seen], [age for _, age in seen]
    found = WORTH.verdict(lived(gains, ages), COST).evidence
    root = np.sqrt(np.array(ages, float))
    rate = np.linalg.lstsq((np.array(ages) / root)[:, None], np.array(gains) / root, rcond=None)[0][0]
    error = np.sqrt(
        np.sum((np.array(gains) - rate * np.array(ages)) ** 2 / np.array(ages)) / (len(gains) - 1) / sum(ages)
    )
    high = rate + stats.t.ppf(0.975, len(gains) - 1) * error
    pays = 20 * LABELS_A_DAY * 28  # days of age, requests of four weeks
    assert found["gain"] == pytest.approx(rate * pays, rel=1e-9, abs=1e-9)
    assert found["gain_high"] == pytest.approx(high * pays, rel=0.01, abs=0.01 * error * pays + 1e-9)


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
    for blind in (replace(few, monitored=()), History(few.as_of), replace(few, trainings=(Training(START, 5),))):
        assert WORTH.verdict(blind, COST).answer is Answer.INSUFFICIENT_DATA


def test_what_was_refused_leaves_the_old_champion_to_challenge() -> None:
    """Gains of .01 after ten days and .02 after twenty, against the same champion, are one rate."""
    known = lived([0.01] * 4)
    *before, last = known.trainings
    refused = replace(last, promoted=False)
    again = Training(last.as_of + days(10), 1000, {}, {"log_loss": Change(-0.02, -0.03, -0.01)}, True)
    found = WORTH.verdict(replace(known, trainings=(*before, refused, again)), COST)
    assert found.evidence["earlier"] == 5
    assert found.evidence["gain"] == pytest.approx(found.evidence["gain_high"])
    assert found.evidence["gain"] == pytest.approx(0.001 * 10 * LABELS_A_DAY * 20 / 10 * 28)


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


def test_labels_that_stop_bring_in_nothing() -> None:
    known = lived([0.01] * 4)
    assert not WORTH.verdict(replace(known, monitored=(Monitored(known.as_of, 0),)), COST).fires


def test_the_champion_ages_while_its_challengers_are_refused() -> None:
    """Ten days since the last training, which was refused; twenty since the champion's: it is as old as it is."""
    known = lived([0.01] * 4, since=10)
    refused = replace(known, trainings=(*known.trainings[:-1], replace(known.trainings[-1], promoted=False)))
    ages = [WORTH.verdict(h, COST).evidence["gain"] / (0.001 * LABELS_A_DAY * 28) for h in (known, refused)]
    assert ages == pytest.approx([10, 20])
