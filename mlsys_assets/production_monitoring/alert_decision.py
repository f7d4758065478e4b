"""What was decided of a fault, and what stands after all that was decided: read back from its own records.

Each decision has an id that follows from the one before it of the same fault. Whoever decides from the same records
gives the same ids, so that a store which holds each id once makes of two processes one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, Protocol

from mlsys_assets.production_monitoring.alerting import Alert
from mlsys_assets.types import Severity

OPENED, WORSE, REMINDED, RESOLVED, DIGEST = "opened", "worse", "reminded", "resolved", "digest"
TOLD = frozenset({OPENED, WORSE, REMINDED, RESOLVED, DIGEST})
"""Verdicts that somebody is told."""
REPEATED, OVER_BUDGET, HELD, GONE = "repeated", "over budget", "held", "gone"
"""Verdicts that nobody is told: known already; for the next digest; in a hold; gone before anybody was told."""
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
    """A fault that stands: when, how large and how severe it was when it was last told; None if it never was."""

    alert: Alert
    told_at: datetime | None = None
    told_size: float | None = None
    told_severity: str = ""


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
        When warnings were told.
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
        found = cls()
        for record in records:
            if record.verdict != REPEATED:
                found = found._after(record, Alert.read(record.evidence["alert"]))
        return found

    def _after(self, record: Recorded, alert: Alert) -> "Before":
        name, at, verdict = record.name, record.as_of, record.verdict
        last = {**self.last, name: str(record.evidence["id"])}
        if verdict == DIGEST:
            listed = record.evidence["collected"]
            standing = {n: _told(s, at) if n in listed else s for n, s in self.standing.items()}
            rest = {n: a for n, a in self.collected.items() if n not in listed}
            return replace(self, standing=standing, last=last, collected=rest, digest_at=at)
        rest, others = _without(self.collected, name), _without(self.standing, name)
        if verdict in (RESOLVED, GONE):
            kept = self.collected if verdict == GONE else rest
            return replace(self, standing=others, last=last, collected=kept)
        if verdict in (OVER_BUDGET, HELD):
            here = replace(self.standing.get(name, Standing(alert)), alert=alert)
            return replace(self, standing={**others, name: here}, last=last, collected={**rest, name: alert})
        warned = (*self.warned, at) if alert.severity == Severity.WARN else self.warned
        here = _told(Standing(alert), at)
        return replace(self, standing={**others, name: here}, last=last, collected=rest, warned=warned)


def _told(stands: Standing, at: datetime) -> Standing:
    return Standing(stands.alert, at, stands.alert.size, stands.alert.severity)


def _without(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != name}
