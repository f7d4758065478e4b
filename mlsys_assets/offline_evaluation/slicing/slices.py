"""Slices: groups of rows in which a model may be worse than on the whole (Huyen 2022, ch. 6)."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.mistakes import out_of_range
from mlsys_assets.offline_evaluation.slicing.coded_column import CodedColumn, by_band, by_value

MOST_GROUPS = 200
"""More groups than this, and most are too small to tell anything."""
OTHERS = "others"
"""What the rows of the groups beyond the largest are called."""
CROSS = " × "


@runtime_checkable
class Slicing(Protocol):
    """A way to deal rows into groups: every row is in exactly one, and the order depends on the values alone."""

    @property
    def name(self) -> str:
        """What the slicing is called."""
        ...

    def mistakes(self, columns: Collection[str]) -> list[str]:
        """Return what is wrong with the declaration, given the feature columns."""
        ...

    def groups(self, features: pa.Table) -> Iterator[tuple[str, NDArray[np.bool_]]]:
        """Yield each group that has rows: its value as text, and (n,) which rows are in it."""
        ...


@dataclass(frozen=True, init=False)
class Slice:
    """One group for each value of a feature column, or for each combination of the values of several.

    Numbers are rounded down to whole ones. Null is a group too, named ``unknown``. Where there are more than
    ``most`` groups, the smaller ones are one group named ``others``. Of several groups with one name, as where a value
    is called that too, the later ones are numbered.

    >>> table = pa.table({"origin": ["EWR", "JFK", "EWR"], "hour": [17.5, 6.0, 6.1]})
    >>> [(text, int(rows.sum())) for text, rows in Slice("origin", "hour").groups(table)]
    [('EWR × 6', 1), ('EWR × 17', 1), ('JFK × 6', 1)]
    """

    columns: tuple[str, ...]
    most: int

    def __init__(self, *columns: str, most: int = MOST_GROUPS) -> None:
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "most", most)

    @property
    def name(self) -> str:
        """The columns."""
        return CROSS.join(map(str, self.columns))

    def mistakes(self, columns: Collection[str]) -> list[str]:
        """Return columns that are no features or stand twice, and a ``most`` that leaves no group."""
        found = [] if self.columns else ["a slice is by no column; name one, such as Slice('origin')"]
        found += _unknown(self.name, dict.fromkeys(self.columns), columns)
        twice = sorted({str(c) for c in self.columns if self.columns.count(c) > 1})
        found += [f"slice {self.name!r} holds {column!r} twice" for column in twice]
        return found + out_of_range(f"slice {self.name!r}: most", self.most, whole=True, least=1)

    def groups(self, features: pa.Table) -> Iterator[tuple[str, NDArray[np.bool_]]]:
        """Yield each value, or values joined by ×, as text, and (n,) which rows have it."""
        group, texts = self._crossed(features)
        kept = _largest(group, len(texts), self.most)
        numbers = np.flatnonzero(kept)
        *named, others = _distinct([*(texts[number] for number in numbers), OTHERS])
        for text, number in zip(named, numbers, strict=True):
            yield text, group == number
        if not kept.all():
            yield others, ~kept[group]

    def left_out(self, features: pa.Table) -> int:
        """Return how many groups are together in ``others``."""
        return max(0, len(self._crossed(features)[1]) - self.most)

    def _crossed(self, features: pa.Table) -> tuple[NDArray[np.intp], list[str]]:
        coded = [by_value(features, name) for name in self.columns]
        shape = [len(column.texts) for column in coded]
        if not len(features):
            return np.zeros(0, dtype=np.intp), []
        seen, group = np.unique(np.ravel_multi_index([c.code for c in coded], shape), return_inverse=True)
        texts = [_joined(coded, codes) for codes in zip(*np.unravel_index(seen, shape), strict=True)]
        return group.astype(np.intp), texts


@dataclass(frozen=True)
class Bands:
    """Bands of a number, between rising edges; each holds its lower edge. Null is a group too, named ``unknown``.

    >>> table = pa.table({"distance": [200.0, 500.0, 1400.0]})
    >>> [text for text, rows in Bands("distance", edges=(500, 1000)).groups(table)]
    ['below 500', '500 to 1000', '1000 and more']
    """

    column: str
    edges: tuple[float, ...]

    @property
    def name(self) -> str:
        """The column."""
        return self.column

    def mistakes(self, columns: Collection[str]) -> list[str]:
        """Return a column that is no feature, and edges that do not rise."""
        found = _unknown(self.name, (self.column,), columns)
        if not isinstance(self.edges, tuple) or not self.edges:
            return [*found, f"bands of {self.name!r}: edges is {self.edges!r}; it must be a tuple, such as (500, 1000)"]
        wrong = [m for edge in self.edges for m in out_of_range(f"bands of {self.name!r}: an edge", edge)]
        if not wrong and list(self.edges) != sorted(set(self.edges)):
            wrong = [f"bands of {self.name!r}: edges are {self.edges}; each must be above the one before"]
        return found + wrong

    def groups(self, features: pa.Table) -> Iterator[tuple[str, NDArray[np.bool_]]]:
        """Yield each band that has rows, in rising order, and (n,) which rows lie in it."""
        coded = by_band(features, self.column, self.edges)
        for number, text in enumerate(coded.texts):
            yield text, coded.code == number


def _unknown(name: str, wanted: Collection[str], columns: Collection[str]) -> list[str]:
    there = ", ".join(columns)
    return [
        f"slice {name!r} is by {column!r}, which is no feature column; there are {there}"
        for column in wanted
        if column not in columns
    ]


def _joined(coded: Sequence[CodedColumn], codes: Sequence[int]) -> str:
    return CROSS.join(column.texts[code] for column, code in zip(coded, codes, strict=True))


def _distinct(texts: Sequence[str]) -> list[str]:
    """Return texts of which none stands twice: later ones are numbered.

    >>> _distinct(["a", "a", "a (2)"])
    ['a', 'a (3)', 'a (2)']
    """
    taken, found = set(texts), list[str]()
    for text in texts:
        one, number = text, 1
        while one in found or (number > 1 and one in taken):
            number += 1
            one = f"{text} ({number})"
        found.append(one)
    return found


def _largest(group: NDArray[np.intp], groups: int, most: int) -> NDArray[np.bool_]:
    """Return (k,) which groups are among the largest; of equals the first."""
    kept = np.zeros(groups, dtype=bool)
    kept[np.argsort(-np.bincount(group, minlength=groups), kind="stable")[:most]] = True
    return kept
