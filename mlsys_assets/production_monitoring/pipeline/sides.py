"""A number column in two windows: as it was, and as it is now."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.features.named_columns import is_number
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.production_monitoring.drift.numbers import is_single

LEAST_ROWS: Final = 30
"""Fewer rows than this on a side, and a column is not compared."""
LEAST_NUMBERS: Final = 100
"""Fewer numbers than this on a side, and neither their quantiles nor their values are compared."""


@dataclass(frozen=True, eq=False)
class Sides:
    """A number column before and now.

    Parameters
    ----------
    name
        The column's.
    before, now
        (n,) and (m,) numbers, NaN where there is none; in order of time, as far as that is known.
    single
        Whether all of them are of single precision, which is sorted in half the time.
    """

    name: str
    before: Floats
    now: Floats
    single: bool = False

    @cached_property
    def rising_before(self) -> Floats:
        """The finite numbers before, sorted."""
        return _rising(self.before, single=self.single)

    @cached_property
    def rising_now(self) -> Floats:
        """The finite numbers now, sorted."""
        return _rising(self.now, single=self.single)

    @property
    def told(self) -> bool:
        """Whether there are numbers enough on both sides."""
        return min(len(self.rising_before), len(self.rising_now)) >= LEAST_NUMBERS

    def stretches(self, length: int) -> Iterator[Floats]:
        """Yield what was before in stretches of so many rows, in order: what is usual from one to the next."""
        for start in range(0, len(self.before) - length + 1, max(length, 1)):
            yield self.before[start : start + length]


def number_sides(before: pa.Table, now: pa.Table) -> list[Sides]:
    """Return the number columns that both tables have."""
    both = {name: kinds for name, kinds in _types(before, now).items() if all(map(is_number, kinds))}
    single = {name: all(map(is_single, kinds)) for name, kinds in both.items()}
    return [Sides(name, numbers(before[name]), numbers(now[name]), single[name]) for name in both]


def presence_sides(before: pa.Table, now: pa.Table) -> list[Sides]:
    """Return all other columns that both tables have in one type: 0 where there is a value, NaN where there is none.

    A column that holds nothing may be of no type: what it should hold is told by the other side.
    """
    return [
        Sides(name, _presence(before[name]), _presence(now[name]))
        for name, kinds in _types(before, now).items()
        if not all(map(is_number, kinds))
        and (kinds[0] == kinds[1] or all(map(is_text, kinds)) or any(map(pa.types.is_null, kinds)))
    ]


def _types(before: pa.Table, now: pa.Table) -> dict[str, tuple[pa.DataType, pa.DataType]]:
    was = {field.name: field.type for field in before.schema}
    return {field.name: (was[field.name], field.type) for field in now.schema if field.name in was}


def _presence(column: pa.ChunkedArray) -> Floats:
    """Return (n,) 0 where there is a value, NaN where there is none."""
    there = np.isfinite(numbers(column)) if is_number(column.type) else np.asarray(pc.is_valid(column))
    return np.where(there, 0.0, np.nan)


def is_text(kind: pa.DataType) -> bool:
    """Return whether a column holds categories."""
    plain = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(plain) or pa.types.is_large_string(plain))


def numbers(column: pa.ChunkedArray) -> Floats:
    """Return (n,) the numbers of a column, NaN where there is none."""
    return np.asarray(pc.cast(column, pa.float64(), safe=False).to_numpy(), dtype=np.float64)


def _rising(side: Floats, *, single: bool) -> Floats:
    there = side[np.isfinite(side)]
    return np.sort(there.astype(np.float32)).astype(np.float64) if single else np.sort(there)


def quantiles(rising: Floats, levels: Floats) -> Floats:
    """Return the quantiles of (n,) sorted numbers: the values that stand there, nothing between two of them."""
    return np.asarray(rising[np.floor(levels * (len(rising) - 1)).astype(np.intp)])


def ks_distance(first: Floats, second: Floats) -> float:
    """Return the largest distance of the distribution functions of two sorted samples (Kolmogorov 1933)."""
    both = np.concatenate([first, second])
    below = [np.searchsorted(side, both, side="right") / len(side) for side in (first, second)]
    return float(np.abs(below[0] - below[1]).max())
