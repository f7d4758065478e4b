"""The ground floor: time, ticks, findings and the few words every stage shares."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Protocol

Scalar = str | int | float | bool | None
"""One value of evidence: what JSON can hold without loss."""

CHAMPION = "champion"
"""The model that serves: its alias, and its name among those it is compared with."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Stands for "since ever" where a window has no declared beginning."""


def utc(value: str | datetime) -> datetime:
    """Return ``value`` as an aware UTC datetime; a naive one is read as UTC.

    >>> utc("2013-07-01").isoformat()
    '2013-07-01T00:00:00+00:00'
    """
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def days(n: float) -> timedelta:
    """Return a duration of ``n`` times 24 hours."""
    return timedelta(days=n)


def hours(n: float) -> timedelta:
    """Return a duration of ``n`` hours."""
    return timedelta(hours=n)


def minutes(n: float) -> timedelta:
    """Return a duration of ``n`` minutes."""
    return timedelta(minutes=n)


def microseconds(duration: timedelta) -> int:
    """Return a duration as a whole number of microseconds."""
    return duration // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, order=True)
class TimeWindow:
    """A half-open UTC interval [start, end).

    >>> TimeWindow.of("2013-01-01", "2013-01-08").length.days
    7
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is None or self.end.tzinfo is None:
            raise ValueError(f"TimeWindow needs aware datetimes, got {self.start!r} and {self.end!r}")
        if self.end < self.start:
            raise ValueError(f"TimeWindow ends ({self.end}) before it starts ({self.start})")

    @classmethod
    def of(cls, start: str | datetime, end: str | datetime) -> "TimeWindow":
        """Return the window between two moments, given as ISO text or datetimes."""
        return cls(utc(start), utc(end))

    @property
    def length(self) -> timedelta:
        """The window's duration."""
        return self.end - self.start

    def __contains__(self, moment: datetime) -> bool:
        return self.start <= moment < self.end

    def overlaps(self, other: "TimeWindow") -> bool:
        """Return whether the two windows share a moment."""
        return self.start < other.end and other.start < self.end

    def __str__(self) -> str:
        return f"[{self.start:%Y-%m-%d %H:%M}, {self.end:%Y-%m-%d %H:%M})"


class Clock(Protocol):
    """Tells the time; the only way anything here learns it."""

    def now(self) -> datetime:
        """Return the current moment, aware, UTC."""
        ...


class SystemClock:
    """The wall clock: the one place that reads it."""

    def now(self) -> datetime:
        """Return the machine's time."""
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class FixedClock:
    """A clock that stands still: for replays and tests."""

    at: datetime

    def now(self) -> datetime:
        """Return the moment it was set to."""
        return self.at


@dataclass(frozen=True, slots=True)
class Calendar:
    """The ticks of a system: equal steps of UTC time from a start, for ever unless an end is given.

    A tick is named by its start, ``YYYY-MM-DD`` or ``YYYY-MM-DD-HH:MM`` where a step is shorter
    than a day, which is also its Dagster partition key.

    >>> Weekly("2012-12-31").tick_of(utc("2013-01-09")).start.date().isoformat()
    '2013-01-07'
    """

    start: datetime
    step: timedelta
    end: datetime | None = None

    def __post_init__(self) -> None:
        if self.end is not None and self.end <= self.start:
            raise ValueError(f"a calendar must end after its start {self.start}, got {self.end}")
        if self.step <= timedelta(0):
            raise ValueError(f"a calendar's step must be positive, got {self.step}")

    @property
    def key_format(self) -> str:
        """The ``strftime`` format of a tick's name."""
        return "%Y-%m-%d" if self.step % timedelta(days=1) == timedelta(0) else "%Y-%m-%d-%H:%M"

    def tick_of(self, moment: datetime) -> TimeWindow:
        """Return the tick that holds ``moment``; raises ValueError before the calendar's start."""
        if moment < self.start:
            raise ValueError(f"{moment} is before the calendar's start {self.start}")
        begin = self.start + ((moment - self.start) // self.step) * self.step
        return TimeWindow(begin, begin + self.step)

    def ticks(self, window: TimeWindow) -> tuple[TimeWindow, ...]:
        """Return the ticks that cover ``window``, in order."""
        if window.start == window.end:
            return ()
        tick, found = self.tick_of(window.start), []
        while tick.start < window.end:
            found.append(tick)
            tick = TimeWindow(tick.end, tick.end + self.step)
        return tuple(found)

    def holds(self, window: TimeWindow) -> bool:
        """Return whether all of ``window`` lies between the calendar's start and end."""
        return self.start <= window.start and (self.end is None or window.end <= self.end)

    def key(self, moment: datetime) -> str:
        """Return the name of the tick that starts at ``moment``."""
        return moment.strftime(self.key_format)

    def parse(self, key: str) -> TimeWindow:
        """Return the tick of that name; raises ValueError if the calendar has none."""
        moment = datetime.strptime(key, self.key_format).replace(tzinfo=UTC)
        tick = self.tick_of(moment)
        if tick.start != moment:
            raise ValueError(f"no tick is named {key!r}; the one that holds it is {self.key(tick.start)!r}")
        return tick


def Weekly(start: str | datetime, end: str | datetime | None = None) -> Calendar:
    """Return a calendar of seven-day ticks."""
    return Calendar(utc(start), timedelta(days=7), None if end is None else utc(end))


def Daily(start: str | datetime, end: str | datetime | None = None) -> Calendar:
    """Return a calendar of 24-hour ticks."""
    return Calendar(utc(start), timedelta(days=1), None if end is None else utc(end))


def Hourly(start: str | datetime, end: str | datetime | None = None) -> Calendar:
    """Return a calendar of one-hour ticks."""
    return Calendar(utc(start), timedelta(hours=1), None if end is None else utc(end))


class Severity(StrEnum):
    """How much a failed finding matters: only an ERROR stops what stands downstream."""

    WARN = "warn"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """What a check found: an outcome, not an exception.

    ``evidence`` holds the numbers the verdict rests on; ``summary`` says in one sentence what was
    seen, what was allowed and, where it failed, what to do.
    """

    name: str
    passed: bool
    summary: str
    severity: Severity = Severity.ERROR
    evidence: Mapping[str, Scalar] = field(default_factory=dict)


class DeclarationError(ValueError):
    """A declaration with mistakes, all of them listed."""

    def __init__(self, what: str, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__(f"{what} has {len(mistakes)} mistake(s):\n" + "\n".join(f"  - {m}" for m in mistakes))
