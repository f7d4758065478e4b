"""When a trial is given up on its way: by its losses so far and those of the trials before it."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Protocol, runtime_checkable

from mlsys_assets.mistakes import out_of_range
from mlsys_assets.models.tuning.trial import Trial


@runtime_checkable
class Pruner(Protocol):
    """Says when a trial is hopeless; frozen, and decides by losses alone."""

    def mistakes(self, what: str) -> list[str]:
        """Return what is wrong with the declaration."""
        ...

    def stops(self, losses: Sequence[float], before: Sequence[Trial]) -> bool:
        """Return whether a trial with these losses, one a step, is to end; ``before`` are the finished trials."""
        ...


@dataclass(frozen=True)
class MedianPruner:
    """A trial ends if its best loss so far is worse than the median of the complete trials' at the same step.

    The median stopping rule (Golovin et al. 2017).

    Parameters
    ----------
    startup
        So many complete trials must be there first.
    warmup
        So many steps every trial is given.
    """

    startup: int = 5
    warmup: int = 5

    def mistakes(self, what: str) -> list[str]:
        """Return numbers that cannot be counted."""
        found = out_of_range(f"{what}: startup", self.startup, whole=True, least=1)
        return found + out_of_range(f"{what}: warmup", self.warmup, whole=True, least=0)

    def stops(self, losses: Sequence[float], before: Sequence[Trial]) -> bool:
        """Return whether the best so far is worse than the median."""
        step = len(losses)
        complete = [t.losses for t in before if t.state == "complete"]
        there = [curve[step - 1] for curve in complete if len(curve) >= step]
        if len(complete) < self.startup or step <= self.warmup or not there:
            return False
        return min(losses) > median(there)


@dataclass(frozen=True)
class HalvingPruner:
    """Of the trials that come to a rung, one in ``factor`` goes on: asynchronous successive halving (Li et al. 2020).

    Rungs stand at the steps ``first``, ``first * factor``, ``first * factor ** 2`` and so on.

    Parameters
    ----------
    first
        The step of the first rung.
    factor
        How many come to a rung for each that goes on.
    """

    first: int = 10
    factor: int = 3

    def mistakes(self, what: str) -> list[str]:
        """Return a rung before the first step, and a factor that stops nobody."""
        found = out_of_range(f"{what}: first", self.first, whole=True, least=1)
        return found + out_of_range(f"{what}: factor", self.factor, whole=True, least=2)

    def stops(self, losses: Sequence[float], before: Sequence[Trial]) -> bool:
        """Return whether the trial stands at a rung and is not among the best that came to it."""
        step = rung = len(losses)
        while rung > self.first and rung % self.factor == 0:
            rung //= self.factor
        if rung != self.first:
            return False
        here = sorted([*(t.losses[step - 1] for t in before if len(t.losses) >= step), losses[-1]])
        return losses[-1] > here[max(len(here) // self.factor - 1, 0)]
