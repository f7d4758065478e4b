"""One setting that was tried, and how a search stands after it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from mlsys_assets.measures.metrics import LogLoss, Metric
from mlsys_assets.types import Scalar

State: TypeAlias = Literal["complete", "pruned", "failed"]
"""How a trial ended."""


@dataclass(frozen=True)
class Trial:
    """One setting that was tried.

    Parameters
    ----------
    number
        Its place in the search, from 0.
    params
        The value of each setting.
    state
        Whether it was fitted to its end, stopped on the way, or could not be fitted.
    value
        The metric on validation; None unless it is complete.
    seconds
        How long it took; no part of what a search finds.
    losses
        The loss on validation after each step, where it was watched.
    reason
        Why it failed.
    """

    number: int
    params: Mapping[str, Scalar]
    state: State
    value: float | None = None
    seconds: float = 0.0
    losses: tuple[float, ...] = ()
    reason: str = ""

    @property
    def pruned_at(self) -> int | None:
        """The step after which it was stopped; None if it was not."""
        return len(self.losses) if self.state == "pruned" else None

    @property
    def found(self) -> tuple[int, dict[str, Scalar], State, float | None, tuple[float, ...], str]:
        """All but the time it took: equal for equal searches."""
        return self.number, dict(self.params), self.state, self.value, self.losses, self.reason


@dataclass(frozen=True)
class Progress:
    """How a search stands after a trial.

    Parameters
    ----------
    search
        The name of the candidate that is tuned.
    trial
        The trial.
    best
        The best so far; None while none is complete.
    trials
        How many there will be at most.
    left_s
        Seconds that the rest will take, by what the trials so far took.
    resumed
        Whether it was finished by an earlier run of the same search, and is told again.
    metric
        What trials are judged by.
    """

    search: str
    trial: Trial
    best: Trial | None
    trials: int
    left_s: float
    resumed: bool = False
    metric: Metric = LogLoss()

    @property
    def line(self) -> str:
        """It as a line of text."""
        value = self.trial.state if self.trial.value is None else f"{self.trial.value:.4f}"
        best = "none so far" if self.best is None else f"{self.best.value:.4f} in trial {self.best.number + 1}"
        again = ", taken up again" if self.resumed else ""
        return (
            f"{self.search}: trial {self.trial.number + 1} of {self.trials}: {value}, best {best}, "
            f"{self.left_s:,.0f} s left{again}"
        )


def best_of(trials: Iterable[Trial], metric: Metric) -> Trial | None:
    """Return the complete trial of the best value, of equal ones the first; None if none is complete."""
    sign = -1.0 if metric.higher_is_better else 1.0
    complete = [(sign * t.value, t.number, t) for t in trials if t.state == "complete" and t.value is not None]
    return min(complete, key=lambda one: one[:2])[2] if complete else None


def counted(trials: Sequence[Trial]) -> str:
    """Return how many trials ended how, in words.

    >>> counted([Trial(0, {}, "complete", 0.5), Trial(1, {}, "failed")])
    '2 trials: 1 complete, 1 failed'
    """
    states: tuple[State, ...] = ("complete", "pruned", "failed")
    told = [f"{n} {state}" for state in states if (n := sum(t.state == state for t in trials))]
    return f"{len(trials)} trials: {', '.join(told) or 'none'}"
