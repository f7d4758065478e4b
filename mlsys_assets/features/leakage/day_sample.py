"""Requests of a few sampled days, and where each would lie on another of them: what matches there is chance."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import View
from mlsys_assets.features.leakage.known_values import Codes, Moments, value_codes
from mlsys_assets.types import days, microseconds

Positions = NDArray[np.intp]

DAYS = 12
"""How many days are sampled: each with its own weather, and enough of them to hold values against other days."""
ROWS_A_DAY = 200
"""How many requests of each day are looked at."""
REACH = days(2)
"""How far from a prediction a record may have become known and still be held against it."""
A_DAY = microseconds(days(1))


@dataclass(frozen=True, eq=False)
class DaySample:
    """Requests of sampled days, in order of time, with their features' values.

    Parameters
    ----------
    requests
        (n, k) the requests' rows.
    at
        (n,) when they were predicted, in microseconds since 1970.
    day
        (n,) the number of the sampled day, 0 … days - 1.
    starts
        (days,) when each begins.
    features
        By feature: (n,) codes of its values, and their kind.
    """

    requests: pa.Table
    at: Moments
    day: Positions
    starts: Moments
    features: Mapping[str, tuple[Codes, str]]

    def __len__(self) -> int:
        return len(self.at)

    @classmethod
    def of(cls, rows: View, requests: pa.Table, *, key: str, seed: int) -> "DaySample":
        """Draw one day of each of equal parts of the time that the rows cover, and requests of each.

        Rows whose ``key`` no row of ``requests`` has are left out.
        """
        chosen, starts = _drawn(rows.at.astype("datetime64[us]").astype(np.int64), np.random.default_rng(seed))
        ids = rows.ids.take(pa.array(chosen))
        requests = requests.filter(pc.is_in(requests[key], value_set=ids))  # quicker than to look each up in all
        place = pc.index_in(ids, value_set=requests[key].combine_chunks())
        there = place.is_valid()
        chosen = chosen[there.to_numpy(zero_copy_only=False)]
        at = rows.at[chosen].astype("datetime64[us]").astype(np.int64)
        picked = rows.features.take(pa.array(chosen))
        codes = {name: value_codes(picked[name]) for name in picked.column_names}
        told = {name: found for name, found in codes.items() if found is not None}
        day = np.searchsorted(starts, at, side="right") - 1
        return cls(requests.take(place.filter(there)), at, day, starts, told)

    @cached_property
    def turns(self) -> tuple[int, ...]:
        """By how many sampled days all can be moved on so that no record near a request is near it where it lands."""
        apart = 2 * microseconds(REACH) + A_DAY
        moves = range(1, len(self.starts))
        return tuple(r for r in moves if (np.abs(np.roll(self.starts, -r) - self.starts) >= apart).all())

    def moved(self, turn: int) -> Moments:
        """Return (n,) the same times of day on the sampled day so many further on, the first after the last."""
        shift: Moments = np.roll(self.starts, -turn) - self.starts
        return self.at + shift[self.day]

    def others(self, turn: int) -> Positions:
        """Return (n,) for each request one of the sampled day so many further on."""
        count = np.bincount(self.day, minlength=len(self.starts))
        first, there = np.cumsum(count) - count, (self.day + turn) % len(count)
        place: Positions = first[there] + (np.arange(len(self)) - first[self.day]) % np.maximum(count[there], 1)
        return place.clip(max=len(self) - 1)


def _drawn(at: Moments, random: np.random.Generator) -> tuple[Positions, Moments]:
    """Return which rows are drawn, in order of time, and when their days begin."""
    order = np.argsort(at, kind="stable")
    parts = [part for part in np.array_split(np.unique(at // A_DAY), DAYS) if len(part)]
    chosen = np.array([random.choice(part) for part in parts], dtype=np.int64)
    rows = [np.empty(0, np.intp)]
    for day in chosen.tolist():
        low, high = np.searchsorted(at, [day * A_DAY, (day + 1) * A_DAY], sorter=order)
        rows.append(np.sort(random.permutation(np.arange(low, high))[:ROWS_A_DAY]))
    return order[np.concatenate(rows)], chosen * A_DAY
