"""The flights' features on a database: what the embedded engine gives, bit by bit."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlsys_assets import TimeWindow
from mlsys_assets.features.embedded.engine import compute as embedded
from mlsys_assets.features.relational.engine import compute as relational
from mlsys_assets.systems.flights.features import build_features
from mlsys_resources.engines import Engine


def _asked(tables: dict[str, pa.Table], window: TimeWindow) -> pa.Table:
    plan = tables["schedule"]
    at = plan["predict_at"]
    return plan.filter(pc.and_(pc.greater_equal(at, pa.scalar(window.start)), pc.less(at, pa.scalar(window.end))))


def _equal(flights, asked: pa.Table, tables: dict[str, pa.Table], engine: Engine) -> None:
    features = build_features(flights)
    with engine.open() as backend:
        found = relational(features, asked, tables, key="flight_id", backend=backend)
    wanted = embedded(features, asked, tables, key="flight_id")
    assert found.schema == wanted.schema
    different = [n for n in wanted.column_names if not found[n].combine_chunks().equals(wanted[n].combine_chunks())]
    assert different == []


def test_a_week_on_duckdb_equals_the_embedded_engine(flights, summer) -> None:
    asked = _asked(summer, TimeWindow.of("2013-07-08", "2013-07-15"))
    assert asked.num_rows > 6_000
    _equal(flights, asked, summer, Engine("duckdb", threads=1))


@pytest.mark.prove
def test_a_year_on_duckdb_equals_the_embedded_engine(flights, year) -> None:
    assert year["schedule"].num_rows == 336_776
    _equal(flights, year["schedule"], year, Engine("duckdb"))


@pytest.mark.prove
def test_a_day_on_spark_equals_the_embedded_engine(flights, summer) -> None:
    pytest.importorskip("pyspark", reason="Spark is installed by make prove alone")
    asked = _asked(summer, TimeWindow.of("2013-07-08", "2013-07-09"))
    assert asked.num_rows > 900
    _equal(flights, asked, summer, Engine("pyspark", threads=2, memory="2GB"))
