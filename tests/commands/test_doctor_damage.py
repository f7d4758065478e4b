"""The doctor names what is damaged, and nothing else, and changes not a byte."""

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from mlsys_assets.commands import doctor
from mlsys_assets.commands.doctor import examine
from mlsys_assets.instance import open_instance
from mlsys_assets.state_folder import own
from mlsys_resources.operations_rows import Decision
from mlsys_resources.operations_store import OperationsStore
from mlsys_resources.resources import build_resources

JULY = datetime(2013, 7, 1, tzinfo=UTC)


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
def test_a_damaged_database_is_named(home: Path, what: str, practice: Any) -> None:
    damage, told = DATABASES[what]
    damage(home)
    found = practice.examined(home)
    assert any(told in said for said in practice.problems(found)["databases"]), practice.problems(found)
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
def test_what_is_damaged_is_named_and_nothing_else(home: Path, what: str, practice: Any) -> None:
    damage, name, told = REST[what]
    damage(home)
    found = practice.problems(practice.examined(home))
    assert list(found) == [name], found
    assert any(told in said for said in found[name]), found
    assert "Traceback" not in str(found)


def test_a_run_that_nobody_works_at_is_named(home: Path, practice: Any) -> None:
    with open_instance(home) as instance:
        run = create_run_for_test(instance, job_name="flights_train", status=dg.DagsterRunStatus.STARTED)
    (said,) = practice.problems(practice.examined(home))["runs"]
    assert f"{run.run_id} (flights_train, STARTED)" in said
    with own(home, command="mlsys run", environment={}):
        pass
    assert practice.problems(practice.examined(home)) == {}


def test_a_full_disk_is_seen_coming(home: Path, monkeypatch: pytest.MonkeyPatch, practice: Any) -> None:
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(2**40, 2**40, 2**20))
    assert practice.problems(practice.examined(home)) == {
        "disk": ["0.0 GiB are free, less than 1: runs fail once it is full; make room, or move the folder"]
    }


def test_a_folder_that_cannot_be_written_is_named(home: Path, monkeypatch: pytest.MonkeyPatch, practice: Any) -> None:
    monkeypatch.setattr(doctor.os, "access", lambda *_: False)  # root may write everywhere
    (said,) = practice.problems(practice.examined(home))["folder"]
    assert said.startswith(f"{home} cannot be written by this user")


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path, practice: Any) -> None:
    home = tmp_path / "home"
    home.write_text("")
    assert practice.problems(practice.examined(home))["folder"][0].startswith(f"{home} is no folder")


def test_a_record_on_postgresql_is_read_and_not_written(tmp_path: Path, postgres_url: str, practice: Any) -> None:
    store = OperationsStore(postgres_url, clock=lambda: JULY)
    environment = {"MLSYS_HOME": str(tmp_path), "MLSYS_OPERATIONS_URL": postgres_url}
    stores = build_resources(environment, clock=lambda: JULY)
    empty = practice.problems(list(examine(stores)))
    assert "read-only transaction" in str(empty)  # it does not even make the tables
    store.record(Decision("flights", JULY, "gate", "better", "pass", "AUC is higher"))
    assert practice.problems(list(examine(stores))) == {}
    with store._database.write() as connection:
        connection.exec_driver_sql("UPDATE mlsys_decisions SET reason = 'x'")
    assert list(practice.problems(list(examine(stores)))) == ["ledger flights"]
    store.close()
