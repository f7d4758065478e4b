"""The outbox of alerts: recorded with all their deliveries in one transaction, delivered after, at least once."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from mlsys_resources.canonical import canonical_json
from mlsys_resources.names import identifier
from mlsys_resources.operations_checks import LONGEST_NAME, LONGEST_TEXT, check_text
from mlsys_resources.operations_records import Records
from mlsys_resources.operations_rows import AlertRow, Delivery
from mlsys_resources.operations_tables import ALERT_DELIVERIES, ALERTS

TAKEN_FOR: Final = timedelta(minutes=5)
"""How long a process may be at a delivery before another takes it for dead."""
NOT_TRIED: Final = "not tried yet"
TEXTS: Final = ("reason", "subject", "body")
NAMES: Final = ("id", "name", "verdict", "severity", "owner")


class AlertOutbox(Records):
    """Every alert once, by its id; each of its deliveries until it succeeded.

    Who delivers takes a delivery first, so that two processes do not send it both. Killed between the sending and its
    record, it is sent again, under the same id, by which a receiver can tell.
    """

    def record_alerts(self, rows: Sequence[AlertRow]) -> tuple[AlertRow, ...]:
        """Record decisions, all or none, with a delivery for each channel; return those that were not on record."""
        for row in rows:
            identifier(row.system)
            check_text(LONGEST_NAME, **{name: getattr(row, name) for name in NAMES})
            check_text(LONGEST_TEXT, **{name: getattr(row, name) for name in TEXTS})
        if not rows:
            return ()
        with self._database.write() as connection:
            return tuple(row for row in rows if self._is_new(connection, row))

    def _is_new(self, connection: sa.Connection, row: AlertRow) -> bool:
        plain = {name: getattr(row, name) for name in ("system", "as_of", *NAMES, *TEXTS)}
        evidence = canonical_json(dict(row.evidence))
        if not self._database.insert_if_absent(
            connection, ALERTS, {**plain, "evidence": evidence, "recorded_at": self._clock()}
        ):
            return False
        for channel in dict.fromkeys(row.channels):
            check_text(LONGEST_NAME, channel=channel)
            left = {"system": row.system, "id": row.id, "channel": channel, "tries": 0, "said": NOT_TRIED}
            connection.execute(sa.insert(ALERT_DELIVERIES).values(left))
        return True

    def alerts(
        self, system: str, *, before: datetime | None = None, until: datetime | None = None
    ) -> tuple[AlertRow, ...]:
        """Return a system's decisions in the order in which they were recorded, as of earlier than ``before``."""
        conditions = [ALERTS.c.system == identifier(system)]
        if before is not None:
            conditions.append(ALERTS.c.as_of < before)
        if until is not None:
            conditions.append(ALERTS.c.as_of <= until)
        rows = self._rows(ALERTS, *conditions, order=ALERTS.c.number)
        sent = self._rows(ALERT_DELIVERIES, ALERT_DELIVERIES.c.system == system, order=ALERT_DELIVERIES.c.channel)
        channels: dict[str, list[str]] = {}
        for one in sent:
            channels.setdefault(one["id"], []).append(one["channel"])
        return tuple(_alert(row, channels.get(row["id"], ())) for row in rows)

    def deliveries(self, system: str, *, left: bool = False) -> tuple[Delivery, ...]:
        """Return deliveries in the order of their alerts; with ``left``, those that have not succeeded."""
        here = (ALERT_DELIVERIES.c.system == ALERTS.c.system) & (ALERT_DELIVERIES.c.id == ALERTS.c.id)
        way = [ALERT_DELIVERIES.c[name] for name in ("channel", "tries", "said", "delivered_at")]
        asked = sa.select(ALERTS, *way).join(ALERT_DELIVERIES, here).where(ALERTS.c.system == identifier(system))
        if left:
            asked = asked.where(ALERT_DELIVERIES.c.delivered_at.is_(None))
        with self._database.read() as connection:
            ordered = asked.order_by(ALERTS.c.number, ALERT_DELIVERIES.c.channel)
            rows = list(connection.execute(ordered).mappings())
        return tuple(
            Delivery(_alert(row, (row["channel"],)), row["channel"], row["tries"], row["said"], row["delivered_at"])
            for row in rows
        )

    def take_delivery(self, delivery: Delivery, *, for_: timedelta = TAKEN_FOR) -> bool:
        """Return whether the delivery is the caller's to try: it is left, and nobody is at it."""
        table, now = ALERT_DELIVERIES, self._clock()
        free = table.c.taken_until.is_(None) | (table.c.taken_until <= now)
        taken = sa.update(table).where(_which(delivery), table.c.delivered_at.is_(None), free)
        with self._database.write() as connection:
            tried = taken.values(taken_until=now + for_, tries=table.c.tries + 1)
            return connection.execute(tried).rowcount == 1

    def put_back(self, delivery: Delivery, *, said: str, delivered: bool) -> None:
        """Say what came of a try: it is delivered for good, or left for the next."""
        values: dict[str, Any] = {"said": said[:LONGEST_TEXT], "taken_until": None}
        if delivered:
            values["delivered_at"] = self._clock()
        with self._database.write() as connection:
            connection.execute(sa.update(ALERT_DELIVERIES).where(_which(delivery)).values(values))


def _which(delivery: Delivery) -> Any:
    table = ALERT_DELIVERIES
    return sa.and_(
        table.c.system == delivery.alert.system,
        table.c.id == delivery.alert.id,
        table.c.channel == delivery.channel,
    )


def _alert(values: Any, channels: Sequence[str]) -> AlertRow:
    plain = {name: values[name] for name in ("system", "as_of", "recorded_at", *NAMES, *TEXTS)}
    return AlertRow(**plain, channels=tuple(channels), evidence=json.loads(values["evidence"]))
