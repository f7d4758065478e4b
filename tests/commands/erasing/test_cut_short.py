"""An erasure that is cut short or killed goes on when it is asked for again, and nothing is left."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mlsys_assets.commands.doctor import examine
from mlsys_resources.lake import Lake
from mlsys_resources.model_store import ModelStore
from mlsys_resources.operations_store import OperationsStore
from mlsys_resources.value_search import mentions

from .conftest import SYSTEMS, WHO, Home

STEPS: list[tuple[type, str, int]] = [
    (OperationsStore, "retire", 0), (OperationsStore, "set_alias", 0), (Lake, "erase", 0), (Lake, "erase", 3),
    (ModelStore, "discard", 1), (OperationsStore, "forget_online", 0), (OperationsStore, "record", 1),
    (OperationsStore, "finish_erasure", 0),
]  # fmt: skip


@pytest.mark.parametrize(("store", "step", "after"), STEPS)
def test_cut_short_at_any_step_it_goes_on_when_it_is_asked_again(
    home: Home, monkeypatch: pytest.MonkeyPatch, store: type, step: str, after: int
) -> None:
    done, calls = getattr(store, step), []

    def dies(*args: object, **more: object) -> object:
        calls.append(step)
        if len(calls) > after:
            raise RuntimeError("killed here")
        return done(*args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(store, step, dies)
        with pytest.raises(RuntimeError, match="killed here"):
            home.erased()
    assert home.stores.operations.erasures("rain")[0].done_at is None
    assert "ask `mlsys erase` for it again" in " ".join(f.summary for f in examine(home.stores) if not f.passed)
    assert home.erased() == []
    home.require_gone()


def test_cut_short_between_commit_and_deletion_it_goes_on(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlsys_resources import table_erasure

    def dies(*_: object) -> None:
        raise RuntimeError("killed here")

    with monkeypatch.context() as patch:
        patch.setattr(table_erasure, "delete_files", dies)
        with pytest.raises(RuntimeError, match="killed here"):
            home.erased()
    assert mentions(home.path / "lake", WHO)
    assert home.erased() == []
    home.require_gone()


@pytest.mark.prove
def test_killed_at_any_moment_it_goes_on_when_it_is_asked_again(home: Home, tmp_path: Path) -> None:
    code = (
        "import sys; from mlsys_assets.cli import main;"
        "sys.exit(main(['erase', 'rain', '--home', sys.argv[1], '--where', sys.argv[2], '--reason', 'asked', '--yes']))"
    )
    environment = {
        **os.environ,
        "MLSYS_WORKSPACE": "rain_weekly",
        "PYTHONPATH": os.pathsep.join([str(SYSTEMS), *sys.path]),
    }
    call = [sys.executable, "-W", "ignore", "-c", code, str(home.path), f"owner={WHO}"]
    wait, killed = 1.0, 0
    while True:
        with subprocess.Popen(
            call, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=SYSTEMS
        ) as run:
            try:
                _, said = run.communicate(timeout=wait)
            except subprocess.TimeoutExpired:
                run.send_signal(signal.SIGKILL)
                killed, wait = killed + 1, wait + 0.15
                continue
        assert run.returncode == 0, said
        break
    assert killed > 3
    assert mentions(home.path, WHO) == []
    assert home.stores.operations.retired("rain") == {2, 3}
