"""The flights of 2013 as tables, read once."""

import pyarrow as pa
import pytest

from mlsys_assets import TimeWindow
from mlsys_assets.data_ingestion.validation import ingest
from mlsys_assets.systems.flights.files import FlightsFiles
from mlsys_assets.systems.flights.sources import FlightsSources, build_sources

collect_ignore = ["damp.py", "rain_weekly.py", "flights_variant.py", "policies.py", "choose_policy.py"]
"""A workspace, which finds its neighbour only where this folder is on the path: there is no doctest in it."""


@pytest.fixture(scope="session")
def flights() -> FlightsSources:
    """The declared sources on the installed files."""
    return build_sources(FlightsFiles.installed())


def _tables(flights: FlightsSources, window: TimeWindow) -> dict[str, pa.Table]:
    known: dict[str, pa.Table] = {}
    for source in flights.all():
        known[source.name] = ingest(source, source.read(window), window=window, known=known).accepted
    return known


@pytest.fixture(scope="session")
def summer(flights: FlightsSources) -> dict[str, pa.Table]:
    """Every table's rows that became known in June and July: the worst weeks of the year."""
    return _tables(flights, TimeWindow.of("2013-06-01", "2013-08-01"))


@pytest.fixture(scope="session")
def year(flights: FlightsSources) -> dict[str, pa.Table]:
    """Every table's rows of the year."""
    return _tables(flights, TimeWindow.of("2012-12-01", "2014-02-01"))
