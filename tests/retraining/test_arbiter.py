"""One decision from many verdicts, and no more trainings than are allowed."""

from dataclasses import replace
from itertools import pairwise, product

import pytest
from hypothesis import given, strategies as st

from mlsys_assets.retraining.arbiter import Retraining, decide
from mlsys_assets.retraining.by_drift import Drift
from mlsys_assets.retraining.by_time import Every
from mlsys_assets.retraining.by_volume import LabelVolume
from mlsys_assets.retraining.condition import AllOf, AnyOf
from mlsys_assets.retraining.history import History, Monitored, Training
from mlsys_assets.retraining.stage import Stage
from mlsys_assets.retraining.training_cost import TrainingCost
from mlsys_assets.retraining.trigger import Answer, TriggerVerdict
from mlsys_assets.types import days, hours, utc

NOW = utc("2013-10-01")
EVERY, VOLUME, DRIFT = Every(days(28)), LabelVolume(grows=0.1), Drift()
THREE = (EVERY, VOLUME, DRIFT)


def history(*ago: int) -> History:
    at = tuple(sorted(NOW - days(n) for n in ago))
    return History(NOW, tuple(Training(t, 100) for t in at), at)


def verdicts(*answers: bool | Answer) -> dict[str, TriggerVerdict]:
    said = [a if isinstance(a, Answer) else (Answer.YES if a else Answer.NO) for a in answers]
    return {t.name: TriggerVerdict(a, "because") for t, a in zip(THREE, said, strict=True)}


@pytest.mark.parametrize("answers", list(product([False, True], repeat=3)))
def test_a_condition_means_what_it_says(answers) -> None:
    every, volume, drift = answers
    said = verdicts(*answers)
    for when, wanted in (
        (None, every or volume or drift),
        (AnyOf(VOLUME, AllOf(EVERY, DRIFT)), volume or (every and drift)),
        (AllOf(AnyOf(EVERY, VOLUME), DRIFT), (every or volume) and drift),
    ):
        assert decide(Retraining(when), said, history(60)).train is wanted


@pytest.mark.parametrize(
    ("policy", "words"),
    [
        (Retraining(), "train on any yes"),
        (
            Retraining(cooldown=hours(12), at_most=1, within=hours(36)),
            "train on any yes; at most 1 trainings in 1.5 days; none within 0.5 days of another",
        ),
        (
            Retraining(AnyOf(VOLUME, AllOf(EVERY, DRIFT)), cooldown=days(7), at_most=6, within=days(91)),
            "train on label_volume or (every and drift); at most 6 trainings in 91 days; none within 7 days of another",
        ),
    ],
)
def test_a_policy_says_itself_in_words(policy, words) -> None:
    assert str(policy) == words


def test_what_was_never_trained_is_trained() -> None:
    found = decide(Retraining(cooldown=days(99)), verdicts(*[Answer.INSUFFICIENT_DATA] * 3), History(NOW))
    assert (found.verdict, found.reason) == ("train", "nothing was trained yet")


def test_a_training_without_enough_data_is_tried_again_after_the_cooldown() -> None:
    tried = History(NOW, (), (NOW - days(7),))
    assert decide(Retraining(), verdicts(False, False, False), tried).train
    assert not decide(Retraining(cooldown=days(14)), verdicts(False, False, False), tried).train


def test_while_nothing_serves_it_goes_on_training_within_the_limits() -> None:
    """What is watched is a model that serves: without one no trigger would ever say yes."""
    silent = verdicts(*[Answer.INSUFFICIENT_DATA] * 3)
    refused = replace(history(7), promoted=False)
    found = decide(Retraining(), silent, refused)
    assert (found.verdict, found.reason) == ("train", "nothing that was trained was promoted yet")
    assert not decide(Retraining(cooldown=days(14)), silent, refused).train
    assert not decide(Retraining(), silent, history(7)).train


@pytest.mark.parametrize(("ago", "train"), [(13, False), (14, True)])
def test_the_cooldown_holds_to_the_day(ago, train) -> None:
    found = decide(Retraining(cooldown=days(14)), verdicts(True, False, False), history(ago))
    assert found.train is train
    assert "every said yes" in found.reason


def test_drift_that_always_fires_trains_no_more_often_than_the_cap() -> None:
    policy, trained = Retraining(at_most=3, within=days(91)), [NOW - days(200)]
    for week in range(52):
        at = NOW + days(7 * week)
        before = History(at, tuple(Training(t, 100) for t in trained), tuple(trained))
        if decide(policy, verdicts(False, False, True), before).train:
            trained.append(at)
    for at in trained:
        assert sum(at - days(91) < other <= at for other in trained) <= 3
    assert len(trained) - 1 == 12  # three in each of the four quarters


def test_an_error_is_no_yes_and_is_told() -> None:
    found = decide(Retraining(), verdicts(Answer.ERROR, False, Answer.INSUFFICIENT_DATA), history(60))
    assert found.verdict == "hold"
    assert found.reason == "no trigger said yes (every: error, drift: insufficient data)"
    assert found.evidence == {"every": "error", "label_volume": "no", "drift": "insufficient data"}


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (Retraining(cooldown=days(-1)), "cooldown must not be negative"),
        (Retraining(at_most=3), "at_most and within belong together"),
        (Retraining(at_most=0, within=days(7)), "at_most is 0"),
        (Retraining(AnyOf()), "when has no parts"),
        (Retraining(AnyOf(Every(days(1), name="daily"))), "names the trigger 'daily', which is none of the system's"),
        (Retraining(AnyOf(Every(days(1), name="drift"))), "names another trigger 'drift' than the system's"),
        (Retraining(AnyOf(VOLUME, AllOf("drift"))), "when[0] is 'drift'"),
        (Retraining("any"), "when is 'any'"),
    ],
)
def test_mistakes_are_told(policy, told) -> None:
    assert any(told in mistake for mistake in policy.mistakes(THREE)), policy.mistakes(THREE)


ANSWERS = st.sampled_from(list(Answer))
POLICIES = st.builds(
    Retraining,
    when=st.sampled_from([None, EVERY | VOLUME, EVERY & VOLUME | DRIFT, EVERY & VOLUME & DRIFT]),
    cooldown=st.integers(0, 30).map(days),
    at_most=st.integers(1, 4),
    within=st.integers(7, 60).map(days),
    stage=st.sampled_from([Stage.TRIGGERED, Stage.AUTOMATED, Stage.MANUAL]),
    cost=st.just(TrainingCost(fixed=1, per_million_rows=100)),
    most_cost=st.floats(1, 80),
)


@given(POLICIES, st.tuples(ANSWERS, ANSWERS, ANSWERS), st.permutations(THREE), st.lists(st.integers(1, 90), max_size=4))
def test_a_decision_is_a_function_of_what_is_said_and_known(policy, answers, order, ago) -> None:
    """Whatever the order in which it was said, to the letter of the reason and the order of the evidence."""
    said, known = verdicts(*answers), history(*ago)
    wanted = decide(policy, said, known, triggers=THREE)
    found = decide(policy, {t.name: said[t.name] for t in order}, known, triggers=THREE)
    assert (found, list(found.evidence)) == (wanted, list(wanted.evidence))
    assert found == decide(policy, said, known, triggers=THREE)


@given(POLICIES, st.lists(st.tuples(ANSWERS, ANSWERS, ANSWERS, st.booleans(), st.integers(1, 14)), max_size=40))
def test_whatever_is_said_no_limit_is_passed(policy, life) -> None:
    """Random verdicts at random times; trainings with and without enough data. Counted anew, by pairs of times."""
    at, labelled, trainings, attempts = NOW, 1000, [], []
    for *answers, adequate, passed in life:
        at, labelled = at + days(passed), labelled + 10_000 * passed
        known = History(at, tuple(trainings), tuple(attempts), (Monitored(at, labelled),), bool(trainings))
        if decide(policy, verdicts(*answers), known, triggers=THREE).train:
            attempts.append(at)
            trainings += [Training(at, labelled)] if adequate else []
    assert all(b - a >= policy.cooldown for a, b in pairwise(attempts))
    cost = {t.as_of: 1 + t.labelled / 10_000 for t in trainings}
    for end in attempts:
        window = [a for a in attempts if end - policy.within < a <= end]
        assert len(window) <= policy.at_most
        assert sum(cost.get(a, 1) for a in window) <= policy.most_cost + 1e-9
    assert not attempts or policy.stage is not Stage.MANUAL


def test_a_verdict_that_is_missing_is_no_silence() -> None:
    """A trigger that was not asked is not one that does not count: the condition would hold without it."""
    with pytest.raises(KeyError, match="drift"):
        decide(Retraining(EVERY & DRIFT), {"every": TriggerVerdict(Answer.YES, "so")}, history(60))
