"""Services that run together: started, waited for, kept alive, and stopped when one cannot be or somebody asks."""

import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from types import FrameType

from mlsys_assets.commands.kept_service import Kept, Service, ServiceFailed
from mlsys_assets.commands.process_trees import fell

__all__ = ["Service", "ServiceFailed", "pick_ports", "reply", "serve"]

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Where services may listen: they ask nobody for a password."""

PATIENCE_S = 300.0
"""Seconds until all services must answer; a busy machine may take a minute to import what they need."""

PROBE_S = 5.0
"""Seconds that one question to a service may take."""

PAUSE_S = 0.2
"""Seconds between two looks at the services."""


@dataclass
class StopSignals:
    """The signals by which this process was asked to stop, in their order."""

    signals: list[signal.Signals] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.signals)

    @property
    def pressing(self) -> bool:
        """Whether somebody asked twice, and does not want to wait."""
        return len(self.signals) > 1

    def note(self, number: int, _frame: FrameType | None) -> None:
        """Take a signal down: no more, since it may come in the middle of anything."""
        self.signals.append(signal.Signals(number))


def serve(services: Sequence[Service], *, logs: Path, told: Callable[[str], None], running: Callable[[], None]) -> None:
    """Run services until SIGINT, SIGTERM or SIGHUP; none of their processes outlives the call.

    Parameters
    ----------
    services
        Started all at once.
    logs
        The folder in which each has a file of its own, and its file of the time before.
    told
        Called with a line whenever there is something to tell.
    running
        Called once, when all services do their work.

    One that dies is started again. Raises ServiceFailed if one does not begin to work, or dies again and again; the
    others are stopped then too.
    """
    logs.mkdir(parents=True, exist_ok=True)
    kept = [Kept(service, logs / f"{service.name}.log") for service in services]
    with _asked_to_stop() as asked:
        try:
            for one in kept:
                _put_by(one.log)
                one.start()
            _await(kept, logs=logs, told=told, asked=asked)
            if not asked:
                running()
            while not asked:
                for one in kept:
                    one.look(told)
                time.sleep(PAUSE_S)
        finally:
            _stop(kept, asked, told)


def pick_ports(host: str, wanted: Mapping[str, int]) -> dict[str, int]:
    """Return the port that each of several options stands for, 0 for a free one; all of them are free and differ.

    Raises ValueError for a host or port that is not allowed, or taken.
    """
    if host not in LOOPBACK:
        raise ValueError(
            f"host {host!r} is not allowed: whoever reaches these services may do everything with them, so they listen "
            f"on this machine only ({', '.join(LOOPBACK)}); from elsewhere, forward the ports over ssh"
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = {}
    with ExitStack() as held:  # each is held until the last is found, so that no two are the same
        for option, port in wanted.items():
            if not 0 <= port <= 65_535:  # noqa: PLR2004 - what TCP has
                raise ValueError(f"{option} {port} is no port; choose one from 1 to 65535, or 0 for a free one")
            try:
                held.enter_context(probe := socket.create_server((host, port), family=family))
            except OSError as error:
                raise ValueError(
                    f"{option} {port} cannot be listened on at {host}: {error.strerror}; stop what listens there, or "
                    f"choose another port ({option} 0 takes a free one)"
                ) from error
            found[option] = int(probe.getsockname()[1])
    return found


def reply(host: str, port: int, path: str, *, question: bytes | None = None) -> bytes | None:
    """Return what a service answers to a GET, or to a POST of JSON; None if it does not answer, or not with 200."""
    connection = HTTPConnection(host, port, timeout=PROBE_S)  # not through any proxy
    try:
        headers = {} if question is None else {"content-type": "application/json"}
        connection.request("GET" if question is None else "POST", path, question, headers)
        answer = connection.getresponse()
        body = answer.read()
        return body if answer.status == 200 else None  # noqa: PLR2004 - OK
    except (OSError, HTTPException):
        return None
    finally:
        connection.close()


@contextmanager
def _asked_to_stop() -> Iterator[StopSignals]:
    asked, before = StopSignals(), {}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
            continue  # nohup: it is meant to outlive its terminal
        before[number] = signal.signal(number, asked.note)
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _await(kept: Sequence[Kept], *, logs: Path, told: Callable[[str], None], asked: StopSignals) -> None:
    """Wait until all do their work; one that dies before it does would die again."""
    began, waiting = time.monotonic(), [one.service for one in kept]
    while waiting and not asked:
        for one in kept:
            one.look(told, restarts=0)
        for service in tuple(waiting):
            if not asked and service.ready():
                waiting.remove(service)
                told(f"  {service.name} works after {time.monotonic() - began:.0f} s")
        if waiting and time.monotonic() - began > PATIENCE_S:
            names = ", ".join(service.name for service in waiting)
            raise ServiceFailed(f"no answer after {PATIENCE_S:.0f} s from {names}; see the logs in {logs}")
        time.sleep(PAUSE_S)


def _stop(kept: Sequence[Kept], asked: StopSignals, told: Callable[[str], None]) -> None:
    with suppress(OSError):  # a terminal that is gone must not keep them alive
        told("stopping ...")
    # A hangup is this process's own: its children have no terminal.
    ask = signal.SIGINT if asked.signals[:1] == [signal.SIGINT] else signal.SIGTERM
    trees = [tree for one in kept for tree in one.trees]
    if left := fell(trees, ask, hurry=lambda: asked.pressing):
        with suppress(OSError):
            told(f"these processes could not be killed: {', '.join(map(str, left))}")


def _put_by(log: Path) -> None:
    if log.exists():
        log.replace(log.with_suffix(".before.log"))
