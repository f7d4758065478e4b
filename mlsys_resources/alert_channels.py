"""Where alerts are told: the log, a file; and what each channel is asked to be."""

import errno
import json
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from mlsys_resources.operations_rows import AlertRow

LOG, FILE, WEBHOOK, EMAIL = "log", "file", "webhook", "email"
LOGGER: Final = "mlsys.alerts"
DEADLINE_S: Final = 10.0
"""Seconds that one try on a channel over the network may take in all."""
AGAIN_S: Final = 0.1
"""Seconds between two tries to end it, from then on: the first may come before there is a connection."""


class Undelivered(RuntimeError):
    """One alert was not taken; the channel may take others."""


class ChannelDown(Undelivered):
    """The channel takes nothing now: refused, hanging, failing."""


class Channel(Protocol):
    """Tells an alert."""

    def send(self, alert: AlertRow) -> str:
        """Tell it, and return what came of it in words; raise Undelivered, with no secret in it."""
        ...


@dataclass(frozen=True)
class LogChannel:
    """Tells alerts in the process's own log, one a line."""

    def send(self, alert: AlertRow) -> str:
        """Log the subject and what was seen."""
        level = logging.ERROR if alert.severity == "error" else logging.WARNING
        logging.getLogger(LOGGER).log(level, "%s | %s | %s", alert.subject, alert.owner, alert.body.splitlines()[0])
        return "logged"


@dataclass(frozen=True)
class FileChannel:
    """Adds alerts to a file, each a line of JSON that is on the disk when it is told."""

    path: Path

    def send(self, alert: AlertRow) -> str:
        """Add the alert's line; a line that an earlier process left unfinished is ended first."""
        line = json.dumps(payload(alert)).encode() + b"\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab+", buffering=0) as file:  # one write: lines of two processes do not mix
                torn = file.tell() and not _ends_a_line(file)
                whole = b"\n" * bool(torn) + line
                if file.write(whole) != len(whole):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(file.fileno())
        except OSError as error:
            raise ChannelDown(f"{self.path.name} cannot be written: {error.strerror or type(error).__name__}") from None
        return "written"


def payload(alert: AlertRow) -> dict[str, Any]:
    """Return an alert as programs are told it."""
    told = alert.evidence.get("alert", {})
    return {
        "id": alert.id, "system": alert.system, "as_of": alert.as_of.isoformat(), "name": alert.name,
        "verdict": alert.verdict, "severity": alert.severity, "owner": alert.owner, "subject": alert.subject,
        "text": f"{alert.subject}\n{alert.body}", "estimated_loss": told.get("loss"), "reason": alert.reason,
    }  # fmt: skip


def _ends_a_line(file: Any) -> bool:
    file.seek(-1, os.SEEK_END)
    return bool(file.read(1) == b"\n")


@contextmanager
def deadline(seconds: float, sock: Callable[[], Any]) -> Iterator[None]:
    """End what waits for a socket after so long in all, however slowly something trickles in.

    A socket that is opened only after that is ended as well. What looks a name up in the network is not ended.
    """
    done = threading.Event()

    def end() -> None:
        wait = seconds
        while not done.wait(wait):
            wait = AGAIN_S
            with suppress(OSError, AttributeError):
                sock().shutdown(socket.SHUT_RDWR)

    watch = threading.Thread(target=end, daemon=True)
    watch.start()
    try:
        yield
    finally:
        done.set()
