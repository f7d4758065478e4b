"""Hourly weather at the three origins."""

from mlsys_assets import Column, Source, SourceKind, hours
from mlsys_assets.systems.flights.files import LICENCE, OWNER, FlightsFiles
from mlsys_assets.systems.flights.known_at import known

OBSERVATION_LAG = hours(1)
"""An observation labelled with an hour can fall anywhere in it, so it is known when the hour is over."""


def build_weather(files: FlightsFiles) -> Source:
    """Return the observations, by origin and hour."""
    measured = (
        Column("temp", "float64", minimum=-60, maximum=140, unit="°F", description="temperature"),
        Column("dewp", "float64", minimum=-80, maximum=100, unit="°F", description="dew point"),
        Column("humid", "float64", minimum=0, maximum=100, unit="%", description="relative humidity"),
        Column(
            "wind_dir",
            "float64",
            minimum=0,
            maximum=360,
            unit="°",
            description="where the wind comes from, 0 and 360 = north",
        ),
        Column("wind_speed", "float64", minimum=0, unit="mph", description="mean wind"),
        Column("wind_gust", "float64", minimum=0, unit="mph", description="strongest gust"),
        Column("precip", "float64", minimum=0, maximum=20, unit="in", description="precipitation in the hour"),
        Column("pressure", "float64", minimum=850, maximum=1_100, unit="mbar", description="pressure at sea level"),
        Column("visib", "float64", minimum=0, maximum=20, unit="miles", description="visibility"),
    )
    origin = Column("origin", "string", nullable=False, pattern=r"^[A-Z]{3}$", description="airport, by its FAA code")
    return Source(
        "weather",
        read=files.weather,
        raw=(origin, *measured, Column("time_hour", "timestamp", nullable=False)),
        columns=(
            origin,
            *measured,
            Column("hour_start", "timestamp", nullable=False, description="when its hour began"),
        ),
        derive=lambda raw: known(
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
