"""Features of features: computed from what the declarations before them give for the same request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from mlsys_assets.features.expression import Expression, probe
from mlsys_assets.features.mistakes import misread
from mlsys_assets.features.numpy_table import unknown_column
from mlsys_assets.features.output_columns import type_of
from mlsys_assets.mistakes import not_all, out_of_range, sound
from mlsys_assets.tables import Column


@dataclass(frozen=True, init=False)
class Derived:
    """Features computed row by row from features declared before, such as the difference of two.

    They are known when what they are computed from is, and look at no other request, so that nothing of the future can
    come in. Numbers are
    read as float64; where one that is read is missing, the result is.
    """

    computed: tuple[tuple[str, Expression], ...]

    def __init__(self, **computed: Expression) -> None:
        object.__setattr__(self, "computed", tuple(computed.items()))

    @property
    def reads(self) -> Mapping[str, timedelta | None]:
        """No source."""
        return {}

    def mistakes(self, features: Sequence[Column]) -> list[str]:
        """Return which expressions read what no feature before them gives."""
        found = [] if self.computed else ["derived features: none is declared; write Derived(name=lambda f: ...)"]
        readable = as_read(features)
        for name, of in self.computed:
            here = f"derived feature {name!r}"
            found += misread(here, of, readable) if callable(of) else [f"{here} is {of!r}; give a function of a row"]
        return found

    def outputs(self, features: Sequence[Column]) -> tuple[Column, ...]:
        """Return one column for each expression."""
        readable = as_read(features)
        return tuple(
            Column(name, type_of(probe(of, readable)), description="computed from other features")
            for name, of in self.computed
        )


ENOUGH: Final = 10
"""How many rows a value should rest on, unless something else is said."""


@dataclass(frozen=True, init=False)
class Backoff:
    """The first of several features that rests on enough rows: from the finest key to the coarsest.

    Helps against continuous cold start: a route that began yesterday is told by its carrier (Katz 1987 backs off
    from long word sequences to shorter ones in the same way).

    Parameters
    ----------
    name
        What the feature is called.
    choices
        Pairs of features declared before: a value, and the count of the rows that it rests on. One that is null
        is passed over; the last one is taken however few its rows are.
    at_least
        How many rows are enough.
    """

    name: str
    choices: tuple[tuple[str, str], ...]
    at_least: float

    def __init__(self, name: str, *choices: tuple[str, str], at_least: float = ENOUGH) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "choices", tuple(choices))
        object.__setattr__(self, "at_least", at_least)

    @property
    def reads(self) -> Mapping[str, timedelta | None]:
        """No source."""
        return {}

    def mistakes(self, features: Sequence[Column]) -> list[str]:
        """Return which choices are no pairs of numbers that features before it give."""
        what = f"backoff {self.name!r}"
        found = out_of_range(f"{what}: at_least", self.at_least, above=0)
        found += [] if self.choices else [f"{what} has no choices; give pairs of a value and a count"]
        types = {c.name: c.type for c in features}
        found += not_all(f"{what}: choices", self.choices, tuple)
        for choice in sound(self.choices, tuple):
            if len(choice) != len(("value", "count")):
                found.append(f"{what}: {choice!r} is no pair; write (value, count), both names of features")
                continue
            for one in choice:
                if not isinstance(one, str) or one not in types:
                    found.append(f"{what}: {unknown_column(str(one), list(types))}")
                elif types[one] == "string":
                    found.append(f"{what}: {one!r} is text; give numbers")
        return found

    def outputs(self, features: Sequence[Column]) -> tuple[Column, ...]:
        """Return the one column."""
        units = {c.name: c.unit for c in features}
        values = ", else ".join(value for value, _ in self.choices)
        unit = units.get(self.choices[0][0], "") if self.choices else ""
        told = f"{values}: the first that rests on {self.at_least:g} rows or more"
        return (Column(self.name, "float32", unit=unit, description=told),)


def as_read(features: Sequence[Column]) -> list[Column]:
    """Return the columns of features as what is computed from them reads them."""
    return [Column(c.name, "string" if c.type == "string" else "float64", unit=c.unit) for c in features]
