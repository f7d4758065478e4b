"""The command tells what would go, erases when it is told to, and refuses by name."""

import json
import os
import subprocess
import sys

import pytest

from mlsys_assets import Workspace
from mlsys_assets.cli import main
from mlsys_resources.value_search import mentions

from .conftest import WHO, WHY, Home


def test_it_is_refused_while_another_process_owns_the_folder(
    home: Home, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    code = "from mlsys_resources.folder_lock import *; from datetime import *; from pathlib import Path\n"
    code += "import sys, time\n"
    code += "with locked(Path(sys.argv[1]), Holder.this('mlsys run', since=datetime.now(UTC))):\n"
    code += "  print('owned', flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code, str(home.path)], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout.readline() == "owned\n"
        assert _command(home, monkeypatch, "--yes") == 1
        owner.kill()
    assert "is in use by mlsys run" in capsys.readouterr().err
    assert home.planned().rows


def _command(home: Home, monkeypatch: pytest.MonkeyPatch, *more: str, where: str = f"owner={WHO}") -> int:
    from mlsys_assets.commands import erase
    from mlsys_assets.systems import workspace as module

    monkeypatch.setattr(os, "environ", dict(os.environ) | {"MLSYS_HOME": str(home.path)})
    monkeypatch.setattr(module, "workspace", Workspace(home.system))

    def anew(**_: object) -> Workspace:
        monkeypatch.setattr(module, "workspace", Workspace(home.system))
        return module.workspace

    monkeypatch.setattr(erase, "asked_workspace", anew)
    return main(["erase", "rain", "--where", where, *(["--reason", WHY] if "--reason" not in more else []), *more])


def test_the_command_tells_first_and_erases_when_it_is_told_to(home: Home, monkeypatch, capsys) -> None:
    assert _command(home, monkeypatch) == 0
    told = capsys.readouterr().out
    assert "rain.weather: 1 rows; 2 version(s) become unreadable" in told
    assert "rain version 3, the champion: retired" in told
    assert "rain: back to version 1, which is not affected" in told
    assert "nothing was changed" in told
    assert home.planned().rows
    assert _command(home, monkeypatch, "--yes") == 0
    assert "rain: erased, on record as" in capsys.readouterr().out
    assert mentions(home.path, WHO) == []
    assert _command(home, monkeypatch, "--yes") == 0
    assert "it was erased as of" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "where", "words"),
    [
        ((), "owner", "say COLUMN=VALUE"),
        ((), "colour=red", "no table of rain has a column 'colour'; there are: category"),
        ((), "x=0.5", "'x' is of type double"),
        (("--reason", f"{WHO} asked"), f"owner={WHO}", "the reason holds the value"),
        (("--reason", " "), f"owner={WHO}", "needs a reason"),
    ],
)
def test_what_cannot_be_erased_is_refused_by_name(home: Home, monkeypatch, capsys, more, where, words) -> None:
    assert _command(home, monkeypatch, *more, where=where) == 1
    assert words in capsys.readouterr().err


def test_a_value_that_nobody_has_is_told(home: Home, monkeypatch, capsys) -> None:
    assert _command(home, monkeypatch, "--yes", where="owner=P-00000") == 1
    assert "no row of rain has owner = 'P-00000'" in capsys.readouterr().out


def test_json_is_told_where_nothing_was_changed_too(home: Home, monkeypatch, capsys) -> None:
    assert _command(home, monkeypatch, "--yes", "--json", where="owner=P-00000") == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["rows"], told["left"]) == ({}, [])
    assert told["done"] == ["no row of rain has owner = 'P-00000': nothing was changed"]
