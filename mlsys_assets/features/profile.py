"""A profile: what a feature table looked like when a model was trained on it, counted in bins."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.features.named_columns import ColumnError, is_category, is_number
from mlsys_assets.measures.metrics import Floats

TRAINING_PROFILE = "training_profile"
"""The table of the profiles of what each refitted model learned from, by as-of."""

BINS = 10
"""Ranges that a numeric column is cut into, of as nearly equal count as ties allow."""
MOST_CATEGORIES = 20
"""Categories of a text column that have bins of their own; all others, and new ones, are one."""
MOST_ROWS = 20_000
"""Rows that a profile looks at: of so many, a tenth is counted to within 0.2 of a percent (one standard error)."""

RANGE, CATEGORY, OTHER, MISSING = "range", "category", "other", "missing"
"""Kinds of bins: (lower, upper] with null for an open end; one category; all other categories; null or NaN."""

PROFILE_SCHEMA: Final = pa.schema(
    [
        pa.field("column", pa.string(), nullable=False),
        pa.field("bin", pa.int32(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("lower", pa.float64()),
        pa.field("upper", pa.float64()),
        pa.field("category", pa.string()),
        pa.field("count", pa.int64(), nullable=False),
        pa.field("mean", pa.float64()),
        pa.field("sd", pa.float64()),
    ]
)
"""One row for each bin of each column; ``mean`` and ``sd`` are the column's, repeated, null where it has none."""
PROFILE_MEANS: Final = {
    "column": "the feature",
    "bin": "number of the bin, lowest first",
    "kind": "a range, one category, all others, or the missing ones",
    "lower": "the range begins above it; null: open",
    "upper": "the range ends with it; null: open",
    "category": "the one that is counted",
    "count": "training rows in the bin",
    "mean": "the feature's mean, repeated",
    "sd": "its standard deviation, repeated",
}


@dataclass(frozen=True, eq=False)
class Tally:
    """A column's rows, counted.

    Parameters
    ----------
    counts
        (b,) rows in each bin, the missing ones last.
    mean, sd
        Of the finite numbers; NaN where there are none. ``sd`` divides by their number.
    """

    counts: Floats
    mean: float = np.nan
    sd: float = np.nan

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return int(self.counts.sum())

    @property
    def missing_share(self) -> float:
        """The share of rows without a value; NaN without rows."""
        return float(self.counts[-1] / self.rows) if self.rows else np.nan


@dataclass(frozen=True, eq=False)
class Ranges:
    """The bins of a numeric column: (−∞, e₁], (e₁, e₂], … (eₖ, ∞), missing. ``edges`` are (k,), rising."""

    edges: Floats

    @classmethod
    def of(cls, values: Floats) -> "Ranges":
        """Return the bins whose edges are the deciles of (n,) rising values, NaN last.

        An edge is a value of the sample. One that takes up more than a bin has a bin to itself, with an edge just
        below it: else a column that is nearly always 0 or nearly always full could change unseen.
        """
        known = values[np.isfinite(values)]
        if not len(known):
            return cls(np.zeros(0))
        return cls.at(known[-(-np.arange(1, BINS) * len(known) // BINS) - 1])

    @classmethod
    def at(cls, deciles: Floats) -> "Ranges":
        """Return the bins at (9,) deciles that are values of the sample, as `of` finds them."""
        heavy = deciles[1:][np.diff(deciles) == 0]
        return cls(np.unique(np.concatenate([deciles, _just_below(heavy)])))

    def tally(self, values: Floats) -> Tally:
        """Return the counts of (n,) rising values, NaN last."""
        known = values[: len(values) - int(np.isnan(values).sum())]
        up_to = np.searchsorted(known, self.edges, side="right")
        counts = np.diff(np.concatenate([[0], up_to, [len(known), len(values)]])).astype(float)
        finite = known[np.isfinite(known)]
        if not len(finite):
            return Tally(counts)
        if finite[0] == finite[-1]:  # summing would round, and a constant seem to vary
            return Tally(counts, float(finite[0]), 0.0)
        return Tally(counts, float(finite.mean()), float(finite.std()))

    def bins(self) -> list[dict[str, Any]]:
        """Return what a profile says of each bin."""
        ends = [None, *self.edges.tolist(), None]
        ranges = [{"kind": RANGE, "lower": low, "upper": high} for low, high in pairwise(ends)]
        return [*ranges, {"kind": MISSING}]


@dataclass(frozen=True, eq=False)
class Categories:
    """The bins of a text column: each of ``names``, all others, missing."""

    names: tuple[str, ...]

    @classmethod
    def of(cls, values: pa.ChunkedArray) -> "Categories":
        """Return the bins of the most frequent of (n,) texts; of equal counts, those first in the alphabet."""
        found = pc.value_counts(values.drop_null()).to_pylist()
        ranked = sorted(found, key=lambda one: (-one["counts"], one["values"]))
        return cls(tuple(one["values"] for one in ranked[:MOST_CATEGORIES]))

    def tally(self, values: pa.ChunkedArray) -> Tally:
        """Return the counts of (n,) texts."""
        position = pc.index_in(values, value_set=pa.array(self.names, pa.string()))
        codes = pc.fill_null(position, len(self.names)).to_numpy()
        counts = np.bincount(codes, minlength=len(self.names) + 1).astype(float)
        counts[-1] -= values.null_count  # neither another category nor a missing one has a position
        return Tally(np.append(counts, float(values.null_count)))

    def bins(self) -> list[dict[str, Any]]:
        """Return what a profile says of each bin."""
        return [*({"kind": CATEGORY, "category": name} for name in self.names), {"kind": OTHER}, {"kind": MISSING}]


def profile(table: pa.Table, *, most_rows: int = MOST_ROWS) -> pa.Table:
    """Return what the table's columns look like, as ``PROFILE_SCHEMA`` says.

    Up to ``most_rows`` rows, their order changes nothing. Of more, as many are looked at, evenly spaced in the
    order given: sort them first where it is not settled.

    Parameters
    ----------
    table
        (n, d) feature columns alone, n > 0: numbers or text.

    Raises ValueError for a table without rows, and for a column of another type.
    """
    n = table.num_rows
    if n == 0 or most_rows < 1:
        raise ValueError(f"a profile of {min(n, most_rows)} rows would say nothing; give it at least one")
    if n > most_rows:
        table = table.take(pa.array(np.arange(most_rows) * n // most_rows))
    rows = [row for name in table.schema.names for row in _rows(name, table[name])]
    return pa.Table.from_pylist(rows, schema=PROFILE_SCHEMA)


def _rows(name: str, column: pa.ChunkedArray) -> list[dict[str, Any]]:
    bins: Ranges | Categories
    if is_category(column.type):
        texts = read_texts(column, name)
        bins = Categories.of(texts)
        tally = bins.tally(texts)
    else:
        numbers = read_sorted(column, name)
        bins = Ranges.of(numbers)
        tally = bins.tally(numbers)
    moments = {"mean": tally.mean, "sd": tally.sd} if np.isfinite(tally.mean) else {}
    return [
        {"column": name, "bin": i, **one, "count": int(count), **moments}
        for i, (one, count) in enumerate(zip(bins.bins(), tally.counts, strict=True))
    ]


def read_sorted(column: pa.ChunkedArray, name: str) -> Floats:
    """Return (n,) a numeric column's values rising, NaN for what is missing last; raises ColumnError for text."""
    if not is_number(column.type) and not pa.types.is_null(column.type):
        raise ColumnError(f"column {name!r} holds {column.type}; only numbers and text have a profile: leave it out")
    return rising(column.cast(pa.float64(), safe=False).to_numpy())


def rising(values: Floats) -> Floats:
    """Return (n,) the values in order, NaN last, and no −0: what is counted in this order is so to the last bit."""
    return np.sort(values + 0.0)


def read_texts(column: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    """Return (n,) a text column's values as strings; raises ColumnError for anything else."""
    if not is_category(column.type) and not pa.types.is_null(column.type):
        raise ColumnError(f"column {name!r} holds {column.type}, and was text at training; was its type changed?")
    return column.cast(pa.string())


def _just_below(values: Floats) -> Floats:
    """Return (n,) the next smaller numbers; below 0 the next that no processor takes for 0."""
    return np.minimum(np.nextafter(values, -np.inf), values - np.finfo(np.float64).tiny)
