"""The flights' features on a database: what the embedded engine gives, bit by bit."""

import importlib.util
import subprocess
import sys
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from mlsys_assets import TimeWindow
from mlsys_assets.features.embedded.engine import compute as embedded
from mlsys_assets.features.relational.engine import compute as relational
from mlsys_assets.known import known_features
from mlsys_assets.systems.flights.features import build_features
from mlsys_assets.systems.flights.system import flights as system
from mlsys_resources.engines import Engine
from mlsys_resources.lake import Lake
from mlsys_resources.resources import build_resources

ON_SPARK = """
import sys
from pathlib import Path
import pyarrow.parquet as pq
from mlsys_assets.features.relational.engine import compute
from mlsys_assets.systems.flights.features import build_features
from mlsys_assets.systems.flights.files import FlightsFiles
from mlsys_assets.systems.flights.sources import build_sources
from mlsys_resources.engines import Engine

folder, sources = Path(sys.argv[1]), build_sources(FlightsFiles.installed())
tables = {source.name: pq.read_table(folder / f"{source.name}.parquet") for source in sources.all()}
with Engine("pyspark", threads=2, memory="2GB", folder=folder / "spilled").open() as backend:
    found = compute(build_features(sources), pq.read_table(folder / "asked.parquet"), tables, key="flight_id",
                    backend=backend)
pq.write_table(found, folder / "found.parquet")
"""
"""In a process of its own: a session and its Java stay as long as the process."""


def _asked(tables: dict[str, pa.Table], window: TimeWindow) -> pa.Table:
    plan = tables["schedule"]
    at = plan["predict_at"]
    return plan.filter(pc.and_(pc.greater_equal(at, pa.scalar(window.start)), pc.less(at, pa.scalar(window.end))))


def _different(found: pa.Table, wanted: pa.Table) -> list[str]:
    assert found.schema == wanted.schema
    assert found.num_rows == wanted.num_rows
    return [n for n in wanted.column_names if not found[n].combine_chunks().equals(wanted[n].combine_chunks())]


def _different_on_duckdb(flights, asked: pa.Table, tables: dict[str, pa.Table]) -> list[str]:
    features = build_features(flights)
    with Engine("duckdb").open() as backend:
        found = relational(features, asked, tables, key="flight_id", backend=backend)
    return _different(found, embedded(features, asked, tables, key="flight_id"))


def test_a_week_on_duckdb_equals_the_embedded_engine(flights, summer) -> None:
    asked = _asked(summer, TimeWindow.of("2013-07-08", "2013-07-15"))
    assert asked.num_rows > 6_000
    assert _different_on_duckdb(flights, asked, summer) == []


@pytest.mark.prove
def test_a_year_on_duckdb_equals_the_embedded_engine(flights, year) -> None:
    assert year["schedule"].num_rows == 336_776
    assert _different_on_duckdb(flights, year["schedule"], year) == []


@pytest.mark.prove
def test_a_day_on_spark_equals_the_embedded_engine(flights, summer, tmp_path) -> None:
    if importlib.util.find_spec("pyspark") is None:
        pytest.skip("Spark is not installed; `make prove` installs it")
    asked = _asked(summer, TimeWindow.of("2013-07-08", "2013-07-09"))
    assert asked.num_rows > 900
    for name, table in {**summer, "asked": asked}.items():
        pq.write_table(table, tmp_path / f"{name}.parquet")
    done = subprocess.run([sys.executable, "-c", ON_SPARK, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3_000:]
    wanted = embedded(build_features(flights), asked, summer, key="flight_id")
    assert _different(pq.read_table(tmp_path / "found.parquet"), wanted) == []


class _Lake(Lake):
    """A lake that hands over the requests only: everything else must be read where it lies."""

    def read(self, system: str, table: str, **narrowed) -> pa.Table:
        assert table == "schedule"
        return super().read(system, table, **narrowed)


def test_features_of_the_lake_are_the_same_on_views_of_its_tables(flights, summer, tmp_path) -> None:
    lake, window = Lake(tmp_path), TimeWindow.of("2013-07-08", "2013-07-09")
    for source in flights.all():
        rows = summer[source.name]
        rows = (
            rows
            if source.snapshot
            else rows.filter(pc.greater(rows["known_at"], pa.scalar(window.start.replace(day=1))))
        )
        lake.write_snapshot("flights", source.name, rows, schema=source.schema, run_id="r")
    engine = build_resources({"MLSYS_ENGINE": "duckdb"}, clock=lambda: datetime.now(UTC)).engine
    wanted = known_features(lake, system, system.features, window)
    assert wanted.num_rows > 900
    assert _different(known_features(_Lake(tmp_path), system, system.features, window, engine=engine), wanted) == []
