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
from mlsys_resources.operations_rows import AlertCheckpoint, AlertRow, Delivery
from mlsys_resources.operations_tables import ALERT_CHECKPOINTS, ALERT_DELIVERIES, ALERTS

TAKEN_FOR: Final = timedelta(minutes=5)
"""How long a process may be at a delivery before another takes it for dead."""
LONGEST_WAIT: Final = timedelta(days=1)
"""Nothing waits for longer: what is taken until later was taken by a clock that was wrong."""
NOT_TRIED: Final = "not tried yet"
TEXTS: Final = ("reason", "subject", "body")
NAMES: Final = ("id", "name", "verdict", "severity", "owner")


class AlertOutbox(Records):
    """Every alert once, by its id; each of its deliveries until it succeeded.

    Who delivers takes a delivery first, so that two processes whose clocks agree do not send it both. Killed between
    the sending and its record, or with clocks apart by more than a lease, it is sent again, under the same id, by which
    a receiver can tell.
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
            for system in sorted({row.system for row in rows}):
                self._database.in_turn(connection, f"{ALERTS.name} {system}")
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
        self, system: str, *, before: datetime | None = None, until: datetime | None = None, after: int = 0
    ) -> tuple[AlertRow, ...]:
        """Return a system's decisions in the order in which they were recorded.

        Parameters
        ----------
        before, until
            Only decisions as of earlier than ``before``, and as of ``until`` or earlier.
        after
            Only decisions whose number is larger.
        """
        conditions = [ALERTS.c.system == identifier(system), ALERTS.c.number > after]
        if before is not None:
            conditions.append(ALERTS.c.as_of < before)
        if until is not None:
            conditions.append(ALERTS.c.as_of <= until)
        return self._alerts(*conditions)

    def last_alerts(self, system: str, *, until: datetime) -> tuple[AlertRow, ...]:
        """Return the last decision on each fault as of ``until`` or earlier, in the order of their record."""
        asked = [ALERTS.c.system == identifier(system), ALERTS.c.as_of <= until]
        last = sa.select(sa.func.max(ALERTS.c.number)).where(*asked).group_by(ALERTS.c.name)
        return self._alerts(ALERTS.c.number.in_(last))

    def alert_counts(self, system: str, *, until: datetime) -> dict[str, int]:
        """Return how many decisions as of ``until`` or earlier there are, by verdict."""
        asked = [ALERTS.c.system == identifier(system), ALERTS.c.as_of <= until]
        counted = sa.select(ALERTS.c.verdict, sa.func.count()).where(*asked).group_by(ALERTS.c.verdict)
        with self._database.read() as connection:
            return {verdict: n for verdict, n in connection.execute(counted)}  # noqa: C416 - a row is no pair to mypy

    def _alerts(self, *conditions: sa.ColumnElement[bool]) -> tuple[AlertRow, ...]:
        way = sa.select(ALERT_DELIVERIES.c.id, ALERT_DELIVERIES.c.channel).join(ALERTS, _of_alert())
        channels: dict[str, list[str]] = {}
        with self._database.read() as connection:
            rows = list(connection.execute(sa.select(ALERTS).where(*conditions).order_by(ALERTS.c.number)).mappings())
            for found, channel in connection.execute(way.where(*conditions).order_by(ALERT_DELIVERIES.c.channel)):
                channels.setdefault(found, []).append(channel)
        return tuple(_alert(row, channels.get(row["id"], ())) for row in rows)

    def alert_checkpoint(self, system: str, watch: str) -> AlertCheckpoint | None:
        """Return what a watch last kept of what stands; None if it never did."""
        table = ALERT_CHECKPOINTS
        for row in self._rows(table, table.c.system == identifier(system), table.c.watch == watch):
            return AlertCheckpoint(system, watch, row["number"], row["as_of"], json.loads(row["state"]))
        return None

    def keep_alert_checkpoint(self, kept: AlertCheckpoint) -> None:
        """Keep what stands, unless more is kept already: of two that keep it at once, the later stays."""
        table, key = ALERT_CHECKPOINTS, {"system": identifier(kept.system), "watch": kept.watch}
        values = {"number": kept.number, "as_of": kept.as_of, "state": canonical_json(dict(kept.state))}
        with self._database.write() as connection:
            if not self._database.insert_if_absent(connection, table, key | values):
                earlier = (
                    (table.c.system == kept.system) & (table.c.watch == kept.watch) & (table.c.number < kept.number)
                )
                connection.execute(sa.update(table).where(earlier).values(values))

    def deliveries(self, system: str, *, left: bool = False) -> tuple[Delivery, ...]:
        """Return deliveries in the order of their alerts; with ``left``, those that have not succeeded."""
        asked = _deliveries(system)
        return self._deliveries(asked.where(ALERT_DELIVERIES.c.delivered_at.is_(None)) if left else asked)

    def due(self, system: str, *, most: int) -> tuple[Delivery, ...]:
        """Return of each channel the first deliveries, at most so many, that are left and that nobody is at."""
        turn = sa.func.row_number().over(partition_by=ALERT_DELIVERIES.c.channel, order_by=ALERTS.c.number)
        ranked = _deliveries(system).where(self._free()).add_columns(turn.label("turn")).subquery()
        return self._deliveries(sa.select(ranked).where(ranked.c.turn <= most).order_by(ranked.c.number))

    def left(self, system: str) -> int:
        """Return how many deliveries have not succeeded."""
        asked = (ALERT_DELIVERIES.c.system == identifier(system)) & ALERT_DELIVERIES.c.delivered_at.is_(None)
        with self._database.read() as connection:
            return int(connection.execute(sa.select(sa.func.count()).where(asked)).scalar_one())

    def take_delivery(self, delivery: Delivery, *, for_: timedelta = TAKEN_FOR) -> bool:
        """Return whether the delivery is the caller's to try: it is left, and nobody is at it."""
        taken = sa.update(ALERT_DELIVERIES).where(_which(delivery), self._free())
        with self._database.write() as connection:
            tried = taken.values(taken_until=self._clock() + for_, tries=ALERT_DELIVERIES.c.tries + 1)
            return connection.execute(tried).rowcount == 1

    def put_back(self, delivery: Delivery, *, said: str, delivered: bool, wait: timedelta = timedelta()) -> None:
        """Say what came of a try: it is delivered for good, or left for the next, which is ``wait`` away at least."""
        now = self._clock()
        values: dict[str, Any] = {"said": said[:LONGEST_TEXT], "taken_until": now + wait if wait else None}
        if delivered:
            values["delivered_at"] = now
        which = sa.and_(_which(delivery), ALERT_DELIVERIES.c.delivered_at.is_(None))
        with self._database.write() as connection:
            connection.execute(sa.update(ALERT_DELIVERIES).where(which).values(values))

    def _free(self) -> sa.ColumnElement[bool]:
        until, now = ALERT_DELIVERIES.c.taken_until, self._clock()
        free = sa.or_(until.is_(None), until <= now, until > now + LONGEST_WAIT)
        return sa.and_(ALERT_DELIVERIES.c.delivered_at.is_(None), free)

    def _deliveries(self, asked: sa.Select[Any]) -> tuple[Delivery, ...]:
        with self._database.read() as connection:
            rows = list(connection.execute(asked).mappings())
        return tuple(
            Delivery(_alert(row, (row["channel"],)), row["channel"], row["tries"], row["said"], row["delivered_at"])
            for row in rows
        )


def _of_alert() -> sa.ColumnElement[bool]:
    return (ALERT_DELIVERIES.c.system == ALERTS.c.system) & (ALERT_DELIVERIES.c.id == ALERTS.c.id)


def _deliveries(system: str) -> sa.Select[Any]:
    way = [ALERT_DELIVERIES.c[name] for name in ("channel", "tries", "said", "delivered_at")]
    asked = sa.select(ALERTS, *way).join(ALERT_DELIVERIES, _of_alert()).where(ALERTS.c.system == identifier(system))
    return asked.order_by(ALERTS.c.number, ALERT_DELIVERIES.c.channel)


def _which(delivery: Delivery) -> Any:
    table = ALERT_DELIVERIES
    return sa.and_(
        table.c.system == delivery.alert.system,
        table.c.id == delivery.alert.id,
        table.c.channel == delivery.channel,
    )


def _alert(values: Any, channels: Sequence[str]) -> AlertRow:
    plain = {name: values[name] for name in ("number", "system", "as_of", "recorded_at", *NAMES, *TEXTS)}
    return AlertRow(**plain, channels=tuple(channels), evidence=json.loads(values["evidence"]))
