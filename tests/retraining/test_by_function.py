"""A trigger of one's own is one function, asked like any other."""

import numpy as np
import pytest

from mlsys_assets.retraining.by_function import trigger
from mlsys_assets.retraining.by_time import Every
from mlsys_assets.retraining.condition import AllOf, AnyOf
from mlsys_assets.retraining.history import History, Training
from mlsys_assets.retraining.trigger import Answer, Trigger, TriggerVerdict, ask, said, unknown
from mlsys_assets.types import days, utc

NOW = utc("2013-07-29")
BEFORE, TRAINED = History(NOW), History(NOW, (Training(NOW - days(7), 100),), (NOW - days(7),))


@trigger
def storms(history: History) -> TriggerVerdict:
    """Ask for a training after any other."""
    if history.trained is None:
        return unknown("nothing was trained yet")
    return said(True, "a storm", labelled=history.trained.labelled)


@trigger(by_clock=True)
def monday(history: History) -> bool:
    """It is Monday.

    So it is as of this history.
    """
    return history.as_of.weekday() == 0


@trigger
def bare(history: History) -> bool:
    return history.trained is not None


def test_it_is_a_trigger_and_sound() -> None:
    assert [(t.name, t.by_clock) for t in (storms, monday, bare)] == [
        ("storms", False), ("monday", True), ("bare", False),
    ]  # fmt: skip
    for one in (storms, monday, bare):
        assert isinstance(one, Trigger)
        assert one.mistakes() == []


def test_it_says_what_its_function_says() -> None:
    assert ask(storms, TRAINED) == TriggerVerdict(Answer.YES, "a storm", {"labelled": 100})
    assert ask(storms, BEFORE).answer is Answer.INSUFFICIENT_DATA


def test_yes_or_no_is_enough_and_the_docstring_is_the_reason() -> None:
    assert ask(monday, TRAINED) == said(True, "It is Monday.")
    assert ask(monday, History(NOW + days(1))) == said(False, "It is Monday.")
    assert ask(bare, BEFORE) == said(False, "bare says no")


@pytest.mark.parametrize("yes", [True, False])
def test_numpys_yes_and_no_are_those_of_python(yes) -> None:
    """As a comparison of a mean gives them."""

    def above(history: History):
        return np.mean([history.trained.labelled]) > (99 if yes else 100)

    found = ask(trigger(above), TRAINED)
    assert found == said(yes, f"above says {'yes' if yes else 'no'}")


def test_it_combines() -> None:
    assert storms & Every(days(28)) | monday == AnyOf(AllOf(storms, Every(days(28))), monday)


async def coroutine(history):
    return history.promoted


def generator(history):
    yield history.promoted


async def both(history):
    yield history.promoted


@pytest.mark.parametrize(
    ("function", "told"),
    [
        (lambda history: history.promoted, "a trigger is called '<lambda>'; a name must be of letters"),
        (coroutine, "trigger 'coroutine' is a coroutine or a generator; it must return its answer"),
        (generator, "trigger 'generator' is a coroutine or a generator"),
        (both, "trigger 'both' is a coroutine or a generator"),
        (lambda: True, "takes () (too many positional arguments); it must take one argument: the History"),
        (lambda history, more: more, "(missing a required argument: 'more'); it must take one argument"),
        (lambda *, history: history, "it must take one argument: the History"),
        ("storms", "is 'storms'; it must be a function of a History"),
    ],
)
def test_mistakes_are_told(function, told) -> None:
    found = trigger(function).mistakes()
    assert any(told in mistake for mistake in found), found


def test_by_clock_is_yes_or_no() -> None:
    assert any("by_clock is 1" in mistake for mistake in trigger(by_clock=1)(bare.function).mistakes())


def test_an_option_that_may_be_left_out_is_no_mistake() -> None:
    def above(history: History, floor: int = 50) -> bool:
        return history.trained is not None and history.trained.labelled > floor

    assert trigger(above).mistakes() == []
    assert ask(trigger(above), TRAINED).fires


@pytest.mark.parametrize("found", [1, "yes", None, [said(True, "a")] * 100, {True}])
def test_anything_else_is_an_error(found) -> None:
    def odd(_history: History):
        return found

    assert ask(trigger(odd), TRAINED).answer is Answer.ERROR
