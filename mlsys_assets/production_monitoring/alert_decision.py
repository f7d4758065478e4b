"""What was decided of a fault, and what stands after all that was decided: read back from its own records.

Each decision has an id that follows from the one before it of the same fault. Whoever decides from the same records
gives the same ids, so that a store which holds each id once makes of two processes one.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, Protocol

from mlsys_assets.production_monitoring.alerting import MOST_WARNINGS, Alert
from mlsys_assets.types import Severity

OPENED, WORSE, REMINDED, RESOLVED, DIGEST = "opened", "worse", "reminded", "resolved", "digest"
TOLD = frozenset({OPENED, WORSE, REMINDED, RESOLVED, DIGEST})
"""Verdicts that somebody is told."""
REPEATED, OVER_BUDGET, HELD, GONE = "repeated", "over budget", "held", "gone"
"""Verdicts that nobody is told: known already; for the next digest; in a hold; gone before anybody was told."""
CLOSED = frozenset({RESOLVED, GONE})
"""Verdicts after which a fault no longer stands."""
ID_DIGITS = 16


class Recorded(Protocol):
    """A decision as it is read back: from the ledger, or from the outbox."""

    @property
    def as_of(self) -> datetime:
        """What was known by then was decided on."""
        ...

    @property
    def name(self) -> str:
        """The fault's name, or the digest's."""
        ...

    @property
    def verdict(self) -> str:
        """What was decided."""
        ...

    @property
    def evidence(self) -> Mapping[str, Any]:
        """What ``AlertDecision.evidence`` was."""
        ...


@dataclass(frozen=True)
class AlertDecision:
    """What was decided of one fault, told or not.

    Parameters
    ----------
    before
        The id of the decision before it of the same fault that changed anything; empty if there is none.
    alert
        What is told; of a digest, the first alert it collects with the digest's own text.
    collected
        Of a digest, what it lists by name.
    """

    system: str
    as_of: datetime
    name: str
    verdict: str
    reason: str
    alert: Alert
    before: str = ""
    collected: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The alert's stable id: a receiver that has it knows the alert already."""
        chain = "\x00".join((self.system, self.name, self.verdict, self.before))
        return sha256(chain.encode(errors="backslashreplace")).hexdigest()[:ID_DIGITS]

    @property
    def told(self) -> bool:
        """Whether somebody is told."""
        return self.verdict in TOLD

    @property
    def changes(self) -> bool:
        """Whether anything is other than before: what repeats need not be kept."""
        return self.verdict != REPEATED

    @property
    def evidence(self) -> dict[str, Any]:
        """What it rests on, as JSON holds it: all that a later decision needs."""
        more = {"collected": dict(self.collected)} if self.verdict == DIGEST else {}
        return {"id": self.id, "before": self.before, "alert": self.alert.values, **more}

    @property
    def subject(self) -> str:
        """The alert in one line."""
        return f"[{self.alert.severity.upper()}] {self.system}: {self.name} ({self.verdict})"

    @property
    def body(self) -> str:
        """The alert in lines."""
        return f"{self.alert.body}\nWhy now: {self.reason}\nAlert: {self.id}"


@dataclass(frozen=True)
class Standing:
    """A fault that stands.

    Parameters
    ----------
    told_at, told_size, told_severity
        When, how large and how severe it was when it was last told; None and "" if it never was.
    alone
        Whether it was ever told by itself, and not in digests alone.
    """

    alert: Alert
    told_at: datetime | None = None
    told_size: float | None = None
    told_severity: str = ""
    alone: bool = False

    @property
    def values(self) -> dict[str, Any]:
        """It as JSON holds it."""
        return {**vars(self), "alert": self.alert.values, "told_at": _text(self.told_at)}

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> "Standing":
        """Return what ``values`` was made of."""
        return cls(**{**values, "alert": Alert.read(values["alert"]), "told_at": _moment(values["told_at"])})


@dataclass(frozen=True)
class Before:
    """All that was decided before, as far as it matters now.

    Parameters
    ----------
    standing
        By name, the faults that stand.
    last
        By name, the id of the last decision that changed anything, also of faults that are gone.
    warned
        When warnings were told: of very many, the last.
    collected
        By name, what nobody was told of yet, with its severity.
    digest_at
        When the last digest was told.
    """

    standing: Mapping[str, Standing] = field(default_factory=dict)
    last: Mapping[str, str] = field(default_factory=dict)
    warned: tuple[datetime, ...] = ()
    collected: Mapping[str, Alert] = field(default_factory=dict)
    digest_at: datetime | None = None

    @classmethod
    def of(cls, records: Iterable[Recorded]) -> "Before":
        """Return what stands after decisions, given in the order in which they were taken."""
        return cls().after(records)

    def after(self, records: Iterable[Recorded]) -> "Before":
        """Return what stands after further decisions."""
        following = _Following(self)
        for record in records:
            if record.verdict != REPEATED:
                following.take(record)
        return following.before

    @property
    def values(self) -> dict[str, Any]:
        """It as JSON holds it: whoever has it need not read the decisions that led to it."""
        return {
            "standing": {name: one.values for name, one in self.standing.items()},
            "last": dict(self.last),
            "warned": [at.isoformat() for at in self.warned],
            "collected": {name: alert.values for name, alert in self.collected.items()},
            "digest_at": _text(self.digest_at),
        }

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> "Before":
        """Return what ``values`` was made of."""
        return cls(
            {name: Standing.read(one) for name, one in values["standing"].items()},
            values["last"],
            tuple(datetime.fromisoformat(at) for at in values["warned"]),
            {name: Alert.read(alert) for name, alert in values["collected"].items()},
            _moment(values["digest_at"]),
        )


class _Following:
    """What stands, as decision follows decision."""

    def __init__(self, before: Before) -> None:
        self.standing, self.last = dict(before.standing), dict(before.last)
        self.warned, self.collected = deque(before.warned, maxlen=MOST_WARNINGS), dict(before.collected)
        self.digest_at = before.digest_at

    @property
    def before(self) -> Before:
        return Before(self.standing, self.last, tuple(self.warned), self.collected, self.digest_at)

    def take(self, record: Recorded) -> None:
        name, at, verdict = record.name, record.as_of, record.verdict
        self.last[name] = str(record.evidence["id"])
        if verdict == DIGEST:
            self._listed(record.evidence["collected"], at)
            return
        alert, stood = Alert.read(record.evidence["alert"]), self.standing.pop(name, None)
        if verdict != GONE:
            self.collected.pop(name, None)
        if verdict in CLOSED:
            return
        if verdict in (OVER_BUDGET, HELD):
            self.collected[name] = alert
            self.standing[name] = replace(stood or Standing(alert), alert=alert)
            return
        self.standing[name] = Standing(alert, at, alert.size, alert.severity, alone=True)
        if alert.severity == Severity.WARN:
            self.warned.append(at)

    def _listed(self, names: Iterable[str], at: datetime) -> None:
        """Take what a digest lists as told."""
        self.digest_at = at
        for name in names:
            self.collected.pop(name, None)
            if (one := self.standing.get(name)) is not None:
                alert = one.alert
                told = replace(one, told_at=at, told_size=alert.size, told_severity=alert.severity)
                self.standing[name] = told


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
