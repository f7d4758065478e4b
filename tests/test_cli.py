"""The command explains itself, answers at once, and says in one line what is wrong."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mlsys_assets import Retraining, Weekly
from mlsys_assets.cli import main

ROOT = Path(__file__).parents[1]
COMMANDS = {
    "run": ("SYSTEM", "--until", "--fresh", "--home", "Killed, it goes on where it was", "`mlsys replay` tells"),
    "replay": ("SYSTEM", "--policies", "--since", "--until", "--judge-since", "--out", "--home", "changes nothing on"),
    "report": ("SYSTEM", "--json", "--html", "--home"),
    "features": ("SYSTEM", "--out", "--home", "one page that fetches nothing"),
    "ledger": ("SYSTEM", "--hash", "--json", "--home"),
    "monitor": ("SYSTEM", "--json", "--since", "--home", "how many alarms were false"),
    "doctor": ("SYSTEM", "--home", "changes nothing"),
    "up": ("--host", "--port", "--mlflow-port", "--home"),
    "clock": ("SYSTEM", "--advance", "--to", "--home"),
    "rollback": ("SYSTEM", "--reason", "--to", "--home"),
}
OF_A_SYSTEM = ("run", "replay", "report", "features", "ledger", "monitor", "clock", "rollback")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of the flights system, with nothing in it."""
    from mlsys_assets import Workspace
    from mlsys_assets.systems import workspace as module

    found = tmp_path / "home"
    monkeypatch.setenv("MLSYS_HOME", str(found))
    monkeypatch.setattr(module, "workspace", Workspace(*module.workspace.systems))
    return found


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    found = capsys.readouterr()
    return code, found.out, found.err


def test_help_lists_every_command_and_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom mlsys_assets.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit as end:\n    assert end.code == 0\n"
        "print([m for m in ('dagster', 'mlflow', 'pandas', 'sklearn', 'lightgbm', 'deltalake') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    *helped, heavy = found.stdout.splitlines()
    assert (heavy, found.stderr) == ("[]", "")
    listed = {line.split()[0] for line in helped if line.startswith("    ") and line.strip()}
    assert set(COMMANDS) <= listed


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    helped = " ".join(capsys.readouterr().out.split())
    assert helped.startswith(f"usage: mlsys {command}")
    for part in COMMANDS[command]:
        assert part in helped
    assert ("SYSTEM" in helped) == (command != "up")


@pytest.mark.parametrize(
    "arguments", [[], ["trian"], ["run", "--as-of", "2013-07-01"], ["rollback", "flights"], ["clock", "--to"]], ids=str
)
def test_what_it_does_not_know_is_refused_with_the_usage(arguments: list[str], capsys) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert "usage: mlsys" in capsys.readouterr().err


@pytest.mark.parametrize("command", OF_A_SYSTEM)
def test_an_unknown_system_is_told_with_those_that_there_are(home: Path, capsys, command: str) -> None:
    more = ["--reason", "none"] if command == "rollback" else []
    code, out, wrong = told(capsys, command, "fligths", *more)
    assert (code, out) == (1, "")
    assert wrong == "mlsys: the workspace has no system 'fligths'; it has: flights\n"


@pytest.mark.parametrize("date", ["soon", "2013-13-01", ""])
def test_no_date_is_told_before_anything_is_deleted(home: Path, capsys, date: str) -> None:
    (home / "lake").mkdir(parents=True)
    code, _, wrong = told(capsys, "run", "--fresh", "--until", date)
    assert code == 1
    assert wrong.startswith(f"mlsys: {date!r} is no date; write it as 2013-07-08")
    assert [p.name for p in home.iterdir()] == ["lake"]


def test_a_run_to_before_the_first_tick_does_nothing(home: Path, capsys) -> None:
    code, out, wrong = told(capsys, "run", "--until", "2013-06-30")
    assert (code, wrong) == (0, "")
    assert "flights: 0 decisions" in out
    assert (home / "flights.html").read_text().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("changes", "arguments", "why"),
    [
        ({"simulated_from": None}, ["--until", "2013-07-08"], "flights lives on the wall clock, and only what has a"),
        ({"calendar": Weekly("2012-12-31")}, [], "the calendar of flights has no end; say --until DATE"),
        (
            {"triggers": (), "retraining": Retraining()},
            ["--until", "2013-07-08"],
            "flights has no triggers, so that nothing decides when to train",
        ),
    ],
)
@pytest.mark.parametrize("fresh", [[], ["--fresh"]])
def test_what_cannot_be_lived_through_is_told_and_nothing_deleted(
    home: Path, capsys, monkeypatch, changes, arguments, why, fresh
) -> None:
    from mlsys_assets import Workspace
    from mlsys_assets.systems import workspace as module

    (home / "lake" / "flights").mkdir(parents=True)
    monkeypatch.setattr(module, "workspace", Workspace(replace(module.flights, **changes)))
    code, out, wrong = told(capsys, "run", *fresh, *arguments)
    assert (code, out) == (1, "")
    assert wrong.startswith(f"mlsys: {why}")
    assert (home / "lake" / "flights").is_dir()


def test_a_fresh_start_of_what_is_not_there_deletes_nothing(home: Path, capsys, monkeypatch) -> None:
    (home / "lake" / "flights").mkdir(parents=True)
    code, _, wrong = told(capsys, "run", "fligths", "--fresh")
    assert (code, wrong) == (1, "mlsys: the workspace has no system 'fligths'; it has: flights\n")
    monkeypatch.setenv("MLSYS_OPERATIONS_URL", f"sqlite:///{home}/elsewhere.db")
    code, _, wrong = told(capsys, "run", "--fresh")
    assert (code, "MLSYS_OPERATIONS_URL keeps a part of the state elsewhere; nothing was deleted" in wrong) == (1, True)
    assert (home / "lake" / "flights").is_dir()


def test_a_workspace_is_found_in_the_working_folder_or_told(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("from mlsys_assets import Workspace\nworkspace = Workspace()")
    (tmp_path / "bare.py").write_text("")
    for name, why in (
        ("mine", "mlsys: the workspace has no systems; name at least one: Workspace(mine)\n"),
        ("bare", "mlsys: bare has no workspace; say there which systems it holds: workspace = Workspace(mine)"),
        ("other.place", "mlsys: there is no module 'other', which MLSYS_WORKSPACE names; call mlsys in the folder"),
    ):
        environment = os.environ | {"MLSYS_WORKSPACE": name, "MLSYS_HOME": str(tmp_path / "home")}
        command = [str(Path(sys.executable).with_name("mlsys")), "ledger"]
        found = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert found.returncode == 1
        assert found.stderr.startswith(why)


def test_an_interrupted_command_says_so(home: Path, capsys, monkeypatch) -> None:
    def interrupted(_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mlsys_assets.commands.ledger.asked_system", interrupted)
    code, out, wrong = told(capsys, "ledger")
    assert (code, out) == (130, "")
    assert wrong == "mlsys: stopped; what was done is kept, and asked for again it goes on from there\n"


def test_a_fresh_start_deletes_what_mlsys_keeps_and_nothing_else(home: Path, capsys) -> None:
    (home / "lake" / "flights").mkdir(parents=True)
    (home / "notes.txt").write_text("mine")
    assert told(capsys, "run", "--fresh", "--until", "2013-06-30")[0] == 0
    assert (home / "notes.txt").read_text() == "mine"
    assert not (home / "lake").exists()


def test_a_fresh_start_deletes_nothing_of_another_system(home: Path, capsys) -> None:
    for name in ("flights", "rain"):
        (home / "lake" / name).mkdir(parents=True)
    code, _, wrong = told(capsys, "run", "--fresh", "--until", "2013-06-30")
    assert code == 1
    assert wrong.startswith(f"mlsys: --fresh deletes all that is in {home}, also of rain; nothing was deleted")
    assert sorted(p.name for p in (home / "lake").iterdir()) == ["flights", "rain"]


def test_the_home_may_be_named(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mlsys_assets.cli", "clock", "--advance", "7d", "--home", "other"]
    env = os.environ | {"MLSYS_HOME": str(tmp_path / "elsewhere"), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("flights: 2013-07-08 00:00 UTC")
    assert [p.name for p in tmp_path.iterdir()] == ["other"]


def test_of_an_empty_folder_there_is_nothing_to_tell(home: Path, capsys) -> None:
    assert told(capsys, "ledger")[:2] == (0, "")
    assert "flights: 0 diagnoses, 0 alerts" in told(capsys, "monitor")[1]
    code, out, _ = told(capsys, "report")
    assert (code, out.strip().splitlines()[0]) == (0, "flights: 0 decisions")


def test_a_page_that_cannot_be_written_is_told(home: Path, tmp_path: Path, capsys) -> None:
    code, _, wrong = told(capsys, "report", "--html", str(tmp_path / "nowhere" / "page.html"))
    assert code == 1
    assert wrong.startswith("mlsys: ")
    assert "nowhere" in wrong
