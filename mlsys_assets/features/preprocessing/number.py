"""A fitted number: filled where missing, its logarithm taken, moved and scaled, its absence marked."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

WIDEST: Final = 1e6
"""No scaled number leaves ± this: a column that hardly varied in training must not drown all others."""
LARGEST: Final = float(np.finfo(np.float32).max)
"""The largest number that a model takes."""


@dataclass(frozen=True)
class Number:
    """A fitted number: (value - center) / scale, or the same of log(1 + value).

    Parameters
    ----------
    name
        The input column.
    fill
        What stands for a missing value, in the column's unit; None leaves it missing.
    center, scale
        What moves and scales it.
    indicator
        Whether a further output says that the value was missing.
    log
        Whether log(1 + value) is moved and scaled; a negative value is then beyond the limit.
    bounds
        The lowest and the highest output. None: ±1e6 where it is moved or scaled, else what the limit allows.
    """

    name: str
    fill: float | None = None
    center: float = 0.0
    scale: float = 1.0
    indicator: bool = False
    log: bool = False
    bounds: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        told = (self.center, self.scale, self.fill or 0.0, *(self.bounds or ()))
        if self.scale == 0 or not all(map(math.isfinite, told)):
            raise ValueError(f"preprocessing of {self.name!r} is not finite, or divides by zero")
        if abs(self.fill or 0.0) > LARGEST or (self.log and (self.fill or 0.0) < 0):
            raise ValueError(f"preprocessing of {self.name!r} fills with {self.fill:g}, which no value of it can be")
        low, high = self.bounds or (0.0, 0.0)
        if not -LARGEST <= low <= high <= LARGEST:
            raise ValueError(f"preprocessing of {self.name!r} has bounds {low:g} to {high:g}, which no output can keep")

    @property
    def range(self) -> tuple[float, float]:
        """The lowest and the highest output."""
        if self.bounds is not None:
            return self.bounds
        return (-np.inf, np.inf) if (self.center, self.scale) == (0.0, 1.0) else (-WIDEST, WIDEST)

    @property
    def plain(self) -> bool:
        """Whether values stay as they are."""
        return self == Number(self.name, indicator=self.indicator)
