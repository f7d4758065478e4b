"""The flights of 2013 as tables, read once."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from mlsys_assets import MLSystem, TimeWindow
from mlsys_assets.data_ingestion.validation import ingest
from mlsys_assets.data_labeling.natural_labels import natural_labels
from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.data_sampling.splits import Split
from mlsys_assets.features.embedded.engine import compute
from mlsys_assets.models.bundle import from_files, to_files
from mlsys_assets.models.predictor import Predictor
from mlsys_assets.systems.flights.files import FlightsFiles
from mlsys_assets.systems.flights.sources import FlightsSources, build_sources
from mlsys_assets.systems.flights.system import NEW_YORK, build_system
from mlsys_assets.tables import PREDICT_AT

collect_ignore = [
    "damp.py",
    "planted_leaks.py",
    "planted_weather.py",
    "rain_weekly.py",
    "flights_variant.py",
    "policies.py",
    "choose_policy.py",
    "choose_candidates.py",
]
"""A workspace, which finds its neighbour only where this folder is on the path: there is no doctest in it."""


AUTUMN = datetime(2013, 10, 1, tzinfo=NEW_YORK)


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


@pytest.fixture(scope="session")
def flights_system() -> MLSystem:
    """The flights system on the installed files."""
    return build_system(FlightsFiles.installed())


@pytest.fixture(scope="session")
def flights_folder(flights_system: MLSystem, made_once: Callable[[str, Callable[[Path], None]], Path]) -> Path:
    """The year's features, labels and delays, and the candidates fitted as of October, made once for all workers."""

    def fill(folder: Path) -> None:
        known = _tables(build_sources(FlightsFiles.installed()), TimeWindow.of("2012-12-01", "2014-02-01"))
        features = compute(flights_system.features, known["schedule"], known, key="flight_id")
        labels = natural_labels(flights_system.label, known, key="flight_id")
        tables = {
            "features": features,
            "labels": labels,
            "arrivals": known["arrivals"].select(["flight_id", "arr_delay"]),
        }
        for name, table in tables.items():
            pq.write_table(table, folder / f"{name}.parquet")
        (folder / "tables").mkdir()
        for name, table in known.items():
            pq.write_table(table, folder / "tables" / f"{name}.parquet")
        split = flights_system.time_split.split(_joined(folder, flights_system), as_of=AUTUMN)
        for candidate in flights_system.candidates:
            fitted = candidate.fit(split.train, split.validation, seed=0, threads=1)  # the others work too
            for name, content in to_files(fitted.predictor).items():
                path = folder / candidate.name / name
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(content)

    return made_once("flights-evaluated", fill)


def _joined(folder: Path, system: MLSystem) -> LabelledRows:
    features, labels = (pq.read_table(folder / f"{name}.parquet") for name in ("features", "labels"))
    return LabelledRows.join(features, labels, key="flight_id", at=PREDICT_AT, window=system.label.window)


@pytest.fixture(scope="session")
def flights_rows(flights_folder: Path, flights_system: MLSystem) -> LabelledRows:
    """Every flight of the year with its features, and its label with the known time."""
    return _joined(flights_folder, flights_system)


@pytest.fixture(scope="session")
def flights_tables(flights_folder: Path) -> dict[str, pa.Table]:
    """Every source's rows of the year, as ingested."""
    return {path.stem: pq.read_table(path) for path in sorted((flights_folder / "tables").glob("*.parquet"))}


@pytest.fixture(scope="session")
def flights_delay(flights_folder: Path, flights_rows: LabelledRows) -> np.ndarray:
    """(n,) minutes that each flight of ``flights_rows`` arrived late, NaN where it never did."""
    arrivals = pq.read_table(flights_folder / "arrivals.parquet")
    found = pc.index_in(flights_rows.ids, value_set=arrivals["flight_id"].combine_chunks())
    return arrivals["arr_delay"].cast(pa.float64()).take(found).to_numpy()


@pytest.fixture(scope="session")
def flights_split(flights_system: MLSystem, flights_rows: LabelledRows) -> Split:
    """The year split as of October: train until August, two weeks of validation, two weeks of recent test."""
    return flights_system.time_split.split(flights_rows, as_of=AUTUMN)


@pytest.fixture(scope="session")
def flights_fitted(flights_folder: Path, flights_system: MLSystem) -> dict[str, Predictor]:
    """The candidates that ``flights_split`` gave, by name, as their bundles are read."""
    return {
        c.name: from_files({path.name: path.read_bytes() for path in (flights_folder / c.name).iterdir()})
        for c in flights_system.candidates
    }
