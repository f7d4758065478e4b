"""One owner a folder, known by name, and none once its process is dead."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlsys_resources import folder_lock
from mlsys_resources.folder_lock import Holder, StateFolderBusy, locked, look

JULY = datetime(2013, 7, 1, tzinfo=UTC)
OWNER = """
import os, sys, time
from datetime import UTC, datetime
from pathlib import Path
from mlsys_resources.folder_lock import Holder, locked

with locked(Path(sys.argv[1]), Holder.this("mlsys up", since=datetime(2013, 7, 1, tzinfo=UTC))):
    if "forks" in sys.argv:
        if not os.fork():
            print(os.getpid(), flush=True)
            time.sleep(60)
            os._exit(0)
    elif "starts" in sys.argv:
        import subprocess
        print(subprocess.Popen(["sleep", "60"], close_fds=False).pid, flush=True)
    else:
        print("owned", flush=True)
    sys.stdin.readline()
"""


def this() -> Holder:
    return Holder.this("mlsys run", since=JULY)


def owner(folder: Path, *how: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", OWNER, str(folder), *how]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_the_second_is_told_who_owns_it_since_when_and_what_to_do(tmp_path: Path) -> None:
    with owner(tmp_path) as first:
        assert first.stdout.readline() == "owned\n"
        told = (
            rf"is in use by mlsys up \(process {first.pid} on .+, since 2013-07-01 00:00:00 UTC\), .*\(kill {first.pid}"
        )
        with pytest.raises(StateFolderBusy, match=told), locked(tmp_path, this()):
            pass
        assert look(tmp_path) == (True, Holder("mlsys up", first.pid, this().host, JULY))
        first.communicate("\n")
    assert first.returncode == 0
    assert look(tmp_path) == (False, None)
    with locked(tmp_path, this()):
        assert look(tmp_path) == (True, this())


def test_one_process_does_not_own_it_twice(tmp_path: Path) -> None:
    with locked(tmp_path, this()), pytest.raises(StateFolderBusy, match="mlsys run"), locked(tmp_path, this()):
        pass
    with locked(tmp_path, this()):
        pass


@pytest.mark.parametrize("how", ["alone", "forks", "starts"])
def test_death_frees_it_whatever_the_dead_one_had_started(tmp_path: Path, how: str) -> None:
    with owner(tmp_path, how) as first:
        child = first.stdout.readline().strip()
        first.kill()
    try:
        assert look(tmp_path) == (False, Holder("mlsys up", first.pid, this().host, JULY))  # who died left its note
        with locked(tmp_path, this()):
            assert look(tmp_path) == (True, this())
    finally:
        if child.isdigit():
            os.kill(int(child), signal.SIGKILL)


def test_a_forked_child_that_comes_to_the_end_frees_nothing(tmp_path: Path) -> None:
    code = OWNER.replace("time.sleep(60)\n            os._exit(0)", "sys.exit(0)")
    with subprocess.Popen(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", code, str(tmp_path), "forks"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as first:  # fmt: skip
        child = int(first.stdout.readline())
        until = time.monotonic() + 20
        while Path(f"/proc/{child}/stat").read_text().split()[2] != "Z":
            assert time.monotonic() < until
            time.sleep(0.01)
        assert look(tmp_path) == (True, Holder("mlsys up", first.pid, this().host, JULY))
        first.communicate("\n")


def test_a_look_keeps_no_owner_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds the lock for a moment itself; who starts right then waits."""
    with locked(tmp_path, this()):
        pass
    monkeypatch.setattr(folder_lock, "PATIENCE_S", 20)
    done = threading.Event()

    def looks() -> None:
        while not done.is_set():
            look(tmp_path)

    lookers = [threading.Thread(target=looks) for _ in range(2)]
    for each in lookers:
        each.start()
    try:
        for _ in range(20):
            with locked(tmp_path, this()):
                pass
    finally:
        done.set()
        for each in lookers:
            each.join()


def test_a_look_makes_nothing(tmp_path: Path) -> None:
    assert look(tmp_path) == (False, None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("note", ["", "{", "[]", "7", '{"pid": 1}', json.dumps({"command": 1, "pid": "x"}), "\x00" * 9])
def test_a_note_that_says_nothing_is_none(tmp_path: Path, note: str) -> None:
    (tmp_path / "lock").write_text(note)
    assert look(tmp_path) == (False, None)
    with locked(tmp_path, this()):
        (tmp_path / "lock").write_text(note)
        with pytest.raises(StateFolderBusy, match="another process, which has left no note"), locked(tmp_path, this()):
            pass


def test_a_longer_note_of_before_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("x" * 1000)
    with locked(tmp_path, this()):
        assert look(tmp_path) == (True, this())


def test_an_error_frees_it(tmp_path: Path) -> None:
    with pytest.raises(KeyError), locked(tmp_path, this()):
        raise KeyError
    assert look(tmp_path) == (False, None)
