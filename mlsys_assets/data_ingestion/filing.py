"""Which tick a record is filed in: by when it became known or, if that cannot stand, by its delivery."""

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.data_ingestion.quarantine import Rejections
from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.tables import KNOWN_AT
from mlsys_assets.types import Calendar, TimeWindow

EVER = TimeWindow(datetime(2, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
"""Every moment that is told apart, less than Python can tell: readers may ask for more than a window."""
FAR_FROM_DELIVERY = "known outside its delivery"
"""Broken by a row that would have become known further from its delivery than its source declares."""
OUTSIDE_CALENDAR = "outside the calendar"
"""Broken by a row that became known before the first tick or after the last."""

Micros = NDArray[np.int64]
"""(n,) microseconds since 1970, UTC."""
Mask = NDArray[np.bool_]


def span(calendar: Calendar | None) -> TimeWindow:
    """Return the time from a calendar's first tick to the end of its last whole one; ever, without a calendar."""
    if calendar is None:
        return EVER
    if calendar.end is None:
        return TimeWindow(calendar.start, EVER.end)
    whole = (calendar.end - calendar.start) // calendar.step
    return TimeWindow(calendar.start, calendar.start + whole * calendar.step)


def reach(source: Source, window: TimeWindow, calendar: Calendar | None = None) -> TimeWindow:
    """Return the delivery times of every record that may be filed in ``window``.

    A record delivered before the calendar starts, or after it ends, can only be filed in its first
    or its last tick: those two reach for ever. A snapshot is delivered whole.
    """
    if source.snapshot:
        return window
    (earliest, latest), whole = source.known_within, span(calendar)
    first = window.start <= whole.start
    last = window.end >= whole.end
    return TimeWindow(
        EVER.start if first else window.start - latest,
        EVER.end if last else window.end - earliest,
    )


def filed(
    source: Source,
    rows: pa.Table,
    rejections: Rejections,
    *,
    delivered: Micros,
    positions: NDArray[np.int64],
    calendar: Calendar | None,
) -> Micros:
    """Return when each record is filed; a pure function of the record, whatever else is read with it.

    Parameters
    ----------
    rows
        (m, ≥ 1) the derived rows.
    rejections
        Those of ``rows`` so far; rows that cannot be filed by their known time are added.
    delivered
        (n,) the records' delivery times.
    positions
        (m,) which of the records each row was derived from.
    calendar
        Where it starts and ends.
    """
    known, own = micros(rows[KNOWN_AT]), delivered[positions]
    earliest, latest = (int(np.timedelta64(t, "us").astype(np.int64)) for t in source.known_within)
    far = (known < own + earliest) | (known > own + latest)
    whole = span(calendar)
    for broken, rule in ((far, FAR_FROM_DELIVERY), (~inside(known, whole), OUTSIDE_CALENDAR)):
        rejections.add(broken, rule=rule, column=KNOWN_AT, values=rows[KNOWN_AT])
    when = np.clip(delivered, _us(whole.start), _us(whole.end) - 1)
    sound = ~rejections.mask
    when[positions[sound]] = known[sound]
    return when


def inside(moments: Micros, window: TimeWindow) -> Mask:
    """Return which moments lie in ``window``."""
    found: Mask = (moments >= _us(window.start)) & (moments < _us(window.end))
    return found


def tick_numbers(moments: Micros, window: TimeWindow, calendar: Calendar | None) -> NDArray[np.int64]:
    """Return which of the window's ticks, 0 = the first, each moment is in; all 0 without a calendar."""
    if calendar is None:
        return np.zeros(len(moments), dtype=np.int64)
    step = int(np.timedelta64(calendar.step, "us").astype(np.int64))
    numbers: NDArray[np.int64] = (moments - _us(window.start)) // step
    return numbers


def micros(moments: pa.ChunkedArray) -> Micros:
    """Return moments as microseconds since 1970; 0 where there is none."""
    values: Micros = moments.cast(pa.int64()).fill_null(0).to_numpy()
    return values


def _us(moment: datetime) -> int:
    return int(np.datetime64(moment.replace(tzinfo=None), "us").astype(np.int64))
