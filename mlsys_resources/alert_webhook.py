"""Alerts to a web hook: one POST of JSON, bounded in time, with a secret that is told to nobody else."""

import json
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Final
from urllib.parse import urlsplit

from mlsys_resources.alert_channels import DEADLINE_S, ChannelDown, Undelivered, deadline, payload
from mlsys_resources.operations_rows import AlertRow

TRIES: Final = 2
"""How often one delivery asks a server that fails; the next tick asks again."""
PAUSE_S: Final = 0.5
"""Seconds between two of those tries."""
TRY_AGAIN: Final = frozenset({408, 425, 429})
"""Answers that blame the moment, beside 500 and above."""
FAILING: Final = 500


@dataclass(frozen=True)
class WebhookChannel:
    """Posts alerts to a URL.

    Parameters
    ----------
    url
        http or https; its path may be a secret, so that only its host is ever named.
    token
        Sent as ``Authorization: Bearer``, if there is one.
    deadline_s
        Seconds for one try in all.
    """

    url: str = field(repr=False)
    token: str = field(default="", repr=False)
    deadline_s: float = DEADLINE_S
    pause: Callable[[float], None] = field(default=time.sleep, repr=False)

    def __post_init__(self) -> None:
        if not _is_url(self.url):
            raise ValueError("the URL of the web hook for alerts is none; give http://host/… or https://host/…")
        if not (self.token.isprintable() and self.token.isascii()):
            raise ValueError("the token of the web hook for alerts must be one line of ASCII")

    @property
    def host(self) -> str:
        """The server, which is no secret."""
        return str(urlsplit(self.url).hostname)

    def send(self, alert: AlertRow) -> str:
        """Post the alert; answers of 2xx took it. No redirection is followed: it would be told the token."""
        failed: ChannelDown | None = None
        for attempt in range(TRIES):
            if attempt:
                self.pause(PAUSE_S)
            try:
                return self._judged(self._post(alert))
            except ChannelDown as error:
                failed = error
        raise failed or ChannelDown(f"{self.host} was not asked")

    def _judged(self, status: int) -> str:
        if 200 <= status < 300:  # noqa: PLR2004 - what HTTP calls success
            return f"{self.host} answered {status}"
        if status >= FAILING or status in TRY_AGAIN:
            raise ChannelDown(f"{self.host} answered {status}")
        raise Undelivered(f"{self.host} answered {status}")

    def _post(self, alert: AlertRow) -> int:
        parts = urlsplit(self.url)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"Content-Type": "application/json", "Idempotency-Key": alert.id, "Connection": "close"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        secure = parts.scheme == "https"
        connection = (
            HTTPSConnection(self.host, parts.port, timeout=self.deadline_s, context=ssl.create_default_context())
            if secure
            else HTTPConnection(self.host, parts.port, timeout=self.deadline_s)
        )
        try:
            with deadline(self.deadline_s, lambda: connection.sock):
                connection.request("POST", target, json.dumps(payload(alert)).encode(), headers)
                return connection.getresponse().status
        except (OSError, HTTPException, ValueError) as error:
            # Not the error's own text: it may repeat the request.
            raise ChannelDown(f"{self.host} did not answer: {_named(error)}") from None
        finally:
            connection.close()


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and text.isprintable()
    except ValueError:  # brackets, or a port that is none
        return False


def _named(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
