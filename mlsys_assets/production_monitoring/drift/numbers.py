"""A column of numbers in order: once sorted, everything about its distribution is read off."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.features.profile import BINS, Ranges
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.production_monitoring.drift.summary import QUANTILES, Summary

DECILES: Final = np.arange(1, BINS) / BINS
CHUNK: Final = 1 << 13
"""Values whose powers are held at once: they stay in the processor's cache, and are too few for several threads."""
SINGLE: Final = (pa.float16(), pa.float32(), pa.bool_(), pa.int8(), pa.int16(), pa.uint8(), pa.uint16())
"""Types whose every value is one of single precision, which is sorted in half the time."""


Moments: TypeAlias = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class Numbers:
    """One side of a numeric column.

    Parameters
    ----------
    values
        (n,) rising float64, without those that are missing; may be infinite.
    weights
        (n,) what each counts; None: 1 each.
    missing
        What the rows without a value count together.
    rows
        How many rows there are, with those that miss.
    size
        Kish's effective number of all rows.
    known
        How many rows have a value.
    known_size
        Kish's effective number of those.
    moments
        Mean, standard deviation, skewness and excess kurtosis of the finite values, where they are known already.
    single
        Whether they are of single precision, and so are the edges of bins between them.
    """

    values: Floats
    weights: Floats | None
    missing: float
    rows: int
    size: float
    known: int
    known_size: float
    moments: Moments | None = None
    single: bool = False

    @classmethod
    def of(cls, column: pa.ChunkedArray, weights: Floats | None = None, *, single: bool = False) -> "Numbers":
        """Return an Arrow column's numbers; ``single`` rounds them to float32, as the other side has them."""
        return cls.sorted(read(column, single=single), weights)

    @classmethod
    def sorted(cls, found: NDArray[np.floating], weights: Floats | None = None) -> "Numbers":
        """Return (n,) numbers in any order, NaN for what is missing."""
        rows, known, single = len(found), len(found) - int(np.isnan(found).sum()), found.dtype == np.float32
        if weights is None:
            values = np.sort(found)[:known].astype(np.float64, copy=False)
            return cls(values, None, float(rows - known), rows, float(rows), known, float(known), single=single)
        order = np.argsort(found, kind="stable")
        values, own = found[order][:known].astype(np.float64, copy=False), weights[order]
        sizes = kish(weights), known, kish(own[:known])
        return cls(values, own[:known], float(own[known:].sum()), rows, *sizes, single=single)

    @cached_property
    def cumulated(self) -> Floats | None:
        """(n + 1,) what the first 0, 1, … n values count together; None where each counts 1."""
        return None if self.weights is None else np.concatenate([[0.0], np.cumsum(self.weights)])

    @property
    def total(self) -> float:
        """What all values count together."""
        return float(len(self.values)) if self.cumulated is None else float(self.cumulated[-1])

    @cached_property
    def finite(self) -> slice:
        """Where the finite values stand."""
        first = np.searchsorted(self.values, -np.inf, side="right")
        return slice(int(first), int(np.searchsorted(self.values, np.inf, side="left")))

    def at_most(self, points: Floats) -> Floats:
        """Return (k,) what the values up to and with each point count together."""
        return self._weight_of_first(np.searchsorted(self.values, points, side="right"))

    def below(self, points: Floats) -> Floats:
        """Return (k,) what the values below each point count together."""
        return self._weight_of_first(np.searchsorted(self.values, points, side="left"))

    def rounded(self) -> "Numbers":
        """Return the numbers as single precision holds them: in the same order."""
        with np.errstate(over="ignore"):
            values = self.values.astype(np.float32).astype(np.float64)
        return self if self.single else replace(self, values=values, single=True)

    def only_finite(self) -> "Numbers":
        """Return the finite numbers alone."""
        if self.finite == slice(0, len(self.values)):
            return self
        values, weights = self.values[self.finite], None if self.weights is None else self.weights[self.finite]
        n, size = len(values), float(len(values)) if weights is None else kish(weights)
        return Numbers(values, weights, 0.0, n, size, n, size, single=self.single)

    def counts(self, edges: Floats) -> Floats:
        """Return (k + 2,) effective rows in (−∞, e₁], … (eₖ, ∞), and missing."""
        up_to = np.concatenate([[0.0], self.at_most(edges), [self.total, self.total + self.missing]])
        return np.diff(up_to) * (self.size / up_to[-1] if up_to[-1] else 0.0)

    def quantiles(self, shares: Floats) -> Floats:
        """Return (k,) the smallest finite values up to which such shares of the finite ones lie; NaN without any."""
        values = self.values[self.finite]
        if not len(values):
            return np.full(len(shares), np.nan)
        if self.cumulated is None:
            at = at_shares(shares, len(values))
        else:
            up_to = self.cumulated[self.finite.start + 1 : self.finite.stop + 1] - self.cumulated[self.finite.start]
            at = np.searchsorted(up_to, shares * up_to[-1] * (1 - TINY), side="left")
        found: Floats = values[at] + 0.0
        return found

    @cached_property
    def deciles(self) -> Ranges:
        """The bins at the deciles of the finite values."""
        return Ranges.at(self.quantiles(DECILES)) if self.finite.stop > self.finite.start else Ranges(np.zeros(0))

    @cached_property
    def summary(self) -> Summary:
        """What the column looks like."""
        values, whole = self.values[self.finite], self.total + self.missing
        weights = None if self.weights is None else self.weights[self.finite]
        infinite = self.total - (len(values) if weights is None else weights.sum())
        return Summary(
            self.rows,
            self.size,
            self.missing / whole if whole else np.nan,
            float(infinite / whole) if whole else np.nan,
            *(self.moments or moments(values, weights)),
            tuple(self.quantiles(np.array(QUANTILES)).tolist()),
        )

    def _weight_of_first(self, number: NDArray[np.intp]) -> Floats:
        return number.astype(np.float64) if self.cumulated is None else self.cumulated[number]


TINY: Final = 1e-12
"""A share such as 0.7 of 10 values is the seventh, though 0.7 × 10 rounds to above 7."""


def at_shares(shares: Floats, n: int) -> NDArray[np.intp]:
    """Return (k,) which of n rising values are the smallest up to which such shares of them lie."""
    found: NDArray[np.intp] = np.ceil(shares * n * (1 - TINY)).astype(np.intp) - 1
    return found


def kish(weights: Floats) -> float:
    """Return how many equally weighted rows tell as much as these: (Σw)² / Σw² (Kish 1965); 0 without weight."""
    squares = float((weights**2).sum())
    return float(weights.sum() ** 2 / squares) if squares else 0.0


def is_single(kind: pa.DataType) -> bool:
    """Return whether every number of this type is one of single precision."""
    return kind in SINGLE


def read(column: pa.ChunkedArray, *, single: bool = False) -> NDArray[np.floating]:
    """Return (n,) an Arrow column's numbers, NaN for what is missing; ``single`` rounds them to float32."""
    kind = np.float32 if single or is_single(column.type) else np.float64
    if pa.types.is_null(column.type):
        return np.full(len(column), np.nan)
    if not pa.types.is_floating(column.type):
        column = column.cast(pa.from_numpy_dtype(kind), safe=False)
    with np.errstate(over="ignore"):  # beyond single precision is infinite
        found: NDArray[np.floating] = column.to_numpy().astype(kind, copy=False)
    return found


def moments(values: NDArray[np.floating], weights: Floats | None = None) -> Moments:
    """Return mean, standard deviation, skewness and excess kurtosis of finite values; NaN for what there is not."""
    nan = float(np.nan)
    if not len(values) or (weights is not None and not weights.sum()):
        return nan, nan, nan, nan
    if values[0] == values[-1] and values.min() == values.max():  # summing would round, and a constant seem to vary
        return float(values[0]), 0.0, nan, nan
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # of numbers near the largest there is
        total = float(len(values)) if weights is None else weights.sum()
        own = values if weights is None else values * weights
        about, powers = own.sum(dtype=np.float64) / total, np.zeros(4)
        for start in range(0, len(values), CHUNK):
            part = slice(start, start + CHUNK)
            off = values[part].astype(np.float64) - about
            square, counted = off * off, off if weights is None else off * weights[part]
            powers += counted.sum(), counted @ off, counted @ square, (counted * off) @ square
        one, two, three, four = powers / total  # ``one`` is what the sum has rounded off
        second = two - one**2
        third = three - 3 * one * two + 2 * one**3
        fourth = four - 4 * one * three + 6 * one**2 * two - 3 * one**4
        found = about + one, second**0.5, third / second**1.5, fourth / second**2 - 3
        mean, sd, skew, kurtosis = (float(one) if np.isfinite(one) else nan for one in found)
        return mean, sd, skew, kurtosis
