"""A simulated loop: a list shows some items a day, and learns of those alone."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.metrics import Floats
from mlsys_assets.production_monitoring.feedback.exploration import Beliefs, EpsilonGreedy, Policy, draw
from mlsys_assets.production_monitoring.feedback.shown import ShownLog

START = np.datetime64("2013-01-07", "us")
"""The first day, a Monday."""
RANDOM = EpsilonGreedy(1.0)
PRIOR_ROWS = 10.0
"""How many outcomes the mean of all items weighs in what is believed of one."""


@dataclass(frozen=True, eq=False)
class Lived:
    """What a simulated loop left behind.

    Parameters
    ----------
    log
        What was shown, with propensities and outcomes.
    rate
        (n,) the true chance of an outcome of 1.
    believed
        (days, n) what was believed at the start of each day.
    """

    log: ShownLog
    rate: Floats
    believed: Floats

    def frozen(self, since: int) -> float:
        """Return the share of items of which nothing was learned from a day on, counted from 0."""
        return float((self.believed[since] == self.believed[-1]).mean())

    @property
    def regret(self) -> float:
        """How much better the best list would have done than what was shown, in outcomes a row."""
        shown = len(self.log) // len(self.believed)
        return float(np.sort(self.rate)[-shown:].mean() - self.rate[self.log.item].mean())


def live(rate: Floats, policy: Policy, *, shown: int, days: tuple[int, int], seed: int) -> Lived:
    """Return what a list leaves behind that is random at first, as before there is a model, and then a policy's.

    At first nothing is known of an item but the mean of all; from the first day on it is learned of what is shown.

    Parameters
    ----------
    rate
        (n,) each item's true chance of an outcome of 1.
    policy
        Chooses by what is believed.
    shown
        Items a day; of a smaller catalogue all.
    days
        How many random days come first, and how many of the policy follow.
    seed
        Of what is chosen and of what comes of it.

    Raises ValueError for no items, no days, or rates that are no probabilities.
    """
    if not len(rate) or min(days) < 0 or sum(days) < 1 or shown < 1 or not ((rate >= 0) & (rate <= 1)).all():
        raise ValueError(
            f"{len(rate)} items, {shown} shown a day, {days} days; there must be one of each, with rates in [0, 1]"
        )
    rng, n = np.random.default_rng(seed), len(rate)
    hits, rows, prior = np.zeros(n), np.zeros(n), float(rate.mean())
    believed, lists = np.empty((sum(days), n)), []
    for day in range(sum(days)):
        mean = (hits + prior * PRIOR_ROWS) / (rows + PRIOR_ROWS)
        error = np.sqrt(mean * (1 - mean) / (rows + PRIOR_ROWS + 1))
        believed[day] = mean
        chance = (RANDOM if day < days[0] else policy).inclusion(Beliefs(mean, error), shown, rng)
        item = draw(chance, rng)
        item = item[np.argsort(-mean[item], kind="stable")]
        outcome = (rng.random(len(item)) < rate[item]).astype(np.float64)
        hits[item] += outcome
        rows[item] += 1
        lists.append(_List(item, chance[item], outcome, mean[item]))
    return Lived(_log(lists, n), rate, believed)


class _List(NamedTuple):
    """What was shown on one day."""

    item: NDArray[np.intp]
    chance: Floats
    outcome: Floats
    score: Floats


def _log(lists: list[_List], items: int) -> ShownLog:
    item = np.concatenate([one.item for one in lists])
    chance, outcome, score = (np.concatenate(part) for part in zip(*(one[1:] for one in lists), strict=True))
    counts = [len(one.item) for one in lists]
    since = np.repeat(np.arange(len(lists)), counts) * np.timedelta64(1, "D")
    position = np.concatenate([np.arange(1.0, count + 1) for count in counts])
    names = tuple(f"item {i}" for i in range(items))
    return ShownLog(names, item, START + since, position, score, chance, outcome)
