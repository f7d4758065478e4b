"""Who is told what of a fault, on which channels, and how rarely: declared once for a system."""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from mlsys_assets.mistakes import not_all, not_long, not_one, out_of_range, sound
from mlsys_assets.production_monitoring.failures import FailureClass
from mlsys_assets.types import Severity, TimeWindow, days

LOG, FILE, WEBHOOK, EMAIL = "log", "file", "webhook", "email"
CHANNELS = (LOG, FILE, WEBHOOK, EMAIL)
"""What an alert can be told on; where webhook and e-mail lead, the environment says."""
REMIND_AFTER, BUDGET_WINDOW = days(28), days(28)
WORSE_BY = 2.0
"""A fault so many times as large as when it was told is told again."""
AT_MOST = 4
"""Warnings told in a window: one a week, in the mean, of a system that is asked every week."""
MOST_WARNINGS = 1_000
"""More of them in a window are no budget."""
LONGEST_OWNER = 200
"""Characters of an owner."""
LONGEST_TOLD = 1_000
"""Characters of what was seen, of a remedy and of a place that an alert holds."""
LONGEST_WHERE = 100
"""Characters of a place that an alert's name holds: a name is short enough for any index."""
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What would end a header or a line, turn the direction of reading, or that a database does not hold: names of columns
come from anybody's data."""


class Watch(StrEnum):
    """What looked. Only the watch that found a fault can say that it is gone."""

    DIAGNOSIS = "diagnosis"
    DEPENDENCIES = "dependencies"
    CHECKS = "checks"
    RUNS = "runs"


@dataclass(frozen=True)
class Fault:
    """Something that is wrong as of now.

    Parameters
    ----------
    watch
        What found it.
    cause, where
        What it is and the column, check or job that it is at: together they name it, so that the same again is known.
    told
        What was seen, in a sentence, with its numbers.
    size
        How large it is, in any measure in which twice as much is worse; None if it has none.
    loss
        What it is estimated to cost over the window that was looked at, in the unit of the system's costs.
    remedy
        What to do about it.
    failure
        What kind of failure it is; None where that is not known.
    """

    watch: Watch
    cause: str
    where: str
    severity: Severity
    told: str
    size: float | None = None
    loss: float | None = None
    remedy: str = ""
    failure: FailureClass | None = None

    @property
    def name(self) -> str:
        """What it is called wherever it comes up: printable, of bounded length."""
        where = printable(self.where)
        if len(where) > LONGEST_WHERE:
            from hashlib import sha256

            where = f"{where[:LONGEST_WHERE]}… {sha256(self.where.encode(errors='backslashreplace')).hexdigest()[:8]}"
        return f"{printable(self.cause)}: {where}"


@dataclass(frozen=True)
class Route:
    """Whose some faults are: the first route that fits is taken.

    Parameters
    ----------
    owner
        Who is told.
    channels
        On which of ``CHANNELS``.
    severity, cause
        Of which faults; any, if not given. ``cause`` is a ``Cause``, ``failed check`` or ``failed run``.
    """

    owner: str
    channels: tuple[str, ...]
    severity: Severity | None = None
    cause: str | None = None

    def fits(self, fault: Fault) -> bool:
        """Return whether it is this route's."""
        return self.severity in (None, fault.severity) and self.cause in (None, fault.cause)

    def mistakes(self, what: str) -> list[str]:
        """Return what is wrong with the route."""
        severity = () if self.severity is None else not_one(f"{what}: severity", self.severity, Severity)
        cause = () if self.cause is None else not_one(f"{what}: cause", self.cause, str)
        return [*_unowned(what, self.owner), *_no_channels(what, self.channels), *severity, *cause]


@dataclass(frozen=True)
class Hold:
    """A window in which nobody is told anything, such as planned maintenance; what still stands is told after it.

    Parameters
    ----------
    window
        From its start on, and until before its end.
    reason
        Why, for the record.
    """

    window: TimeWindow
    reason: str

    def mistakes(self, what: str) -> list[str]:
        """Return what is wrong with the hold."""
        wrong = not_one(f"{what}: window", self.window, TimeWindow)
        return [*wrong, *([] if self.reason else [f"{what} has no reason; say why nobody is to be told"])]


@dataclass(frozen=True)
class Alerting:
    """When faults are told, and to whom.

    The same fault, while it stands, is one alert. It is told again when it got worse or after ``remind_after``, and
    once more when it is gone. Beyond the budget, warnings are collected into one digest; errors are always told.

    Parameters
    ----------
    owner, channels
        Who is told, and on which of ``CHANNELS``, where no route fits.
    routes
        Whose some faults are; the first that fits is taken.
    remind_after
        How long after it was last told a fault that stands is told again.
    worse_by
        A fault so many times as large as when it was told is told again; so is a warning that became an error.
    at_most, within
        So many warnings are told in so long by each watch: the false-alarm budget.
    holds
        Windows in which nobody is told.
    check_warnings
        Whether failed asset checks of severity WARN are faults; those of severity ERROR always are.

    >>> Alerting("ops", worse_by=1.0).mistakes()
    ['alerting: worse_by is 1.0; it must be a number, above 1.0']
    """

    owner: str
    channels: tuple[str, ...] = (LOG, FILE)
    routes: tuple[Route, ...] = ()
    remind_after: timedelta = REMIND_AFTER
    worse_by: float = WORSE_BY
    at_most: int = AT_MOST
    within: timedelta = BUDGET_WINDOW
    holds: tuple[Hold, ...] = ()
    check_warnings: bool = False

    def of(self, fault: Fault) -> tuple[str, tuple[str, ...]]:
        """Return whose a fault is, and on which channels it is told."""
        route = next((route for route in self.routes if route.fits(fault)), None)
        return (self.owner, self.channels) if route is None else (route.owner, route.channels)

    def held(self, as_of: datetime) -> str:
        """Return why nobody is told now; empty if they are."""
        return next((hold.reason for hold in self.holds if as_of in hold.window), "")

    def mistakes(self, what: str = "alerting") -> list[str]:
        """Return what is wrong with the declaration."""
        wrong = [*_unowned(what, self.owner), *_no_channels(what, self.channels)]
        for name, parts, kind in (("routes", self.routes, Route), ("holds", self.holds, Hold)):
            wrong += not_all(f"{what}: {name}", parts, kind)
            wrong += [m for i, part in enumerate(sound(parts, kind)) for m in part.mistakes(f"{what}: {name}[{i}]")]
        return [
            *wrong,
            *not_long(f"{what}: remind_after", self.remind_after),
            *not_long(f"{what}: within", self.within),
            *out_of_range(f"{what}: worse_by", self.worse_by, above=1.0),
            *out_of_range(f"{what}: at_most", self.at_most, whole=True, least=0, most=MOST_WARNINGS),
            *not_one(f"{what}: check_warnings", self.check_warnings, bool),
        ]


@dataclass(frozen=True)
class Alert:
    """What is told of a fault that stands: plain values, as JSON holds them.

    Parameters
    ----------
    opened
        As of when it was first seen, as ISO text.
    """

    watch: str
    cause: str
    where: str
    severity: str
    owner: str
    channels: tuple[str, ...]
    told: str
    opened: str
    size: float | None
    loss: float | None
    remedy: str
    failure: str = ""

    @classmethod
    def of(cls, fault: Fault, declared: Alerting, *, opened: str) -> "Alert":
        """Return what a declaration makes of a fault."""
        owner, channels = declared.of(fault)
        where, told, remedy = (shortened(printable(text)) for text in (fault.where, fault.told, fault.remedy))
        size, loss = finite(fault.size), finite(fault.loss)
        return cls(
            str(fault.watch), str(fault.cause), where, str(fault.severity), owner, channels, told, opened, size, loss,
            remedy, "" if fault.failure is None else fault.failure.value,
        )  # fmt: skip

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> "Alert":
        """Return an alert that was recorded."""
        return cls(**{**values, "channels": tuple(values["channels"])})

    @property
    def values(self) -> dict[str, Any]:
        """The alert as JSON holds it."""
        return asdict(self) | {"channels": list(self.channels)}

    @property
    def body(self) -> str:
        """What it says, in lines."""
        lines = [self.told, *([f"What to do: {self.remedy}"] if self.remedy else [])]
        lines += [f"Kind of failure: {FailureClass(self.failure).told}"] if self.failure else []
        if self.loss is not None:
            lines.append(f"Estimated to cost: {self.loss:,.0f} over the window that was looked at")
        return "\n".join([*lines, f"Seen first as of: {self.opened}", f"Owner: {self.owner}"])


def printable(text: str) -> str:
    r"""Return a text in one line: what would end a header or a line stands there as its escape.

    >>> print(printable("temp\r\nBcc: everybody"))
    temp\r\nBcc: everybody
    """
    return UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape", "backslashreplace").decode(), text)


def shortened(text: str, longest: int = LONGEST_TOLD) -> str:
    """Return a text of at most so many characters; what was cut ends in an ellipsis."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def finite(value: float | None) -> float | None:
    """Return a number that JSON holds and that is in an order with others; None for what is none."""
    return value if value is not None and math.isfinite(value) else None


def _unowned(what: str, owner: object) -> list[str]:
    if wrong := not_one(f"{what}: owner", owner, str):
        return wrong
    if not owner or UNPRINTABLE.search(str(owner)) or len(str(owner)) > LONGEST_OWNER:
        seen = shortened(repr(owner), LONGEST_OWNER)
        return [f"{what}: owner is {seen}; name in one line, of {LONGEST_OWNER} characters at most, who is to act"]
    return []


def _no_channels(what: str, channels: object) -> list[str]:
    wrong = not_all(f"{what}: channels", channels, str)
    if wrong or not isinstance(channels, tuple):
        return wrong
    unknown = [one for one in channels if one not in CHANNELS]
    if unknown:
        return [f"{what}: channels has {', '.join(map(repr, unknown))}; allowed: {', '.join(CHANNELS)}"]
    return [] if channels else [f"{what}: channels is empty; name at least one of {', '.join(CHANNELS)}"]
