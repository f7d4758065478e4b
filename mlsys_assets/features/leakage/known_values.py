"""Which values stand in a key's records, and when the nearest of these became known: before a moment, and after."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.data_sampling.identity import mixed, text_hashes

Codes = NDArray[np.int64]
Moments = NDArray[np.int64]
Groups = NDArray[np.uint64]
Mask = NDArray[np.bool_]

MISSING = -1
"""The code of no value: the bits of a number that is none."""
NEVER = np.iinfo(np.int64).max
"""Stands for the time to a record that is not there."""


def value_codes(column: pa.ChunkedArray) -> tuple[Codes, str] | None:
    """Return (n,) codes that are equal where values are, as features hold them, and their kind; None for moments."""
    kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        encoded = column.cast(pa.string()).combine_chunks().dictionary_encode()
        codes = text_hashes(encoded.dictionary.to_pylist()).view(np.int64)
        codes[-1] = MISSING  # where position -1 finds it
        return codes[pc.fill_null(encoded.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)], "text"
    if not any(fits(kind) for fits in (pa.types.is_floating, pa.types.is_integer, pa.types.is_boolean)):
        return None
    if not pa.types.is_floating(kind):
        column = column.cast(pa.int64()).cast(pa.float64(), safe=False)
    numbers = column.cast(pa.float32(), safe=False).to_numpy() + np.float32(0)  # + 0 makes -0.0 the same as 0.0
    return np.where(np.isnan(numbers), MISSING, numbers.view(np.int32)).astype(np.int64), "number"


def grouped(columns: Iterable[Codes], *, rows: int) -> tuple[Groups, Mask]:
    """Return (rows,) one number a key of several columns, given as codes, and whether none of these is missing."""
    state, there = np.zeros(rows, np.uint64), np.ones(rows, np.bool_)
    for codes in columns:
        state = mixed(state, codes.view(np.uint64))
        there &= codes != MISSING
    return state, there


@dataclass(frozen=True, eq=False)
class Asked:
    """Whose records are asked for, and as of when.

    Parameters
    ----------
    group
        (n,) the keys, as `grouped` gives them.
    there
        (n,) whether the key is complete.
    at
        (n,) microseconds since 1970.
    entity
        (n,) whose record does not count, by number; None if all do.
    """

    group: Groups
    there: Mask
    at: Moments
    entity: NDArray[np.int64] | None = None

    def take(self, rows: NDArray[np.intp]) -> "Asked":
        """Return the chosen ones."""
        entity = None if self.entity is None else self.entity[rows]
        return Asked(self.group[rows], self.there[rows], self.at[rows], entity)


class KnownValues:
    """One column of a source's records by key.

    Parameters
    ----------
    group
        (m,) each record's key, as `grouped` gives it.
    value
        (m,) its value's code.
    known
        (m,) when it became known, in order.
    entity
        (m,) whose record it is, by number; None where that is not told.
    """

    def __init__(self, group: Groups, value: Codes, known: Moments, entity: NDArray[np.int64] | None = None) -> None:
        told = np.flatnonzero(value != MISSING)
        pair = mixed(group[told], value[told].view(np.uint64))
        self._pairs, number = _numbered(pair)
        order = np.argsort(number, kind="stable")
        rows, later = told[order], _changes(known)
        self._known, self._entity = known[rows], None if entity is None else entity[rows]
        self._times = known[later]
        self._width = len(self._times) + 1
        # One number that orders records by key and value, and those of one by time.
        self._place = number[order].astype(np.int64) * self._width + (np.cumsum(later) - 1)[rows]

    def nearest(self, asked: Asked, value: Codes) -> tuple[Moments, Moments]:
        """Return (n,) how long before, and after, the nearest record of the same key and value became known.

        Known exactly at the moment is known before it. ``NEVER`` where there is none.
        """
        before, after = np.full(len(value), NEVER), np.full(len(value), NEVER)
        rows = np.flatnonzero(asked.there & (value != MISSING))
        if not len(self._pairs) or not len(rows):
            return before, after
        pair = mixed(asked.group[rows], value[rows].view(np.uint64))
        segment = np.minimum(np.searchsorted(self._pairs, pair), len(self._pairs) - 1)
        held = self._pairs[segment] == pair
        rows, segment = rows[held], segment[held]
        place = segment * self._width + np.searchsorted(self._times, asked.at[rows], side="right")
        next_one = np.searchsorted(self._place, place)
        for kept, found, step in ((before, next_one - 1, -1), (after, next_one, 1)):
            self._keep(kept, found, (rows, segment), asked, step=step)
        return before, after

    def _keep(
        self,
        kept: Moments,
        found: NDArray[np.intp],
        of: tuple[NDArray[np.intp], NDArray[np.int64]],
        asked: Asked,
        *,
        step: int,
    ) -> None:
        rows, segment = of
        last = len(self._place) - 1
        if asked.entity is not None and self._entity is not None:
            found = found + step * (self._entity[np.clip(found, 0, last)] == asked.entity[rows])
        held = np.clip(found, 0, last)
        inside = (held == found) & (self._place[held] // self._width == segment)
        kept[rows[inside]] = np.abs(self._known[held] - asked.at[rows])[inside]


def _numbered(values: Groups) -> tuple[Groups, NDArray[np.unsignedinteger]]:
    """Return the (k,) distinct values in order, and (n,) which of them each is: in few bits, which sort soonest."""
    coded = pa.array(values).dictionary_encode()
    distinct = np.asarray(coded.dictionary)
    order = np.argsort(distinct)
    rank = np.empty(len(order), np.min_scalar_type(len(order)))
    rank[order] = np.arange(len(order))
    return distinct[order], rank[np.asarray(coded.indices)]


def _changes(ordered: NDArray[Any]) -> Mask:
    """Return (n,) whether each is the first of its kind."""
    return np.append(True, ordered[1:] != ordered[:-1])[: len(ordered)]
