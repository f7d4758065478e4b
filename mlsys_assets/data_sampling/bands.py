"""Rows that are nearly the same: hashes of bands of columns, some of which a small change leaves as they were.

Locality-sensitive hashing by bands (Leskovec, Rajaraman & Ullman 2014, ch. 3): columns are dealt out to bands, numbers
are rounded, and each band is hashed. Rows that share ``ALIKE`` of ``BANDS`` bands are nearly the same.
"""

from collections.abc import Iterator
from itertools import combinations
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.data_sampling.identity import mixed, row_hashes

Hashes = NDArray[np.uint64]

BANDS: Final = 6
"""Any four columns of a row may change, and two bands of six are still as they were."""
ALIKE: Final = 2
"""So many equal bands make rows nearly the same. Flights a day and a half apart never share two."""
DROPPED: Final = 15
"""Bits of a 32-bit number's 23 that rounding drops: numbers within a five-hundredth are mostly the same."""
TELLING: Final = 0.5
"""The share of a band's columns that must hold something, neither missing nor 0, for the band to tell rows apart."""
SIEVED: Final = 20
"""The last bits of a hash, by which nearly all are told from those asked for: a table of 1 MB."""
VOID: Final = np.uint64(0)
"""The hash of a band that tells nothing, which is equal to none."""


def band_hashes(features: pa.Table) -> Hashes:
    """Return (``BANDS``, n) one hash of each row's rounded values in each band; ``VOID`` where they tell nothing."""
    names, rows = features.schema.names, features.num_rows
    found = np.zeros((BANDS, rows), dtype=np.uint64)
    for k, band in enumerate(found):
        mine, told = names[k::BANDS], np.zeros(rows, dtype=np.intp)
        band[:] = k  # or bands of equal values would cancel each other where they are joined
        for name in mine:
            code, tells = _rounded(features, name)
            band[:] = mixed(band, code)
            told += tells
        band[told < max(TELLING * len(mine), 1)] = VOID
    return found


def near_matches(earlier: Hashes, later: Hashes) -> NDArray[np.bool_]:
    """Return (m,) which of (``BANDS``, m) later rows share ``ALIKE`` bands with one of (``BANDS``, n) earlier ones."""
    found = np.zeros(later.shape[1], dtype=bool)
    for known, asked in zip(joined(earlier), joined(later), strict=True):
        found |= within(known, asked) & (asked != VOID)
    return found


def joined(hashes: Hashes) -> Iterator[Hashes]:
    """Yield (n,) one hash of every ``ALIKE`` bands of each row: nearly the same rows share at least one."""
    for bands in combinations(range(BANDS), ALIKE):
        yield _joined(hashes, bands)


def within(known: Hashes, asked: Hashes) -> NDArray[np.bool_]:
    """Return (m,) which hashes are among (n,) known ones."""
    perhaps = np.zeros(1 << SIEVED, dtype=bool)
    last = np.uint64(len(perhaps) - 1)
    perhaps[asked & last] = True
    ordered = np.sort(known[perhaps[known & last]])  # few are left to sort
    if not len(ordered):
        return np.zeros(len(asked), dtype=bool)
    place = np.searchsorted(ordered, asked)
    return np.asarray(ordered[np.minimum(place, len(ordered) - 1)] == asked)


def _joined(hashes: Hashes, bands: tuple[int, ...]) -> Hashes:
    state = hashes[bands[0]]
    for band in bands[1:]:
        state = mixed(state, hashes[band])
    return np.where((hashes[list(bands)] == VOID).any(axis=0), VOID, state)


def _rounded(features: pa.Table, name: str) -> tuple[Hashes, NDArray[np.bool_]]:
    """Return (n,) codes that are equal where values nearly are, and which values are neither missing nor 0."""
    column = features[name]
    kind = column.type
    if not (pa.types.is_floating(kind) or pa.types.is_integer(kind)):
        return row_hashes(features.select([name])), np.asarray(pc.is_valid(column))
    with np.errstate(over="ignore"):
        numbers = column.to_numpy().astype(np.float32) + np.float32(0)  # + 0 makes -0.0 the same as 0.0, and a copy
    missing = np.isnan(numbers)
    numbers[missing] = np.nan  # one NaN, whatever its bits were
    half = np.uint32(1 << (DROPPED - 1))
    return ((numbers.view(np.uint32) + half) >> np.uint32(DROPPED)).astype(np.uint64), ~missing & (numbers != 0)
