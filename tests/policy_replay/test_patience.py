"""A trigger that hangs is waited for once in a replay, and not once for every tick."""

import time
from dataclasses import dataclass, field

from mlsys_assets import utc
from mlsys_assets.policy_replay.patience import Patience
from mlsys_assets.retraining.history import History, history
from mlsys_assets.retraining.trigger import Answer, Trigger, TriggerVerdict, said

DEADLINE_S = 0.1
LATER = 20 * DEADLINE_S


@dataclass(eq=False)
class Told:
    """Does what it is told, and counts how often it was asked."""

    does: str = ""
    name: str = "told"
    by_clock: bool = True
    asked: list[History] = field(default_factory=list)

    def mistakes(self) -> list[str]:
        return []

    def verdict(self, history: History) -> TriggerVerdict:
        self.asked.append(history)
        if self.does == "raises":
            raise RuntimeError("no idea")
        end = time.monotonic() + (LATER if self.does == "hangs" else 0)
        while time.monotonic() < end:
            time.sleep(0.01)
        return said(True, "it is time")


def verdicts(patience: Patience, trigger: Trigger, ticks: int = 3) -> list[TriggerVerdict]:
    known = history(utc("2013-03-05"), training_sets=(), gates=(), monitoring=(), promoted=False)
    return [patience.ask(trigger, known) for _ in range(ticks)]


def test_one_that_hangs_is_waited_for_once_whichever_life_asks() -> None:
    patience, hangs = Patience(DEADLINE_S), Told("hangs")
    began = time.monotonic()
    first, *others = [*verdicts(patience, hangs), *verdicts(patience, hangs)]
    assert time.monotonic() - began < LATER
    assert len(hangs.asked) == 1
    assert {one.answer for one in (first, *others)} == {Answer.ERROR}
    assert first.reason == "it did not answer within 0.1 s"
    assert {one.reason for one in others} == {"it did not answer within 0.1 s before, and a replay asks it no more"}


def test_another_is_asked_and_so_is_it_in_another_replay() -> None:
    patience, hangs, sound = Patience(DEADLINE_S), Told("hangs"), Told()
    verdicts(patience, hangs)
    assert all(one.fires for one in verdicts(patience, sound))
    hangs.does = ""
    time.sleep(DEADLINE_S)  # until its thread has ended
    assert verdicts(Patience(DEADLINE_S), hangs)[0].fires


def test_one_that_raises_is_asked_again() -> None:
    raises = Told("raises")
    found = verdicts(Patience(DEADLINE_S), raises)
    assert [one.reason for one in found] == ["it raised RuntimeError: no idea"] * 3
    assert len(raises.asked) == 3
