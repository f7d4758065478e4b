"""How noisy a column is, by how far its consecutive readings lie apart."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import View
from mlsys_assets.features.named_columns import read_numbers
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.types import hours, microseconds

NORMAL_MAD: Final = 1.482602218505602
"""The standard deviation of a normal distribution whose median absolute deviation is 1."""
NORMAL_MEAN: Final = 1.2533141373155001
"""The standard deviation of a normal distribution whose mean absolute deviation is 1: the root of pi / 2."""
LEAST_DIFFERENCES: Final = 30
"""Fewer pairs of consecutive readings than this, and their spread is a guess."""


@dataclass(frozen=True)
class Readings:
    """What makes rows share a reading of a sensor: its place, and the time from one reading to the next.

    Parameters
    ----------
    by
        The column that names the sensor's place, as "origin"; None: one for all.
    every
        The time from one reading to the next; rows within it share their reading.
    """

    by: str | None = None
    every: timedelta = hours(1)

    def numbers(self, rows: View) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (n,) the number of each row's place, and (n,) that of its step in time."""
        time = rows.at.astype("datetime64[us]").astype(np.int64) // microseconds(self.every)
        if self.by is None:
            return np.zeros(len(rows), dtype=np.int64), time
        coded = rows.features[self.by].combine_chunks().cast(pa.string()).dictionary_encode(null_encoding="encode")
        rank = np.argsort(np.argsort([str(name) for name in coded.dictionary.to_pylist()], kind="stable"))
        return rank.astype(np.int64)[np.asarray(coded.indices)], time

    def reading(self, rows: View) -> NDArray[np.intp]:
        """Return (n,) the number of each row's reading, 0 … k−1 by place and time."""
        place, time = self.numbers(rows)
        time = time - time.min(initial=0)
        _, reading = np.unique(place * (time.max(initial=0) + 1) + time, return_inverse=True)
        return np.asarray(reading, dtype=np.intp)


def noise_scale(rows: View, column: str, readings: Readings) -> float:
    """Return a column's noise: the robust spread of differences of consecutive readings, divided by the root of 2.

    A reading is the value of the first row with one at a place within a step of time; consecutive ones are exactly
    a step apart. The spread is 1.4826 times the median absolute difference; where most readings repeat the one
    before, so that it is 0, it is 1.2533 times the mean absolute difference (Iglewicz & Hoaglin 1993). What
    the column truly changes within a step counts as noise: it is what one reading tells of the next, no less than
    the sensor's own error (von Neumann et al. 1941). NaN where there are too few differences.
    """
    (value,) = read_numbers(rows.features, [column])
    there = np.isfinite(value)
    place, time = readings.numbers(rows)
    place, time, value = place[there], time[there], value[there].astype(np.float64)
    order = np.lexsort((np.flatnonzero(there), rows.at[there], time, place))
    place, time, value = place[order], time[order], value[order]
    first = (np.diff(place, prepend=-1) != 0) | (np.diff(time, prepend=-1) != 0)
    place, time, value = place[first], time[first], value[first]
    consecutive = (np.diff(place) == 0) & (np.diff(time) == 1)
    apart = np.abs(np.diff(value)[consecutive])
    if len(apart) < LEAST_DIFFERENCES:
        return float(np.nan)
    return robust_spread(apart) / 2**0.5


def robust_spread(deviations: Floats) -> float:
    """Return the standard deviation that (n,) absolute deviations are of, by their median; by their mean if it is 0."""
    return NORMAL_MAD * float(np.median(deviations)) or NORMAL_MEAN * float(deviations.mean())


def shared_noise(rows: View, readings: Readings | None, random: np.random.Generator) -> Floats:
    """Return (n,) standard normal numbers: one a reading, as its rows share its error; one a row where None."""
    if readings is None:
        return random.standard_normal(len(rows))
    reading = readings.reading(rows)
    return random.standard_normal(int(reading.max(initial=-1)) + 1)[reading]
