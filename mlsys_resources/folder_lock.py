"""A folder that one process owns at a time, freed by the kernel when that process dies, and a note of who it is."""

import fcntl
import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

LOCK = "lock"
"""The file's name. It is never removed: two processes could each lock one of that name."""

PATIENCE_S = 0.5
"""Seconds that a start waits for the lock: longer than anybody takes to look whether it is held."""

PAUSE_S = 0.05
"""Seconds between two tries."""

LONGEST_NOTE = 4096
"""Bytes of the note that are read."""

_held: set[int] = set()


class StateFolderBusy(RuntimeError):
    """Another process owns the folder."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who owns a folder: which command, as which process, where, since when."""

    command: str
    pid: int
    host: str
    since: datetime

    @classmethod
    def this(cls, command: str, *, since: datetime) -> "Holder":
        """Return this process as a holder."""
        return cls(command, os.getpid(), platform.node(), since)

    def __str__(self) -> str:
        return f"{self.command} (process {self.pid} on {self.host}, since {self.since:%Y-%m-%d %H:%M:%S} UTC)"


@contextmanager
def locked(folder: Path, holder: Holder) -> Iterator[None]:
    """Own the folder, which must be there, until leaving or death; children inherit nothing of it.

    Raises StateFolderBusy, naming who owns it, and OSError where the file cannot be written.
    """
    path, owner = folder / LOCK, os.getpid()
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    _held.add(descriptor)
    try:
        _acquire(descriptor, path)
        _note(descriptor, holder)
        try:
            yield
        finally:
            if os.getpid() == owner:
                os.ftruncate(descriptor, 0)
    finally:
        if os.getpid() == owner:  # else a forked child came here, which has closed its copy already
            _held.discard(descriptor)
            os.close(descriptor)


def look(folder: Path) -> tuple[bool, Holder | None]:
    """Return whether somebody owns the folder, and who the note says it is; changes nothing.

    A note without an owner is that of one who died.
    """
    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False, None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True, _noted(descriptor)
        return False, _noted(descriptor)
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() < until:
                time.sleep(PAUSE_S)
                continue
        found = _noted(descriptor)
        who, end = (f"{found}", f" (kill {found.pid})") if found else ("another process, which has left no note", "")
        raise StateFolderBusy(
            f"{path.parent} is in use by {who}, and one process owns it at a time; wait until it has ended, or end"
            f" it{end}, and start again, or use another folder (--home)"
        )


def _note(descriptor: int, holder: Holder) -> None:
    said = {"command": holder.command, "pid": holder.pid, "host": holder.host, "since": holder.since.isoformat()}
    data = json.dumps(said).encode()
    os.pwrite(descriptor, data, 0)
    os.ftruncate(descriptor, len(data))


def _noted(descriptor: int) -> Holder | None:
    try:
        said = json.loads(os.pread(descriptor, LONGEST_NOTE, 0))
        return Holder(str(said["command"]), int(said["pid"]), str(said["host"]), datetime.fromisoformat(said["since"]))
    except (ValueError, KeyError, TypeError):  # empty, half written, or somebody else's file
        return None


def _let_go() -> None:
    """Close a forked child's copies: a lock lasts until the last copy is closed, and the owner may die first."""
    while _held:
        os.close(_held.pop())


os.register_at_fork(after_in_child=_let_go)
