"""Which faults are told now, which are not, and why: the same fault is told once while it stands."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from mlsys_assets.production_monitoring.alert_decision import (
    DIGEST,
    GONE,
    HELD,
    OPENED,
    OVER_BUDGET,
    REMINDED,
    REPEATED,
    RESOLVED,
    WORSE,
    AlertDecision,
    Before,
    Standing,
)
from mlsys_assets.production_monitoring.alerting import Alert, Alerting, Fault, Watch, finite, shortened
from mlsys_assets.types import Severity

MOST_LISTED, LONGEST_LISTED = 20, 200
"""Faults that a digest tells, errors first, and characters of each: of more it says how many there are."""


@dataclass(frozen=True)
class Look:
    """Who looks at which system, and as of when."""

    system: str
    watch: Watch
    as_of: datetime


def decide(look: Look, faults: Sequence[Fault], before: Before, declared: Alerting) -> tuple[AlertDecision, ...]:
    """Return what is told of the faults that stand now, and what is not, and why.

    Parameters
    ----------
    faults
        All that the watch found; of two with one name, the more severe and larger stands. A watch that could not look
        does not decide: nothing that it found before is called gone.
    before
        What the same watch decided before: hold and budget are each watch's own, so that what is told of the data does
        not depend on which runs failed.

    Asked again after its own decisions, it gives nothing that changes anything.
    """
    passing = _Pass(look, before, declared)
    worst: dict[str, Fault] = {}
    for fault in sorted(faults, key=_weight):
        if fault.watch != look.watch:
            raise ValueError(f"{fault.name} was found by {fault.watch}, and {look.watch} decides; ask for each alone")
        worst.setdefault(fault.name, fault)
    found = [passing.seen(fault) for fault in worst.values()]
    found += passing.unseen(set(worst))
    return (*found, *passing.digest(found))


class _Pass:
    """One look: what it may still tell becomes less as it tells."""

    def __init__(self, look: Look, before: Before, declared: Alerting) -> None:
        self.look, self.before, self.declared = look, before, declared
        self.hold = declared.held(look.as_of)
        since = look.as_of - declared.within
        self.left = declared.at_most - sum(at > since for at in before.warned)

    def seen(self, fault: Fault) -> AlertDecision:
        """Decide on a fault that is there."""
        stands = self.before.standing.get(fault.name)
        opened = stands.alert.opened if stands else self.look.as_of.isoformat()
        alert = Alert.of(fault, self.declared, opened=opened)
        verdict, reason = self._wanted(alert, stands)
        if verdict != REPEATED:
            verdict, reason = self._allowed(verdict, reason, alert=alert, name=fault.name)
        return self._said(fault.name, verdict, reason, alert)

    def _wanted(self, alert: Alert, stands: Standing | None) -> tuple[str, str]:
        """Return what a fault gives reason to say."""
        if stands is None:
            return OPENED, "it was not there before"
        if stands.told_at is None:
            return OPENED, f"it stands since {stands.alert.opened}, and nobody was told"
        if alert.severity == Severity.ERROR and stands.told_severity != Severity.ERROR:
            return WORSE, "it was a warning when it was told, and is an error"
        if _grew(alert.size, stands.told_size, self.declared.worse_by):
            return WORSE, f"it was {stands.told_size:.4g} when it was told, and is {alert.size:.4g}"
        if self.look.as_of - stands.told_at >= self.declared.remind_after:
            return REMINDED, f"it still stands, and was told last as of {stands.told_at:%Y-%m-%d %H:%M}"
        return REPEATED, f"it was told as of {stands.told_at:%Y-%m-%d %H:%M}, and is no worse"

    def _allowed(self, verdict: str, reason: str, *, alert: Alert, name: str) -> tuple[str, str]:
        """Return what hold and budget make of it."""
        waits, stands = self.before.collected.get(name), self.before.standing.get(name)
        known = waits is not None and stands is not None and waits.severity == alert.severity
        if self.hold:
            return (REPEATED if known else HELD), f"nobody is told now: {self.hold}"
        if alert.severity == Severity.ERROR:
            return verdict, reason
        if self.left <= 0:
            spent = f"{self.declared.at_most} warnings were told within {self.declared.within.days} days"
            return (REPEATED if known else OVER_BUDGET), f"{spent}: it is collected"
        self.left -= 1
        return verdict, reason

    def unseen(self, seen: set[str]) -> list[AlertDecision]:
        """Decide on what this watch found before, and does not now; in a hold it waits."""
        if self.hold:
            return []
        mine = sorted(set(self.before.standing) - seen)
        return [self._gone(name, self.before.standing[name]) for name in mine]

    def _gone(self, name: str, stands: Standing) -> AlertDecision:
        """Say that a fault is gone: to those who were told of it alone, lest a digest of many bring as many answers."""
        if stands.alone:
            return self._said(name, RESOLVED, f"it is gone; it was there since {stands.alert.opened}", stands.alert)
        told = "nobody had been told" if stands.told_at is None else "only a digest had told of it"
        return self._said(name, GONE, f"it is gone, and {told}", stands.alert)

    def digest(self, found: Sequence[AlertDecision]) -> list[AlertDecision]:
        """Collect what nobody is told of alone: an error at once, warnings once a window."""
        told = {one.name for one in found if one.told}
        waits = {n: a for n, a in self.before.collected.items() if n not in told}
        waits |= {one.name: one.alert for one in found if one.verdict == OVER_BUDGET}
        last, errors = self.before.digest_at, any(a.severity == Severity.ERROR for a in waits.values())
        rested = last is None or self.look.as_of - last >= self.declared.within
        if not waits or self.hold or not (errors or rested):
            return []
        reason = (
            f"{len(waits)} faults were not told alone: in a hold, or as the budget of {self.declared.at_most} warnings "
            f"in {self.declared.within.days} days is spent"
        )
        listed = {name: shortened(alert.told, LONGEST_LISTED) for name, alert in sorted(waits.items())}
        return [
            self._said(f"{DIGEST} of {self.look.watch}", DIGEST, reason, self._listing(waits, errors=errors), listed)
        ]

    def _listing(self, waits: Mapping[str, Alert], *, errors: bool) -> Alert:
        shown = sorted(waits, key=lambda name: (waits[name].severity != Severity.ERROR, name))[:MOST_LISTED]
        lines = "; ".join(f"{name}: {shortened(waits[name].told, LONGEST_LISTED)}" for name in shown)
        lines += f"; and {more} more" if (more := len(waits) - len(shown)) else ""
        losses = [alert.loss for alert in waits.values() if alert.loss is not None]
        channels = dict.fromkeys([*self.declared.channels, *(c for a in waits.values() for c in a.channels)])
        return Alert(
            str(self.look.watch), DIGEST, "", str(Severity.ERROR if errors else Severity.WARN), self.declared.owner,
            tuple(channels), lines, min(alert.opened for alert in waits.values()), None,
            max(losses, default=None), "raise the thresholds of what is no fault, or mend what is",
        )  # fmt: skip

    def _said(
        self, name: str, verdict: str, reason: str, alert: Alert, collected: Mapping[str, str] | None = None
    ) -> AlertDecision:
        before = self.before.last.get(name, "")
        return AlertDecision(self.look.system, self.look.as_of, name, verdict, reason, alert, before, collected or {})


def _weight(fault: Fault) -> tuple[bool, float, float, str]:
    """Return what orders faults: errors first, then what costs most, then what is largest."""
    return (fault.severity != Severity.ERROR, -(finite(fault.loss) or 0.0), -(finite(fault.size) or 0.0), fault.name)


def _grew(now: float | None, then: float | None, by: float) -> bool:
    return now is not None and then is not None and then > 0 and now >= by * then
