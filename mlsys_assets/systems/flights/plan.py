"""From the flights file's local clock faces to moments in UTC, across zones and daylight saving."""

from collections.abc import Mapping
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

FASTEST_MPH = 700.0
"""Faster than any airliner with the jet stream behind it: tells today's arrival from tomorrow's."""
HOME_ZONE = "America/New_York"
"""The zone of an airport that no file knows; such a row goes to quarantine."""
DECEMBER = 12
THURSDAY = 3
"""The weekday of 1970-01-01, 0 = Monday."""

Moments = NDArray[np.datetime64]
MINUTE = np.timedelta64(1, "m")
NOT_A_TIME = np.datetime64("NaT", "us")


def planned(raw: pa.Table, zones: Mapping[str, str], lead: timedelta) -> pa.Table:
    """Append to raw flight records what follows from the plan: identity and times, ``lead`` before departure included.

    ``departed`` and ``landed`` are added where the raw columns tell the delays. A date or clock face
    that does not exist gives null.
    """
    day = _day(raw)
    dep, arr = (
        _minute_of_day(raw["sched_dep_time"]),
        _minute_of_day(raw["sched_arr_time"]),
    )
    sched_dep = _utc(day, dep, raw["origin"], zones)
    sched_arr = _arrival(day, arr, raw, zones, sched_dep)
    weekday = (day.astype(np.int64) + THURSDAY) % 7
    columns: dict[str, object] = {
        "flight_id": _flight_id(raw, day),
        "sched_dep": sched_dep,
        "sched_arr": sched_arr,
        "predict_at": sched_dep - np.timedelta64(lead),
        "sched_hour": dep / 60,
        "sched_arr_hour": arr / 60,
        "weekday": pa.array(weekday, mask=np.isnat(day)),
    }
    if "dep_delay" in raw.schema.names:
        columns["departed"] = sched_dep + _minutes(raw["dep_delay"])
    if "arr_delay" in raw.schema.names:
        columns["landed"] = sched_arr + _minutes(raw["arr_delay"])
    for name, values in columns.items():
        raw = raw.append_column(name, _arrow(values))
    return raw


def local_day(text: pa.Table) -> pa.Array:
    """Return the midnight of each text record's day of operation; null where it cannot be read."""
    readable = pa.table({name: _digits(text[name]) for name in ("year", "month", "day")})
    return _arrow(_day(readable).astype("datetime64[us]"))


def _digits(text: pa.ChunkedArray) -> pa.ChunkedArray:
    return pc.if_else(pc.match_substring_regex(text, r"^\d{1,4}$"), text, None).cast(pa.int64())


def _floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    values: NDArray[np.float64] = column.cast(pa.float64()).to_numpy()
    return values


def _day(raw: pa.Table) -> Moments:
    """(n,) datetime64[D]: the local date; NaT where there is none, such as 30 February."""
    year, month, day = (_floats(raw[name]) for name in ("year", "month", "day"))
    known = np.isfinite(year + month + day) & (month >= 1) & (month <= DECEMBER) & (day >= 1)
    safe = [np.where(known, part, 1).astype(np.int64) for part in (year, month, day)]
    months = ((safe[0] - 1970) * 12 + safe[1] - 1).astype("datetime64[M]")
    dates = months.astype("datetime64[D]") + (safe[2] - 1)
    real = known & (dates.astype("datetime64[M]") == months)
    return np.where(real, dates, np.datetime64("NaT", "D"))


def _minute_of_day(clock_face: pa.ChunkedArray) -> NDArray[np.float64]:
    """(n,) minutes since local midnight of an HHMM clock face."""
    hhmm = _floats(clock_face)
    return hhmm // 100 * 60 + hhmm % 100


def _minutes(column: pa.ChunkedArray) -> NDArray[np.timedelta64]:
    values = _floats(column)
    known = np.isfinite(values)
    return np.where(
        known,
        np.where(known, values, 0).astype(np.int64) * MINUTE,
        np.timedelta64("NaT", "m"),
    )


def _utc(
    day: Moments,
    minute: NDArray[np.float64],
    airport: pa.ChunkedArray,
    zones: Mapping[str, str],
) -> Moments:
    """(n,) datetime64[us] UTC of a local clock face at an airport.

    A face that daylight saving shows twice is the first of the two; one that it skips is the moment
    the clocks go forward.
    """
    known = np.isfinite(minute) & ~np.isnat(day)
    local = day.astype("datetime64[us]") + np.where(known, minute, 0).astype(np.int64) * MINUTE
    coded = airport.combine_chunks().dictionary_encode()
    zone_of = [zones.get(code, HOME_ZONE) for code in coded.dictionary.to_pylist()]
    code = np.asarray(coded.indices.fill_null(0))
    moments = np.full(len(day), NOT_A_TIME)
    for zone in sorted(set(zone_of)):
        there = known & np.array([name == zone for name in zone_of])[code]
        moments[there] = np.asarray(
            pc.assume_timezone(pa.array(local[there]), zone, ambiguous="earliest", nonexistent="latest")
        )
    return moments


def _arrival(
    day: Moments,
    minute: NDArray[np.float64],
    raw: pa.Table,
    zones: Mapping[str, str],
    departure: Moments,
) -> Moments:
    """(n,) the first moment that shows the arrival's clock face and could be reached."""
    hours_aloft = _floats(raw["distance"]) / FASTEST_MPH
    reach = departure + (np.where(np.isfinite(hours_aloft), hours_aloft, 0) * 60).astype(np.int64) * MINUTE
    same_day = _utc(day, minute, raw["dest"], zones)
    next_day = _utc(day + np.timedelta64(1, "D"), minute, raw["dest"], zones)
    return np.where(same_day > reach, same_day, next_day)


def _flight_id(raw: pa.Table, day: Moments) -> pa.ChunkedArray:
    days, place = np.unique(day, return_inverse=True)  # few, and slow to spell
    date = pc.strftime(pa.array(days.astype("datetime64[s]")), format="%Y-%m-%d").take(pa.array(place))
    code = pc.binary_join_element_wise(raw["carrier"], raw["flight"].cast(pa.string()), "")
    return pc.binary_join_element_wise(date, code, raw["origin"], "/")


def _arrow(values: object) -> pa.Array | pa.ChunkedArray:
    if isinstance(values, pa.Array | pa.ChunkedArray):
        return values
    array = np.asarray(values)
    if array.dtype.kind == "M":
        return pa.array(array.astype("datetime64[us]")).cast(pa.timestamp("us")).cast(pa.timestamp("us", tz="UTC"))
    return pa.array(array, from_pandas=True)
