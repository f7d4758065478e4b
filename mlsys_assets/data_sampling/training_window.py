"""Which of the rows known as of a time are trained on: a pure function of their times and of what monitoring told."""

from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, UTC, datetime, timedelta
from typing import Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.data_sampling.rows import moment
from mlsys_assets.mistakes import not_long

HALF_A_YEAR: Final = timedelta(days=182)
"""What lies farther from a time of year than this lies nearer to it on its other side."""
LEAP_DAY: Final = (2, 29)
DAY: Final = timedelta(days=1)


@dataclass(frozen=True)
class Known:
    """What a window may look at besides the rows' times.

    Parameters
    ----------
    as_of
        The end of what is learned from: the time of the training for a refit, and the end of the train part for what
        is evaluated, so that what is evaluated has learned from as much as what is refitted will.
    changes
        Since when the world is another, as each diagnosis of a shift up to the training dates it, oldest first.
    """

    as_of: datetime
    changes: tuple[datetime, ...] = ()


@runtime_checkable
class TrainingWindow(Protocol):
    """Chooses the rows that are trained on, by when they were predicted.

    A good one is frozen, judges each row by its own time, and chooses none from ``Known.as_of`` on.
    """

    def mistakes(self) -> list[str]:
        """Return what is wrong with its declaration."""
        ...

    def chosen(self, at: NDArray[np.datetime64], known: Known) -> NDArray[np.bool_]:
        """Return (n,) whether a row is trained on, by the (n,) times of prediction."""
        ...

    def __str__(self) -> str:
        """Return it in words, for the record."""
        ...


@dataclass(frozen=True)
class Expanding:
    """All that is known: the more rows the better, where what they mean does not change."""

    @property
    def looks_at_changes(self) -> bool:
        """It looks at times alone."""
        return False

    def mistakes(self) -> list[str]:
        """Nothing can be wrong with it."""
        return []

    def chosen(self, at: NDArray[np.datetime64], known: Known) -> NDArray[np.bool_]:
        """Return that every earlier row is trained on."""
        return _before(at, known)

    def __str__(self) -> str:
        return "all that is known"


@dataclass(frozen=True)
class SlidingWindow:
    """The latest rows alone, where what older ones mean is no longer so.

    Parameters
    ----------
    length
        How far it reaches back.
    """

    length: timedelta

    @property
    def looks_at_changes(self) -> bool:
        """It looks at times alone."""
        return False

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        return not_long("the sliding window: length", self.length)

    def chosen(self, at: NDArray[np.datetime64], known: Known) -> NDArray[np.bool_]:
        """Return whether a row is not older than the length."""
        return _before(at, known) & (at >= moment(known.as_of - self.length))

    def __str__(self) -> str:
        return f"the last {told(self.length)}"


@dataclass(frozen=True)
class SeasonMatched:
    """Rows of the same time of year in every year, and the latest of all: for what returns with the seasons.

    In its first year it is a sliding window: there is no such time of year before.

    Parameters
    ----------
    within
        How far a row may lie from the same calendar day and hour of its own or a neighbouring year, in UTC. The day of
        29 February is the 28th in other years.
    last
        Rows not older than this are trained on whatever their time of year.
    """

    within: timedelta = timedelta(days=45)
    last: timedelta = timedelta(days=28)

    @property
    def looks_at_changes(self) -> bool:
        """It looks at times alone."""
        return False

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        found = not_long("the season-matched window: within", self.within)
        if not found and self.within >= HALF_A_YEAR:
            most = told(HALF_A_YEAR)
            found = [
                f"the season-matched window: within must be less than {most}, half a year, got {told(self.within)}"
            ]
        return found + not_long("the season-matched window: last", self.last, zero=True)

    def chosen(self, at: NDArray[np.datetime64], known: Known) -> NDArray[np.bool_]:
        """Return whether a row lies within so much of the time of year, or is one of the latest."""
        near = at >= moment(known.as_of - self.last)
        for year in _years(at):
            then, reach = moment(_in_year(known.as_of, year)), np.timedelta64(self.within)
            near |= (at >= then - reach) & (at <= then + reach)
        return _before(at, known) & near

    def __str__(self) -> str:
        latest = f", and the last {told(self.last)}" if self.last else ""
        return f"what lies within {told(self.within)} of its time of year{latest}"


@dataclass(frozen=True)
class SinceChange:
    """What came since the world is another, as the last diagnosis of a shift dates it; all that is known without one.

    Parameters
    ----------
    at_least
        It reaches back so far, however late the change: of a few days nothing is learned.
    most
        It reaches back no farther, whether a change is dated or not; None: as far as there are rows.
    """

    at_least: timedelta = timedelta(days=28)
    most: timedelta | None = None

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        what = "the window since a change"
        found = not_long(f"{what}: at_least", self.at_least)
        if self.most is not None:
            wrong = not_long(f"{what}: most", self.most)
            if not (found or wrong) and self.most < self.at_least:
                wrong = [f"{what}: most is {told(self.most)}, less than at_least, {told(self.at_least)}"]
            found += wrong
        return found

    def chosen(self, at: NDArray[np.datetime64], known: Known) -> NDArray[np.bool_]:
        """Return whether a row came since the last change, or is one of those that are taken at least."""
        found = _before(at, known)
        if known.changes:
            found &= at >= moment(min(max(known.changes), known.as_of - self.at_least))
        if self.most is not None:
            found &= at >= moment(known.as_of - self.most)
        return found

    def __str__(self) -> str:
        limit = "" if self.most is None else f", at most {told(self.most)}"
        return f"what came since the last change that a diagnosis dates, at least {told(self.at_least)}{limit}"


EXPANDING: Final = Expanding()
"""What a system learns from that declares nothing else."""


def chosen_rows(window: TrainingWindow, at: NDArray[np.datetime64], known: Known) -> NDArray[np.bool_]:
    """Return (n,) what a window chooses, held to its word; raises ValueError for an answer that is none."""
    found = window.chosen(at, known)
    if not isinstance(found, np.ndarray) or found.dtype != np.bool_ or found.shape != at.shape:
        what = f"{found.dtype} of shape {found.shape}" if isinstance(found, np.ndarray) else type(found).__name__
        raise ValueError(
            f"the training window ({window}) chose by {what}; give an array of {len(at)} booleans, one for each row"
        )
    if late := int((found & ~_before(at, known)).sum()):
        raise ValueError(
            f"the training window ({window}) chose {late} rows from {known.as_of:%Y-%m-%d %H:%M} on, which is the end "
            "of what may be learned from; choose earlier ones only"
        )
    return found


def told(length: timedelta) -> str:
    """Return a duration in words.

    >>> told(timedelta(days=63)), told(timedelta(hours=36))
    ('63 days', '1.5 days')
    """
    n = length / DAY
    return f"{n:.6g} day{'s' if n != 1 else ''}"


def _before(at: NDArray[np.datetime64], known: Known) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = at < moment(known.as_of)
    return found


def _years(at: NDArray[np.datetime64]) -> range:
    """Return the years of times, with one more on either side: a time of year may lie about its turn."""
    if not len(at):
        return range(0)
    first, last = (int(one.astype("datetime64[Y]").astype(int)) + 1970 for one in (at.min(), at.max()))
    return range(max(first - 1, MINYEAR), min(last + 1, MAXYEAR) + 1)


def _in_year(when: datetime, year: int) -> datetime:
    """Return the same day and hour in another year."""
    when = when.astimezone(UTC)
    leap = (when.month, when.day) == LEAP_DAY
    return when.replace(year=year, day=28) if leap and not _is_leap(year) else when.replace(year=year)


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
