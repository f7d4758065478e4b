"""References: which earlier rows a window is held against, so that a season that comes every week is no drift."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.data_sampling.rows import moment
from mlsys_assets.mistakes import not_long, out_of_range
from mlsys_assets.types import TimeWindow

NOTHING: Final = timedelta(0)
SEASONS: Final = 4
"""How many earlier seasons are looked at, where there are so many."""


@dataclass(frozen=True)
class ReferenceTimes:
    """The times of the rows that a window is held against.

    Parameters
    ----------
    windows
        In order of time, apart from each other, all before the window that is held; none where there is no reference.
    untold
        Why there is none.
    """

    windows: tuple[TimeWindow, ...]
    untold: str = ""

    def within(self, at: NDArray[np.datetime64]) -> NDArray[np.bool_]:
        """Return (n,) which of (n,) UTC times lie in a window."""
        found = np.zeros(len(at), dtype=np.bool_)
        for window in self.windows:
            found |= (at >= moment(window.start)) & (at < moment(window.end))
        return found


@runtime_checkable
class Reference(Protocol):
    """Which earlier times a window is held against."""

    def mistakes(self) -> list[str]:
        """Return what is declared wrong."""
        ...

    def times(self, window: TimeWindow, *, earliest: datetime) -> ReferenceTimes:
        """Return the times before ``window``, none of them before ``earliest``: of that, there are no rows."""
        ...


@dataclass(frozen=True)
class Sliding:
    """The time just before the window: what changes fast is seen, what creeps is not.

    Parameters
    ----------
    over
        How much time. Of a system that is younger there is no reference: two weeks differ in more than two months do.
    gap
        The time left out between the reference and the window.

    >>> from mlsys_assets.types import days, utc
    >>> march = TimeWindow.of("2013-03-01", "2013-03-08")
    >>> print(*Sliding(over=days(28)).times(march, earliest=utc("2013-01-01")).windows)
    [2013-02-01 00:00, 2013-03-01 00:00)
    """

    over: timedelta
    gap: timedelta = NOTHING

    def mistakes(self) -> list[str]:
        """Return which durations are none."""
        what = "a sliding reference"
        return [*not_long(f"{what}: over", self.over), *not_long(f"{what}: gap", self.gap, zero=True)]

    def times(self, window: TimeWindow, *, earliest: datetime) -> ReferenceTimes:
        """Return the time before the window, if there are rows of all of it."""
        end = window.start - self.gap
        return _from(max(earliest, end - self.over), end, least=self.over)


@dataclass(frozen=True)
class Cumulative:
    """All time before the window: a slow trend is seen, as its beginning is never forgotten; so is every season.

    Parameters
    ----------
    gap
        The time left out between the reference and the window.
    """

    gap: timedelta = NOTHING

    def mistakes(self) -> list[str]:
        """Return that the gap is no duration."""
        return not_long("a cumulative reference: gap", self.gap, zero=True)

    def times(self, window: TimeWindow, *, earliest: datetime) -> ReferenceTimes:
        """Return the time since the earliest row, if it is as long as the window."""
        return _from(earliest, window.start - self.gap, least=window.length)


@dataclass(frozen=True)
class SameSeason:
    """The same time of earlier seasons: Mondays are held against Mondays.

    Parameters
    ----------
    period
        The length of a season: 7 days; 364 for a year whose weekdays stay in place.
    width
        The time taken besides on either side of each earlier window: days around last year's.
    seasons
        At most how many seasons back.
    """

    period: timedelta
    width: timedelta = NOTHING
    seasons: int = SEASONS

    def mistakes(self) -> list[str]:
        """Return which durations are none, that the width covers all seasons alike, or that no season is asked for."""
        what = "a same-season reference"
        found = [
            *not_long(f"{what}: period", self.period),
            *not_long(f"{what}: width", self.width, zero=True),
            *out_of_range(f"{what}: seasons", self.seasons, whole=True, least=1),
        ]
        if not found and 2 * self.width >= self.period:
            found.append(
                f"{what}: a width of {self.width} on either side covers a whole period of {self.period}, and no season "
                "is told from another; take less than half a period, or Sliding(over=...)"
            )
        return found

    def times(self, window: TimeWindow, *, earliest: datetime) -> ReferenceTimes:
        """Return the same time of earlier seasons, of each that lies wholly after ``earliest``."""
        first = max(1, -(-window.length // self.period))  # a window longer than a period: never held against itself
        back = [self.period * k for k in range(first, first + self.seasons)]
        wide = (
            (window.start - one - self.width, min(window.end - one + self.width, window.start))
            for one in back
            if window.start - one >= earliest
        )
        found = _apart(TimeWindow(max(start, earliest), end) for start, end in wide)
        if found:
            return ReferenceTimes(found)
        return ReferenceTimes((), f"no season before: {window.start - back[0]:%Y-%m-%d %H:%M} was needed, the earliest "
                                  f"row is of {earliest:%Y-%m-%d %H:%M}")  # fmt: skip


def without(windows: Sequence[TimeWindow], others: Sequence[TimeWindow]) -> tuple[TimeWindow, ...]:
    """Return what is left of windows that do not meet, in order, once others are taken away.

    >>> week = TimeWindow.of("2013-02-01", "2013-02-08")
    >>> print(*without([week], [TimeWindow.of("2013-02-03", "2013-02-05")]))
    [2013-02-01 00:00, 2013-02-03 00:00) [2013-02-05 00:00, 2013-02-08 00:00)
    """
    left = list(windows)
    for other in others:
        left = [part for window in left for part in _outside(window, other)]
    return tuple(left)


def _outside(window: TimeWindow, other: TimeWindow) -> list[TimeWindow]:
    """Return the parts of a window before and after another, which may be none."""
    before = TimeWindow(window.start, max(window.start, min(window.end, other.start)))
    after = TimeWindow(min(window.end, max(window.start, other.end)), window.end)
    return [part for part in dict.fromkeys((before, after)) if part.length > NOTHING]


def _from(start: datetime, end: datetime, *, least: timedelta) -> ReferenceTimes:
    there = end - start
    if there >= least and there > NOTHING:
        return ReferenceTimes((TimeWindow(start, end),))
    return ReferenceTimes((), f"{max(there, NOTHING)} of rows before {end:%Y-%m-%d %H:%M}, {least} needed")


def _apart(windows: Iterable[TimeWindow]) -> tuple[TimeWindow, ...]:
    """Return the windows in order of time, those that touch as one, so that no row counts twice."""
    found: list[TimeWindow] = []
    for window in sorted(windows):
        if found and window.start <= found[-1].end:
            found[-1] = TimeWindow(found[-1].start, max(found[-1].end, window.end))
        else:
            found.append(window)
    return tuple(found)
