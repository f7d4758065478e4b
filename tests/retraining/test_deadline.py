"""A trigger that never returns costs a verdict, and nothing else."""

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import MappingProxyType

import dagster as dg
import pytest

from mlsys_assets.production_monitoring.diagnosis import Cause, Diagnosis, Remedy, Symptom
from mlsys_assets.retraining import deadline
from mlsys_assets.retraining.by_function import trigger
from mlsys_assets.retraining.deadline import NoAnswer, answer
from mlsys_assets.retraining.history import Change, History, Monitored, Served, Training
from mlsys_assets.retraining.trigger import LONGEST_REASON, Answer, TriggerVerdict, ask, said
from mlsys_assets.types import TimeWindow, days, utc

NOW, SOON_S = utc("2013-07-29"), 0.1
KNOWN = History(NOW, (Training(NOW - days(7), 100, {"roc_auc": 0.8}),), (NOW - days(7),))


@pytest.fixture
def release():
    """Let what waits go on at the test's end, so that no thread outlives it."""
    event = threading.Event()
    yield event
    event.set()
    for thread in threading.enumerate():
        if thread.name == "asked with a deadline":
            thread.join(10)
            assert not thread.is_alive()


def spins(_history: History) -> bool:
    """Run for ever in Python."""
    while True:
        pass


def spins_on(_history: History) -> bool:
    """Run for ever, and hold on to life."""
    while True:
        try:
            while True:
                pass
        except Exception:  # noqa: BLE001 - what a careless loop does
            pass


@pytest.mark.parametrize("function", [spins, spins_on])
def test_one_that_runs_for_ever_is_stopped(function, release) -> None:
    assert ask(trigger(function), KNOWN, deadline_s=SOON_S) == TriggerVerdict(
        Answer.ERROR, "it did not answer within 0.1 s"
    )


def test_one_that_waits_is_left_and_not_asked_again_until_it_ends(release) -> None:
    """A wait in C code hears of nothing; one thread of it is all there ever is."""
    asked = []

    def waits(_history: History) -> bool:
        asked.append(1)
        while not release.wait(60):
            pass
        return True

    one = trigger(waits)
    before = threading.active_count()
    told = [ask(one, KNOWN, deadline_s=SOON_S).reason for _ in range(5)]
    assert told == ["it did not answer within 0.1 s"] + ["it has not answered yet what it was asked before"] * 4
    assert len(asked) == 1
    assert threading.active_count() == before + 1
    release.set()
    for thread in threading.enumerate():
        if thread.name == "asked with a deadline":
            thread.join(10)
    assert ask(one, KNOWN, deadline_s=60).fires


def test_one_that_is_asked_by_two_at_once_answers_both(release) -> None:
    """As by the schedule of the ticks and the sensor that catches up: neither would put an error on record."""
    both = threading.Barrier(2, timeout=60)

    def meets(_history: History) -> bool:
        both.wait()
        return True

    one, found = trigger(meets), []
    threads = [threading.Thread(target=lambda: found.append(ask(one, KNOWN))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [said(True, "meets says yes")] * 2


def test_who_is_interrupted_while_he_waits_is_interrupted(release) -> None:
    """Ctrl-C ends a replay, and is no verdict of the trigger that was being asked."""

    def waits(_history: History) -> bool:
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        return release.wait(60)

    with pytest.raises(KeyboardInterrupt):
        ask(trigger(waits), KNOWN, deadline_s=60)


def test_an_answer_that_comes_just_in_time_counts_and_its_thread_is_not_stopped(release, monkeypatch) -> None:
    """Its number may be another thread's by then."""
    stopped, join = [], threading.Thread.join
    monkeypatch.setattr(deadline, "_stop", stopped.append)
    monkeypatch.setattr(threading.Thread, "join", lambda thread, _timeout: join(thread, 60))
    monkeypatch.setattr(threading.Thread, "is_alive", lambda _thread: True)
    assert ask(trigger(lambda _history: True), KNOWN, deadline_s=0).fires
    assert stopped == []
    monkeypatch.undo()


def test_another_trigger_is_asked_meanwhile(release) -> None:
    def waits(_history: History) -> bool:
        return release.wait(60)

    assert ask(trigger(waits), KNOWN, deadline_s=SOON_S).answer is Answer.ERROR
    assert ask(trigger(lambda _history: True), KNOWN).fires


def test_it_works_in_a_thread_that_is_not_the_main_one(release) -> None:
    """As sensors run in those of the code server."""
    found = []
    thread = threading.Thread(target=lambda: found.append(ask(trigger(spins), KNOWN, deadline_s=SOON_S)))
    thread.start()
    thread.join(30)
    assert [f.reason for f in found] == ["it did not answer within 0.1 s"]


def test_what_is_returned_and_raised_is_what_the_caller_gets() -> None:
    assert answer(lambda: 5, within_s=60, of=object()) == 5
    with pytest.raises(ZeroDivisionError):
        answer(lambda: 1 / 0, within_s=60, of=object())
    with pytest.raises(NoAnswer, match="within 0 s"):
        answer(lambda: time.sleep(0.2), within_s=0, of=object())


def deeper(history: History) -> bool:
    return deeper(history)


def leaves(_history: History) -> bool:
    raise SystemExit(1)


def interrupts(_history: History) -> bool:
    raise KeyboardInterrupt


class Mute(Exception):
    def __str__(self) -> str:
        raise ValueError


def says_nothing(_history: History) -> bool:
    raise Mute


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (deeper, "it raised RecursionError: maximum recursion depth"),
        (leaves, "it raised SystemExit: 1"),
        (interrupts, "it raised KeyboardInterrupt"),
        (says_nothing, "it raised Mute: and telling why raised ValueError"),
    ],
)
def test_whatever_it_raises_ends_in_a_verdict(function, told) -> None:
    found = ask(trigger(function), KNOWN)
    assert found.answer is Answer.ERROR
    assert found.reason.startswith(told)


class Endless:
    """Something that never says what it is."""

    def __repr__(self) -> str:
        while True:
            pass


@dataclass(frozen=True)
class Given:
    """Answers what it is given."""

    what: object
    name: str = "given"
    by_clock: bool = False
    mistakes: Callable[[], list[str]] = field(default=list)

    def verdict(self, _history: History) -> object:
        return self.what


YES = said(True, "because")


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ([YES] * 100, "it answered [TriggerVerdict"),
        ([dg.RunRequest(run_key=str(n)) for n in range(100)], "it answered [RunRequest"),
        ((YES for _ in range(100)), "it answered <generator"),
        (Endless(), "it did not answer within"),
        (said(True, "because", **{f"n{i}": i for i in range(101)}), "its evidence has 101 entries; at most 100"),
        (said(True, "because", n=10**5000), "its evidence cannot be recorded: n"),
    ],
)
def test_a_hundred_answers_are_one_error(what, told, release) -> None:
    found = ask(Given(what), KNOWN, deadline_s=0.5)
    assert found.answer is Answer.ERROR
    assert found.reason.startswith(told)
    assert len(found.reason) <= LONGEST_REASON


def test_of_a_huge_reason_no_more_is_read_than_is_kept() -> None:
    began = time.process_time()
    found = ask(Given(said(True, "so " * 30_000_000)), KNOWN)
    assert len(found.reason) == LONGEST_REASON
    assert time.process_time() - began < 0.5


def test_evidence_is_copied_before_anybody_can_change_it() -> None:
    kept: dict[str, int] = {"n": 1}
    found = ask(Given(TriggerVerdict(Answer.YES, "because", kept)), KNOWN)
    kept["n"] = 2
    assert found.evidence == {"n": 1}


def test_a_trigger_cannot_change_what_the_next_one_sees() -> None:
    told = Symptom(Cause.CONCEPT, "refit", "scores", "worse", 0.1, 0.05, {"rows": 5})
    window = TimeWindow.of("2013-07-22", "2013-07-29")
    diagnosis = Diagnosis(window, Cause.CONCEPT, (told,), None, Remedy.RETRAIN, None, "so")
    training = Training(NOW - days(7), 100, {"roc_auc": 0.8}, {"log_loss": Change(-0.01, -0.02, 0.0)})
    monitored = Monitored(NOW, 100, (Served(NOW - days(7), 10, {"roc_auc": 0.7}),), {"a": 0.1}, diagnosis=diagnosis)
    known = History(NOW, (training,), (training.as_of,), (monitored,))
    for holder in (
        training.reference, training.changes, monitored.drift, monitored.served[0].metrics, told.measures,
    ):  # fmt: skip
        assert isinstance(holder, MappingProxyType)

    @trigger
    def greedy(history: History) -> bool:
        history.trainings[-1].reference["roc_auc"] = 1.0
        return True

    @trigger
    def bold(history: History) -> bool:
        history.promoted = False
        return True

    assert ask(greedy, known).reason.startswith("it raised TypeError: 'mappingproxy'")
    assert ask(bold, known).reason.startswith("it raised FrozenInstanceError")
    assert known.trained.reference == {"roc_auc": 0.8}


def test_what_is_given_to_a_history_is_not_held_by_who_gave_it() -> None:
    given = {"roc_auc": 0.8}
    training = Training(NOW, 100, given)
    given["roc_auc"] = 0.1
    assert training.reference == {"roc_auc": 0.8}


def test_asking_costs_little() -> None:
    """A tick of a sensor asks once; a replay of a year two hundred times."""
    quick = trigger(lambda _history: True)
    began = time.process_time()
    for _ in range(200):
        ask(quick, KNOWN)
    assert time.process_time() - began < 0.5
