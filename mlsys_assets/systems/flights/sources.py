"""Where the flights data comes from: nine tables, each row with the time at which it became known."""

from dataclasses import dataclass

from mlsys_assets import Source
from mlsys_assets.systems.flights.files import FlightsFiles
from mlsys_assets.systems.flights.flight_events import FlightEvents
from mlsys_assets.systems.flights.reference_tables import build_airlines, build_airports, build_planes
from mlsys_assets.systems.flights.weather import build_weather


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


def build_sources(files: FlightsFiles) -> FlightsSources:
    """Return the nine tables read from ``files``."""
    airlines = build_airlines(files)
    airports = build_airports(files)
    flights = FlightEvents(files, airlines, airports)
    return FlightsSources(
        schedule=flights.schedule(),
        departures=flights.departures(),
        arrivals=flights.arrivals(),
        cancellations=flights.cancellations(),
        diversions=flights.diversions(),
        weather=build_weather(files),
        planes=build_planes(files),
        airports=airports,
        airlines=airlines,
    )
