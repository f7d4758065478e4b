"""Fitted row-level transforms: learned from Train only, applied by column name with NumPy alone."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal, get_args

import msgspec
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.features.named_columns import UNSEEN, ColumnError, read_codes, read_numbers

Beyond = Literal["reject", "clip", "missing"]
"""What happens to a number that is infinite or beyond the limit."""
BEYOND: Final = get_args(Beyond)
LIMIT: Final = 1e12
"""Nothing that is measured is larger in magnitude than this."""
WIDEST: Final = 1e6
"""No scaled number leaves ± this: a column that hardly varied in training must not drown all others."""
BLOCK: Final = 1024
"""Rows turned from columns at a time: as many as stay in the cache."""


@dataclass(frozen=True)
class Number:
    """A fitted number: filled where missing, moved and scaled, its absence marked.

    Parameters
    ----------
    name
        The input column.
    fill
        What stands for a missing value; None leaves it missing.
    center, scale
        The output is (value - center) / scale, at most ±1e6.
    indicator
        Whether a further output says that the value was missing.
    """

    name: str
    fill: float | None = None
    center: float = 0.0
    scale: float = 1.0
    indicator: bool = False


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
    """

    name: str
    values: tuple[str, ...]
    one_hot: bool = False
    other: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The outputs' names."""
        if not self.one_hot:
            return (self.name,)
        return tuple(f"{self.name} = {v}" for v in self.values) + ((f"{self.name} = other",) if self.other else ())

    @cached_property
    def positions(self) -> dict[str, int]:
        """The code of each value."""
        return {value: code for code, value in enumerate(self.values)}


@dataclass(frozen=True)
class Encoded:
    """Rows as a model takes them, and what was out of the ordinary.

    Parameters
    ----------
    matrix
        (n, d) row-major.
    unseen
        How many values of a category were not in its frozen map, by column, where any.
    beyond
        How many numbers were beyond the limit, by column, where any.
    """

    matrix: NDArray[np.float32]
    unseen: Mapping[str, int]
    beyond: Mapping[str, int]


@dataclass(frozen=True)
class Preprocessing:
    """A fitted transform of named columns into (n, d) numbers; exported as JSON, applied without scikit-learn.

    Columns are found by name: their order does not matter, an absent one is an error. The outputs
    are the numbers, the marks of those that were missing, then the categories.
    """

    numbers: tuple[Number, ...] = ()
    categories: tuple[Category, ...] = ()
    limit: float = LIMIT
    beyond: Beyond = "reject"

    def __post_init__(self) -> None:
        for what, names in (("columns", self.columns), ("outputs", self.names)):
            if repeated := sorted(name for name, count in Counter(names).items() if count > 1):
                raise ValueError(f"preprocessing names the {what} {repeated} twice")
        for n in self.numbers:
            if n.scale == 0 or not np.isfinite([n.center, n.scale, n.fill or 0.0]).all():
                raise ValueError(f"preprocessing of {n.name!r} is not finite, or divides by zero")

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The input columns."""
        return (*(n.name for n in self.numbers), *(c.name for c in self.categories))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """(d,) the outputs' names, in order."""
        marks = (f"{n.name} is missing" for n in self.numbers if n.indicator)
        return (*(n.name for n in self.numbers), *marks, *(name for c in self.categories for name in c.names))

    @property
    def code_outputs(self) -> tuple[int, ...]:
        """The positions of the outputs that are codes of categories, not amounts."""
        codes = {c.name for c in self.categories if not c.one_hot}
        return tuple(j for j, name in enumerate(self.names) if name in codes)

    def transform(self, rows: pa.Table | Mapping[str, object]) -> NDArray[np.float32]:
        """Return the (n, d) matrix of a table, or (1, d) of a single row; raises ColumnError."""
        return self.encode(rows).matrix

    def encode(self, rows: pa.Table | Mapping[str, object]) -> Encoded:
        """Return the matrix and the counts of what was unseen or beyond the limit; raises ColumnError."""
        names = [n.name for n in self.numbers]
        raw = read_numbers(rows, names)
        beyond = meet_limit(raw, names, limit=self.limit, rule=self.beyond)
        codes = [read_codes(rows, c.name, c.positions) for c in self.categories]
        unseen = {c.name: n for c, own in zip(self.categories, codes, strict=True) if (n := int((own == UNSEEN).sum()))}
        matrix = np.zeros((raw.shape[1], len(self.names)), dtype=np.float32)
        for start in range(0, len(matrix), BLOCK):
            self._amounts(raw[:, start : start + BLOCK], matrix[start : start + BLOCK])
        place = len(self.numbers) + len(self._marked)
        for category, own in zip(self.categories, codes, strict=True):
            _indicate(category, own, matrix[:, place : place + len(category.names)])
            place += len(category.names)
        return Encoded(matrix, unseen, beyond)

    def _amounts(self, raw: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        """Write (d, n) numbers as they were read into (n, d) as the model takes them."""
        count = len(self.numbers)
        if self._plain:
            out[:, :count] = raw.T
            return
        absent = np.isnan(raw)
        fill, center, scale = self._affine
        with np.errstate(over="ignore"):
            scaled = (np.where(absent, fill, raw) - center) / scale
        out[:, :count] = np.clip(scaled, -WIDEST, WIDEST).T
        out[:, count : count + len(self._marked)] = absent[self._marked].T

    @cached_property
    def _plain(self) -> bool:
        return all(n == Number(n.name) for n in self.numbers)

    @cached_property
    def _marked(self) -> list[int]:
        return [j for j, n in enumerate(self.numbers) if n.indicator]

    @cached_property
    def _affine(self) -> NDArray[np.float64]:
        """(3, numbers, 1) what fills, moves and scales each."""
        fills = [np.nan if n.fill is None else n.fill for n in self.numbers]
        return np.array([fills, [n.center for n in self.numbers], [n.scale for n in self.numbers]])[:, :, None]

    def to_json(self) -> bytes:
        """Return the transform as JSON; every float comes back as it was, to the last bit."""
        return msgspec.json.encode(self)

    @classmethod
    def from_json(cls, data: bytes) -> "Preprocessing":
        """Return the transform that ``to_json`` wrote; raises ValueError if it is not one."""
        return msgspec.json.decode(data, type=cls)


def meet_limit(raw: NDArray[np.float32], names: Sequence[str], *, limit: float, rule: Beyond) -> dict[str, int]:
    """Meet numbers beyond the limit by the declared rule, in place; return their counts by column.

    ``raw`` is (d, n). Raises ColumnError if the rule is to reject.
    """
    if not ((raw > limit).any() or (raw < -limit).any()):  # a third of the time of the absolute values
        return {}
    over = np.abs(raw) > limit
    counts = {name: int(n) for name, n in zip(names, over.sum(axis=1), strict=True) if n}
    if rule == "reject":
        raise ColumnError(f"numbers beyond ±{limit:g} (rows by column): {counts}; correct them where they are made")
    raw[over] = np.nan if rule == "missing" else np.copysign(np.float32(limit), raw[over])
    return counts


def _indicate(category: Category, codes: NDArray[np.int32], out: NDArray[np.float32]) -> None:
    """Write a category's outputs, given its codes, into (n, outputs) zeros."""
    known = codes >= 0
    if not category.one_hot:
        out[:, 0] = np.where(known, codes, np.nan)
        return
    out[np.flatnonzero(known), codes[known]] = 1.0
    if category.other:
        out[:, -1] = codes == UNSEEN
