"""What a search may choose from: the values of each setting."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

from mlsys_assets.mistakes import not_all, out_of_range
from mlsys_assets.types import Scalar


@runtime_checkable
class Dimension(Protocol):
    """The values that one setting may have."""

    def mistakes(self, what: str) -> list[str]:
        """Return what is wrong with the declaration."""
        ...

    @property
    def ends(self) -> tuple[Scalar, ...]:
        """Values that, if a candidate can have them, it can have all."""
        ...

    def levels(self, most: int) -> tuple[Scalar, ...]:
        """Return at most so many values, evenly spread, for a grid; all, where they are a plain choice."""
        ...

    def distribution(self) -> Any:
        """Return it as Optuna's distribution."""
        ...


Space: TypeAlias = Mapping[str, Dimension]
"""Settings by name. A dot leads within: ``more.max_bin``, ``candidate.leaves``."""


@dataclass(frozen=True)
class Choice:
    """One of some values without an order.

    >>> Choice((15, 31)).levels(1)
    (15, 31)
    """

    options: tuple[Scalar, ...]

    def mistakes(self, what: str) -> list[str]:
        """Return that there is nothing to choose, or a value that no record can hold, or one twice."""
        kinds = (str, int, float, bool, type(None))
        found = not_all(f"{what}: options", self.options, kinds)
        if found:
            return found
        twice = len(set(self.options)) < len(self.options)  # a search takes 1 and True for each other
        found = [f"{what}: options hold a value twice: {self.options}"] if twice else []
        return found if self.options else [f"{what}: options are empty; give two or more"]

    @property
    def ends(self) -> tuple[Scalar, ...]:
        """All of them."""
        return self.options

    def levels(self, most: int) -> tuple[Scalar, ...]:
        """Return all of them: between values without an order there is nothing to spread."""
        return self.options

    def distribution(self) -> Any:
        """Return it as Optuna's distribution."""
        from optuna.distributions import CategoricalDistribution

        return CategoricalDistribution(self.options)


@dataclass(frozen=True)
class Integers:
    """Whole numbers from ``low`` to ``high``, both among them; ``log`` spreads them evenly by their logarithm.

    >>> Integers(1, 100, log=True).levels(3)
    (1, 10, 100)
    """

    low: int
    high: int
    log: bool = False

    def mistakes(self, what: str) -> list[str]:
        """Return ends that are no whole numbers, or the wrong way round, or without a logarithm."""
        return _unsound(what, self.low, self.high, log=self.log, whole=True)

    @property
    def ends(self) -> tuple[Scalar, ...]:
        """Both ends."""
        return (self.low, self.high)

    def levels(self, most: int) -> tuple[Scalar, ...]:
        """Return at most so many, evenly spread; fewer where so many whole numbers are not there."""
        return tuple(dict.fromkeys(round(v) for v in _spread(self.low, self.high, most, log=self.log)))

    def distribution(self) -> Any:
        """Return it as Optuna's distribution."""
        from optuna.distributions import IntDistribution

        return IntDistribution(self.low, self.high, log=self.log)


@dataclass(frozen=True)
class Reals:
    """Numbers from ``low`` to ``high``; ``log`` spreads them evenly by their logarithm.

    >>> Reals(0.5, 1.5).levels(3)
    (0.5, 1.0, 1.5)
    """

    low: float
    high: float
    log: bool = False

    def mistakes(self, what: str) -> list[str]:
        """Return ends that are no numbers, or the wrong way round, or without a logarithm."""
        return _unsound(what, self.low, self.high, log=self.log, whole=False)

    @property
    def ends(self) -> tuple[Scalar, ...]:
        """Both ends."""
        return (self.low, self.high)

    def levels(self, most: int) -> tuple[Scalar, ...]:
        """Return so many, evenly spread."""
        return tuple(dict.fromkeys(_spread(self.low, self.high, most, log=self.log)))

    def distribution(self) -> Any:
        """Return it as Optuna's distribution."""
        from optuna.distributions import FloatDistribution

        return FloatDistribution(self.low, self.high, log=self.log)


def _unsound(what: str, low: object, high: object, *, log: bool, whole: bool) -> list[str]:
    """Return what is wrong with two ends."""
    found = [
        mistake for name, end in (("low", low), ("high", high))
        for mistake in out_of_range(f"{what}: {name}", end, whole=whole)
    ]  # fmt: skip
    if found or not isinstance(low, int | float) or not isinstance(high, int | float):
        return found
    if low > high:
        found.append(f"{what}: low is {low} and high is {high}; swap them")
    if log and low <= 0:
        found.append(f"{what}: low is {low}, which has no logarithm; raise it above 0, or leave log away")
    return found


def _spread(low: float, high: float, most: int, *, log: bool) -> list[float]:
    """Return at most so many numbers from one end to the other, the ends themselves among them; of one, the middle."""
    if most == 1 and low < high:
        return [_between(low, high, 0.5, log=log)]
    inner = [_between(low, high, n / (most - 1), log=log) for n in range(1, most - 1)]
    return [low, *inner, high]


def _between(low: float, high: float, share: float, *, log: bool) -> float:
    """Return the number that lies so far on the way."""
    if not log:
        return low + share * (high - low)
    return math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
