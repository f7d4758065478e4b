"""Alerts on their way: which channels there are, and what is left is tried on each."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from mlsys_resources.alert_channels import (
    EMAIL,
    FILE,
    LOG,
    LOGGER,
    WEBHOOK,
    Channel,
    ChannelDown,
    FileChannel,
    LogChannel,
    Undelivered,
)
from mlsys_resources.operations_alerts import LONGEST_WAIT, AlertOutbox
from mlsys_resources.operations_rows import AlertRow

ALERT_FILE = "MLSYS_ALERT_FILE"
"""Environment: the file of alerts, a line of JSON each; ``alerts.jsonl`` in the folder of all state if not set."""
ALERT_WEBHOOK = "MLSYS_ALERT_WEBHOOK"
"""Environment: the URL that alerts are posted to."""
ALERT_WEBHOOK_TOKEN = "MLSYS_ALERT_WEBHOOK_TOKEN"  # noqa: S105 - the name of a variable
"""Environment: the bearer token that is sent along."""
ALERT_SMTP = "MLSYS_ALERT_SMTP"
"""Environment: the mail server, as host:port."""
ALERT_SMTP_TLS = "MLSYS_ALERT_SMTP_TLS"
"""Environment: ``starttls``, or ``none`` for a server on this machine; the first if not set."""
ALERT_SMTP_USER = "MLSYS_ALERT_SMTP_USER"
"""Environment: who logs in to the mail server, if it wants that."""
ALERT_SMTP_PASSWORD = "MLSYS_ALERT_SMTP_PASSWORD"  # noqa: S105 - the name of a variable
"""Environment: with what."""
ALERT_FROM = "MLSYS_ALERT_FROM"
"""Environment: the sender's address."""
ALERT_TO = "MLSYS_ALERT_TO"
"""Environment: the addresses of alerts whose owner is none, with commas between."""

NEEDS: Final = {WEBHOOK: ALERT_WEBHOOK, EMAIL: ALERT_SMTP}
"""What has to be set for a channel."""
FILE_NAME: Final = "alerts.jsonl"
MOST_AT_ONCE: Final = 50
"""Deliveries on one channel that one call tries."""
SECONDS_AT_ONCE: Final = 25.0
"""After so many, a call begins no other delivery: with the last one it ends before Dagster ends a sensor, after 60."""
FIRST_WAIT: Final = timedelta(minutes=1)
"""How long an alert that was not taken waits, while its channel takes others: twice as long after each try."""
MOST_DOUBLED: Final = 16
"""How often it is doubled: by then it is longer than anything waits."""


@dataclass(frozen=True)
class Delivered:
    """What came of all that was left: deliveries that went well, and what failed, by channel in words."""

    sent: int
    left: int
    failed: Mapping[str, str]

    def __str__(self) -> str:
        failed = "".join(f"; {channel}: {why}" for channel, why in sorted(self.failed.items()))
        return f"{self.sent} sent, {self.left} left{failed}"


def channels_of(env: Mapping[str, str], *, home: Path) -> dict[str, Channel]:
    """Return the channels that the environment names: log and file always, the others if they are set up.

    Raises ValueError, with no secret in it, for what is no URL, server or address.
    """
    found: dict[str, Channel] = {LOG: LogChannel(), FILE: FileChannel(Path(env.get(ALERT_FILE) or home / FILE_NAME))}
    if url := env.get(ALERT_WEBHOOK):
        from mlsys_resources.alert_webhook import WebhookChannel

        found[WEBHOOK] = WebhookChannel(url, env.get(ALERT_WEBHOOK_TOKEN) or "")
    if server := env.get(ALERT_SMTP):
        found[EMAIL] = _email(env, server)
    return found


def _email(env: Mapping[str, str], server: str) -> Channel:
    from mlsys_resources.alert_email import STARTTLS, EmailChannel

    host, _, port = server.rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError(f"{ALERT_SMTP} is {server!r}; give host:port, such as mail.example.org:587")
    recipients = tuple(filter(None, (one.strip() for one in (env.get(ALERT_TO) or "").split(","))))
    user, password = env.get(ALERT_SMTP_USER) or "", env.get(ALERT_SMTP_PASSWORD) or ""
    if not env.get(ALERT_FROM):
        raise ValueError(f"{ALERT_SMTP} is set and {ALERT_FROM} is not; give the sender's address")
    return EmailChannel(
        host, int(port), env[ALERT_FROM], recipients, user, password, env.get(ALERT_SMTP_TLS) or STARTTLS
    )


def deliver(
    outbox: AlertOutbox, system: str, channels: Mapping[str, Channel], *, passed: Callable[[], float] = time.monotonic
) -> Delivered:
    """Try what is left of a system, the first on each channel; what fails stays, with what was said, for later.

    A channel that takes nothing is not asked again now; the others are. An alert that alone is not taken waits, so that
    it keeps none from its way. A channel that is not set up takes nothing either: what was to be told on it is closed,
    and says so, lest years of it come when it is.

    Parameters
    ----------
    passed
        Seconds since any moment.
    """
    sent, failed, down, end = 0, dict[str, str](), set[str](), passed() + SECONDS_AT_ONCE
    places = {name: n for n, name in enumerate(channels)}
    for delivery in sorted(outbox.due(system, most=MOST_AT_ONCE), key=lambda one: places.get(one.channel, -1)):
        if delivery.channel in down or passed() > end or not outbox.take_delivery(delivery):
            continue
        channel = channels.get(delivery.channel)
        if channel is None:
            said = f"not set up: set {NEEDS.get(delivery.channel, 'nothing: there is no such channel')}"
            outbox.put_back(delivery, said=said, delivered=True)
            continue
        said, error = _tried(channel, delivery.alert)
        alone = isinstance(error, Undelivered) and not isinstance(error, ChannelDown)
        wait = _wait(delivery.tries) if alone else timedelta()
        outbox.put_back(delivery, said=said, delivered=error is None, wait=wait)
        if error is None:
            sent += 1
            continue
        failed[delivery.channel] = said
        logging.getLogger(LOGGER).warning("alert %s is left for %s: %s", delivery.alert.id, delivery.channel, said)
        if not alone:
            down.add(delivery.channel)
    return Delivered(sent, outbox.left(system), failed)


def _wait(tries: int) -> timedelta:
    """Return how long an alert waits that was not taken in so many tries before this one."""
    return min(FIRST_WAIT * (1 << min(tries, MOST_DOUBLED)), LONGEST_WAIT)


def _tried(channel: Channel, alert: AlertRow) -> tuple[str, Exception | None]:
    """Return what came of it, and what it failed by: no channel's fault is that of another, or of the run."""
    try:
        return channel.send(alert), None
    except Undelivered as error:
        return str(error), error
    except Exception as error:  # noqa: BLE001 - a channel may be anybody's
        return f"it failed by {type(error).__name__}", error
