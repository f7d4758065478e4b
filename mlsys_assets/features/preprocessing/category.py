"""Fitted categories: frozen maps from values to outputs, the same for a table's distinct values and for a row's."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Protocol

import msgspec
import numpy as np

from mlsys_assets.features.named_columns import Value
from mlsys_assets.features.preprocessing.number import LARGEST

Output = tuple[int, float]
"""Which of its outputs a category's value fills, and with what; -1: none, all stay zero."""
NOTHING: Final[Output] = (-1, 0.0)
MISSING_CODE: Final[Output] = (0, np.nan)
CROSSING: Final = " × "
"""Stands between the names of columns that are taken together."""


class FittedEncoding(Protocol):
    """A frozen map from the values of a column of text, or of several together, to outputs."""

    @property
    def name(self) -> str:
        """The column, or those that are taken together, joined."""
        ...

    @property
    def inputs(self) -> tuple[str, ...]:
        """The input columns."""
        ...

    @property
    def width(self) -> int:
        """How many outputs there are."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """(width,) the outputs' names."""
        ...

    def output(self, value: Value | None) -> Output:
        """Return the output that a value fills; None is a missing one."""
        ...

    def knows(self, value: Value | None) -> bool:
        """Return whether a value was told apart in training; a missing one always is."""
        ...


@dataclass(frozen=True)
class Category:
    """A fitted category: a frozen map from values to codes, as one output or as one output a value.

    Parameters
    ----------
    name
        The input column.
    values
        The values known, in the order of their codes.
    one_hot
        One output a value (0 or 1) instead of one output of codes, where missing and unseen are NaN.
    other
        Whether a further 0/1 output stands for values that were rare in training, and for unseen ones.
    missing
        Whether a further 0/1 output stands for missing ones.
    of
        The columns that are taken together, if it is no single one; its values are then tuples.
    """

    name: str
    values: tuple[Value, ...]
    one_hot: bool = False
    other: bool = False
    missing: bool = False
    of: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_values(self.name, self.values, self.of)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The input columns."""
        return self.of or (self.name,)

    @property
    def width(self) -> int:
        """How many outputs there are."""
        return len(self.values) + self.other + self.missing if self.one_hot else 1

    @property
    def names(self) -> tuple[str, ...]:
        """The outputs' names."""
        if not self.one_hot:
            return (self.name,)
        further = (("is other", self.other), ("is missing", self.missing))
        return (
            *(f"{self.name} = {_shown(value)}" for value in self.values),
            *(f"{self.name} {word}" for word, there in further if there),
        )

    def output(self, value: Value | None) -> Output:
        """Return the output that a value fills."""
        return self._outputs.get(value, self._unseen)

    def knows(self, value: Value | None) -> bool:
        """Return whether a value has a code, or is missing."""
        return value in self._outputs

    @cached_property
    def _unseen(self) -> Output:
        if not self.one_hot:
            return MISSING_CODE
        return (len(self.values), 1.0) if self.other else NOTHING

    @cached_property
    def _outputs(self) -> dict[Value | None, Output]:
        if not self.one_hot:
            return {None: MISSING_CODE} | {value: (0, float(code)) for code, value in enumerate(self.values)}
        absent = (len(self.values) + self.other, 1.0) if self.missing else NOTHING
        return {None: absent} | {value: (code, 1.0) for code, value in enumerate(self.values)}


@dataclass(frozen=True)
class CategoryAmount:
    """A fitted category that is an amount: how frequent its value was in training, or the rate of the target there.

    Parameters
    ----------
    name
        The input column, and the output.
    values, amounts
        The values known, and the amount of each.
    unseen, missing
        The amounts of a value that is not known, and of a missing one.
    of
        The columns that are taken together, if it is no single one; its values are then tuples.
    """

    name: str
    values: tuple[Value, ...]
    amounts: tuple[float, ...]
    unseen: float
    missing: float
    of: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_values(self.name, self.values, self.of)
        if len(self.values) != len(self.amounts):
            raise ValueError(f"{len(self.values)} values of {self.name!r} have {len(self.amounts)} amounts")
        told = np.array([*self.amounts, self.unseen, self.missing])
        if not (np.abs(told) <= LARGEST).all():
            raise ValueError(f"preprocessing of {self.name!r} has amounts that are not finite, or no model takes")

    @property
    def inputs(self) -> tuple[str, ...]:
        """The input columns."""
        return self.of or (self.name,)

    @property
    def width(self) -> int:
        """It is one output."""
        return 1

    @property
    def names(self) -> tuple[str, ...]:
        """The output is named as the column."""
        return (self.name,)

    def output(self, value: Value | None) -> Output:
        """Return the amount of a value."""
        return self._outputs.get(value, (0, self.unseen))

    def knows(self, value: Value | None) -> bool:
        """Return whether a value has an amount of its own."""
        return value in self._outputs

    @cached_property
    def _outputs(self) -> dict[Value | None, Output]:
        pairs = zip(self.values, self.amounts, strict=True)
        return {None: (0, self.missing)} | {value: (0, amount) for value, amount in pairs}


def check_values(name: str, values: tuple[Value, ...], of: tuple[str, ...]) -> None:
    """Raise ValueError unless each value stands once and is of the columns."""
    if len(set(values)) < len(values):
        raise ValueError(f"preprocessing of {name!r} knows a value twice")
    parts = len(of) or None
    if parts == 1 or len(set(of)) < len(of):
        raise ValueError(f"preprocessing of {name!r} takes {list(of)} together; it must be two columns or more")
    if any((None if isinstance(value, str) else len(value)) != parts for value in values):
        raise ValueError(f"preprocessing of {name!r} has values that are not of its {parts or 1} column(s)")


def _shown(value: Value) -> str:
    """Return a value as a part of a name; texts taken together as JSON, so that no two look alike."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
