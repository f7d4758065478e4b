"""What trainings cost by declaration, and what may be spent on them."""

import json
import runpy
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from mlsys_assets import DeclarationError, Every, LogLoss, MLSystem, PrAuc, RocAuc
from mlsys_assets.measures.metrics import Metric
from mlsys_assets.retraining.arbiter import Retraining, decide
from mlsys_assets.retraining.history import Change, History, Monitored, Training
from mlsys_assets.retraining.policy import Policy
from mlsys_assets.retraining.training_cost import HIGHEST_COST, TrainingCost
from mlsys_assets.retraining.trigger import Answer, TriggerVerdict
from mlsys_assets.retraining.worth_it import WorthIt
from mlsys_assets.types import days, utc
from mlsys_resources.canonical import canonical_json

NOW = utc("2013-10-01")
COST = TrainingCost(fixed=10, per_million_rows=100)
YES = {"every": TriggerVerdict(Answer.YES, "because")}


def known(*ago: int, failed: int | None = None, labelled: int = 200_000) -> History:
    """Trainings of 100,000 labels so many days ago, and one without enough data."""
    trainings = tuple(Training(NOW - days(n), 100_000) for n in ago)
    attempts = [t.as_of for t in trainings] + ([] if failed is None else [NOW - days(failed)])
    return History(NOW, trainings, tuple(sorted(attempts)), (Monitored(NOW, labelled),))


def test_it_counts_the_labels() -> None:
    assert COST.of(0) == 10
    assert COST.of(1_000_000) == 110
    assert COST.next(known()) == 30
    assert COST.next(History(NOW, (Training(NOW - days(1), 100_000),))) == 20  # of what was counted last
    assert COST.next(History(NOW)) == 10


def test_it_counts_what_was_spent_within_a_time() -> None:
    assert COST.spent(known(50, 20, 10), days(30)) == 40
    assert COST.spent(known(30), days(30)) == 0  # as the number of trainings is counted
    assert COST.spent(known(20, failed=5), days(30)) == 30


@pytest.mark.parametrize(("most", "train"), [(70, True), (69, False)])
def test_no_more_is_spent_than_is_allowed_and_the_reason_says_so(most, train) -> None:
    found = decide(Retraining(cost=COST, most_cost=most, within=days(30)), YES, known(50, 20, 10))
    assert found.train is train
    assert found.evidence == {"every": "yes", "cost of a training": 30, "spent before": 40}
    told = (
        ""
        if train
        else ", but trainings within 30 days, 0:00:00 cost 40 and one more costs 30; at most 69 may be spent"
    )
    assert found.reason == "every said yes" + told


@pytest.mark.parametrize("number", [Fraction(1, 3), np.float32(0.5), np.int64(3), HIGHEST_COST])
def test_whatever_number_is_declared_the_decision_can_be_recorded(number) -> None:
    cost = TrainingCost(fixed=number, per_million_rows=number)
    policy = Retraining(cost=cost, most_cost=number * 100, within=days(30), worth_it=WorthIt(number, days(36_525)))
    assert policy.mistakes(()) == []
    history = known(*range(10, 0, -1), labelled=2**62)
    gained = tuple(replace(t, changes={"log_loss": Change(-1e3, -1e4, 0.0)}, ahead=days(1)) for t in history.trainings)
    for asked in (policy, replace(policy, most_cost=None, within=None)):
        found = decide(asked, YES, replace(history, trainings=gained, champion=NOW - days(1)))
        assert json.loads(canonical_json(dict(found.evidence)))
        assert "at most" in f"{policy}"


def test_the_first_training_is_no_exception() -> None:
    assert not decide(Retraining(cost=COST, most_cost=25, within=days(30)), {}, known()).train


def test_without_a_declared_cost_no_record_changes() -> None:
    assert decide(Retraining(), YES, known(20)).evidence == {"every": "yes"}


WORTH = WorthIt(price=1, over=days(28))


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (Retraining(cost=TrainingCost()), "fixed and per_million_rows are both 0"),
        (Retraining(cost=TrainingCost(fixed=-1)), "fixed is -1"),
        (Retraining(cost=TrainingCost(per_million_rows=float("nan"))), "per_million_rows is nan"),
        (
            Retraining(cost=TrainingCost(fixed=1e300)),
            "fixed is 1e+300; it must be a number, at least 0, at most 1",
        ),
        (Retraining(cost=TrainingCost(per_million_rows=10**400)), "per_million_rows is a number of 1,329 bits"),
        (Retraining(cost=COST, worth_it=WorthIt(price=1e300, over=days(1))), "worth_it: price is 1e+300"),
        (Retraining(cost=5), "cost is 5; it must be TrainingCost"),
        (Retraining(cost=COST, most_cost=50), "most_cost and within belong together"),
        (Retraining(cost=COST, most_cost=0, within=days(7)), "most_cost is 0; it must be a number, above 0"),
        (Retraining(most_cost=50, within=days(7)), "need the cost of a training; declare cost=TrainingCost"),
        (Retraining(worth_it=WORTH), "need the cost of a training"),
        (Retraining(cost=COST, most_cost=9, within=days(7)), "less than the 10 that any training costs"),
        (Retraining(within=days(7)), "at_most and within belong together"),
        (Retraining(cost=COST, worth_it="gain"), "worth_it is 'gain'; it must be WorthIt"),
        (Retraining(cost=COST, worth_it=WorthIt(price=0, over=days(1))), "worth_it: price is 0"),
        (Retraining(cost=COST, worth_it=WorthIt(price=1, over=days(0))), "worth_it: over must be longer"),
        (Retraining(cost=COST, worth_it=WorthIt(price=1, over=days(1), earlier=2)), "earlier is 2"),
        (Retraining(cost=COST, worth_it=WorthIt(price=1, over=days(1), metric="auc")), "metric is 'auc'"),
    ],
)
def test_mistakes_are_told(policy, told) -> None:
    assert any(told in mistake for mistake in policy.mistakes(())), policy.mistakes(())


def test_what_is_sound_has_no_mistakes() -> None:
    sound = Retraining(cost=COST, most_cost=50, within=days(7), worth_it=WORTH)
    assert sound.mistakes(()) == []
    assert str(sound) == "train on any yes; at most 50 spent in 7 days; none that is not worth its cost"
    assert sound.looks_back == days(365)
    assert Retraining(cost=COST, most_cost=COST.fixed, within=days(7)).mistakes(()) == []  # one training, to the unit


def test_gains_are_asked_for_in_a_metric_that_the_gate_compares_by() -> None:
    rain = runpy.run_path(str(Path(__file__).parents[1] / "systems" / "rain.py"))["rain"]

    def asks(metric: Metric) -> MLSystem:
        policy = Retraining(cost=COST, worth_it=WorthIt(price=1, over=days(7), metric=metric))
        return replace(rain, triggers=(Every(days(28)),), retraining=policy)

    for compared in (LogLoss(), PrAuc()):
        assert asks(compared).retraining.worth_it.metric == compared
    told = r"retraining: worth_it: the gate does not compare by 'roc_auc'.*by: log_loss, pr_auc"
    with pytest.raises(DeclarationError, match=told):
        asks(RocAuc())
    worth = WorthIt(price=1, over=days(7), metric=RocAuc())
    with pytest.raises(DeclarationError, match=f"policy 'other': {told}"):
        replace(rain, policies=(Policy("other", (Every(days(7)),), Retraining(cost=COST, worth_it=worth)),))
