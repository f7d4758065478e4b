"""The flights files as tables: every row in its place, every moment the right one."""

from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlsys_assets import TimeWindow
from mlsys_assets.data_ingestion.validation import ingest
from mlsys_assets.systems.flights.files import FlightsFiles
from mlsys_assets.systems.flights.sources import build_sources

YEAR = TimeWindow.of("2012-12-31", "2014-01-06")
ROWS = {
    "airlines": 16, "airports": 1_458, "planes": 3_322, "weather": 26_115, "schedule": 336_776,
    "departures": 328_521, "arrivals": 327_346, "cancellations": 8_255, "diversions": 1_175,
}  # fmt: skip


@pytest.fixture(scope="module")
def tables() -> dict[str, pa.Table]:
    known: dict[str, pa.Table] = {}
    for source in build_sources(FlightsFiles.installed()).all():
        found = ingest(source, source.read(YEAR), window=YEAR, known=known)
        assert found.quarantined.num_rows == 0, found.quarantined.slice(0, 3).to_pylist()
        known[source.name] = found.accepted
    return known


def test_no_row_is_lost(tables) -> None:
    assert {name: table.num_rows for name, table in tables.items()} == ROWS
    events = [set(tables[name]["flight_id"].to_pylist()) for name in ("arrivals", "cancellations", "diversions")]
    assert sum(map(len, events)) == len(set().union(*events)) == ROWS["schedule"]


def test_four_airports_are_found_missing() -> None:
    sources = build_sources(FlightsFiles.installed())
    known = {}
    for source in (sources.airlines, sources.airports):
        known[source.name] = ingest(source, source.read(YEAR), window=YEAR).accepted
    found = ingest(sources.schedule, sources.schedule.read(YEAR), window=YEAR, known=known)
    (finding,) = [f for f in found.findings if f.name == "dest_is_known"]
    assert finding.evidence == {"rows": 7_602, "values": "BQN, PSE, SJU, STT"}


def test_no_flight_lands_sooner_than_it_can_fly(tables) -> None:
    arrivals = tables["arrivals"]
    aloft = pc.subtract(arrivals["known_at"], arrivals["departed"]).cast(pa.int64()).to_numpy() / 60e6
    spare = aloft - arrivals["air_time"].to_numpy()
    assert spare.min() >= 0  # a wrong day or zone would be off by an hour or more
    assert np.quantile(spare, 0.999) < 180


def test_utc_times_agree_with_the_files_own_hour(tables) -> None:
    raw = FlightsFiles.installed().flights.records()
    hour = raw["time_hour"].cast(pa.timestamp("us", tz="UTC"))
    floor = pc.floor_temporal(tables["schedule"]["sched_dep"], unit="hour")
    assert pc.all(pc.equal(floor, hour.take(pa.array(tables["schedule"]["source_line"].to_numpy() - 2)))).as_py()


@pytest.mark.parametrize("day", ["2013-03-10", "2013-11-03"])
def test_daylight_saving_loses_and_doubles_no_hour(tables, day: str) -> None:
    zone = ZoneInfo("America/New_York")
    schedule = tables["schedule"].filter(pc.starts_with(tables["schedule"]["flight_id"], day))
    assert schedule.num_rows > 800
    for row in schedule.select(["sched_dep", "sched_hour"]).to_pylist()[::50]:
        local = row["sched_dep"].astimezone(zone)
        assert local.date().isoformat() == day
        assert local.hour + local.minute / 60 == pytest.approx(row["sched_hour"])


def test_the_weather_of_the_departure_hour_is_found_as_often_as_it_exists(tables) -> None:
    weather = tables["weather"].select(["origin", "hour_start"])
    assert weather.group_by(["origin", "hour_start"]).aggregate([]).num_rows == weather.num_rows
    schedule = tables["schedule"]
    asked = schedule.select(["origin"]).append_column(
        "hour_start", pc.floor_temporal(schedule["sched_dep"], unit="hour")
    )
    unmatched = asked.join(weather, ["origin", "hour_start"], join_type="left anti").num_rows
    assert unmatched == 1_556  # as an exact join in pandas gives


@pytest.mark.parametrize(
    ("flight", "table", "column", "expected"),
    [
        # 2013-01-01 05:15 in New York; 08:30 in Houston is an hour behind New York.
        ("2013-01-01/UA1545/EWR", "schedule", "sched_dep", "2013-01-01T10:15"),
        ("2013-01-01/UA1545/EWR", "arrivals", "known_at", "2013-01-01T14:30"),
        # San Juan keeps Atlantic time all year: in January an hour ahead of New York.
        ("2013-01-01/B6725/JFK", "schedule", "sched_arr", "2013-01-01T14:22"),
    ],
)
def test_known_moments(tables, flight: str, table: str, column: str, expected: str) -> None:
    rows = tables[table]
    (moment,) = rows.filter(pc.equal(rows["flight_id"], flight))[column].to_pylist()
    assert moment == datetime.fromisoformat(expected + "+00:00")


def test_what_is_known_when(tables) -> None:
    schedule, weather, departures = tables["schedule"], tables["weather"], tables["departures"]
    day, hour = (pa.scalar(seconds * 10**6, pa.duration("us")) for seconds in (86_400, 3_600))
    assert pc.all(pc.equal(pc.subtract(schedule["sched_dep"], schedule["known_at"]), day)).as_py()
    assert pc.all(pc.equal(pc.subtract(schedule["sched_dep"], schedule["predict_at"]), hour)).as_py()
    assert pc.all(pc.equal(pc.subtract(weather["known_at"], weather["event_time"]), hour)).as_py()
    early = pc.min(pc.subtract(departures["known_at"], departures["sched_dep"]).cast(pa.int64())).as_py()
    assert early / 60e6 == -43  # so that no departure is known an hour before its plan
