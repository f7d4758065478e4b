"""Airports, airlines and aircraft: tables that are delivered whole."""

import pyarrow as pa

from mlsys_assets import EVENT_TIME, KNOWN_AT, Column, Source, SourceKind, utc
from mlsys_assets.systems.flights.files import LICENCE, OWNER, FlightsFiles

REFERENCE_SINCE = utc("2012-12-01")
"""Airports, airlines and aircraft are taken as known since before the data begins."""


def build_airports(files: FlightsFiles) -> Source:
    """Return the airports, by code."""
    columns = (
        Column("faa", "string", nullable=False, description="FAA code"),
        Column("name", "string", description="name of the airport"),
        Column("lat", "float64", minimum=-90, maximum=90, unit="°", description="latitude"),
        Column("lon", "float64", minimum=-180, maximum=180, unit="°", description="longitude"),
        Column("alt", "float64", unit="ft", description="altitude"),
        Column("tzone", "string", description="IANA time zone"),
    )
    return _snapshot(files, "airports", key="faa", columns=columns, description="Airports, with their time zones.")


def build_airlines(files: FlightsFiles) -> Source:
    """Return the airlines, by carrier code."""
    columns = (
        Column("carrier", "string", nullable=False, description="IATA code"),
        Column("name", "string", description="name of the airline"),
    )
    return _snapshot(files, "airlines", key="carrier", columns=columns, description="Carrier codes and names.")


def build_planes(files: FlightsFiles) -> Source:
    """Return the aircraft, by tail number."""
    columns = (
        Column("tailnum", "string", nullable=False, description="registration, painted on the tail"),
        Column("year", "int64", minimum=1900, maximum=2100, description="year of manufacture"),
        Column("manufacturer", "string", description="who built it"),
        Column("model", "string", description="type of aircraft"),
        Column("engines", "int64", minimum=1, maximum=8, description="number of engines"),
        Column("seats", "int64", minimum=1, maximum=900, description="number of seats"),
        Column("engine", "string", description="kind of engine"),
    )
    return _snapshot(files, "planes", key="tailnum", columns=columns, description="Aircraft by tail number.")


def _snapshot(files: FlightsFiles, name: str, *, key: str, columns: tuple[Column, ...], description: str) -> Source:
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
