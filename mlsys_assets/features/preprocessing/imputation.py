"""What stands for a missing number: nothing, what is usual in training, or a constant that cannot be mistaken."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.features.named_columns import ColumnError
from mlsys_assets.features.preprocessing.number import LARGEST
from mlsys_assets.mistakes import not_one, out_of_range

NOTHING_KNOWN = 0.0
"""Stands for the usual value of a column that had none in training."""


@runtime_checkable
class Imputation(Protocol):
    """Chooses what stands for a missing number."""

    def mistakes(self, what: str) -> list[str]:
        """Return what is wrong with the declaration."""
        ...

    def fill(self, name: str, values: NDArray[np.float64]) -> float | None:
        """Return what stands for the missing ones beside (n,) values that are there; None leaves them missing.

        Raises ColumnError if it would pass for a value that was observed.
        """
        ...


@dataclass(frozen=True)
class Leave:
    """Missing numbers stay NaN, for models that take them."""

    def mistakes(self, what: str) -> list[str]:
        """There is nothing to declare."""
        return []

    def fill(self, name: str, values: NDArray[np.float64]) -> float | None:
        """Return None."""
        return None


@dataclass(frozen=True)
class Mean:
    """The mean of those that are there."""

    def mistakes(self, what: str) -> list[str]:
        """There is nothing to declare."""
        return []

    def fill(self, name: str, values: NDArray[np.float64]) -> float | None:
        """Return the mean; 0 of no values."""
        return float(values.mean()) if len(values) else NOTHING_KNOWN


@dataclass(frozen=True)
class Median:
    """The median of those that are there."""

    def mistakes(self, what: str) -> list[str]:
        """There is nothing to declare."""
        return []

    def fill(self, name: str, values: NDArray[np.float64]) -> float | None:
        """Return the median; 0 of no values."""
        return float(np.median(values)) if len(values) else NOTHING_KNOWN


@dataclass(frozen=True)
class Mode:
    """The most frequent of those that are there; of several, the lowest."""

    def mistakes(self, what: str) -> list[str]:
        """There is nothing to declare."""
        return []

    def fill(self, name: str, values: NDArray[np.float64]) -> float | None:
        """Return the mode; 0 of no values."""
        if not len(values):
            return NOTHING_KNOWN
        distinct, counts = np.unique(values, return_counts=True)
        return float(distinct[counts.argmax()])


@dataclass(frozen=True)
class Constant:
    """A constant, outside what was observed: who fills children with 0 makes childless whoever did not tell.

    So a value within the training range is refused, of whole numbers one that was observed (Huyen 2022, ch. 5).

    Parameters
    ----------
    value
        What stands for a missing one, in the column's unit.
    possible
        That it may be a value that was observed: where missing is known to mean just that.
    """

    value: float
    possible: bool = False

    def mistakes(self, what: str) -> list[str]:
        """Return a value that no column of numbers can hold."""
        value = out_of_range(f"{what}: value", self.value, least=-LARGEST, most=LARGEST)
        return value + not_one(f"{what}: possible", self.possible, bool)

    def fill(self, name: str, values: NDArray[np.float64]) -> float | None:
        """Return the constant."""
        if not self.possible and len(values) and self._is_observed(values):
            raise ColumnError(
                f"column {name!r} is filled with {self.value:g} where it is missing, which could as well have been "
                f"observed: training holds {values.min():g} to {values.max():g}. Fill with what no row can have, or "
                "declare possible=True if missing means just that"
            )
        return float(self.value)

    def _is_observed(self, values: NDArray[np.float64]) -> bool:
        own = np.float32(self.value)  # as values are
        if (values == np.floor(values)).all():
            return bool((values == own).any())
        return bool(values.min() <= own <= values.max())
