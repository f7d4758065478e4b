"""What is usual: limits of drift calibrated on the system's own past, as rows of one week are no independent draws.

Rows of a week share its weather and its season, so that two weeks differ beyond what independent rows could, every
time. What a distance tells is told by the distances of the weeks before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.metrics import Floats
from mlsys_assets.mistakes import out_of_range
from mlsys_assets.production_monitoring.diagnosis import Cause, Symptom
from mlsys_assets.production_monitoring.drift.rolling_null import Law, RollingNull, logarithms

RATE: Final = 0.02
"""The share of quiet windows with an alarm, all statistics together: of weeks, one a year."""
LEAST_WINDOWS: Final = 12
"""Fewer windows than this, and what is usual is not known."""
MOST_WINDOWS: Final = 52
"""The last so many count: of weeks, every season once."""
APART: Final = 6.0
"""A PSI that is a change whatever came before: two sets with nothing in common have about 8, more is not possible. Of
87 columns of flights, the largest of 35 weeks was 5.1."""
MANY: Final = 0.25
"""The share of the statistics that are looked at together."""


@dataclass(frozen=True)
class Usualness:
    """How usual one statistic is.

    Parameters
    ----------
    name
        The column, or what was measured.
    value, median
        Now, and of the windows before.
    limit
        What it exceeds only where it is unusual, and large enough to count.
    chance
        How often a quiet window has a statistic, of all that were asked for, as far above its own past as this.
    windows
        How many windows before it rests on.
    """

    name: str
    value: float
    median: float
    limit: float
    chance: float
    windows: int

    @property
    def unusual(self) -> bool:
        """Whether it is beyond its limit."""
        return self.value > self.limit


@dataclass(frozen=True)
class Together:
    """Whether many statistics are unusual at once, though perhaps none of them by itself.

    Parameters
    ----------
    share, limit
        The share of the statistics that are farther above their past than as many were at once before; from which
        share on that is unusual.
    chance
        How often a quiet window has as many that are as far.
    of
        How many statistics were looked at.
    """

    share: float
    limit: float
    chance: float
    of: int

    @property
    def unusual(self) -> bool:
        """Whether so many are."""
        return self.share > self.limit


@dataclass(frozen=True)
class Judged:
    """What is usual of a window.

    Parameters
    ----------
    statistics
        Each that could be told, the least usual first.
    together
        All of them; None where none could be told.
    untold
        By name why a statistic cannot be told.
    """

    statistics: tuple[Usualness, ...]
    together: Together | None
    untold: Mapping[str, str] = field(default_factory=dict)

    @property
    def unusual(self) -> tuple[Usualness, ...]:
        """Those beyond their limits, the least usual first."""
        return tuple(one for one in self.statistics if one.unusual)

    def symptoms(self, test: str, *, cause: Cause = Cause.COVARIATE, where: str = "features") -> tuple[Symptom, ...]:
        """Return what is unusual as symptoms; of all together it lies in ``where``."""
        found = tuple(_symptom(one, test, cause) for one in self.unusual)
        return found if self.together is None or not self.together.unusual else (*found, self._many(test, cause, where))

    def _many(self, test: str, cause: Cause, where: str) -> Symptom:
        assert self.together is not None  # noqa: S101 - for the type alone
        every = self.together
        told = (
            f"{every.share:.0%} of {every.of} are at once farther above their own past, by {test}, than "
            f"{every.limit:.0%} ever are in a quiet window; as many in {every.chance:.2%} of those"
        )
        return Symptom(cause, f"share unusual by {test}", where, told, every.share, every.limit, {"p": every.chance})


@dataclass(frozen=True)
class Usual:
    """How limits are set by the windows before.

    A distance is taken by its logarithm, less the median of the windows before and over their median absolute
    deviation, so that past incidents hardly count. The most unusual statistic of a window is held against that of
    each window before (the max-T of Westfall and Young 1993), each of which was measured by all others: this keeps the
    rate of alarms however many statistics there are and however they hang together. Beyond what was ever seen, the
    tail is that of the largest of as many Student's t.

    Parameters
    ----------
    rate
        The share of quiet windows with an alarm by any single statistic; and as many by all together.
    least_windows, most_windows
        Fewer windows before tell nothing; of more, the last count.
    many
        The share of the statistics that are looked at together.
    """

    rate: float = RATE
    least_windows: int = LEAST_WINDOWS
    most_windows: int = MOST_WINDOWS
    many: float = MANY

    def mistakes(self) -> list[str]:
        """Return which numbers are out of range."""
        what = "what is usual"
        found = [
            *out_of_range(f"{what}: rate", self.rate, above=0, most=0.5),
            *out_of_range(f"{what}: least_windows", self.least_windows, whole=True, least=5),
            *out_of_range(f"{what}: most_windows", self.most_windows, whole=True, least=5),
            *out_of_range(f"{what}: many", self.many, above=0, most=1),
        ]
        if not found and self.most_windows < self.least_windows:
            found.append(f"{what}: {self.most_windows} windows count at most, and {self.least_windows} are needed")
        return found

    def judged(
        self, past: Mapping[str, Floats], now: Mapping[str, float], *, least: float = 0.0, most: float = np.inf
    ) -> Judged:
        """Return how usual each statistic of a window is.

        Parameters
        ----------
        past
            For each name (k,) distances of the windows before, the oldest first, NaN where there was none. Those of
            a name that is younger are fewer.
        now
            For each name the distance of the window; below 0 counts as 0.
        least
            The distance below which none counts, however unusual.
        most
            The distance beyond which each counts, however usual: of one that cannot grow without end, as ``APART``.
        """
        untold = {name: why for name, value in now.items() if (why := self._missing(past.get(name), value))}
        names = [name for name in now if name not in untold]
        if not names:
            return Judged((), None, untold)
        value = np.array([now[name] for name in names])
        logs, log_now = logarithms(self._recent(past, names), value)
        null = RollingNull.of(logs, self.rate)
        z = (log_now - null.center) / null.spread
        limits = np.clip(np.exp(null.center + null.spread * null.limit), least, most)
        chance, windows = null.chance(z), np.sum(~np.isnan(logs), axis=1)
        medians = np.exp(null.center)
        rows = zip(names, value.tolist(), medians.tolist(), limits.tolist(), chance.tolist(), windows, strict=True)
        found = [Usualness(name, v, middle, limit, p, int(k)) for name, v, middle, limit, p, k in rows]
        ranked = sorted(found, key=lambda one: (not one.unusual, one.chance, one.name))
        return Judged(tuple(ranked), self._together(null, z, value >= least), untold)

    def _missing(self, past: Floats | None, value: float) -> str:
        """Return why a statistic cannot be told."""
        if not np.isfinite(value):
            return f"no distance now, but {value}"
        known = 0 if past is None else int(np.isfinite(np.asarray(past)[-self.most_windows :]).sum())
        return "" if known >= self.least_windows else f"{known} windows before, {self.least_windows} needed"

    def _recent(self, past: Mapping[str, Floats], names: list[str]) -> Floats:
        """Return (m, k) distances, the newest last, NaN where there is none."""
        k = min(max(len(past[name]) for name in names), self.most_windows)
        found = np.full((len(names), k), np.nan)
        for j, name in enumerate(names):
            last = np.asarray(past[name], dtype=np.float64)[-k:]
            found[j, k - len(last) :] = np.where(np.isfinite(last), last, np.nan)
        return found

    def _together(self, null: RollingNull, z: Floats, counts: NDArray[np.bool_]) -> Together:
        """Return whether more than ``many`` of the statistics lie beyond where so many lay at once before."""
        level = np.nanquantile(null.past, 1 - self.many, axis=0, method="higher")
        law = Law.of(level, 1)
        share = float(np.mean((z > law.quantile(1 - self.rate)) & counts))
        now = float(np.quantile(z, 1 - self.many, method="higher"))
        return Together(share, self.many, float(law.above(np.array([now]))[0]), len(z))


def _symptom(one: Usualness, test: str, cause: Cause) -> Symptom:
    times = one.value / one.median if one.median > 0 else np.inf
    told = (
        f"{test} {one.value:.3g}, {times:.1f} times the median of {one.windows} windows before (limit "
        f"{one.limit:.3g}); as unusual in {one.chance:.2%} of quiet windows"
    )
    measures = {"median": one.median, "p": one.chance, "windows": one.windows}
    return Symptom(cause, test, one.name, told, one.value, one.limit, measures)
