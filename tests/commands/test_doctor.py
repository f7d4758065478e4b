"""The doctor finds what is wrong with a state folder, says so without a traceback, and changes not a byte."""

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from unittest import mock

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from mlsys_assets.cli import main
from mlsys_assets.commands import doctor
from mlsys_assets.commands.doctor import examine
from mlsys_assets.instance import open_instance
from mlsys_assets.state_folder import own
from mlsys_assets.types import Finding
from mlsys_resources.operations_rows import Decision
from mlsys_resources.operations_store import OperationsStore
from mlsys_resources.resources import build_resources

JULY = datetime(2013, 7, 1, tzinfo=UTC)

BUILD = """
import os, signal, sys
from datetime import UTC, datetime
from pathlib import Path
import dagster as dg
import pyarrow as pa
from mlsys_assets.state_folder import own
from mlsys_resources.operations_rows import Decision
from mlsys_resources.resources import build_resources
from mlsys_resources.run_log import RunLog

JULY, AUGUST = datetime(2013, 7, 1, tzinfo=UTC), datetime(2013, 8, 1, tzinfo=UTC)
MOMENT = pa.timestamp("us", tz="UTC")

@dg.asset
def table():
    pass

with own(Path(sys.argv[1]), command="mlsys run", environment=os.environ) as owned:
    stores = build_resources(os.environ, clock=lambda: JULY)
    schema = pa.schema([pa.field("x", pa.int64())])
    rows = pa.table({"x": [1, 2], "tick": pa.array([JULY, AUGUST], MOMENT)})
    stores.lake.write_ticks("flights", "weather", rows, schema=schema, ticks=[JULY, AUGUST], run_id="r")
    stores.lake.write_snapshot("flights", "planes", pa.table({"x": [1]}), schema=schema, run_id="r")
    stores.lake.write_snapshot("rain", "gauges", pa.table({"x": [1]}), schema=schema, run_id="r")
    for number, as_of in enumerate((JULY, AUGUST)):
        stores.operations.record(Decision("flights", as_of, "gate", "better", "pass", "AUC is higher", {"auc": 0.75}))
        run = stores.models.log_run(RunLog("flights", "lightgbm"))
        made = stores.models.register("flights", "lightgbm", run_id=run, content={"model.txt": b"tree %d" % number},
                                      record={"passport.json": b"{}"}, as_of=as_of)
        stores.operations.set_alias("flights", "champion", version=made.version, content_hash=made.content_hash,
                                    as_of=as_of, expected_revision=number, reason="gate passed")
        stores.models.mirror_alias("flights", "champion")
    stores.operations.record(Decision("rain", JULY, "gate", "better", "fail", "AUC is lower"))
    defs = dg.Definitions(assets=[table], jobs=[dg.define_asset_job("job", [table])])
    done = defs.resolve_job_def("job").execute_in_process(instance=owned.instance, run_config={
        "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}})
    if "dies" in sys.argv:
        os.kill(os.getpid(), signal.SIGKILL)
    stores.operations.close()
"""
"""Two systems, two champions one after the other, one run."""

ALL = [
    "folder", "disk", "lock", "databases", "ledger flights", "ledger rain", "tables flights", "tables rain",
    "models flights", "models rain", "mirror flights", "runs",
]  # fmt: skip


def built(folder: Path, *how: str) -> Path:
    code = [sys.executable, "-W", "ignore", "-c", BUILD, str(folder), *how]
    done = subprocess.run(code, capture_output=True, text=True, check=False)
    assert done.returncode == (-9 if how else 0), done.stderr
    return folder


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("doctor") / "healthy")


@pytest.fixture
def home(healthy: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(healthy, tmp_path / "home"))


def content(folder: Path) -> dict[str, str]:
    """Every file's hash, and every folder."""
    return {
        str(path.relative_to(folder)): "" if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
    }


def examined(home: Path, system: str | None = None) -> list[Finding]:
    """What the doctor finds; it may change nothing."""
    before = content(home) if home.is_dir() else {}
    found = list(examine(build_resources({"MLSYS_HOME": str(home)}, clock=lambda: JULY), system=system))
    assert (content(home) if home.is_dir() else {}) == before
    return found


def problems(found: list[Finding]) -> dict[str, list[str]]:
    told: dict[str, list[str]] = {}
    for each in found:
        if not each.passed:
            told.setdefault(each.name, []).append(each.summary)
    return told


def execute(file: Path, *statements: str) -> None:
    with closing(sqlite3.connect(file)) as database, database:
        for statement in statements:
            database.execute(statement)


def flip(file: Path, position: int) -> None:
    data = bytearray(file.read_bytes())
    data[position] ^= 1
    file.write_bytes(data)


def cut(file: Path, share: float) -> None:
    os.truncate(file, int(file.stat().st_size * share))


def only(folder: Path, pattern: str) -> Path:
    return min(folder.rglob(pattern))


# -- nothing wrong --------------------------------------------------------------------------------


def test_a_healthy_folder_is_found_so(home: Path) -> None:
    found = examined(home)
    assert problems(found) == {}
    assert [each.name for each in found] == ALL
    said = {each.name: each.summary for each in found}
    assert said["lock"] == "nobody owns the folder"
    assert said["ledger flights"].startswith("2 decisions, ")
    assert said["tables flights"].startswith("2 tables, ")
    assert said["models flights"].startswith("2 models ")  # one of them was the champion before
    assert said["databases"].startswith("6 SQLite files, ")


def test_the_command_prints_a_line_a_check_and_tells_by_its_exit_code(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = content(home)
    with mock.patch.dict(os.environ):
        assert main(["doctor", "--home", str(home)]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[:2] for line in lines[:2]] == [["ok", "folder:"], ["ok", "disk:"]]
        assert len(lines) == len(ALL)
        assert content(home) == before
        cut(home / "operations.db", 0.5)
        assert main(["doctor", "flights", "--home", str(home)]) == 1
        said = capsys.readouterr()
    assert "problem  databases: operations.db is damaged: " in said.out
    assert said.err == ""


@pytest.mark.parametrize("how", ["not there", "empty"])
def test_where_nothing_is_there_is_nothing_wrong(tmp_path: Path, how: str, capsys: pytest.CaptureFixture[str]) -> None:
    home = tmp_path / "home"
    if how == "empty":
        home.mkdir()
    with mock.patch.dict(os.environ):
        assert main(["doctor", "--home", str(home)]) == 0
    assert capsys.readouterr().out.startswith("ok       folder: nothing here yet: ")
    assert list(tmp_path.rglob("*")) == ([home] if how == "empty" else [])


def test_a_folder_that_was_owned_and_not_used_is_healthy(tmp_path: Path) -> None:
    with own(tmp_path, command="mlsys run", environment={}):
        pass
    found = examined(tmp_path)
    assert problems(found) == {}
    assert [each.name for each in found] == ["folder", "disk", "lock", "databases", "runs"]


def test_what_a_killed_owner_left_is_whole_and_stays_as_it_is(tmp_path: Path) -> None:
    """Its databases hold much in files beside them, which whoever opens them as usual would tidy away."""
    home = built(tmp_path / "home", "dies")
    assert [path for path in home.rglob("*-wal") if path.stat().st_size]
    found = examined(home)
    assert problems(found) == {}
    said = {each.name: each.summary for each in found}
    assert "mlsys run (process " in said["lock"]
    assert "has died in it" in said["lock"]
    assert said["models flights"].startswith("2 models ")


def test_while_somebody_is_at_work_unfinished_runs_are_no_problem(home: Path) -> None:
    environment: dict[str, str] = {}
    with own(home, command="mlsys up", environment=environment) as owned:
        stores = build_resources(environment, clock=lambda: JULY)
        stores.operations.record(Decision("rain", JULY, "gate", "another", "pass", "seen by who looks"))
        create_run_for_test(owned.instance, status=dg.DagsterRunStatus.STARTED)
        found = list(examine(build_resources({"MLSYS_HOME": str(home)}, clock=lambda: JULY)))
        stores.operations.close()
    assert problems(found) == {}
    said = {each.name: each.summary for each in found}
    assert said["lock"].startswith("mlsys up (process ")
    assert said["runs"].startswith("1 run not finished, ")
    assert said["ledger rain"].startswith("2 decisions, ")


def test_one_system_alone(home: Path) -> None:
    names = [each.name for each in examined(home, "rain")]
    assert names == ["folder", "disk", "lock", "databases", "ledger rain", "tables rain", "models rain", "runs"]
    told = problems(examined(home, "snow"))
    assert told == {"system": ["there is nothing of 'snow' here; there is flights, rain: name one of these"]}


# -- something wrong ------------------------------------------------------------------------------

Damage = Callable[[Path], object]
GARBAGE = b"this is no database, whatever its name says. " * 200
DATABASES: dict[str, tuple[Damage, str]] = {
    "operations.db halved": (lambda home: cut(home / "operations.db", 0.5), "operations.db is damaged"),
    "operations.db to its header": (lambda home: os.truncate(home / "operations.db", 100), "operations.db is damaged"),
    "operations.db emptied": (lambda home: cut(home / "operations.db", 0), "operations.db is damaged: it is empty"),
    "operations.db gone": (lambda home: (home / "operations.db").unlink(), "operations.db is damaged: it cannot be r"),
    "operations.db garbage": (lambda home: (home / "operations.db").write_bytes(GARBAGE), "file is not a database"),
    "mlflow.db halved": (lambda home: cut(home / "mlflow.db", 0.5), "mlflow.db is damaged"),
    "runs.db halved": (lambda home: cut(home / "dagster/history/runs.db", 0.5), "history/runs.db is damaged"),
    "index.db garbage": (lambda home: only(home, "index.db").write_bytes(GARBAGE), "index.db is damaged: file is not"),
    "a run's events emptied": (lambda home: cut(only(home, "*-*-*.db"), 0), "is damaged: it is empty"),
}


@pytest.mark.parametrize("what", DATABASES)
def test_a_damaged_database_is_named(home: Path, what: str) -> None:
    damage, told = DATABASES[what]
    damage(home)
    found = examined(home)
    assert any(told in said for said in problems(found)["databases"]), problems(found)
    assert {each.name for each in found} >= {"folder", "disk", "lock", "tables flights", "tables rain"}  # goes on


RECORD = "operations.db"
REST: dict[str, tuple[Damage, str, str]] = {
    "a decision's reason": (
        lambda home: execute(home / RECORD, "UPDATE mlsys_decisions SET reason = 'x' WHERE as_of = 1375315200000000"),
        "ledger flights", "the decision gate better as of 2013-08-01 00:00 was recorded with the hash ",
    ),
    "a decision's evidence": (
        lambda home: execute(home / RECORD, "UPDATE mlsys_decisions SET evidence = '{' WHERE system = 'rain'"),
        "ledger rain", "its content has nothing that could be read",
    ),
    "an alias": (
        lambda home: execute(home / RECORD, "UPDATE mlsys_aliases SET as_of = 0"),
        "ledger flights", "the last move on record put flights@champion at version 2, ",
    ),
    "an alias removed": (
        lambda home: execute(home / RECORD, "DELETE FROM mlsys_aliases"),
        "ledger flights", "and it stands at nothing",
    ),
    "a model's file": (
        lambda home: flip(only(home / "mlartifacts", "model.txt"), 2),
        "models flights", "model.txt: its SHA-256 is ",
    ),
    "a model's file gone": (
        lambda home: only(home / "mlartifacts", "passport.json").unlink(),
        "models flights", "passport.json: it is in the manifest but not there",
    ),
    "a model's folder gone": (
        lambda home: shutil.rmtree(only(home / "mlartifacts", "model-*")),
        "models flights", "manifest.json: it is not there",
    ),
    "a model's record": (
        lambda home: execute(home / RECORD, "UPDATE mlsys_models SET content_hash = 'c' WHERE version = 1"),
        "models flights", "version 1: ",
    ),
    "a model's record gone": (
        lambda home: execute(home / RECORD, "DELETE FROM mlsys_models WHERE version = 1"),
        "models flights", "version 1: flights version 1 has no trusted record",
    ),
    "rows gone": (
        lambda home: only(home / "lake/flights/weather", "part-*.parquet").unlink(),
        "tables flights", ".parquet is not there; put the file back from a backup",
    ),
    "rows cut": (
        lambda home: cut(only(home / "lake/flights/planes", "part-*.parquet"), 0.9),
        "tables flights", "planes: part-",
    ),
    "rows without a footer": (
        lambda home: flip(only(home / "lake/flights/planes", "part-*.parquet"), -1),
        "tables flights", ".parquet cannot be read: ",
    ),
    "a table's log gone": (
        lambda home: shutil.rmtree(home / "lake/flights/weather/_delta_log"),
        "tables flights", "weather: the log that says which of its files count is gone",
    ),
    "a table's log emptied": (
        lambda home: [cut(path, 0) for path in (home / "lake/flights/weather/_delta_log").glob("*.json")],
        "tables flights", "weather: it cannot be opened (",
    ),
    "a table's log garbage": (
        lambda home: [p.write_bytes(GARBAGE) for p in (home / "lake/flights/weather/_delta_log").glob("*.json")],
        "tables flights", "weather: it cannot be opened (",
    ),
    "a table's last commit gone": (
        lambda home: (home / "lake/flights/weather/_delta_log/00000000000000000000.json").unlink(),
        "tables flights", "weather: it cannot be opened (",
    ),
    "MLflow's alias": (
        lambda home: execute(home / "mlflow.db", "UPDATE registered_model_aliases SET version = 1"),
        "mirror flights", "MLflow shows version 1 as champion, ours is 2: ",
    ),
    "MLflow's alias gone": (
        lambda home: execute(home / "mlflow.db", "DELETE FROM registered_model_aliases"),
        "mirror flights", "MLflow shows no champion, ours is 2: ",
    ),
    "MLflow's model gone": (
        lambda home: execute(home / "mlflow.db", *(f"DELETE FROM {table}" for table in (
            "registered_model_aliases", "model_version_tags", "model_versions", "registered_models"))),
        "mirror flights", "MLflow shows no champion, ours is 2: ",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REST)
def test_what_is_damaged_is_named_and_nothing_else(home: Path, what: str) -> None:
    damage, name, told = REST[what]
    damage(home)
    found = problems(examined(home))
    assert list(found) == [name], found
    assert any(told in said for said in found[name]), found
    assert "Traceback" not in str(found)


def test_a_run_that_nobody_works_at_is_named(home: Path) -> None:
    with open_instance(home) as instance:
        run = create_run_for_test(instance, job_name="flights_train", status=dg.DagsterRunStatus.STARTED)
    (said,) = problems(examined(home))["runs"]
    assert f"{run.run_id} (flights_train, STARTED)" in said
    with own(home, command="mlsys run", environment={}):
        pass
    assert problems(examined(home)) == {}


def test_a_full_disk_is_seen_coming(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(2**40, 2**40, 2**20))
    assert problems(examined(home)) == {
        "disk": ["0.0 GiB are free, less than 1: runs fail once it is full; make room, or move the folder"]
    }


def test_a_folder_that_cannot_be_written_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.os, "access", lambda *_: False)  # root may write everywhere
    (said,) = problems(examined(home))["folder"]
    assert said.startswith(f"{home} cannot be written by this user")


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("")
    assert problems(examined(home))["folder"][0].startswith(f"{home} is no folder")


def test_a_record_on_postgresql_is_read_and_not_written(tmp_path: Path, postgres_url: str) -> None:
    store = OperationsStore(postgres_url, clock=lambda: JULY)
    environment = {"MLSYS_HOME": str(tmp_path), "MLSYS_OPERATIONS_URL": postgres_url}
    stores = build_resources(environment, clock=lambda: JULY)
    empty = problems(list(examine(stores)))
    assert "read-only transaction" in str(empty)  # it does not even make the tables
    store.record(Decision("flights", JULY, "gate", "better", "pass", "AUC is higher"))
    assert problems(list(examine(stores))) == {}
    with store._database.write() as connection:
        connection.exec_driver_sql("UPDATE mlsys_decisions SET reason = 'x'")
    assert list(problems(list(examine(stores)))) == ["ledger flights"]
    store.close()
