"""What monitoring said of each tick, and what came of it: realised losses, and alarms that were false."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

import pyarrow as pa

from mlsys_assets.ledger import DIAGNOSIS, Record
from mlsys_assets.measures.metrics import LogLoss
from mlsys_assets.production_monitoring.alert_decision import DIGEST, GONE, OPENED, RESOLVED, TOLD, WORSE, Recorded
from mlsys_assets.production_monitoring.alerting import Watch
from mlsys_assets.production_monitoring.diagnosing.expected import ARRIVED, REFERENCE
from mlsys_assets.production_monitoring.diagnosis import Diagnosis, diagnosed
from mlsys_assets.production_monitoring.performance import MEAN_COST
from mlsys_assets.production_monitoring.revisions import PREDICTED, latest
from mlsys_assets.tables import MODEL
from mlsys_assets.types import CHAMPION, Severity, days

ALARMS = frozenset({OPENED, WORSE, DIGEST})
"""Verdicts that call somebody: a reminder and an all-clear do not."""
A_WEEK = days(7)


class AlertRecord(Recorded, Protocol):
    """A decision on a fault, as the outbox keeps it."""

    @property
    def severity(self) -> str:
        """How severe the fault is."""
        ...

    @property
    def owner(self) -> str:
        """Whose it is."""
        ...


@dataclass(frozen=True)
class Realised:
    """What a tick's predictions cost more than those on the rows that it is held against, once labels have come.

    Parameters
    ----------
    log_loss
        For each request in the mean; None where the system does not measure it.
    money
        For all requests of the tick, in the unit of the system's costs; None if it declares none.
    """

    log_loss: float | None
    money: float | None

    @property
    def costs(self) -> bool | None:
        """Whether it costs anything: by money, else by log loss; None if neither is known."""
        known = self.log_loss if self.money is None else self.money
        return None if known is None else known > 0


@dataclass(frozen=True)
class MonitoredTick:
    """One tick's diagnosis as of its end; ``realised``: None while its labels are open."""

    as_of: datetime
    diagnosis: Diagnosis
    realised: Realised | None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        price, realised = self.diagnosis.price, self.realised
        return {
            "as_of": self.as_of.isoformat(),
            "cause": self.diagnosis.cause.value,
            "remedy": self.diagnosis.remedy.value,
            "reason": self.diagnosis.reason,
            "price": None if price is None else price.as_dict(),
            "realised": None if realised is None else {"log_loss": realised.log_loss, "money": realised.money},
        }


@dataclass(frozen=True)
class AlertTold:
    """Something that somebody was told.

    Parameters
    ----------
    state
        ``open``, or ``closed`` if the fault is gone by now; of a digest, if all are that it lists.
    false
        Whether it was a false alarm; None where realised losses do not tell: see ``MonitoringHistory``.
    """

    as_of: datetime
    name: str
    verdict: str
    severity: str
    owner: str
    state: str
    false: bool | None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {**vars(self), "as_of": self.as_of.isoformat()}


@dataclass(frozen=True)
class MonitoringHistory:
    """What monitoring said, and what came of it.

    An alarm is what calls somebody because of a diagnosis: a fault that is opened or got worse, or a digest. It is
    false if it is a warning, the labels of its tick have come, and the tick's predictions then cost no more than those
    on the rows that it is held against: by money, where the system declares costs, else by log loss. An error, which
    says that data or serving is broken, is not judged by what it cost.

    Parameters
    ----------
    ticks, alerts
        In order of time.
    step
        How long a tick is.
    """

    ticks: tuple[MonitoredTick, ...]
    alerts: tuple[AlertTold, ...]
    step: timedelta

    @property
    def judged_weeks(self) -> float:
        """The weeks of the ticks whose realised loss is known."""
        known = sum(t.realised is not None and t.realised.costs is not None for t in self.ticks)
        return known * (self.step / A_WEEK)

    @property
    def false_alarms(self) -> int:
        """How many alarms were false."""
        return sum(alert.false is True for alert in self.alerts)

    @property
    def false_alarms_a_week(self) -> float | None:
        """How many that is a week; None while no realised loss is known."""
        return self.false_alarms / self.judged_weeks if self.judged_weeks else None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {
            "ticks": [tick.as_dict() for tick in self.ticks],
            "alerts": [alert.as_dict() for alert in self.alerts],
            "judged_weeks": self.judged_weeks,
            "false_alarms": self.false_alarms,
            "false_alarms_a_week": self.false_alarms_a_week,
        }


def monitoring_history(
    monitoring: Iterable[Record], performance: pa.Table, alerts: Sequence[AlertRecord], *, step: timedelta
) -> MonitoringHistory:
    """Return what monitoring said of each tick beside what came of it.

    Parameters
    ----------
    monitoring
        Records of that kind; those of other names than a diagnosis are left out.
    performance
        Every revision, as of ``revised_schema``.
    alerts
        What was decided of faults, in the order in which it was.
    step
        How long a tick is.
    """
    rows = {row[PREDICTED]: row for row in latest(performance) if row[MODEL] == CHAMPION}
    found = sorted((record for record in monitoring if record.name == DIAGNOSIS), key=lambda record: record.as_of)
    ticks = {record.as_of: _tick(record, rows) for record in found}
    gone = {record.name: record.verdict in (RESOLVED, GONE) for record in alerts}
    told = [_told(one, ticks.get(one.as_of), gone) for one in alerts if one.verdict in TOLD]
    return MonitoringHistory(tuple(ticks.values()), tuple(sorted(told, key=lambda one: one.as_of)), step)


def _tick(record: Record, rows: Mapping[datetime, Mapping[str, Any]]) -> MonitoredTick:
    found = diagnosed(record.evidence)
    row = rows.get(found.window.start)
    return MonitoredTick(record.as_of, found, None if row is None else _realised(row, record.evidence[REFERENCE]))


def _realised(row: Mapping[str, Any], reference: Mapping[str, float]) -> Realised | None:
    if not row["requests"] or row["labelled"] + row["never"] < ARRIVED * row["requests"]:
        return None

    def change(of: str) -> float | None:
        now, then = row.get(of), reference.get(of)
        return None if now is None or then is None else now - then

    money = change(MEAN_COST)
    return Realised(change(LogLoss().name), None if money is None else money * row["requests"])


def _told(record: AlertRecord, tick: MonitoredTick | None, gone: Mapping[str, bool]) -> AlertTold:
    faults = record.evidence["collected"] if record.verdict == DIGEST else (record.name,)
    state = "closed" if all(gone.get(name, False) for name in faults) else "open"
    false = None
    if record.verdict in ALARMS and record.evidence["alert"]["watch"] == Watch.DIAGNOSIS and tick is not None:
        false = _false(record, tick)
    return AlertTold(record.as_of, record.name, record.verdict, record.severity, record.owner, state, false)


def _false(record: AlertRecord, tick: MonitoredTick) -> bool | None:
    if record.severity == Severity.ERROR or tick.realised is None or tick.realised.costs is None:
        return None
    return not tick.realised.costs
