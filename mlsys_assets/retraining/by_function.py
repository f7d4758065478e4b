"""A trigger of one's own, in one function."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import overload

import numpy as np

from mlsys_assets.mistakes import misnamed, not_one
from mlsys_assets.retraining.condition import Combinable
from mlsys_assets.retraining.history import History
from mlsys_assets.retraining.trigger import TriggerVerdict, said

Asked = Callable[[History], TriggerVerdict | bool]
"""What is decorated: a pure function of the history."""


@dataclass(frozen=True)
class FunctionTrigger(Combinable):
    """Asks a function, whose name is its own.

    Parameters
    ----------
    function
        Maps a history to a verdict, or to yes or no; the first line of its docstring is then the reason.
    by_clock
        Whether it looks at nothing but the time, so that it is asked before a tick's data is there.
    """

    function: Asked
    by_clock: bool = False

    @property
    def name(self) -> str:
        """The function's name."""
        return str(getattr(self.function, "__name__", type(self.function).__name__))

    def mistakes(self) -> list[str]:
        """Return what is wrong with the function and its name."""
        what = f"trigger {self.name!r}"
        found = misnamed("a trigger", self.name) + not_one(f"{what}: by_clock", self.by_clock, bool)
        return found + _unfit(what, self.function)

    def verdict(self, history: History) -> TriggerVerdict:
        """Return what the function says."""
        found = self.function(history)
        if isinstance(found, bool | np.bool_):
            return said(bool(found), self._told or f"{self.name} says {'yes' if found else 'no'}")
        return found

    @property
    def _told(self) -> str:
        return next(iter((inspect.getdoc(self.function) or "").splitlines()), "")


@overload
def trigger(function: Asked) -> FunctionTrigger: ...
@overload
def trigger(*, by_clock: bool = ...) -> Callable[[Asked], FunctionTrigger]: ...
def trigger(
    function: Asked | None = None, *, by_clock: bool = False
) -> FunctionTrigger | Callable[[Asked], FunctionTrigger]:
    """Make a trigger of a function that says from a history, and from nothing else, whether to retrain.

    It is asked at every tick, live by a sensor of its name as in a replay, and its verdict stands in the ledger. So it
    must be pure: no clock, no data, no chance. One that raises, or takes too long, has the verdict ``error``.

    >>> from mlsys_assets.types import utc
    >>> @trigger
    ... def new_year(history: History) -> bool:
    ...     "In the first week of a year."
    ...     return history.as_of.month == 1 and history.as_of.day <= 7
    >>> new_year.verdict(History(utc("2013-01-07"))).answer
    <Answer.YES: 'yes'>

    Parameters
    ----------
    by_clock
        Whether it looks at ``history.as_of`` and past trainings alone, so that it is asked before a tick's data is
        there, and counts in the stages of training by the clock.
    """
    if function is not None:
        return FunctionTrigger(function, by_clock)
    return lambda decorated: FunctionTrigger(decorated, by_clock)


def _unfit(what: str, function: object) -> list[str]:
    """Return why a function cannot be asked with a history, if it cannot."""
    if not callable(function):
        return [f"{what} is {function!r:.80}; it must be a function of a History"]
    kinds = (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction)
    if any(kind(function) for kind in kinds):
        return [f"{what} is a coroutine or a generator; it must return its answer: write def, and return"]
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # of some that are built in nobody knows what they take
        return []
    try:
        signature.bind(History)
    except TypeError as error:
        return [f"{what} takes {signature} ({error}); it must take one argument: the History"]
    return []
