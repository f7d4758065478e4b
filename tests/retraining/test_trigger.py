"""What every trigger must do: answer from the history alone, say why, and never stop the others."""

from dataclasses import dataclass, replace
from datetime import timedelta
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, strategies as st

from mlsys_assets.production_monitoring.diagnosis import Cause, Diagnosis, Remedy
from mlsys_assets.retraining.by_drift import Drift
from mlsys_assets.retraining.by_performance import PerformanceDrop
from mlsys_assets.retraining.by_time import Every
from mlsys_assets.retraining.by_volume import LabelVolume
from mlsys_assets.retraining.history import History, Monitored, Served, Training
from mlsys_assets.retraining.trigger import Answer, Trigger, TriggerVerdict, ask, said, trigger_mistakes
from mlsys_assets.types import days, hours, utc

from .diagnoses import CALM, CONCEPT, diagnosis

NOW, WEEK = utc("2013-07-29"), days(7)
TRIGGERS = (Every(days(28)), LabelVolume(grows=0.1), PerformanceDrop(by=0.05), Drift(costs=0.005))


def lived(
    *, labelled: int = 105, auc: float = 0.8, found: Diagnosis | None = CALM, since: timedelta | None = None
) -> History:
    """A training, and two monitored ticks since."""
    then = NOW - (since or days(14))
    served = [Served(NOW - n * WEEK, 100, {"roc_auc": auc}) for n in (2, 1)]
    ticks = [Monitored(NOW - (1 - n) * WEEK, labelled, (served[n],), diagnosis=found) for n in (0, 1)]
    return History(NOW, (Training(then, 100, {"roc_auc": 0.8}),), (then,), tuple(ticks))


@pytest.mark.parametrize("trigger", TRIGGERS, ids=lambda t: t.name)
def test_it_is_a_trigger_and_sound(trigger) -> None:
    assert isinstance(trigger, Trigger)
    assert trigger.mistakes() == []


@pytest.mark.parametrize("trigger", TRIGGERS, ids=lambda t: t.name)
def test_before_any_training_it_cannot_tell(trigger) -> None:
    found = trigger.verdict(History(NOW))
    assert (found.answer, found.reason) == (Answer.INSUFFICIENT_DATA, "nothing was trained yet")


@pytest.mark.parametrize("trigger", TRIGGERS, ids=lambda t: t.name)
def test_it_is_quiet_where_nothing_happened(trigger) -> None:
    assert ask(trigger, lived()).answer is Answer.NO


@pytest.mark.parametrize("trigger", TRIGGERS, ids=lambda t: t.name)
def test_it_rests_on_evidence_also_when_it_is_quiet(trigger) -> None:
    found = ask(trigger, lived())
    assert found.evidence
    assert found.reason


@given(st.integers(1, 100), st.booleans(), st.integers(0, 1000), st.floats(0, 1))
def test_time_is_the_one_trigger_that_looks_at_nothing_else(passed, monitored, labelled, auc) -> None:
    """Whatever was monitored, counted and found, it says the same; of the four it alone is asked before."""
    history = lived(since=days(passed), labelled=labelled, auc=auc, found=CONCEPT)
    found = Every(days(28)).verdict(history if monitored else replace(history, monitored=()))
    assert found.fires is (passed >= 28)
    assert [t.by_clock for t in TRIGGERS] == [True, False, False, False]


@pytest.mark.parametrize(
    ("trigger", "history"),
    [
        (TRIGGERS[0], lived(since=days(28))),
        (TRIGGERS[1], lived(labelled=110)),
        (TRIGGERS[2], lived(auc=0.74)),
        (TRIGGERS[3], lived(found=CONCEPT)),
    ],
    ids=[t.name for t in TRIGGERS],
)
def test_it_fires_for_its_own_cause_alone_and_says_why(trigger, history) -> None:
    fired = {t.name: ask(t, history) for t in TRIGGERS if ask(t, history).fires}
    assert list(fired) == [trigger.name]
    assert fired[trigger.name].evidence
    assert "ask" in fired[trigger.name].reason


@pytest.mark.parametrize(("passed", "fires"), [(days(27), False), (days(28), True)])
def test_every_counts_time_and_nothing_else(passed, fires) -> None:
    history = lived(since=passed)
    assert Every(days(28)).verdict(history).fires is fires
    assert Every(days(28)).verdict(replace(history, monitored=())).fires is fires


@pytest.mark.parametrize(("labelled", "fires"), [(109, False), (110, True)])
def test_volume_counts_exactly(labelled, fires) -> None:
    assert LabelVolume(grows=0.1).verdict(lived(labelled=labelled)).fires is fires


def test_volume_waits_for_the_count_as_of_now() -> None:
    history = lived(labelled=200)
    late = replace(history, monitored=history.monitored[:1])
    assert LabelVolume(grows=0.1).verdict(late).answer is Answer.INSUFFICIENT_DATA


def test_performance_waits_for_labels() -> None:
    history = lived(auc=0.5)
    unlabelled = tuple(replace(m, served=tuple(replace(s, labelled=0) for s in m.served)) for m in history.monitored)
    assert PerformanceDrop(by=0.05).verdict(history).fires
    assert PerformanceDrop(by=0.05).verdict(replace(history, monitored=unlabelled)).answer is Answer.INSUFFICIENT_DATA


def test_performance_looks_at_the_latest_revision_and_weighs_by_labels() -> None:
    then, first, second = NOW - 3 * WEEK, NOW - 2 * WEEK, NOW - WEEK
    found = (
        Monitored(second, 0, (Served(first, 10, {"roc_auc": 0.1}),)),
        Monitored(NOW, 0, (Served(first, 300, {"roc_auc": 0.8}), Served(second, 100, {"roc_auc": 0.6}))),
    )
    history = History(NOW, (Training(then, 100, {"roc_auc": 0.8}),), (then,), found)
    assert PerformanceDrop(by=0.04).verdict(history).evidence["now"] == pytest.approx(0.75)


def test_performance_does_not_blame_a_new_model_for_the_old_ones_ticks() -> None:
    assert PerformanceDrop(by=0.05).verdict(lived(auc=0.5, since=days(10))).answer is Answer.INSUFFICIENT_DATA


def test_drift_must_last() -> None:
    history = lived(found=CONCEPT)
    once = replace(history, monitored=(replace(history.monitored[0], diagnosis=CALM), history.monitored[1]))
    assert Drift(over=2).verdict(history).fires
    assert not Drift(over=2).verdict(once).fires
    assert Drift(over=1).verdict(once).fires


@pytest.mark.parametrize(
    "found",
    [
        diagnosis(Cause.PIPELINE, Remedy.FIX_DATA),
        diagnosis(Cause.SKEW, Remedy.FIX_SERVING),
        diagnosis(Cause.LABEL, Remedy.CORRECT_PRIOR),
        diagnosis(Cause.COVARIATE, Remedy.NOTHING),
        diagnosis(Cause.CONCEPT, Remedy.RETRAIN, low=None),
        diagnosis(Cause.CONCEPT, Remedy.RETRAIN, low=0.004),
    ],
    ids=lambda d: f"{d.cause}, {d.remedy}, {d.price is None or d.price.log_loss.low}",
)
def test_drift_asks_for_a_training_only_where_one_helps_and_pays(found) -> None:
    assert Drift(costs=0.005).verdict(lived(found=found)).answer is Answer.NO
    assert Drift(costs=0.005).verdict(lived(found=diagnosis(Cause.COVARIATE, Remedy.REWEIGHT))).fires


@pytest.mark.parametrize("found", [None, diagnosis(Cause.UNTOLD, Remedy.WAIT, low=None)], ids=["none", "untold"])
def test_drift_without_a_diagnosis_cannot_tell(found) -> None:
    assert Drift().verdict(lived(found=found)).answer is Answer.INSUFFICIENT_DATA


@dataclass(frozen=True)
class Strange:
    """A trigger that does something else than answer."""

    what: object
    name: str = "strange"
    by_clock: bool = False

    def mistakes(self) -> list[str]:
        return []

    def verdict(self, history: History) -> TriggerVerdict:
        if isinstance(self.what, Exception):
            raise self.what
        return self.what


@pytest.mark.parametrize(
    ("what", "told"),
    [
        (ZeroDivisionError("division by zero"), "it raised ZeroDivisionError: division by zero"),
        (None, "it answered None; it must answer a TriggerVerdict"),
        (True, "it answered True"),
        ("yes", "it answered 'yes'"),
        (TriggerVerdict("yes", "because"), "it answered 'yes' for 'because'; allowed: yes, no"),
        (TriggerVerdict(Answer.YES, 1), "for 1"),
        (said(True, "because", share=float("nan")), "its evidence cannot be recorded: share"),
        (TriggerVerdict(Answer.YES, "because", {"rows": [1]}), "its evidence cannot be recorded: rows"),
        (ValueError("x" * 10_000), "it raised ValueError: xxx"),
        (OSError("bad file '\udcff'\0"), "it raised OSError: bad file '?'"),
        (TriggerVerdict(Answer.YES, "because", None), "its evidence is None; it must be a mapping"),
        (TriggerVerdict(Answer.YES, "because", ["rows"]), "its evidence is ['rows']; it must be a mapping"),
        (TriggerVerdict(Answer.YES, "because", {"file": "\udcff"}), "its evidence cannot be recorded: file"),
        (TriggerVerdict(Answer.YES, "because", {"file": "x" * 10_000}), "its evidence cannot be recorded: file"),
    ],
)
def test_one_that_raises_or_answers_nonsense_is_a_verdict_and_never_fires(what, told) -> None:
    found = ask(Strange(what), lived())
    assert found.answer is Answer.ERROR
    assert not found.fires
    assert told in found.reason
    assert len(found.reason) <= 500


def test_a_reason_is_kept_as_a_record_can_hold_it() -> None:
    found = ask(Strange(TriggerVerdict(Answer.YES, "two\nlines\0 " + "x" * 10_000)), lived())
    assert found.fires
    assert found.reason.startswith("two lines x")
    assert len(found.reason) == 500


def test_performance_looks_past_a_tick_that_has_too_few_labels_yet() -> None:
    """As the newest of daily ticks, whose labels take a day."""
    history = lived(auc=0.5, since=days(21))
    newest = Served(NOW - hours(1), 12, {})
    last = history.monitored[-1]
    thin = replace(history, monitored=(history.monitored[0], replace(last, served=(*last.served, newest))))
    assert PerformanceDrop(by=0.05).verdict(thin).fires


def test_a_history_holds_nothing_later() -> None:
    with pytest.raises(ValueError, match="leave it out"):
        History(NOW, monitored=(Monitored(NOW + WEEK, 1),))
    with pytest.raises(ValueError, match="leave it out"):
        History(NOW, attempts=(NOW,))


@pytest.mark.parametrize(
    ("trigger", "told"),
    [
        (Every(days(0)), "period must be longer than nothing"),
        (LabelVolume(grows=0), "grows is 0; it must be a number, above 0"),
        (PerformanceDrop(by=-1), "by is -1"),
        (PerformanceDrop(by=0.1, metric="auc"), "metric is 'auc'; it must be Metric"),
        (PerformanceDrop(by=0.1, over=0), "over is 0"),
        (PerformanceDrop(by=0.1, over=27), "over is 27; it must be a whole number, at least 1, at most 26"),
        (Drift(over=27), "over is 27; it must be a whole number, at least 1, at most 26"),
        (Drift(costs=-1), "costs is -1"),
        (Drift(name="my drift"), "'my drift'"),
    ],
)
def test_mistakes_are_told(trigger, told) -> None:
    assert any(told in mistake for mistake in trigger.mistakes()), trigger.mistakes()


@pytest.mark.parametrize("number", [Fraction(1, 3), np.float32(0.3), np.int64(1)])
def test_any_number_may_be_a_threshold(number) -> None:
    for trigger in (LabelVolume(number), PerformanceDrop(number), Drift(costs=number)):
        assert trigger.mistakes() == []
        assert ask(trigger, lived()).answer is Answer.NO


@pytest.mark.parametrize(
    ("trigger", "told"),
    [
        (Strange(None, name="my own"), "a trigger is called 'my own'"),
        (Strange(None, by_clock="no"), "trigger 'strange': by_clock is 'no'; it must be bool"),
        (Every(days(0)), "period must be longer than nothing"),
    ],
)
def test_what_every_trigger_must_be_is_asked_of_ones_own_too(trigger, told) -> None:
    assert [told in mistake for mistake in trigger_mistakes(trigger)] == [True]


@given(st.integers(0, 400), st.integers(1, 300), st.floats(0.01, 2))
def test_volume_equals_its_definition(now, then, grows) -> None:
    history = History(NOW, (Training(NOW - WEEK, then),), (NOW - WEEK,), (Monitored(NOW, now),))
    assert LabelVolume(grows=grows).verdict(history).fires == (Fraction(now, then) - 1 >= Fraction(str(grows)))
