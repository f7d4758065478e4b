"""How a column of text is prepared: as codes, one output a value, its frequency, or its hash."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, Protocol, get_args, runtime_checkable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import Train, require_train
from mlsys_assets.features.named_columns import Value, read_values
from mlsys_assets.features.preprocessing.category import (
    CROSSING,
    Category,
    CategoryAmount,
)
from mlsys_assets.features.preprocessing.hashed_category import HashedCategory
from mlsys_assets.mistakes import out_of_range

LEAST_COUNT: Final = 50
"""A category seen less often than this in training shares one output with the other rare ones."""
MOST_VALUES: Final = 1_000
"""A column becomes at most so many outputs, one a value, unless more are asked for."""
BUCKETS: Final = 256
"""Outputs of a column of many values of which none is frequent."""
MOST_BUCKETS: Final = 65_536
LARGEST_SEED: Final = 2**31 - 1

Transform = Category | CategoryAmount | HashedCategory
"""What a bundle can hold of a category."""


@dataclass(frozen=True, eq=False)
class Categorical:
    """Training rows of a column of text, or of several that are taken together.

    Parameters
    ----------
    name
        The column, or those that are taken together, joined.
    of
        Those that are taken together; () for one.
    values
        The distinct values, in order.
    codes
        (n,) the position of each row's value; -1 where it is missing.
    """

    name: str
    of: tuple[str, ...]
    values: tuple[Value, ...]
    codes: NDArray[np.intp]

    @classmethod
    def read(cls, features: pa.Table, columns: tuple[str, ...]) -> "Categorical":
        """Return the rows of one column, or of several together; raises ColumnError."""
        found, which = read_values(features, columns)
        there = np.bincount(which, minlength=len(found)) > 0
        values = sorted({v for v, seen in zip(found, there, strict=True) if seen and v is not None})
        position = {value: code for code, value in enumerate(values)}
        own = np.array([-1 if v is None else position.get(v, -1) for v in found], dtype=np.intp)
        of = columns if len(columns) > 1 else ()
        return cls(CROSSING.join(columns), of, tuple(values), own[which] if len(own) else which)

    @cached_property
    def counts(self) -> NDArray[np.intp]:
        """(values + 1,) how many rows have each, the missing ones last."""
        return np.bincount(np.where(self.codes < 0, len(self.values), self.codes), minlength=len(self.values) + 1)

    @property
    def missing(self) -> int:
        """How many rows lack it."""
        return int(self.counts[-1])


@dataclass(frozen=True, eq=False)
class FitOfColumn:
    """A fitted category.

    Parameters
    ----------
    transform
        What it is for every row that comes.
    notes
        What had to be made do with.
    training
        (n,) what its one output is for the training rows, where that is something else; None where it is not.
    """

    transform: Transform
    notes: tuple[str, ...] = ()
    training: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.transform, Transform):
            raise TypeError(
                f"an encoding gave a {type(self.transform).__name__}, which no bundle holds; it must be one of "
                f"{', '.join(kind.__name__ for kind in get_args(Transform))}"
            )


@runtime_checkable
class Encoding(Protocol):
    """Chooses what becomes of a column of text."""

    def mistakes(self, what: str) -> list[str]:
        """Return what is wrong with the declaration."""
        ...

    def fit_column(self, column: Categorical, train: Train) -> FitOfColumn:
        """Return what the training rows make of a column; raises ColumnError."""
        ...


@dataclass(frozen=True)
class Codes:
    """A code a value, in one output, for trees that split by sets of categories; missing and unseen are NaN."""

    def mistakes(self, what: str) -> list[str]:
        """There is nothing to declare."""
        return []

    def fit_column(self, column: Categorical, train: Train) -> FitOfColumn:
        """Return the map from values to codes."""
        require_train(train, what=type(self).__name__)
        return FitOfColumn(Category(column.name, column.values, of=column.of), _single(column))


@dataclass(frozen=True)
class OneHot:
    """One output a value, 0 or 1; rare values and unseen ones share one, missing ones have their own, where any were.

    Parameters
    ----------
    least
        How often a value must be seen in training to have an output of its own.
    most
        How many outputs at most: of more values that are frequent enough, the most frequent have one. Of
        more values of which none is, all are hashed.
    """

    least: int = LEAST_COUNT
    most: int = MOST_VALUES

    def mistakes(self, what: str) -> list[str]:
        """Return numbers that leave nothing."""
        most = out_of_range(f"{what}: most", self.most, whole=True, least=1, most=MOST_BUCKETS)
        return out_of_range(f"{what}: least", self.least, whole=True, least=1) + most

    def fit_column(self, column: Categorical, train: Train) -> FitOfColumn:
        """Return the outputs of the frequent values."""
        require_train(train, what=type(self).__name__)
        frequent = np.flatnonzero(column.counts[:-1] >= self.least)
        notes = list(_single(column))
        if len(column.values) > self.most and not len(frequent):
            fitted = Hashed(min(self.most, BUCKETS)).fit_column(column, train)
            told = f"{column.name!r} has {len(column.values)} values, none of them {self.least} times: they are hashed"
            return replace(fitted, notes=(told,))
        if len(frequent) > self.most:
            order = np.lexsort((frequent, -column.counts[frequent]))
            notes.append(
                f"{column.name!r} has {len(frequent)} values of at least {self.least} rows: the {self.most} most "
                "frequent have an output, the others share one"
            )
            frequent = np.sort(frequent[order[: self.most]])
        elif column.values and not len(frequent):
            notes.append(f"{column.name!r} has no value of at least {self.least} rows: all share one output")
        kept = tuple(column.values[code] for code in frequent)
        other = len(kept) < len(column.values)
        return FitOfColumn(Category(column.name, kept, True, other, column.missing > 0, column.of), tuple(notes))


@dataclass(frozen=True)
class Frequency:
    """A value's share of the training rows, in one output; that of the missing ones where missing, 0 where unseen."""

    def mistakes(self, what: str) -> list[str]:
        """There is nothing to declare."""
        return []

    def fit_column(self, column: Categorical, train: Train) -> FitOfColumn:
        """Return the shares."""
        require_train(train, what=type(self).__name__)
        shares = (column.counts / max(len(column.codes), 1)).tolist()
        transform = CategoryAmount(column.name, column.values, tuple(shares[:-1]), 0.0, shares[-1], column.of)
        return FitOfColumn(transform, _single(column))


@dataclass(frozen=True)
class Hashed:
    """As many outputs as there are buckets, 0 or 1, by a stable hash of the text (Weinberger et al. 2009).

    No map is kept, so that nothing grows with the number of values. Values that share a bucket cannot
    be told apart, and unseen ones cannot be told from them; a missing one fills no bucket.

    Parameters
    ----------
    buckets
        How many.
    seed
        Another one makes other values share a bucket.
    """

    buckets: int
    seed: int = 0

    def mistakes(self, what: str) -> list[str]:
        """Return numbers that leave nothing or too much."""
        buckets = out_of_range(f"{what}: buckets", self.buckets, whole=True, least=1, most=MOST_BUCKETS)
        return buckets + out_of_range(f"{what}: seed", self.seed, whole=True, least=0, most=LARGEST_SEED)

    def fit_column(self, column: Categorical, train: Train) -> FitOfColumn:
        """Return the hash: nothing of the rows is needed."""
        require_train(train, what=type(self).__name__)
        return FitOfColumn(HashedCategory(column.name, self.buckets, self.seed, column.of), _single(column))


def _single(column: Categorical) -> tuple[str, ...]:
    """Return a note on a column that tells nothing."""
    if len(column.values) == 1 and not column.missing:
        return (f"{column.name!r} is {column.values[0]!r} in all training rows",)
    if not column.values and column.missing:
        return (f"{column.name!r} has no value in training",)
    return ()
