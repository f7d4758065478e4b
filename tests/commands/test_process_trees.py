"""Child processes are stopped with all that they start, however they resist."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from mlsys_assets.commands import process_trees
from mlsys_assets.commands.process_trees import Tree, fell, grow

PATIENCE_S = 30.0
SLEEP = "import time; time.sleep(600)"
DEAF = "import signal\nfor n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP): signal.signal(n, signal.SIG_IGN)\n"
CHILD = "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {!r}], start_new_session={})\n"


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not stop is killed soon."""
    monkeypatch.setattr(process_trees, "ROOT_GRACE_S", 1.0)
    monkeypatch.setattr(process_trees, "REST_GRACE_S", 1.0)


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Callable[..., Tree]]:
    """Start code as a tree, and wait until it has so many processes."""
    planted: list[Tree] = []

    def start(code: str, *, processes: int = 1) -> Tree:
        up = tmp_path / f"up{len(planted)}"
        code = f"{code}\nopen({str(up)!r}, 'w').close()\n{SLEEP}"
        tree = grow("it", [sys.executable, "-c", code], environment=os.environ, log=tmp_path / "it.log")
        planted.append(tree)
        wait_for(lambda: up.exists() and len(tree.living()) == processes)
        return tree

    yield start
    for tree in planted:
        for process in tree.living():
            process.kill()
        tree.root.wait()


def wait_for(true: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < until
        time.sleep(0.05)


def gone(process: psutil.Process) -> bool:
    return not process_trees._lives(process)


@pytest.mark.parametrize("ask", [signal.SIGINT, signal.SIGTERM])
def test_a_child_that_listens_stops_by_itself(plant: Callable[..., Tree], ask: signal.Signals) -> None:
    tree = plant("")
    assert fell([tree], ask) == []
    assert tree.root.returncode in (-ask, 1)  # killed by it, or by the KeyboardInterrupt it became
    assert tree.living() == set()


def test_a_child_of_one_that_was_started_deaf_listens(plant: Callable[..., Tree]) -> None:
    """As a shell's background jobs are to SIGINT."""
    asks = (signal.SIGINT, signal.SIGTERM)
    before = {ask: signal.signal(ask, signal.SIG_IGN) for ask in asks}
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, asks)
    try:
        trees = [plant(""), plant("")]
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for ask, handler in before.items():
            signal.signal(ask, handler)
    for tree, ask in zip(trees, asks, strict=True):
        assert fell([tree], ask) == []
        assert tree.root.returncode in (-ask, 1)


def test_a_child_that_listens_to_nothing_is_killed(plant: Callable[..., Tree]) -> None:
    tree = plant(DEAF)
    assert fell([tree], signal.SIGINT) == []
    assert tree.root.returncode == -signal.SIGKILL


def test_whoever_is_in_a_hurry_does_not_wait(plant: Callable[..., Tree], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_trees, "ROOT_GRACE_S", 600.0)
    monkeypatch.setattr(process_trees, "REST_GRACE_S", 600.0)
    tree = plant(DEAF)
    assert fell([tree], signal.SIGINT, hurry=lambda: True) == []
    assert tree.root.returncode == -signal.SIGKILL


@pytest.mark.parametrize("own_session", [False, True])
@pytest.mark.parametrize("deaf", ["", DEAF])
def test_grandchildren_are_gone_too(plant: Callable[..., Tree], own_session: bool, deaf: str) -> None:
    grandchild = CHILD.format(f"{deaf}{SLEEP}", own_session)
    tree = plant(f"{grandchild}", processes=2)
    family = tree.living()
    assert fell([tree], signal.SIGTERM) == []
    assert all(gone(process) for process in family)


def test_an_orphan_is_found_by_its_session(plant: Callable[..., Tree]) -> None:
    """Its parent, a child of ours, ends first: no line of descent leads to it any more."""
    parent = CHILD.format(f"{DEAF}{SLEEP}", False)
    tree = plant(f"{CHILD.format(parent, False).strip()}.wait()", processes=2)
    (orphan,) = tree.living() - {psutil.Process(tree.root.pid)}
    assert orphan.ppid() != tree.root.pid
    assert fell([tree], signal.SIGTERM) == []
    assert gone(orphan)


def test_what_is_left_when_the_root_died_by_itself_is_stopped(plant: Callable[..., Tree]) -> None:
    tree = plant(CHILD.format(SLEEP, False), processes=2)
    family = tree.living()
    tree.root.kill()
    tree.root.wait()
    assert len(tree.living()) == 1
    assert fell([tree], signal.SIGINT) == []
    assert all(gone(process) for process in family)


def test_what_a_child_says_is_in_its_log(plant: Callable[..., Tree], tmp_path: Path) -> None:
    tree = plant("import os, sys\nprint('said', flush=True)\nprint(os.read(0, 1), file=sys.stderr, flush=True)")
    fell([tree], signal.SIGTERM)
    assert (tmp_path / "it.log").read_text().splitlines()[:2] == ["said", "b''"]  # and its input is empty


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its parent's death")
def test_children_do_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import os, sys, pathlib, time\n"
        "from mlsys_assets.commands.process_trees import grow\n"
        f"tree = grow('it', [sys.executable, '-c', {SLEEP!r}], environment=os.environ, log=pathlib.Path(sys.argv[1]))\n"
        "print(tree.root.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "log")], stdout=subprocess.PIPE, text=True)
    child = psutil.Process(int(parent.stdout.readline()))  # type: ignore[union-attr]
    wait_for(lambda: process_trees.TIE not in child.cmdline())  # it has become what it is to be
    parent.kill()
    parent.communicate()
    wait_for(lambda: gone(child))
