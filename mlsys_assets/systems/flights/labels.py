"""What is predicted: whether a flight arrives more than a quarter of an hour late."""

import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets import NaturalLabel, hours
from mlsys_assets.systems.flights.sources import FlightsSources

LATE_MINUTES = 15
"""The US Department of Transportation counts a flight as late from 15 minutes on; here, above."""


def _late(arrivals: pa.Table) -> pa.ChunkedArray:
    return pc.greater(arrivals["arr_delay"], LATE_MINUTES)


def build_label(sources: FlightsSources) -> NaturalLabel:
    """Return the label: known at landing, never for cancelled and diverted flights."""
    return NaturalLabel(
        "late",
        source=sources.arrivals,
        compute=_late,
        delay=hours(24),
        window=hours(48),
        never={"cancelled": sources.cancellations, "diverted": sources.diversions},
    )
