"""A service that is kept alive: started, started again when it dies, and given up when it dies too often."""

import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from mlsys_assets.commands.process_trees import Tree, fell, grow

RESTARTS = 5
"""How often a dead service is started again in ``WITHIN_S``; who dies more often would do so for ever."""

WITHIN_S = 600.0
"""Seconds in which the restarts are counted."""

LAST_LINES = 15
"""Lines of a dead service's log that are shown."""


class ServiceFailed(RuntimeError):
    """A service died too often, or never answered; the message says which, and what it said last."""


@dataclass(frozen=True)
class Service:
    """A program that is to run until all are stopped.

    Parameters
    ----------
    name
        What messages and its log file call it.
    command
        What is run, with the whole path of the program.
    environment
        All of its environment.
    ready
        Says whether it does its work; asked until it does.
    outlived
        Whether what it started works on when it dies, as a daemon's runs do; else that is ended before the service is
        started again, whose place it may hold.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(repr=False)
    ready: Callable[[], bool]
    outlived: bool = False


@dataclass
class Kept:
    """A service at work.

    Parameters
    ----------
    service
        What it is.
    log
        The file of what it says, in all its lives.
    """

    service: Service
    log: Path
    _tree: Tree | None = None
    _before: list[tuple[Tree, set[psutil.Process]]] = field(default_factory=list)
    _deaths: list[float] = field(default_factory=list)

    def start(self) -> None:
        """Start it."""
        self._tree = grow(self.service.name, self.service.command, environment=self.service.environment, log=self.log)

    @property
    def trees(self) -> list[Tree]:
        """Its processes, and what its earlier lives left behind that still works.

        As long as one of those lives, nobody else is given the number of their session: nobody else is stopped.
        """
        left = [tree for tree, known in self._before if any(process.is_running() for process in known)]
        return left if self._tree is None else [*left, self._tree]

    def look(self, told: Callable[[str], None], *, restarts: int | None = None) -> None:
        """Start it again if it died, and tell so; raises ServiceFailed if it died too often lately.

        ``restarts``: how often it may have, if not ``RESTARTS`` times.
        """
        if self._tree is None or (code := self._tree.root.poll()) is None:
            return
        most, now = RESTARTS if restarts is None else restarts, time.monotonic()
        self._deaths = [*(at for at in self._deaths if at > now - WITHIN_S), now]
        how = f"exit code {code}" if code >= 0 else f"killed by signal {-code}"
        if len(self._deaths) > most:
            raise ServiceFailed(
                f"{self.service.name} died ({how}), so all were stopped; the end of {self.log}:\n{self._last_words()}"
            )
        self._leave(self._tree)
        self.start()
        told(
            f"{self.service.name} died ({how}), and was started again: {len(self._deaths)} of at most {most} times "
            f"in {WITHIN_S / 60:.0f} minutes"
        )

    def _leave(self, tree: Tree) -> None:
        if self.service.outlived:
            self._before.append((tree, tree.living(set())))
        else:
            fell([tree], signal.SIGTERM, hurry=lambda: True)

    def _last_words(self) -> str:
        last = self.log.read_text(errors="replace").splitlines()[-LAST_LINES:]
        return "\n".join(f"  {line}" for line in last) or "  nothing"
