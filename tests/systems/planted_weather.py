"""Weather that was not known yet, planted into flights: as feature columns, and as sources that look ahead."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.data_ingestion.source import Source
from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.systems.flights.features import WEATHER_AGE
from mlsys_assets.tables import Column

MEASURED = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
"""What is observed every hour."""


def arrival_hour(rows: LabelledRows, tables: dict[str, pa.Table], measured: Sequence[str] = MEASURED) -> LabelledRows:
    """Add the weather at the origin in the hour in which each flight landed: ``arrival_temp`` and so on."""
    landed = _aligned(rows, tables["arrivals"])["event_time"]
    return _with(rows, _in_hour(tables["weather"], rows.features["origin"], landed, measured), "arrival")


def planned_arrival_hour(
    rows: LabelledRows, tables: dict[str, pa.Table], measured: Sequence[str] = MEASURED
) -> LabelledRows:
    """Add the weather at the origin in the hour in which each flight was to land: a plan does not make it known."""
    landing = _aligned(rows, tables["schedule"])["sched_arr"]
    return _with(rows, _in_hour(tables["weather"], rows.features["origin"], landing, measured), "landing")


def back_filled(rows: LabelledRows, tables: dict[str, pa.Table], measured: Sequence[str] = MEASURED) -> LabelledRows:
    """Add the last observation as of the prediction, each gap in it filled from the origin's next observation."""
    columns = {name: np.full(len(rows), np.nan) for name in measured}
    origins = np.array(rows.features["origin"].cast(pa.string()).to_pylist())
    for origin in np.unique(origins).tolist():
        here = tables["weather"].filter(pc.equal(tables["weather"]["origin"], origin)).sort_by("known_at")
        known, mine = _moments(here["known_at"]), np.flatnonzero(origins == origin)
        last = np.searchsorted(known, rows.at[mine], side="right") - 1
        fresh = (last >= 0) & (rows.at[mine] - known[last] < np.timedelta64(WEATHER_AGE))
        for name in measured:
            filled = _filled(here[name])
            columns[name][mine] = np.where(fresh, filled[last], np.nan)
    return _with(rows, {name: pa.array(values, from_pandas=True) for name, values in columns.items()}, "filled")


def back_filling_weather(weather: Source) -> Source:
    """Return the weather source with a ``derive`` that fills each gap from the next record."""

    def derive(raw: pa.Table) -> pa.Table:
        for name in MEASURED:
            place = raw.column_names.index(name)
            raw = raw.set_column(place, name, pa.array(_filled(raw[name]), from_pandas=True))
        return weather.derive(raw)

    return replace(weather, derive=derive)


def plan_with_weather(schedule: Source, arrivals: Source, weather: pa.Table) -> Source:
    """Return the schedule source with ``arr_temp``: the temperature at the origin when the flight landed."""

    def derive(raw: pa.Table) -> pa.Table:
        rows = schedule.derive(raw)
        found = _in_hour(weather, rows["origin"], rows["landed"], ("temp",))
        return rows.append_column("arr_temp", found["temp"])

    return replace(
        schedule,
        raw=(*schedule.raw, *(column for column in arrivals.raw if column.name in ("arr_time", "arr_delay"))),
        columns=(*schedule.columns, Column("arr_temp", "float64")),
        derive=derive,
    )


def _aligned(rows: LabelledRows, table: pa.Table) -> pa.Table:
    return table.take(pc.index_in(rows.ids, value_set=table["flight_id"].combine_chunks()))


def _in_hour(
    weather: pa.Table, origin: pa.ChunkedArray, moment: pa.ChunkedArray, measured: Sequence[str]
) -> dict[str, pa.ChunkedArray]:
    there = _hours(weather["origin"], weather["hour_start"])
    place = pc.index_in(_hours(origin, moment), value_set=there.combine_chunks())
    return {name: weather[name].take(place) for name in measured}


def _hours(origin: pa.ChunkedArray, moment: pa.ChunkedArray) -> pa.ChunkedArray:
    seconds = moment.cast(pa.timestamp("us", tz="UTC")).cast(pa.timestamp("us")).cast(pa.int64())
    hour = pc.divide(seconds, 3_600_000_000).cast(pa.string())
    return pc.binary_join_element_wise(origin.cast(pa.string()), hour, "/")


def _filled(column: pa.ChunkedArray) -> np.ndarray:
    """Return the values, each gap as the next one."""
    return pc.fill_null_backward(column).to_numpy()


def _moments(column: pa.ChunkedArray) -> np.ndarray:
    return column.cast(pa.timestamp("us", tz="UTC")).cast(pa.timestamp("us")).to_numpy()


def _with(rows: LabelledRows, columns: dict[str, pa.ChunkedArray | pa.Array], prefix: str) -> LabelledRows:
    features = rows.features
    for name, values in columns.items():
        features = features.append_column(f"{prefix}_{name}", values.cast(pa.float32()))
    return replace(rows, features=features)
