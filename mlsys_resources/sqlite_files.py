"""SQLite files looked at without a trace: opening one as usual recovers and tidies it, which changes its bytes."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

PENDING = ("-wal", "-journal")
"""Endings of the files that hold what is not in the database's own file yet, or has to be undone in it."""

SHARED = "-shm"
"""Ending of the file through which processes that have the database open coordinate."""

BUSY_TIMEOUT_S = 10
"""Seconds to wait for writers."""

LOOKS = 3
"""How often a file that seems damaged is looked at, if it changed meanwhile."""


def damage(file: Path, *, live: bool) -> str | None:
    """Return what is wrong with a database by SQLite's own quick check, or None; changes nothing.

    ``live``: others may be writing. Raises OSError where the file cannot be read.
    """
    for _ in range(LOOKS):
        before = _state(file)
        found = _checked(file, live=live)
        if found is None or _state(file) == before:
            break
    return found


def copied(file: Path, folder: Path, *, live: bool) -> Path:
    """Copy a database as it is now, all that is committed included, into a folder, and return the copy's path."""
    copy = folder / file.name
    if _shared(file, live=live):
        with _connected(file, "mode=ro") as source, closing(sqlite3.connect(copy)) as target:
            source.backup(target)
        return copy
    for each in _pending(file):  # first: what is moved from there into the file meanwhile is then in both
        with suppress(FileNotFoundError):
            shutil.copyfile(each, folder / each.name)
    shutil.copyfile(file, copy)
    return copy


def _checked(file: Path, *, live: bool) -> str | None:
    if not file.stat().st_size:
        return "it is empty, without even a database's header"
    try:
        with _opened(file, live=live) as connection:
            (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        return str(error)
    return None if said == "ok" else " ".join(str(said).split())


@contextmanager
def _opened(file: Path, *, live: bool) -> Iterator[sqlite3.Connection]:
    if _shared(file, live=live):
        with _connected(file, "mode=ro") as connection:
            yield connection
    elif not _pending(file):
        with _connected(file, "mode=ro&immutable=1") as connection:
            yield connection
    else:  # its owner died, and the first to open it makes it whole: a copy
        with (
            tempfile.TemporaryDirectory(prefix="mlsys-") as scratch,
            _connected(copied(file, Path(scratch), live=False), "mode=rw") as connection,
        ):
            yield connection


@contextmanager
def _connected(file: Path, how: str) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(f"{file.absolute().as_uri()}?{how}", uri=True, timeout=BUSY_TIMEOUT_S)) as connection:
        yield connection


def _shared(file: Path, *, live: bool) -> bool:
    """Return whether others have the database open; else even a reader would make the files that it shares with them.

    Made by another user than the one whose database it is, they would keep that one out.
    """
    return live and file.with_name(file.name + SHARED).exists()


def _pending(file: Path) -> list[Path]:
    return [each for each in _beside(file) if (status := _status(each)) is not None and status.st_size]


def _state(file: Path) -> list[tuple[int, int] | None]:
    found = [_status(each) for each in (file, *_beside(file))]
    return [None if status is None else (status.st_size, status.st_mtime_ns) for status in found]


def _beside(file: Path) -> list[Path]:
    return [file.with_name(file.name + ending) for ending in PENDING]


def _status(file: Path) -> os.stat_result | None:
    try:
        return file.stat()
    except FileNotFoundError:  # whoever closes a database last takes what is beside it away
        return None
