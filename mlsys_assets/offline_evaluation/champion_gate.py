"""What is asked of a challenger against the champion: to be no worse, or to be better (Schuirmann 1987)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable

from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.measures.metrics import LogLoss, Metric
from mlsys_assets.mistakes import not_one, out_of_range, sound

RECENT: Final = "recent_test"
STATIC: Final = "static_test"
MISLEADING: Final = {
    "accuracy": "where positives are rare the zero rule wins it",
    "ece": "a difference of two of them is biased, and the zero rule may have the smallest",
}
"""Metrics that cannot decide between models, and why."""


@runtime_checkable
class ChampionGate(Protocol):
    """A rule that a challenger must meet on the recent test and on the static test, both."""

    @property
    def metric(self) -> Metric:
        """In which the two are compared, on the same rows."""
        ...

    @property
    def asks(self) -> str:
        """What is asked, after 'the challenger'."""
        ...

    def shortfall(self, difference: Estimate, split: str) -> str:
        """Return what a difference, challenger minus champion on a test, lacks; empty if it meets the rule."""
        ...

    def mistakes(self) -> Iterator[str]:
        """Yield what is wrong with the declaration."""
        ...


@dataclass(frozen=True)
class NonInferiority:
    """No worse than the champion by more than a margin: a fresh model of equal worth may take its place.

    Parameters
    ----------
    metric
        What is compared.
    recent, static
        The margins on the two tests, in the metric's unit.
    """

    metric: Metric = field(default_factory=LogLoss)
    recent: float = 0.002
    static: float = 0.01

    @property
    def asks(self) -> str:
        """To be no worse."""
        return "is no worse than the champion"

    def shortfall(self, difference: Estimate, split: str) -> str:
        """Return that the bad end of the interval lies beyond the test's margin, if it does."""
        return _beyond(self.metric, difference, split, margin=self.recent if split == RECENT else self.static)

    def mistakes(self) -> Iterator[str]:
        """Yield margins below 0 and a metric that cannot decide."""
        yield from deciding_mistakes("gates: champion.metric", self.metric)
        yield from out_of_range("gates: champion.recent", self.recent, least=0)
        yield from out_of_range("gates: champion.static", self.static, least=0)


@dataclass(frozen=True)
class Superiority:
    """Better than the champion on recent rows, by more than chance and more than a gain; on the static test no worse.

    Two fits of one recipe differ a little, and enough rows show any difference: a gain above 0 says from where on it is
    worth a change.

    Parameters
    ----------
    metric
        What is compared.
    gain
        What the whole interval must exceed on recent rows, in the metric's unit.
    static
        How much worse the interval may reach on the static test.
    """

    metric: Metric = field(default_factory=LogLoss)
    gain: float = 0.001
    static: float = 0.01

    @property
    def asks(self) -> str:
        """To be better."""
        return f"is better than the champion by {self.gain} and more"

    def shortfall(self, difference: Estimate, split: str) -> str:
        """Return that the interval on recent rows is not all beyond the gain, or that on the static test too bad."""
        if split != RECENT:
            return _beyond(self.metric, difference, split, margin=self.static)
        if worst_of(self.metric, difference) < -self.gain:
            return ""
        return (
            f"{self.metric.name} is not shown to be better than the champion's on {split} by more than {self.gain} "
            f"(difference {difference}, the whole interval must be beyond it)"
        )

    def mistakes(self) -> Iterator[str]:
        """Yield a gain or margin below 0 and a metric that cannot decide."""
        yield from deciding_mistakes("gates: champion.metric", self.metric)
        yield from out_of_range("gates: champion.gain", self.gain, least=0)
        yield from out_of_range("gates: champion.static", self.static, least=0)


def worst_of(metric: Metric, difference: Estimate) -> float:
    """Return the loss at the bad end of a difference's interval, positive if worse."""
    return -difference.low if metric.higher_is_better else difference.high


def _beyond(metric: Metric, difference: Estimate, split: str, *, margin: float) -> str:
    worst = worst_of(metric, difference)
    if worst <= margin:
        return ""
    return (
        f"{metric.name} may be worse than the champion's on {split} by {worst:.4f}, at most {margin} is allowed "
        f"(difference {difference})"
    )


def deciding_mistakes(what: str, metric: object) -> Iterator[str]:
    """Yield why something cannot be the metric that decides."""
    yield from not_one(what, metric, Metric)
    for one in sound(metric, Metric):
        if one.name in MISLEADING:
            yield f"{what}: {one.name} cannot be what decides: {MISLEADING[one.name]}"
