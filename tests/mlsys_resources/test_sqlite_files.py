"""SQLite files are looked at as they are, with what lies beside them, and stay so."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from mlsys_resources import sqlite_files
from mlsys_resources.sqlite_files import copied, damage

ROWS = 200
DIES = """
import os, signal, sqlite3, sys
mode, file = sys.argv[1:]
database = sqlite3.connect(file, isolation_level=None)
database.execute(f"PRAGMA journal_mode = {mode}")
database.execute("PRAGMA cache_size = 1")       # so that what is not committed reaches the file
database.execute("CREATE TABLE t (x)")
database.executemany("INSERT INTO t VALUES (?)", [("x" * 500,)] * 200)
database.execute("BEGIN")
database.execute("UPDATE t SET x = 'not committed, and long enough to move rows about' || hex(zeroblob(400))")
os.kill(os.getpid(), signal.SIGKILL)
"""


def made(file: Path) -> Path:
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("PRAGMA journal_mode = WAL")  # as all of ours are
        database.execute("CREATE TABLE t (x)")
        database.executemany("INSERT INTO t VALUES (?)", [(f"{n}" * 100,) for n in range(ROWS)])
    return file


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def rows(file: Path) -> int:
    with closing(sqlite3.connect(file)) as database:
        return int(database.execute("SELECT count(*) FROM t").fetchone()[0])


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "folder with ?% and #").mkdir()
    return tmp_path / "folder with ?% and #"


def test_a_whole_file_is_whole_and_stays_as_it_is(folder: Path, scratch: Path) -> None:
    file = made(folder / "a.db")
    before, touched = content(folder), folder.stat().st_mtime_ns
    for live in (False, True):
        assert damage(file, live=live) is None
        assert rows(copied(file, scratch, live=live)) == ROWS
    assert (content(folder), folder.stat().st_mtime_ns) == (before, touched)  # not for a moment was a file beside it


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_what_a_killed_process_left_beside_a_file_belongs_to_it(folder: Path, scratch: Path, mode: str) -> None:
    file = folder / "a.db"
    subprocess.run([sys.executable, "-c", DIES, mode, str(file)], check=False)
    before = content(folder)
    assert len(before) > 1
    assert damage(file, live=False) is None
    assert content(folder) == before
    copy = copied(file, scratch, live=False)
    assert content(folder) == before
    with closing(sqlite3.connect(copy)) as database:
        assert database.execute("SELECT count(*), max(length(x)) FROM t").fetchone() == (200, 500)


def test_a_file_at_work_is_seen_as_of_its_last_commit(folder: Path, scratch: Path) -> None:
    file = folder / "a.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE t (x)")
        database.execute("INSERT INTO t VALUES (1)")
        database.execute("BEGIN IMMEDIATE")
        database.execute("INSERT INTO t VALUES (2)")
        assert damage(file, live=True) is None
        assert rows(copied(file, scratch, live=True)) == 1
        database.execute("COMMIT")
        assert rows(file) == 2


def spoil(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[4096:4196] = b"\xff" * 100
    file.write_bytes(data)


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize(("harm", "told"), [
    (lambda file: file.write_bytes(b""), "it is empty"),
    (lambda file: file.write_bytes(b"garbage" * 1000), "not a database"),
    (lambda file: os.truncate(file, 4096), "malformed"),
    (spoil, ""),
])  # fmt: skip
def test_damage_is_told_and_left_as_it_is(folder: Path, harm, told: str, live: bool) -> None:
    file = made(folder / "a.db")
    harm(file)
    before = content(folder)
    said = damage(file, live=live)
    assert said is not None
    assert told in said
    assert content(folder) == before


def test_a_file_that_changes_while_it_is_looked_at_is_looked_at_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is read while somebody writes without a lock may be half of one state and half of another."""
    file, looks = made(folder / "a.db"), []

    def checked(_: Path, *, live: bool) -> str | None:
        looks.append(live)
        if len(looks) == 1:
            os.utime(file, (0, 0))
            return "malformed"
        return None

    monkeypatch.setattr(sqlite_files, "_checked", checked)
    assert damage(file, live=False) is None
    assert len(looks) == 2


def test_a_file_that_is_not_there_is_an_error_and_is_not_made(folder: Path) -> None:
    with pytest.raises(FileNotFoundError):
        damage(folder / "none.db", live=False)
    assert content(folder) == {}
