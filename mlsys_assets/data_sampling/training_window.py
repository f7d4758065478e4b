"""Which of the rows known as of a time are trained on: a pure function of their times and of what monitoring told."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Known:
    """What a window may look at besides the rows' times.

    Parameters
    ----------
    as_of
        The time of the training.
    changes
        Since when the world is another, as each diagnosis of a shift up to then dates it, oldest first.
    """

    as_of: datetime
    changes: tuple[datetime, ...] = ()


@runtime_checkable
class TrainingWindow(Protocol):
    """Chooses the rows that are trained on, by when they were predicted."""

    def mistakes(self) -> list[str]:
        """Return what is wrong with its declaration."""
        ...

    def chosen(self, at: NDArray[np.datetime64], known: Known) -> NDArray[np.bool_]:
        """Return (n,) whether a row is trained on, by the (n,) times of prediction."""
        ...

    def __str__(self) -> str:
        """Return it in words, for the record."""
        ...


@dataclass(frozen=True)
class Expanding:
    """All that is known: the more rows the better, where what they mean does not change."""

    def mistakes(self) -> list[str]:
        """Nothing can be wrong with it."""
        return []

    def chosen(self, at: NDArray[np.datetime64], known: Known) -> NDArray[np.bool_]:
        """Return that every row is trained on."""
        return np.ones(len(at), dtype=bool)

    def __str__(self) -> str:
        return "all that is known"
