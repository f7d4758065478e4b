"""A column of categories, counted, and the distances of two such."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.features.profile import MOST_CATEGORIES
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.production_monitoring.drift.numbers import kish
from mlsys_assets.production_monitoring.drift.summary import Summary


@dataclass(frozen=True, eq=False)
class Texts:
    """One side of a column of categories.

    Parameters
    ----------
    levels
        What the rows of each category count together, the most first; of equal ones by the alphabet.
    missing
        What the rows without a category count together.
    rows
        How many rows there are, with those that miss.
    size
        Kish's effective number of all rows.
    """

    levels: Mapping[str, float]
    missing: float
    rows: int
    size: float

    @classmethod
    def of(cls, column: pa.ChunkedArray, weights: Floats | None = None) -> "Texts":
        """Return an Arrow column's categories, counted."""
        whole = column.combine_chunks() if pa.types.is_dictionary(column.type) else column.cast(pa.large_string())
        encoded = whole if pa.types.is_dictionary(whole.type) else whole.combine_chunks().dictionary_encode()
        names = [*encoded.dictionary.to_pylist(), None]
        codes = pc.fill_null(encoded.indices.cast(pa.int64()), len(names) - 1).to_numpy(zero_copy_only=False)
        counts = np.bincount(codes, weights=weights, minlength=len(names)).tolist()
        found: dict[str, float] = {}
        missing = 0.0
        for name, count in zip(names, counts, strict=True):  # a dictionary may hold null, or one text twice
            if name is None:
                missing += count
            elif count:
                found[name] = found.get(name, 0.0) + count
        ranked = dict(sorted(found.items(), key=lambda one: (-one[1], one[0])))
        return cls(ranked, missing, len(column), float(len(column)) if weights is None else kish(weights))

    @property
    def total(self) -> float:
        """What all rows with a category count together."""
        return float(sum(self.levels.values()))

    @cached_property
    def largest(self) -> tuple[str, ...]:
        """The categories that have a bin of their own in a stability index; all others are one."""
        return tuple(self.levels)[:MOST_CATEGORIES]

    def counts(self, names: tuple[str, ...]) -> Floats:
        """Return (k + 2,) effective rows of each of k categories, all others, and missing."""
        own = [self.levels.get(name, 0.0) for name in names]
        found = np.array([*own, max(self.total - sum(own), 0.0), self.missing])
        return found * (self.size / found.sum() if found.sum() else 0.0)

    @property
    def summary(self) -> Summary:
        """What the column looks like."""
        whole = self.total + self.missing
        share = self.missing / whole if whole else np.nan
        return Summary(self.rows, self.size, share, levels=len(self.levels))


def in_common(before: Texts, now: Texts) -> tuple[Floats, Floats]:
    """Return (k,) what the rows of each category of either side count together, on both."""
    names = list(dict.fromkeys([*before.levels, *now.levels]))
    first, second = (np.array([side.levels.get(name, 0.0) for name in names]) for side in (before, now))
    return first, second


def new_share(before: Texts, now: Texts) -> float:
    """Return the share of what the categories now count that were not there before; NaN without any now."""
    new = sum(count for name, count in now.levels.items() if name not in before.levels)
    return new / now.total if now.total else float(np.nan)
