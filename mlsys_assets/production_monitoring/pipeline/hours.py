"""Times that moved by whole hours: a zone that was forgotten, or counted twice."""

from collections.abc import Sequence
from datetime import tzinfo
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.features.named_columns import is_number
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.production_monitoring.diagnosis import Cause, Symptom
from mlsys_assets.production_monitoring.pipeline.examined import Examined
from mlsys_assets.production_monitoring.pipeline.sides import LEAST_NUMBERS, numbers

TEST: Final = "hours"
HOURS: Final = 24
LEAST_DISTANCE: Final = 0.1
"""The share of rows in another hour of the day (total variation) from which on a shift is looked for."""
MUCH_BETTER: Final = 3.0
"""How many times nearer the shifted hours must be."""
BEYOND_CHANCE: Final = 3.0
"""How many times what chance gives in the mean the distance must be."""


def shifted_hours(before: pa.Table, now: pa.Table, *, columns: Sequence[str], zone: tzinfo | None = None) -> Examined:
    """Return columns of times whose hours of the day are those before, moved by a whole number of hours.

    Parameters
    ----------
    columns
        Timestamps, or numbers from 0 to 24 that are hours of the day. Those that a table lacks are left to the schema.
    zone
        Where the day of the timestamps is lived: in another zone every hour moves when the clocks change, and that is
        no bug. Timestamps are not looked at without it.
    """
    found = [
        _of_column(name, before[name], now[name], zone)
        for name in columns
        if name in before.column_names and name in now.column_names
    ]
    return Examined.of(found)


def _of_column(name: str, before: pa.ChunkedArray, now: pa.ChunkedArray, zone: tzinfo | None) -> Examined:
    test = f"{TEST} of {name}"
    if zone is None and pa.types.is_timestamp(now.type):
        return Examined.nothing(test, "no zone is declared, and in another one the hours move with the clocks")
    was, here = (_hours(column, zone) for column in (before, now))
    if min(len(was), len(here)) < LEAST_NUMBERS:
        return Examined.nothing(test, f"{len(was)} times before and {len(here)} now are too few, or are no hours")
    p, q = (np.bincount(side.astype(np.intp) % HOURS, minlength=HOURS) / len(side) for side in (was, here))
    distances = np.array([np.abs(np.roll(p, shift) - q).sum() / 2 for shift in range(HOURS)])
    by = int(np.argmin(distances))
    chance = float(np.sqrt(p * (1 / len(was) + 1 / len(here)) * 2 / np.pi).sum() / 2)
    limit = max(LEAST_DISTANCE, BEYOND_CHANCE * chance, MUCH_BETTER * float(distances[by]))
    if by == 0 or distances[0] < limit:
        return Examined()
    hours = by if by <= HOURS // 2 else by - HOURS
    told = (
        f"{name} moved by {hours:+d} h: {distances[0]:.0%} of rows are in another hour of the day than before, and "
        f"{distances[by]:.0%} of them once moved back"
    )
    measures = {"hours": hours, "moved_back": float(distances[by])}
    return Examined((Symptom(Cause.PIPELINE, TEST, name, told, float(distances[0]), limit, measures),))


def _hours(column: pa.ChunkedArray, zone: tzinfo | None) -> Floats:
    """Return (k,) the hours of the day of what is there; none if these are no hours."""
    if pa.types.is_timestamp(column.type):
        aware = column if column.type.tz else pc.assume_timezone(column, "UTC")
        local = aware.cast(pa.timestamp(column.type.unit, str(zone)))
        return np.asarray(pc.drop_null(pc.hour(local)).to_numpy(), dtype=np.float64)
    if not is_number(column.type):
        return np.empty(0)
    found = numbers(column)
    found = found[np.isfinite(found)]
    return found if len(found) and found.min() >= 0 and found.max() <= HOURS else np.empty(0)
