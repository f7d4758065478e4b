"""Which clock a system lives by: the wall clock, or one of its own that stands where it was last moved to."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from mlsys_assets.system import MLSystem
from mlsys_assets.types import Clock, SystemClock, utc

UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1), "m": timedelta(minutes=1)}
"""What a duration may be counted in."""

DURATION = re.compile(r"([1-9][0-9]{0,4})([dhm])")
"""A duration as people write it; five digits of days are centuries, so that no sum leaves the calendar."""


class ClockStore(Protocol):
    """Where clocks stand, for all processes alike: the operations store."""

    def clock(self, system: str) -> datetime | None:
        """Return where the clock of a system stands, or None if it was never moved."""
        ...

    def advance_clock(self, system: str, *, to: datetime) -> datetime:
        """Move it and return where it stands; raises ValueError if it stands later."""
        ...


class Stores(Protocol):
    """The part of the stores that clocks need."""

    @property
    def operations(self) -> ClockStore:
        """Where clocks stand."""
        ...


@dataclass(frozen=True)
class StoredClock:
    """The clock of a system that lives on data of the past: it stands still until somebody moves it.

    Parameters
    ----------
    store
        Where it stands.
    system
        Whose clock it is.
    start
        Where it begins, and before which it never stands.
    """

    store: ClockStore
    system: str
    start: datetime

    def now(self) -> datetime:
        """Return where it stands; asked anew each time, because another process may move it."""
        return max(self.store.clock(self.system) or self.start, self.start)

    def advance(self, to: datetime) -> datetime:
        """Move it and return where it stands; raises ValueError if that would be back."""
        if to < self.start:
            raise ValueError(
                f"the clock of {self.system} begins at {self.start.isoformat()} and never goes back, so that it cannot"
                f" be moved to {to.isoformat()}; move it to a later time"
            )
        return self.store.advance_clock(self.system, to=to)


def clock_of(system: MLSystem, stores: Stores) -> Clock:
    """Return the clock that a system lives by."""
    start = getattr(system, "simulated_from", None)
    return SystemClock() if start is None else StoredClock(stores.operations, system.name, start)


def moved(clock: Clock, *, by: str | None = None, to: str | None = None, end: datetime | None = None) -> datetime:
    """Move a clock by a duration or to a date, at most to ``end``, and return where it stands.

    Raises ValueError for what is no duration or date, for a move back, and for the wall clock.
    """
    if by is None and to is None:
        return clock.now()
    if not isinstance(clock, StoredClock):
        raise ValueError(
            "the system lives by the wall clock, which cannot be moved; only a system that declares where its simulated"
            " clock begins has one that can"
        )
    now = clock.now()
    wanted = now + duration(by) if by is not None else moment(str(to))
    return clock.advance(wanted if end is None else min(wanted, max(end, now)))


def duration(text: str) -> timedelta:
    """Return the duration that people write as a number and a unit; raises ValueError for anything else.

    >>> duration("7d").days
    7
    """
    found = DURATION.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{text!r} is no duration; write a whole number from 1 to 99999 and its unit: 7d (days), 12h (hours), "
            "90m (minutes)"
        )
    return int(found[1]) * UNITS[found[2]]


def moment(text: str) -> datetime:
    """Return the moment of an ISO date, read as UTC where it says no other; raises ValueError for anything else.

    >>> moment("2013-07-08").isoformat()
    '2013-07-08T00:00:00+00:00'
    """
    try:
        return utc(text)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text!r} is no date; write it as 2013-07-08 or 2013-07-08T12:00, in UTC unless it names another zone"
        ) from None
