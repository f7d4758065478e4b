"""A process that works at a run: who it is, and whether it still lives."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

import psutil

ENDED = ("Z", "X")
"""What Linux says of a process that has ended and whose parent has not asked how."""

BOOT = Path("/proc/sys/kernel/random/boot_id")
"""Where Linux says which start of the machine this is."""

STATE, STARTED = 0, 19
"""Where in /proc/<pid>/stat, behind the name, a process's state and start stand."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A process of some machine.

    Parameters
    ----------
    host
        The machine.
    pid
        Its number there, which may be given again once it is gone.
    born
        When it began: what a later process of that number cannot share.
    """

    host: str
    pid: int
    born: str

    @classmethod
    def this(cls) -> "Worker":
        """Return this process.

        >>> Worker.this().lives
        True
        """
        pid = os.getpid()
        return cls(platform.node(), pid, _born(pid) or "")

    @property
    def lives(self) -> bool | None:
        """Whether it runs; None if it is another machine's, where nobody can look from here."""
        return None if self.host != platform.node() else _born(self.pid) == self.born

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def _born(pid: int) -> str | None:
    """Return when a process began, which is None for one that is gone or has ended.

    On Linux in ticks since which start of the machine: a clock that is set anew does not move them.
    """
    if Path("/proc/self/stat").exists():
        try:
            said = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if said[STATE] in ENDED else f"{said[STARTED]} of {BOOT.read_text().strip()}"
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else str(process.create_time())
    except psutil.NoSuchProcess:
        return None
