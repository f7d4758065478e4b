"""One file of flights holds what really are five kinds of event, each known at a time of its own."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets import KNOWN_AT, Column, Reference, Rule, Source, SourceKind, hours, minutes
from mlsys_assets.systems.flights.files import FLIGHTS_HEADER, LICENCE, OWNER, ZONES_NOT_IN_AIRPORTS, FlightsFiles
from mlsys_assets.systems.flights.known_at import known
from mlsys_assets.systems.flights.plan import planned

PLAN_NOTICE = hours(24)
"""A flight's plan is taken as known a day ahead, aircraft included (an assumption: the file holds
the aircraft that flew, which on a few days was swapped later)."""
REQUEST_LEAD = hours(1)
"""A prediction is asked for one hour before the *scheduled* departure; none left earlier than 43 min before."""
CANCELLATION_KNOWN = hours(3)
"""A flight that has not left three hours after its plan, and never will, is then known to be cancelled."""
DIVERSION_KNOWN = hours(12)
"""A flight that landed elsewhere is known as such twelve hours after its planned arrival at the latest."""

LEFT = (minutes(-120), minutes(2_880))
"""How much sooner or later than planned a flight may leave."""
LANDED = (minutes(-240), minutes(2_880))
"""How much sooner or later than planned a flight may land."""
PLANNED_DEPARTURE = (hours(-14), hours(24 + 14))
"""Where a local day of operation lies around its own date in UTC: no zone is more than 14 hours away."""
PLANNED_ARRIVAL = (hours(-14), hours(48 + 14))
"""A flight is planned to arrive on the day of its departure or the next."""

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
    Column("flight_id", "string", nullable=False, description="local date / carrier and number / origin"),
    Column("carrier", "string", nullable=False, description="airline, by its IATA code"),
    Column("flight", "int64", nullable=False, description="flight number"),
    Column("tailnum", "string", description="aircraft"),
    Column("origin", "string", nullable=False, description="airport of departure, by its FAA code"),
    Column("dest", "string", nullable=False, description="airport of destination, by its FAA code"),
    Column("sched_dep", "timestamp", nullable=False, description="planned departure"),
)


DISTANCE = Column("distance", "float64", nullable=False, unit="miles", description="from origin to destination")
SCHED_HOUR = Column(
    "sched_hour", "float64", nullable=False, unit="h", description="planned departure, local time of day"
)
LEFT_BY = Column("dep_delay", "float64", nullable=False, unit="min", description="late against the planned departure")

Within = tuple[timedelta, timedelta]


@dataclass(frozen=True)
class FlightEvents:
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
            DISTANCE,
            Column("sched_arr", "timestamp", nullable=False, description="planned arrival"),
            SCHED_HOUR,
            Column(
                "sched_arr_hour", "float64", nullable=False, unit="h", description="planned arrival, local time of day"
            ),
            Column("weekday", "int64", nullable=False, description="local day of the week, 0 = Monday"),
            Column("predict_at", "timestamp", nullable=False, description="when a prediction is asked for"),
        )
        return self._source(
            "schedule",
            derive=lambda rows: known(rows, "sched_dep", -PLAN_NOTICE, event="sched_dep"),
            known_within=_later(PLANNED_DEPARTURE, -PLAN_NOTICE),
            columns=columns,
            description="Planned flights, known a day ahead.",
        )

    def departures(self) -> Source:
        """Flights that left."""
        return self._source(
            "departures",
            derive=lambda rows: known(rows, "departed", minutes(0)),
            known_within=_later(PLANNED_DEPARTURE, *LEFT),
            where=lambda rows: pc.is_valid(rows["dep_time"]),
            raw=(DEP_TIME, replace(DEP_DELAY, nullable=False)),
            columns=(LEFT_BY,),
            description="Flights that left, known as they left.",
        )

    def arrivals(self) -> Source:
        """Flights that landed where they were meant to."""
        return self._source(
            "arrivals",
            derive=lambda rows: known(rows, "landed", minutes(0)),
            known_within=_later(PLANNED_ARRIVAL, *LANDED),
            where=lambda rows: pc.is_valid(rows["arr_delay"]),
            raw=(DEP_TIME, DEP_DELAY, *ARRIVED),
            columns=(
                DISTANCE,
                SCHED_HOUR,
                LEFT_BY,
                Column(
                    "arr_delay", "float64", nullable=False, unit="min", description="late against the planned arrival"
                ),
                Column("air_time", "float64", nullable=False, unit="min", description="from take-off to touch-down"),
                Column("departed", "timestamp", nullable=False, description="when it left"),
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
            derive=lambda rows: known(rows, "sched_dep", CANCELLATION_KNOWN),
            known_within=_later(PLANNED_DEPARTURE, CANCELLATION_KNOWN),
            where=lambda rows: pc.is_null(rows["dep_time"]),
            raw=(DEP_TIME,),
            description="Flights that never left; taken as known three hours after the planned departure.",
        )

    def diversions(self) -> Source:
        """Flights that left and did not land where they were meant to."""
        return self._source(
            "diversions",
            derive=lambda rows: known(rows, "sched_arr", DIVERSION_KNOWN),
            known_within=_later(PLANNED_ARRIVAL, DIVERSION_KNOWN),
            where=lambda rows: pc.and_(pc.is_valid(rows["dep_time"]), pc.is_null(rows["arr_delay"])),
            raw=(DEP_TIME, ARRIVED[1]),
            description="Flights that landed elsewhere; taken as known twelve hours after the planned arrival.",
        )


def _later(within: Within, *by: timedelta) -> Within:
    """Return a range moved by one duration, or widened by a shortest and a longest."""
    return within[0] + by[0], within[1] + by[-1]
