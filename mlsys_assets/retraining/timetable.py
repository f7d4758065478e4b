"""When a tick is due, and as of when a decision: known from the calendar, the clock and the decisions before."""

from dataclasses import dataclass
from datetime import datetime

from mlsys_assets.types import Calendar, TimeWindow


@dataclass(frozen=True)
class Due:
    """The next thing to do: bring in the ticks of ``window``, then decide as of ``as_of``, its end."""

    window: TimeWindow

    @property
    def as_of(self) -> datetime:
        """The time of the decision."""
        return self.window.end


def first_as_of(calendar: Calendar, start: datetime) -> datetime:
    """Return as of when the first decision is taken: the start of the tick that holds ``start``, after the first."""
    tick = calendar.tick_of(max(start, calendar.start))
    return tick.start if tick.start > calendar.start else tick.end


def next_due(calendar: Calendar, *, first: datetime, decided: datetime | None) -> Due | None:
    """Return what comes next, whether or not its time has come; None after the calendar's end.

    Parameters
    ----------
    calendar
        The system's ticks.
    first
        As of when the first decision is taken: all ticks before it are brought in at once.
    decided
        As of when the last decision was taken, if any was.
    """
    start = calendar.start if decided is None else decided
    end = first if decided is None else calendar.tick_of(decided).end
    return None if calendar.end is not None and end > calendar.end else Due(TimeWindow(start, end))
