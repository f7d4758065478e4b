"""How a recipe looks by a split in time and by one at random: on the same rows, and by what each would report."""

from dataclasses import dataclass

import numpy as np

from mlsys_assets import thumbnails
from mlsys_assets.charts import forest
from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.measures.metrics import Metric
from mlsys_assets.types import Finding, Scalar, Severity, TimeWindow

FLATTERS = "a_random_split_would_promise_no_more"


@dataclass(frozen=True, eq=False)
class SplitGap:
    """How a recipe looks by a split in time and by one at random.

    Parameters
    ----------
    candidate
        Whose.
    metric
        What was measured.
    window
        The last period.
    forced
        Why rows were split at random.
    trained, neighbours
        Rows that either model was fitted on; of those drawn at random, how many lay in the last period, on the mean.
    by_time, at_random
        The metric on the same rows of the last period, which neither model saw.
    flattery
        By how much the second is better, in the metric's unit, paired: what neighbours of the test rows, and days
        that had not come yet, do for a model.
    own_by_time, own_at_random
        What each split would have reported, on the test it made itself. Their difference mixes the flattery with
        how much harder the last period is than the rest of the year.
    """

    candidate: str
    metric: Metric
    window: TimeWindow
    forced: str
    trained: int
    neighbours: int
    by_time: Estimate
    at_random: Estimate
    flattery: Estimate
    own_by_time: Estimate
    own_at_random: Estimate

    @property
    def naive(self) -> float:
        """By how much the random split's own test looks better than the other's; NaN if untold."""
        sign = 1.0 if self.metric.higher_is_better else -1.0
        return sign * (self.own_at_random.value - self.own_by_time.value)

    def text(self) -> str:
        """Return the comparison on the same rows, and what each split would have reported."""
        rest = "how much of it is the difference of days is untold"
        if self.flattery.sufficient and np.isfinite(self.naive):
            rest = f"{self.naive - self.flattery.value:+.4f} of it is that its test is of other days"
        lines = (
            f"{self.metric.name} of {self.candidate} on the same rows of {self.window}, fitted on",
            f"  {self.trained:,} rows that came before: {self.by_time}",
            f"  as many drawn at random, {self.neighbours:,} of them of that period: {self.at_random}",
            f"  so much better a random split looks: {self.flattery}",
            f"each split on a test of its own: {self.own_by_time} by time, {self.own_at_random} at random",
            f"  so much better a random split looks there: {self.naive:+.4f}, and {rest}",
            f"rows ordered in time were split at random: {self.forced}",
        )
        return "\n".join(lines)

    def as_dict(self) -> dict[str, object]:
        """Return it as JSON holds it."""
        found = {name: getattr(self, name).as_dict() for name in self._told()}
        own: dict[str, object] = {"candidate": self.candidate, "metric": self.metric.name, "forced": self.forced}
        return {**own, "trained": self.trained, "neighbours": self.neighbours, **found}

    def finding(self) -> Finding:
        """Return whether a random split would promise no more on the same rows; it fails too where that is untold."""
        what = (
            f"{self.metric.name} of {self.candidate} on the same rows: a random split looks better by {self.flattery}"
        )
        evidence: dict[str, Scalar] = {"rows": self.flattery.rows, "trained": self.trained}
        if not self.flattery.sufficient:
            return Finding(FLATTERS, False, f"{what}: what it hides cannot be told", Severity.WARN, evidence)
        evidence |= {"flattery": self.flattery.value, "low": self.flattery.low, "high": self.flattery.high}
        surely = self.flattery.low > 0
        advice = ": report what the split in time says" if surely else ", which may be nothing"
        return Finding(FLATTERS, not surely, f"{what}{advice}", Severity.WARN, evidence)

    def plot(self) -> str:
        """Return what was measured as SVG, each with its interval."""
        shown = {name: {self.candidate: span} for name, span in self._spans().items()}
        return forest(shown, title=f"{self.metric.name} by how rows were split, with 95% intervals by day")

    def thumbnail(self) -> str:
        """Return what was measured as Markdown that is seen at once."""
        return thumbnails.spans(self._spans(), title=f"{self.metric.name} of {self.candidate} by split")

    def _spans(self) -> dict[str, tuple[float, float, float]]:
        named = {"by time": self.by_time, "at random": self.at_random}
        named |= {"by time, own test": self.own_by_time, "at random, own test": self.own_at_random}
        return {name: (e.value, e.low, e.high) for name, e in named.items() if e.sufficient}

    def _told(self) -> tuple[str, ...]:
        return ("by_time", "at_random", "flattery", "own_by_time", "own_at_random")
