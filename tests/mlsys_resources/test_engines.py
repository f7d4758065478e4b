"""Engines: which one the environment names, and how it is opened."""

import subprocess
import sys
from pathlib import Path

import pytest

from mlsys_resources import engines
from mlsys_resources.engines import Engine
from mlsys_resources.resources import build_resources


def _engine(clock, **env: str) -> Engine:
    return build_resources({f"MLSYS_{name}": value for name, value in env.items()}, clock=clock).engine


def test_the_embedded_engine_is_the_default_and_opens_nothing(clock) -> None:
    engine = _engine(clock)
    assert engine == Engine("embedded")
    with engine.open() as backend:
        assert backend is None


def test_the_environment_names_the_engine_and_its_limits(clock, tmp_path) -> None:
    engine = _engine(clock, ENGINE="duckdb", ENGINE_MEMORY="512MB", ENGINE_THREADS="1", ENGINE_FOLDER=str(tmp_path))
    assert engine == Engine("duckdb", memory="512MB", threads=1, folder=tmp_path)
    with engine.open() as backend:
        settings = "memory_limit", "threads", "temp_directory", "TimeZone"
        found = backend.con.execute(f"SELECT {', '.join(f'current_setting({s!r})' for s in settings)}").fetchone()
    assert found == ("488.2 MiB", 1, str(tmp_path), "UTC")


def test_it_spills_to_a_folder_that_goes_with_it_and_not_to_the_working_folder(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Engine("duckdb", memory="64MB", threads=1).open() as backend:
        (folder,) = backend.con.execute("SELECT current_setting('temp_directory')").fetchone()
        backend.con.execute("CREATE TABLE large AS SELECT range AS i, hash(range) AS h FROM range(20_000_000)")
        (spilled,) = backend.con.execute("SELECT sum(size) FROM duckdb_temporary_files()").fetchone()
        assert spilled > 0
        assert Path(folder).is_dir()
    assert not Path(folder).exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"ENGINE": "spark"}, "the engine is 'spark'; allowed: embedded, duckdb, pyspark"),
        ({"ENGINE_MEMORY": "4 gigs"}, "memory is '4 gigs'; write whole megabytes or gigabytes, such as 4GB"),
        ({"ENGINE_THREADS": "two"}, "MLSYS_ENGINE_THREADS is 'two'; give a whole number"),
        ({"ENGINE_THREADS": "0"}, "the engine has 0 threads; it needs at least 1"),
    ],
    ids=str,
)
def test_what_is_no_engine_is_refused_by_name(clock, env: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        _ = _engine(clock, **env)


def test_spark_is_asked_for_times_in_utc_and_for_no_errors(clock) -> None:
    here = _engine(clock, ENGINE="pyspark", ENGINE_MEMORY="2GB", ENGINE_THREADS="2").spark_settings()
    assert here["spark.sql.session.timeZone"] == "UTC"
    assert here["spark.sql.ansi.enabled"] == "false"
    assert (here["spark.master"], here["spark.driver.memory"]) == ("local[2]", "2g")
    cluster = _engine(clock, ENGINE="pyspark", SPARK_MASTER="spark://master:7077").spark_settings()
    assert cluster["spark.master"] == "spark://master:7077"
    assert "spark.sql.shuffle.partitions" not in cluster


def test_java_is_started_without_the_module_that_it_may_lack(tmp_path) -> None:
    starter = tmp_path / "java"
    starter.write_text(engines.NO_VECTORS.format(java="/bin/echo"))
    given = ["-cp", "a b", "--add-modules=jdk.incubator.vector", "--add-modules=java.sql", "Main", ""]
    said = subprocess.run(["/bin/sh", starter, *given], capture_output=True, text=True, check=True).stdout
    assert said == "-cp a b --add-modules=java.sql Main \n"


def test_a_java_that_is_named_is_taken(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    assert engines._java(tmp_path) == {}


def test_loading_it_loads_no_database() -> None:
    heavy = ("ibis", "duckdb", "pyspark")
    code = f"import sys; import mlsys_resources.engines; print([m for m in {heavy!r} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
