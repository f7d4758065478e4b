"""Whether a training is likely to bring in what it costs, by what earlier ones brought in."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from statistics import NormalDist

from mlsys_assets.measures.intervals import LEVEL, on_record
from mlsys_assets.measures.metrics import LogLoss, Metric
from mlsys_assets.mistakes import not_long, not_one, out_of_range
from mlsys_assets.retraining.history import History
from mlsys_assets.retraining.training_cost import HIGHEST_COST, TrainingCost
from mlsys_assets.retraining.trigger import TriggerVerdict, said, unknown
from mlsys_assets.types import days

A_DAY = days(1)
LEAST_EARLIER = 3
"""Two rates alone have an interval of 12 standard deviations: nothing would be held back by it."""


@dataclass(frozen=True)
class WorthIt:
    """Holds a training back that is not worth its declared cost, even if it gains as much as it well may.

    What a training gains a request is taken to grow in proportion to the champion's age. How fast, earlier trainings
    tell: what a challenger gained over the champion, on rows that neither had seen, against how much later what it had
    learned from ended (least squares through the origin, with Student's t). A challenger leaves validation and test
    out, and a refitted champion does not: one that is held against a champion of that age has learned from the same
    rows, and tells only how much such a gain varies. It pays on as many requests as come in ``over``, if they come as
    fast as labels did since the last training.

    A training is held back if the upper end of the interval does not bring in its cost. The upper end grows with the
    champion's age as long as it is above 0, so that a few unlucky comparisons do not end training for good; if it is
    not, only a person starts the next. It assumes that the world moves on at the rate at which it did: it foresees no
    break. With fewer than ``earlier`` trainings to learn from it says ``insufficient data`` and holds nothing back.

    Parameters
    ----------
    metric
        In which gains are measured: one by which the gate compares with the champion. With ``ExpectedCost`` they are
        money by the system's costs.
    price
        What one unit of the metric on one request is worth, in the unit of the training's cost: 1 for
        ``ExpectedCost`` and costs in money.
    over
        How long the new model is expected to serve.
    earlier
        So many trainings tell what one gains.
    looks_back
        How old they may be.
    """

    price: float
    over: timedelta
    metric: Metric = field(default_factory=LogLoss)
    earlier: int = 4
    looks_back: timedelta = field(default_factory=lambda: days(365))

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        return [
            *not_one("worth_it: metric", self.metric, Metric),
            *out_of_range("worth_it: price", self.price, above=0, most=HIGHEST_COST),
            *not_long("worth_it: over", self.over),
            *out_of_range("worth_it: earlier", self.earlier, whole=True, least=LEAST_EARLIER),
            *not_long("worth_it: looks_back", self.looks_back),
        ]

    def verdict(self, history: History, cost: TrainingCost) -> TriggerVerdict:
        """Return whether a training as of now may be worth what it costs."""
        if history.champion is None or history.trained is None:
            return unknown("as of when the champion was trained is not known")
        if history.now is None:
            return unknown(f"labels were not counted as of {history.as_of:%Y-%m-%d %H:%M}")
        seen = self._seen(history)
        if len(seen) < self.earlier:
            return unknown(f"{len(seen)} earlier trainings tell what one gains; asked for: {self.earlier}")
        if not any(ahead for ahead, _ in seen):
            return unknown(f"the {len(seen)} earlier challengers had learned from no later rows than the champions")
        rate, most = _rates(seen)
        since = history.as_of - history.trained.as_of
        requests = max(history.now.labelled - history.trained.labelled, 0) * (self.over / since)
        pays = float(self.price) * requests * ((history.as_of - history.champion) / A_DAY)
        price, likely, at_most = cost.next(history), on_record(rate * pays), on_record(most * pays)
        reason = (
            f"a training costs {price:,.4g}; by {len(seen)} earlier ones it brings in {likely:,.4g}, at most "
            f"{at_most:,.4g}, on the {requests:,.0f} requests of {self.over / A_DAY:g} days"
        )
        return said(at_most >= price, reason, cost=price, gain=likely, gain_high=at_most, earlier=len(seen))

    def _seen(self, history: History) -> list[tuple[float, float]]:
        """Return how many days each earlier challenger was ahead of its champion, and what it gained."""
        sign, since = (1.0 if self.metric.higher_is_better else -1.0), history.as_of - self.looks_back
        known = [(t.ahead, t.changes.get(self.metric.name)) for t in history.trainings if t.as_of >= since]
        return [(ahead / A_DAY, sign * change.value) for ahead, change in known if ahead is not None and change]


def _rates(seen: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Return the gain a day, and the upper end of its interval."""
    squares = sum(ahead**2 for ahead, _ in seen)
    rate = sum(ahead * gain for ahead, gain in seen) / squares
    free = len(seen) - 1
    variance = sum((gain - rate * ahead) ** 2 for ahead, gain in seen) / free
    return rate, rate + student_t((1 + LEVEL) / 2, free) * math.sqrt(variance / squares)


def student_t(chance: float, free: int) -> float:
    """Return the quantile of Student's t, within 1% from two degrees of freedom on.

    By its expansion about the normal distribution's (Abramowitz and Stegun 1964, 26.7.5); at two it is known.
    """
    if free == 2:  # noqa: PLR2004 - the one case that has a formula of its own, and where the expansion is poor
        return (2 * chance - 1) / math.sqrt(2 * chance * (1 - chance))
    z = NormalDist().inv_cdf(chance)
    return (
        z
        + (z**3 + z) / (4 * free)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * free**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * free**3)
        + (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / (92160 * free**4)
    )
