"""Child processes with all that they start: tied to this process's life, and stopped to the last one."""

import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT_GRACE_S = 10.0
"""Seconds that a child is given to stop by itself, and to stop what it started."""

REST_GRACE_S = 10.0
"""Seconds that what it left behind is given: a run that is interrupted still writes down that it was."""

KILL_GRACE_S = 5.0
"""Seconds until killed processes must be gone; one that waits for a broken disk may never be."""

PAUSE_S = 0.1
"""Seconds between two looks at who lives."""

TIE = """\
import ctypes, os, signal, sys
for ask in (signal.SIGINT, signal.SIGTERM):
    signal.signal(ask, signal.SIG_DFL)
signal.pthread_sigmask(signal.SIG_SETMASK, [])
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the process that started this one is gone")
os.execv(sys.argv[2], sys.argv[2:])
"""
"""Makes sure that the command can be asked to stop, and is when its parent dies; then becomes the command.

A process that was itself started deaf to signals, as a shell's background jobs are to SIGINT, would have children as
deaf. A parent that is killed with -9 can stop nobody: Linux is asked to send a SIGTERM then (prctl, PR_SET_PDEATHSIG
= 1). All in the child before it becomes the command, not between fork and exec: there, in a copy of a process with
threads, Python code may wait for ever.
"""


@dataclass(frozen=True)
class Tree:
    """A child process, its root, in a session of its own, and whatever that starts."""

    name: str
    root: subprocess.Popen[bytes]

    def living(self, known: Set[psutil.Process] = frozenset()) -> set[psutil.Process]:
        """Return every process of the tree that lives.

        That is whoever is of the root's session, is one of those ``known`` before, or descends from either:
        one whose parent is gone is found by its session, one that left the session by its parent.
        """
        self.root.poll()  # so that it is no zombie
        children, found = defaultdict(list), {process for process in known if _lives(process)}
        for process in psutil.process_iter(["ppid"]):
            children[process.info["ppid"]].append(process)
            with suppress(ProcessLookupError, PermissionError):
                if os.getsid(process.pid) == self.root.pid and _lives(process):
                    found.add(process)
        waiting = list(found)
        while waiting:
            new = {child for child in children[waiting.pop().pid] if _lives(child)} - found
            found |= new
            waiting += new
        return found


def grow(name: str, command: Sequence[str], *, environment: Mapping[str, str], log: Path) -> Tree:
    """Start a command in a session of its own, tied to this process's life; it adds to ``log``."""
    tied = (sys.executable, "-I", "-S", "-c", TIE, str(os.getpid()), *command)
    with log.open("ab") as file:
        root = subprocess.Popen(
            tied, env=dict(environment), stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    return Tree(name, root)


def fell(trees: Sequence[Tree], ask: signal.Signals, *, hurry: Callable[[], bool] = lambda: False) -> list[int]:
    """Stop trees whole: ask their roots, then what these left behind, then kill; return who could not be killed.

    ``hurry`` is asked again and again: once it says True, what still lives is killed.
    """
    left = _wait(trees, set(), 0.0, hurry)  # before anybody stops: one that leaves the session must be known
    for tree in trees:
        if tree.root.poll() is None:
            tree.root.send_signal(ask)
    left = _wait(trees, left, ROOT_GRACE_S, hurry)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGTERM)
    left = _wait(trees, left, REST_GRACE_S, hurry)
    until = time.monotonic() + KILL_GRACE_S
    while left and time.monotonic() < until:
        for tree in trees:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(tree.root.pid, signal.SIGKILL)  # all at once, so that none starts another meanwhile
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        left = _wait(trees, left, PAUSE_S, lambda: False)
    return sorted(process.pid for process in left)


def _wait(
    trees: Sequence[Tree], known: set[psutil.Process], seconds: float, hurry: Callable[[], bool]
) -> set[psutil.Process]:
    until, left = time.monotonic() + seconds, known
    while True:
        left = set().union(*(tree.living(left) for tree in trees))
        if not left or time.monotonic() >= until or hurry():
            return left
        time.sleep(PAUSE_S)


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
