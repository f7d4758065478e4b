"""The doctor finds a healthy folder so, whoever left it and how, and changes nothing."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest import mock

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from mlsys_assets.cli import main
from mlsys_assets.commands.doctor import examine
from mlsys_assets.state_folder import own
from mlsys_resources.operations_rows import Decision
from mlsys_resources.resources import build_resources

JULY = datetime(2013, 7, 1, tzinfo=UTC)
ALL = [
    "folder", "disk", "lock", "databases", "ledger flights", "ledger rain", "tables flights", "tables rain",
    "models flights", "models rain", "mirror flights", "runs",
]  # fmt: skip


def cut(file: Path, share: float) -> None:
    os.truncate(file, int(file.stat().st_size * share))


def test_a_healthy_folder_is_found_so(home: Path, practice: Any) -> None:
    found = practice.examined(home)
    assert practice.problems(found) == {}
    assert [each.name for each in found] == ALL
    said = {each.name: each.summary for each in found}
    assert said["lock"] == "nobody owns the folder"
    assert said["ledger flights"].startswith("2 decisions, ")
    assert said["tables flights"].startswith("2 tables, ")
    assert said["models flights"].startswith("2 models ")  # one of them was the champion before
    assert said["databases"].startswith("6 SQLite files, ")


def test_the_command_prints_a_line_a_check_and_tells_by_its_exit_code(
    home: Path, capsys: pytest.CaptureFixture[str], practice: Any
) -> None:
    before = practice.content(home)
    with mock.patch.dict(os.environ):
        assert main(["doctor", "--home", str(home)]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[:2] for line in lines[:2]] == [["ok", "folder:"], ["ok", "disk:"]]
        assert len(lines) == len(ALL)
        assert practice.content(home) == before
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


def test_a_folder_that_was_owned_and_not_used_is_healthy(tmp_path: Path, practice: Any) -> None:
    with own(tmp_path, command="mlsys run", environment={}):
        pass
    found = practice.examined(tmp_path)
    assert practice.problems(found) == {}
    assert [each.name for each in found] == ["folder", "disk", "lock", "databases", "runs"]


def test_what_a_killed_owner_left_is_whole_and_stays_as_it_is(tmp_path: Path, practice: Any) -> None:
    """Its databases hold much in files beside them, which whoever opens them as usual would tidy away."""
    home = practice.built(tmp_path / "home", "dies")
    assert [path for path in home.rglob("*-wal") if path.stat().st_size]
    found = practice.examined(home)
    assert practice.problems(found) == {}
    said = {each.name: each.summary for each in found}
    assert "mlsys run (process " in said["lock"]
    assert "has died in it" in said["lock"]
    assert said["models flights"].startswith("2 models ")


def test_while_somebody_is_at_work_unfinished_runs_are_no_problem(home: Path, practice: Any) -> None:
    environment: dict[str, str] = {}
    with own(home, command="mlsys up", environment=environment) as owned:
        stores = build_resources(environment, clock=lambda: JULY)
        stores.operations.record(Decision("rain", JULY, "gate", "another", "pass", "seen by who looks"))
        create_run_for_test(owned.instance, status=dg.DagsterRunStatus.STARTED)
        found = list(examine(build_resources({"MLSYS_HOME": str(home)}, clock=lambda: JULY)))
        stores.operations.close()
    assert practice.problems(found) == {}
    said = {each.name: each.summary for each in found}
    assert said["lock"].startswith("mlsys up (process ")
    assert said["runs"].startswith("1 run not finished, ")
    assert said["ledger rain"].startswith("2 decisions, ")


def test_one_system_alone(home: Path, practice: Any) -> None:
    names = [each.name for each in practice.examined(home, "rain")]
    assert names == ["folder", "disk", "lock", "databases", "ledger rain", "tables rain", "models rain", "runs"]
    told = practice.problems(practice.examined(home, "snow"))
    assert told == {"system": ["there is nothing of 'snow' here; there is flights, rain: name one of these"]}
