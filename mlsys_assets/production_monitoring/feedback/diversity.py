"""How evenly a list shows its catalogue: aggregate diversity, the long tail, and how concentrated exposure is.

A list that learns only of what it shows can come to show ever less of what there is (Huyen 2022, ch. 8). What it
shows of the catalogue tells so without a label.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.intervals import day_blocks
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.production_monitoring.feedback.shown import ShownLog, window_starts
from mlsys_assets.types import Calendar

HEAD = 0.2
"""The share of the catalogue, the most popular items, that is called its head; the rest is the long tail."""


@dataclass(frozen=True)
class Diversity:
    """What a window showed of the catalogue; NaN where it cannot be told.

    Parameters
    ----------
    shown, distinct, catalogue
        Rows; different items among them; items that could have been shown.
    long_tail
        The share of the long tail's items that were shown: of all but the most popular before the window.
    gini
        Of the items' showings: 0 if all are shown alike, near 1 if one has them all (Gini 1912).
    entropy
        Of the items' shares, in nats (Shannon 1948).
    effective
        Items that, shown alike, would repeat from day to day as often: see ``effective_items``.
    popularity
        How often a shown item had been shown before the window, in the mean.
    reached
        Of how many items it can be learned: see ``reached``; or of how many outcomes came, shown or not.
    """

    shown: int
    distinct: int
    catalogue: int
    long_tail: float
    gini: float
    entropy: float
    effective: float
    popularity: float
    reached: float

    @property
    def aggregate(self) -> float:
        """Aggregate diversity: the share of the catalogue that was shown (Adomavicius & Kwon 2012)."""
        return self.distinct / self.catalogue if self.catalogue else np.nan

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it; NaN becomes null."""
        found = {**asdict(self), "aggregate": self.aggregate}
        return {name: None if isinstance(v, float) and not np.isfinite(v) else v for name, v in found.items()}


def gini(showings: Floats) -> float:
    """Return the Gini coefficient of (c,) items' showings; NaN if nothing was shown.

    >>> gini(np.array([1.0, 1.0, 1.0, 1.0])), gini(np.array([0.0, 0.0, 0.0, 4.0]))
    (0.0, 0.75)
    """
    rising, n = np.sort(showings), len(showings)
    if not n or not rising.sum():
        return np.nan
    return float(2 * (np.arange(1, n + 1) @ rising) / (n * rising.sum()) - (n + 1) / n)


def entropy(showings: Floats) -> float:
    """Return the entropy, in nats, of (c,) items' shares of all showings; NaN if nothing was shown."""
    if not showings.sum():
        return np.nan
    shares = showings[showings > 0] / showings.sum()
    return float(-(shares * np.log(shares)).sum())


def effective_items(item: NDArray[np.intp], day: NDArray[np.intp]) -> float:
    """Return how many items, shown alike, would repeat from day to day as often; NaN if no two days can be compared.

    The inverse of Simpson's index (Simpson 1949; Hill 1973), from pairs of rows of different days: its estimate does
    not depend on how much was shown, as the Gini coefficient of few rows does, nor on a list naming each item once.
    Where no item was shown on two days, half a pair stands for none.

    Parameters
    ----------
    item, day
        (n,) each row's item and day, as whole numbers from 0 on.
    """
    if not len(item):
        return np.nan
    cells, of_cell = np.unique(day * (int(item.max()) + 1) + item, return_counts=True)
    of_day, of_item = np.bincount(day), np.bincount(item)
    pairs = float(len(item) ** 2 - (of_day**2).sum()) / 2
    same = float((of_item**2).sum() - (of_cell**2).sum()) / 2
    return pairs / max(same, 0.5) if len(cells) and pairs else np.nan


def measured(log: ShownLog, *, offered: int | None = None, before: Floats | None = None) -> Diversity:
    """Return what one window of a log shows.

    Parameters
    ----------
    offered
        Items that could have been shown in the window; None: the whole catalogue.
    before
        (c,) how often each item was shown before the window; None: not known.
    """
    c = len(log.catalogue) if offered is None else offered
    showings = np.bincount(log.item, minlength=len(log.catalogue)).astype(np.float64)
    there = np.sort(showings)[len(showings) - c :] if c < len(showings) else showings
    day = day_blocks(log.at)
    known = before is not None and before.sum() > 0
    return Diversity(
        shown=len(log),
        distinct=int((showings > 0).sum()),
        catalogue=c,
        long_tail=_tail_shown(showings, before) if before is not None and known else np.nan,
        gini=gini(there),
        entropy=entropy(showings),
        effective=effective_items(log.item, day),
        popularity=float(before[log.item].mean()) if before is not None and known and len(log) else np.nan,
        reached=reached(log, day),
    )


def reached(log: ShownLog, day: NDArray[np.intp]) -> float:
    """Return of how many items it can be learned: those that had a chance to be shown, or were.

    Horvitz & Thompson (1952): the sum of 1/p over what was shown on a day is, in the mean, the number of items with
    p > 0. Without usable propensities, no item is known to have had a chance but those shown.
    """
    p, distinct = log.propensity, float(len(np.unique(log.item)))
    if p is None or not len(log) or not ((p > 0) & (p <= 1)).all():
        return distinct
    return max(float((1 / p).sum() / (day.max() + 1)), distinct)


def by_window(
    log: ShownLog,
    calendar: Calendar,
    *,
    offered: Sequence[int] | None = None,
    learned: Sequence[float] | None = None,
) -> dict[np.datetime64, Diversity]:
    """Return the diversity of each tick of a calendar in which something was shown, by its start, in order.

    Parameters
    ----------
    offered
        Items that could have been shown in each such tick; None: the whole catalogue.
    learned
        Of how many items outcomes came in each such tick, shown or not; None: of those that are shown.

    Raises ValueError for another number of either than there are such ticks.
    """
    starts, window = np.unique(window_starts(log.at, calendar), return_inverse=True)
    for what, found in (("offered", offered), ("learned", learned)):
        if found is not None and len(found) != len(starts):
            raise ValueError(f"{what} has {len(found)} numbers; {len(starts)} ticks showed something")
    before = np.zeros(len(log.catalogue))
    told: dict[np.datetime64, Diversity] = {}
    for i, start in enumerate(starts):
        part = log.take(window == i)
        one = measured(part, offered=None if offered is None else offered[i], before=before)
        told[start] = one if learned is None else Diversity(**{**asdict(one), "reached": float(learned[i])})
        before = before + np.bincount(part.item, minlength=len(before))
    return told


def _tail_shown(showings: Floats, before: Floats) -> float:
    order = np.argsort(-before, kind="stable")
    tail = order[int(np.ceil(HEAD * len(order))) :]
    return float((showings[tail] > 0).mean()) if len(tail) else np.nan
