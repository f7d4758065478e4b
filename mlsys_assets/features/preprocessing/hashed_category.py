"""A fitted category without a map: its text's hash says which output it fills."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from mlsys_assets.features.named_columns import Value
from mlsys_assets.features.preprocessing.category import NOTHING, Output, check_values

CACHED_TEXTS: Final = 65_536
"""How many texts' buckets are kept at hand."""


@dataclass(frozen=True)
class HashedCategory:
    """A category by the hash of its text (Weinberger et al. 2009): no map is kept, so that none can grow.

    A missing value fills no bucket. What is unseen fills one as any value does, and cannot be told.

    Parameters
    ----------
    name
        The input column.
    buckets
        How many outputs (0 or 1) values share.
    seed
        Which of many hashes.
    of
        The columns that are taken together, if it is no single one.
    """

    name: str
    buckets: int
    seed: int = 0
    of: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_values(self.name, (), self.of)
        if self.buckets < 1 or not 0 <= self.seed < 1 << 64:
            raise ValueError(f"preprocessing hashes {self.name!r} to {self.buckets} buckets by seed {self.seed}")

    @property
    def inputs(self) -> tuple[str, ...]:
        """The input columns."""
        return self.of or (self.name,)

    @property
    def width(self) -> int:
        """One output a bucket."""
        return self.buckets

    @property
    def names(self) -> tuple[str, ...]:
        """The outputs' names."""
        return tuple(f"{self.name} hashed to {bucket}" for bucket in range(self.buckets))

    def output(self, value: Value | None) -> Output:
        """Return the bucket of a value."""
        if value is None:
            return NOTHING
        return bucket_of(value, self.buckets, self.seed), 1.0

    def knows(self, value: Value | None) -> bool:
        """Return that no value is told from others that were not there: all have a bucket."""
        return True


@lru_cache(CACHED_TEXTS)
def bucket_of(value: Value, buckets: int, seed: int) -> int:
    """Return the bucket of a text, or of several together: BLAKE2b, the same on every machine.

    >>> bucket_of("LEX", 16, 0), bucket_of(("9E", "LEX"), 16, 0)
    (8, 5)
    """
    digest = hashlib.blake2b(digest_size=8, key=seed.to_bytes(8, "little"))
    for text in (value,) if isinstance(value, str) else value:
        data = text.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little") + data)  # by its length, two texts end where they end
    return int.from_bytes(digest.digest(), "little") % buckets
