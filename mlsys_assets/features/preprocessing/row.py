"""A single row, transformed in microseconds: what a table's rows give, bit by bit, with a dozen calls of NumPy."""

from collections.abc import Callable, Sequence
from functools import partial
from operator import itemgetter
from types import NoneType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.features.named_columns import Value
from mlsys_assets.features.preprocessing.category import FittedEncoding, Output
from mlsys_assets.features.preprocessing.number import LARGEST, Number

NUMBERS: Final = frozenset({float, int, bool, NoneType, np.float32, np.float64})
"""The types of numbers that need no closer look."""
TEXTS: Final = frozenset({str, NoneType})
SURELY: Final = 1 - 1e-6
"""A number within this share of the limit is within it after rounding to single precision too."""
SQUARED: Final = 1e150
"""The squares of scaled numbers below this do not overflow, nor does their sum."""
ALWAYS: Final = -1.0
"""Less than any sum of squares: where a bound is zero or beyond, all that is scaled meets the bounds."""


class RowTransform:
    """The transform of one row, laid out once; immutable, safe to share among threads.

    It answers for ordinary rows. Where something is to be looked at more closely, such as a missing
    column, another type or a number beyond the limit, it returns None, and the way of tables is taken.

    Parameters
    ----------
    numbers, encodings
        The fitted columns, in the order of the outputs.
    limit
        From where on numbers are beyond it.
    """

    def __init__(self, numbers: Sequence[Number], encodings: Sequence[FittedEncoding], limit: float) -> None:
        self._count = len(numbers)
        self._read = _reader([n.name for n in numbers])
        self._lay_out(numbers)
        marked = [j for j, n in enumerate(numbers) if n.indicator]
        self._marked = np.array(marked, dtype=np.intp)
        self._after = len(numbers) + len(marked)
        self._limit = SURELY * limit
        self._encodings: list[tuple[int, Callable[[Any], Any], bool, Callable[[Value | None], Output]]] = []
        self._width = self._after
        for one in encodings:
            single = len(one.inputs) == 1
            read = itemgetter(one.name) if single else _reader(one.inputs)
            self._encodings.append((self._width, read, single, one.output))
            self._width += one.width
        ends = [limit + abs(n.center) for n in numbers]
        self._sound = all(end / SQUARED < abs(n.scale) for end, n in zip(ends, numbers, strict=True))

    def _lay_out(self, numbers: Sequence[Number]) -> None:
        self._plain = all(n == Number(n.name) for n in numbers)
        self._center = np.array([n.center for n in numbers])
        self._scale = np.array([n.scale for n in numbers])
        self._low = np.array([n.range[0] for n in numbers])
        self._high = np.array([n.range[1] for n in numbers])
        narrowest = min((min(-n.range[0], n.range[1], LARGEST) for n in numbers), default=LARGEST)
        self._narrowest = narrowest**2 if narrowest > 0 else ALWAYS
        self._logged = np.array([j for j, n in enumerate(numbers) if n.log], dtype=np.intp)
        filled = np.array([np.nan if n.fill is None else n.fill for n in numbers])
        filled[self._logged] = np.log1p(filled[self._logged])
        with np.errstate(over="ignore"):
            scaled = (filled - self._center) / self._scale
        self._filled = np.clip(scaled, self._low, self._high).astype(np.float32)

    def __call__(self, row: dict[str, object]) -> NDArray[np.float32] | None:
        """Return the (1, d) matrix of a row, or None if it is to be looked at more closely."""
        out = np.zeros((1, self._width), dtype=np.float32)
        try:
            done = self._sound and (not self._count or self._amounts(self._read(row), out[0]))
            return out if done and self._categories(row, out[0]) else None
        except (KeyError, OverflowError):
            return None

    def _amounts(self, values: tuple[object, ...], out: NDArray[np.float32]) -> bool:
        """Write the numbers and their marks; return False if they are to be looked at more closely."""
        if not NUMBERS.issuperset(map(type, values)):
            return False
        raw = np.array(values, dtype=np.float64)
        if np.count_nonzero(np.abs(raw) > self._limit):
            return False
        count = self._count
        if self._plain:
            out[:count] = raw
            return True
        absent = np.isnan(raw)
        some = np.count_nonzero(absent)
        if some:
            raw[absent] = 0.0
        scaled = raw.astype(np.float32).astype(np.float64)
        if len(self._logged):
            logged = scaled[self._logged]
            if logged.min() < 0:
                return False
            scaled[self._logged] = np.log1p(logged)
        scaled -= self._center
        scaled /= self._scale
        if scaled.dot(scaled) > self._narrowest:
            np.clip(scaled, self._low, self._high, out=scaled)
        out[:count] = scaled
        if some:
            np.copyto(out[:count], self._filled, where=absent)
            out[count : self._after] = absent[self._marked]
        return True

    def _categories(self, row: dict[str, object], out: NDArray[np.float32]) -> bool:
        """Write the categories; return False if one is no text."""
        for start, read, single, output in self._encodings:
            value = read(row)
            if single:
                if type(value) not in TEXTS:
                    return False
            elif not TEXTS.issuperset(map(type, value)):
                return False
            elif None in value:
                value = None
            place, amount = output(value)
            if place >= 0:
                out[start + place] = amount
        return True


def _reader(names: Sequence[str]) -> Callable[[Any], Any]:
    """Return a function that reads several columns of a row as a tuple."""
    if len(names) == 1:
        return partial(_alone, names[0])
    return itemgetter(*names) if names else tuple


def _alone(name: str, row: dict[str, object]) -> tuple[object]:
    return (row[name],)
