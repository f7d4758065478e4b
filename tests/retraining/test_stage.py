"""The four stages of continual learning: who may start a training, and from what it starts."""

import runpy
from dataclasses import replace
from pathlib import Path

import pytest

from mlsys_assets import DeclarationError, Drift, Every, LabelVolume, Learning, Policy, SlidingWindow, days, utc
from mlsys_assets.models.stateful.stateful import Stateful
from mlsys_assets.retraining.arbiter import Retraining, decide
from mlsys_assets.retraining.history import History, Training
from mlsys_assets.retraining.stage import Stage
from mlsys_assets.retraining.trigger import Answer, TriggerVerdict

NOW = utc("2013-10-01")
EVERY, VOLUME, DRIFT = Every(days(28)), LabelVolume(grows=0.1), Drift()
THREE = (EVERY, VOLUME, DRIFT)
TRAINED = History(NOW, (Training(NOW - days(60), 100),), (NOW - days(60),))
BY_CLOCK = (Stage.AUTOMATED, Stage.STATEFUL)
RAIN = runpy.run_path(str(Path(__file__).parents[1] / "systems" / "rain.py"))["rain"]


def decided(policy: Retraining, every: bool, volume: bool, drift: bool, history: History = TRAINED):
    said = {
        t.name: TriggerVerdict(Answer.YES if yes else Answer.NO, "because")
        for t, yes in zip(THREE, (every, volume, drift), strict=True)
    }
    return decide(policy, said, history, triggers=THREE)


@pytest.mark.parametrize("history", [TRAINED, History(NOW), replace(TRAINED, promoted=False)])
def test_by_hand_alone_nothing_is_ever_decided(history) -> None:
    found = decided(Retraining(stage=Stage.MANUAL), True, True, True, history)
    assert (found.verdict, found.reason.partition(";")[0]) == ("hold", "by hand only")
    assert found.evidence == {"every": "yes", "label_volume": "yes", "drift": "yes"}


def test_by_hand_alone_it_still_says_what_was_said() -> None:
    manual = Retraining(stage=Stage.MANUAL)
    assert decided(manual, False, True, True).reason == "by hand only; label_volume and drift said yes"
    assert decided(manual, False, False, False, History(NOW)).reason == "by hand only; nothing was trained yet"


@pytest.mark.parametrize("stage", BY_CLOCK)
@pytest.mark.parametrize("when", [None, VOLUME | EVERY & DRIFT, EVERY | VOLUME])
def test_by_the_clock_only_triggers_count_that_look_at_it(stage, when) -> None:
    policy = Retraining(when, stage=stage)
    assert decided(policy, True, False, False).train
    silent = decided(policy, False, True, True)
    assert (silent.train, silent.reason) == (False, "no trigger said yes")
    assert silent.evidence["drift"] == "yes"
    assert decided(policy, False, False, False, History(NOW)).train  # the first training waits for nobody


@pytest.mark.parametrize("stage", BY_CLOCK)
def test_limits_hold_in_every_stage(stage) -> None:
    assert not decided(Retraining(stage=stage, cooldown=days(61)), True, True, True).train


def test_triggered_is_the_default_and_counts_all() -> None:
    assert Retraining().stage is Stage.TRIGGERED
    assert decided(Retraining(), False, False, True).train


def test_from_what_a_training_starts() -> None:
    def learns(stage: Stage, learning: Learning = RAIN.learning) -> Learning:
        return replace(RAIN, triggers=(EVERY,), retraining=Retraining(stage=stage), learning=learning).learns

    assert learns(Stage.STATEFUL).stateful == Stateful()
    assert learns(Stage.STATEFUL) == replace(RAIN.learning, stateful=Stateful())
    for stage in (Stage.MANUAL, Stage.AUTOMATED, Stage.TRIGGERED):
        assert learns(stage) == RAIN.learning
    declared = Learning(stateful=Stateful())
    assert learns(Stage.TRIGGERED, declared).stateful is declared.stateful
    assert learns(Stage.STATEFUL, declared).stateful is declared.stateful


def test_mistakes_are_told() -> None:
    for stage in BY_CLOCK:
        told = f"in the stage {stage} only triggers by the clock count, and there is none among label_volume, drift"
        assert any(told in m for m in Retraining(stage=stage).mistakes((VOLUME, DRIFT)))
        assert Retraining(stage=stage).mistakes(THREE) == []
    assert any("stage is 'manual'; it must be Stage" in m for m in Retraining(stage="manual").mistakes(THREE))
    with pytest.raises(DeclarationError, match="each training starts from scratch, and learning is stateful"):
        replace(
            RAIN,
            triggers=(EVERY,),
            retraining=Retraining(stage=Stage.AUTOMATED),
            learning=Learning(stateful=Stateful()),
        )


FORGETS = "forgets none: its window is all that is known, not the last 90 days; leave window out, or"
NO_REFIT = "in place of a refit; leave refit=False out, or"


@pytest.mark.parametrize(
    ("how", "told"), [({"window": SlidingWindow(days(90))}, FORGETS), ({"refit": False}, NO_REFIT)]
)
def test_what_goes_on_is_refused_with_another_window_and_without_its_rest(how, told) -> None:
    """Wherever it is declared that trainings go on: by the learning, by the stage, and in a policy of either."""
    by_stage, declared = Retraining(stage=Stage.STATEFUL), Learning(stateful=Stateful(), **how)
    for instead, changes in (
        ("stateful", {"learning": declared}),
        ("take another stage than Stage.STATEFUL", {"retraining": by_stage, "learning": Learning(**how)}),
        ("stateful", {"retraining": by_stage, "learning": declared}),
    ):
        with pytest.raises(DeclarationError) as refused:
            replace(RAIN, triggers=(EVERY,), **changes)
        (mistake,) = refused.value.mistakes
        assert mistake.startswith("learning: a stateful training")
        assert mistake.endswith(f"{told} {instead}")
        assert Policy("p", (EVERY,), **changes).mistakes() == [f"policy 'p': {mistake}"]
    for stage in (Stage.MANUAL, Stage.AUTOMATED, Stage.TRIGGERED):
        sound = {"retraining": Retraining(stage=stage), "learning": Learning(**how)}
        assert replace(RAIN, triggers=(EVERY,), **sound).learns == Learning(**how)
        assert Policy("p", (EVERY,), **sound).mistakes() == []


def test_a_policy_is_refused_whose_stage_and_learning_contradict_each_other() -> None:
    policy = Policy("p", (EVERY,), Retraining(stage=Stage.AUTOMATED), Learning(stateful=Stateful()))
    assert [m.partition(";")[0] for m in policy.mistakes()] == [
        "policy 'p': retraining: in the automated stage each training starts from scratch, and learning is stateful"
    ]


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        (Stage.MANUAL, "train by hand only"),
        (Stage.AUTOMATED, "train on any yes; stage automated: by the clock alone"),
        (Stage.STATEFUL, "train on any yes; stage stateful: by the clock alone"),
        (Stage.TRIGGERED, "train on any yes"),
    ],
)
def test_a_policy_says_its_stage(stage, words) -> None:
    assert str(Retraining(stage=stage)) == words
