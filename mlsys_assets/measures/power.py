"""Power: how likely a comparison shows a gain that is there, and how many days it needs (Cohen 1988)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlsys_assets.measures.intervals import LEVEL
from mlsys_assets.measures.metrics import Floats

DAYS_A_WEEK = 7
CHANCES = (0.5, 0.8, 0.9)


@dataclass(frozen=True)
class Power:
    """What a paired comparison of mean losses can show, foretold from the days of an earlier one.

    Parameters
    ----------
    deviation
        The standard deviation of one day's contribution to the mean difference.
    margin
        What the gain must exceed, in the metric's unit.
    level
        Of the interval that must lie beyond the margin.
    """

    deviation: float
    margin: float = 0.0
    level: float = LEVEL

    @classmethod
    def foretold(cls, difference: Floats, block: Floats, *, margin: float = 0.0, level: float = LEVEL) -> "Power":
        """Return it from (n,) differences of row losses of an earlier comparison, and (n,) the day of each, 0 … k−1.

        The mean is a ratio, of a sum over rows whose number varies by day: its linearised deviation is used (Cochran
        1977, ch. 6).
        """
        days = block.astype(np.intp)
        sums, rows = np.bincount(days, weights=difference), np.bincount(days).astype(float)
        parts = (sums - sums.sum() / rows.sum() * rows) / rows.mean()
        return cls(float(parts.std(ddof=1)), margin, level)

    def at(self, gain: float, days: int) -> float:
        """Return the chance that a true ``gain`` is shown by so many days, by the noncentral t distribution."""
        from scipy.special import nctdtr, stdtrit

        if days <= 1 or self.deviation == 0:
            return float(days > 1 and gain > self.margin)
        critical = stdtrit(days - 1, (1 + self.level) / 2)
        return float(1 - nctdtr(days - 1, (gain - self.margin) / (self.deviation / np.sqrt(days)), critical))

    def curve(self, gains: Sequence[float], weeks: Sequence[int]) -> Floats:
        """Return (gains, weeks) chances."""
        return np.array([[self.at(gain, DAYS_A_WEEK * n) for n in weeks] for gain in gains])

    def least_gain(self, days: int, *, chance: float = CHANCES[1]) -> float:
        """Return the smallest gain that so many days show with a chance: what a comparison can tell at all."""
        if days <= 1:
            return float("inf")
        if self.deviation == 0:
            return self.margin  # all days alike: whatever lies beyond it is shown
        low, high = self.margin, self.margin + self.deviation
        while self.at(high, days) < chance:
            high = self.margin + 2 * (high - self.margin)
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if self.at(middle, days) < chance else (low, middle)
        return high
