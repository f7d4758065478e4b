"""Whether a list does as well on what is seldom shown as on what is popular (Chia et al. 2021; Huyen 2022, ch. 8)."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.intervals import Estimate, Support, bootstrap, day_blocks, estimate, spread
from mlsys_assets.measures.metrics import Floats, Weights, divide
from mlsys_assets.production_monitoring.feedback.shown import ShownLog

BUCKETS = {"never": (0, 1), "1 to 9": (1, 10), "10 to 99": (10, 100), "100 and more": (100, math.inf)}
"""How often an item was shown on the days before, as half-open ranges: popularity is skewed, so by powers of ten."""


@dataclass(frozen=True)
class HitRate:
    """The share of shown rows whose outcome is 1."""

    name: str = "hit_rate"
    higher_is_better: bool = True

    def draws(self, label: Floats, score: Floats, weights: Weights) -> Floats:
        """Return (b,) shares; what was shown counts, not its score."""
        return weights.means(label + 0 * score)


def shown_before(item: NDArray[np.intp], day: NDArray[np.intp]) -> NDArray[np.int64]:
    """Return (n,) how often each row's item was shown on the days before the row's own.

    >>> shown_before(np.array([5, 5, 5, 2]), np.array([0, 0, 1, 1])).tolist()
    [0, 0, 2, 0]
    """
    order = np.lexsort((day, item))
    items, days = item[order], day[order]
    at = np.arange(len(item))
    new_item = np.r_[True, np.diff(items) != 0][: len(item)]
    new_cell = new_item | np.r_[True, np.diff(days) != 0][: len(item)]
    first = np.maximum.accumulate(np.where(new_item, at, 0))
    of_cell = np.maximum.accumulate(np.where(new_cell, at, 0))
    found = np.empty(len(item), dtype=np.int64)
    found[order] = of_cell - first
    return found


def hit_rates(log: ShownLog, *, seed: int = 0, support: Support | None = None) -> dict[str, Estimate]:
    """Return the hit rate by how often an item was shown on the days before, with an interval by day.

    Only rows whose outcome is known count; a bucket with too few of them says that the data are insufficient.

    Parameters
    ----------
    seed
        Of the bootstrap.
    """
    if not len(log) or log.outcome is None:
        return {name: Estimate.untold(np.empty(0), 0) for name in BUCKETS}
    day = day_blocks(log.at)
    known, count = ~np.isnan(log.outcome), shown_before(log.item, day)
    found = {}
    for name, (low, high) in BUCKETS.items():
        rows = known & (count >= low) & (count < high)
        outcome = log.outcome[rows]
        weights = bootstrap(day_blocks(log.at[rows]), seed=seed)
        found[name] = estimate(HitRate(), outcome, np.zeros(len(outcome)), weights=weights, support=support)
    return found


def popularity_gap(log: ShownLog, *, popular: int = 10, seed: int = 0, support: Support | None = None) -> Estimate:
    """Return how much higher the hit rate is of items shown at least ``popular`` times before than of the others.

    A list that is much better on what is popular than on the rest has a popularity bias. Rows of one day are compared
    (Greenland & Robins 1985, after Mantel & Haenszel): nothing is popular when a log begins, and hits have seasons.
    It is untold unless both have rows enough.
    """
    asked = support or Support()
    if not len(log) or log.outcome is None:
        return Estimate.untold(np.empty(0), 0)
    known = ~np.isnan(log.outcome)
    outcome, head = log.outcome[known], (shown_before(log.item, day_blocks(log.at)) >= popular)[known]
    day = day_blocks(log.at[known])
    weights = bootstrap(day, seed=seed)
    blank = Estimate.untold(outcome, len(np.unique(day)))
    if not all(asked.suffices(outcome[part], outcome[part], len(np.unique(day[part]))) for part in (head, ~head)):
        return blank
    popular_rows, others, hits, other_hits = (
        weights.by_block(part.astype(np.float64)) for part in (head, ~head, head * outcome, ~head * outcome)
    )
    rows = popular_rows + others
    gaps, worth = (hits * others - other_hits * popular_rows) / rows, popular_rows * others / rows
    drawn = divide(weights.counts @ gaps, weights.counts @ worth)
    whole = float(gaps.sum() / worth.sum()) if worth.sum() else np.nan
    return spread(whole, drawn, like=replace(blank, sufficient=True))
