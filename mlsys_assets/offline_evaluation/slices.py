"""Slices: groups of rows in which a model may be worse than on the whole (Huyen 2022, ch. 6)."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray


@dataclass(frozen=True)
class Slice:
    """One group for each value of a feature column."""

    column: str

    @property
    def name(self) -> str:
        """What the slice is called."""
        return self.column

    def mistakes(self, columns: Collection[str]) -> list[str]:
        """Return what is wrong with the declaration, given the feature columns."""
        if self.column in columns:
            return []
        return [
            f"slice {self.name!r} is by {self.column!r}, which is no feature column; there are {', '.join(columns)}"
        ]

    def groups(self, features: pa.Table) -> Iterator[tuple[str, NDArray[np.bool_]]]:
        """Yield each value, as text, and (n,) which rows have it; null is a group too, named ``unknown``."""
        coded = features[self.column].combine_chunks().dictionary_encode(null_encoding="encode")
        code = np.asarray(coded.indices)
        named = sorted(enumerate(coded.dictionary.to_pylist()), key=lambda pair: str(pair[1]))
        for number, found in named:
            yield ("unknown" if found is None else str(found)), code == number
