"""What was erased, as hashes: enough to know it again when it is brought in again, too little to say what it was."""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

KEY_BYTES = 32
"""Of the secret that each operations store hashes with: without it, all tail numbers could be tried in a second."""


def keyed_hash(key: bytes, column: str, value: str) -> str:
    """Return the HMAC-SHA256 of a column's value under a secret key, as 64 hexadecimal digits.

    >>> keyed_hash(b"k", "tailnum", "N1") == keyed_hash(b"k", "carrier", "N1")
    False
    """
    return hmac.new(key, f"{len(column)} {column} {value}".encode(), hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class Tombstones:
    """The values that were erased, by column.

    Parameters
    ----------
    key
        The secret of the store that keeps them.
    hashes
        By column, the keyed hashes of its erased values, as text.
    """

    key: bytes = field(repr=False)
    hashes: Mapping[str, frozenset[str]]
    _seen: dict[tuple[str, str], bool] = field(default_factory=dict, repr=False, compare=False)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of which any value was erased."""
        return tuple(sorted(self.hashes))

    def holds(self, column: str, value: object) -> bool:
        """Return whether a value of a column was erased; null never was."""
        if value is None or column not in self.hashes:
            return False
        asked = (column, str(value))
        if asked not in self._seen:
            self._seen[asked] = keyed_hash(self.key, *asked) in self.hashes[column]
        return self._seen[asked]

    def mask(self, column: str, values: pa.ChunkedArray) -> NDArray[np.bool_]:
        """Return (n,) which of a column's values were erased; each different value is hashed once."""
        if column not in self.hashes:
            return np.zeros(len(values), dtype=bool)
        erased = [value for value in pc.unique(values).to_pylist() if self.holds(column, value)]
        found: NDArray[np.bool_] = np.asarray(pc.is_in(values, value_set=pa.array(erased, values.type)))  # never null
        return found
