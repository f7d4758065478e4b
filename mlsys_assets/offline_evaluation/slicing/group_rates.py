"""Rates by group with intervals by day, and how far apart the groups surely are."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.measures.intervals import LEVEL, Estimate, Support, spread
from mlsys_assets.measures.metrics import Floats, Weights
from mlsys_assets.offline_evaluation.slicing.decision_rates import Decisions, Rate

Groups = Sequence[tuple[str, NDArray[np.bool_]]]


@dataclass(frozen=True, eq=False)
class GroupRates:
    """One rate in each of g groups.

    Parameters
    ----------
    rate
        Which.
    estimates
        Group to estimate.
    drawn
        (b, s) the rate in each draw, for the s groups with support, in order.
    least_error
        (s,) the standard error that so many independent rows would leave.
    """

    rate: str
    estimates: Mapping[str, Estimate]
    drawn: Floats
    least_error: Floats

    @property
    def supported(self) -> list[str]:
        """The groups with support, in order."""
        return [group for group, found in self.estimates.items() if found.sufficient]

    @property
    def values(self) -> Floats:
        """(s,) the rate of each of them."""
        return np.array([self.estimates[group].value for group in self.supported])

    @property
    def error(self) -> Floats:
        """(s,) the standard error of each: that of the draws, or that of independent rows where it is larger."""
        return np.maximum(_deviation(self.drawn), self.least_error)


@dataclass(frozen=True)
class Disparity:
    """How far apart groups are at most, in any of the rates.

    Parameters
    ----------
    difference
        Of the largest and the smallest rate.
    ratio
        Of the smallest and the largest.
    rate, groups
        In which rate the difference is largest, and between which two groups; empty if there are none.
    """

    difference: Estimate
    ratio: Estimate
    rate: str = ""
    groups: tuple[str, ...] = ()


def group_rates(
    rate: Rate, decided: Decisions, groups: Groups, *, weights: Weights, support: Support | None = None
) -> GroupRates:
    """Return a rate by group.

    An interval holds what the draws of days say and what as many independent rows would (Wilson 1927): days alone
    say nothing where a group's rate is 0 or 1 on each of them. A group has support if as many rows as ``support``
    asks of a class are counted, on days enough.

    Parameters
    ----------
    rate
        What is counted.
    decided
        The n decisions.
    groups
        Name and (n,) rows of each, as a slicing yields them.
    weights
        Draws of days for the n rows.
    """
    needed = support or Support()
    hits, counts = rate.counted(decided.label, decided.acted)
    estimates, drawn, errors = {}, [], []
    for name, rows in groups:
        mine = weights.of(rows)
        n, hit = float(counts[rows].sum()), float(hits[rows].sum())
        blocks = len(np.unique(mine.block[counts[rows] > 0]))
        enough = n >= max(1, needed.least_of_each_class) and blocks >= needed.least_blocks
        size, positives = int(rows.sum()), int(decided.label[rows].sum())
        like = Estimate(np.nan, np.nan, np.nan, size, positives, blocks, sufficient=enough)
        below = mine.totals(counts[rows])
        share = np.divide(mine.totals(hits[rows]), below, out=np.full(len(below), np.nan), where=below > 0)
        estimates[name] = spread(hit / max(n, 1.0), share, like=like)
        if estimates[name].sufficient:
            least = float(np.sqrt((hit + 1) * (n - hit + 1) / (n + 2) ** 3))
            estimates[name] = _wider(estimates[name], hit, n, least=least)
            drawn.append(np.where(below > 0, share, hit / n))
            errors.append(least)
    draws = len(weights.counts)
    return GroupRates(rate.name, estimates, np.reshape(drawn, (len(drawn), draws)).T, np.array(errors))


def disparity(found: Sequence[GroupRates], *, level: float = LEVEL) -> Disparity:
    """Return how far apart the groups with support are, with intervals that hold for all pairs and rates at once.

    The largest of many differences is large by chance alone, and larger still in each draw. So each pair's
    difference has an interval, all of one width in standard errors, such that all hold together (Romano and Wolf
    2005): the groups are surely as far apart as the pair that is surely the farthest. Ratios are bounded in the
    same way by the groups' own intervals.
    """
    rows, positives, blocks = (max((getattr(e, n) for f in found for e in f.estimates.values()), default=0)
                               for n in ("rows", "positives", "blocks"))  # fmt: skip
    nothing = Estimate(np.nan, np.nan, np.nan, rows, positives, blocks, sufficient=False)
    if not found or any(len(one.supported) < 2 for one in found):  # noqa: PLR2004 - a pair
        return Disparity(nothing, nothing)
    days = min(e.blocks for f in found for e in f.estimates.values() if e.sufficient)
    width = _width((_contrasts(one) for one in found), level, days)
    far = []
    for one in found:
        first, second = np.triu_indices(len(one.supported), k=1)
        gap, error = np.abs(one.values[first] - one.values[second]), _contrasts(one)[1]
        worst = int(np.argmax(gap))
        pair = [one.supported[i] for i in (first[worst], second[worst])]
        far.append((gap[worst], (gap - width * error).max(), (gap + width * error).max(), one.rate, pair))
    value, _, _, rate, pair = max(far, key=lambda f: f[0])
    low, high = max(0.0, *(f[1] for f in far)), min(1.0, max(f[2] for f in far))
    difference = _between(float(value), float(low), float(high), like=replace(nothing, blocks=days))
    width = _width(((one.drawn - one.values, one.error) for one in found), level, days)
    return Disparity(difference, _ratio(found, width, difference), rate, tuple(pair))


def _contrasts(one: GroupRates) -> tuple[Floats, Floats]:
    """Return (b, p) how far each pair's difference is from its value in each draw, and (p,) standard errors."""
    first, second = np.triu_indices(len(one.supported), k=1)
    away = one.drawn - one.values
    between = away[:, first] - away[:, second]
    least = np.hypot(one.least_error[first], one.least_error[second])
    return between, np.maximum(_deviation(between), least)


def _ratio(found: Sequence[GroupRates], width: float, like: Estimate) -> Estimate:
    value, low, high = 1.0, 1.0, 1.0
    for one in found:
        least, most = (np.clip(one.values + side * width * one.error, 0, 1) for side in (-1, 1))
        value = min(value, _share(one.values.min(), one.values.max()))
        low = min(low, _share(least.min(), most.max()))
        high = min(high, _share(most.min(), least.max()))
    return _between(value, low, high, like=like)


def _between(value: float, low: float, high: float, *, like: Estimate) -> Estimate:
    """Return the estimate with the error of which Student's t gives an interval as wide."""
    unit = replace(like, value=0.0, error=1.0, bias=0.0).interval()[1]
    return replace(like, value=value, low=low, high=high, error=(high - low) / (2 * unit), sufficient=True)


def _share(smallest: float, largest: float) -> float:
    return float(min(1.0, smallest / largest)) if largest > 0 else 1.0


def _width(parts: Iterable[tuple[Floats, Floats]], level: float, days: int) -> float:
    """Return how many standard errors hold the largest deviation of all in a share ``level`` of the draws.

    A standard error from few days is itself a guess, and draws of them vary too little: both as for Student's t.
    """
    from scipy.stats import norm, t

    furthest = np.max([np.max(np.abs(away) / error, axis=1) for away, error in parts], axis=0)
    tail, freedom = (1 - level) / 2, max(1, days - 1)
    few = t.isf(tail, freedom) / norm.isf(tail) * np.sqrt((freedom + 1) / freedom)
    return float(np.quantile(furthest, level) * few)


def _deviation(drawn: Floats) -> Floats:
    found: Floats = np.std(drawn, axis=0)
    return found


def _wider(found: Estimate, hit: float, n: float, *, least: float) -> Estimate:
    """Return the estimate with Wilson's interval for independent rows within its own, and no smaller error."""
    from scipy.stats import binomtest

    wilson = binomtest(int(hit), int(n)).proportion_ci(LEVEL, method="wilson")
    low, high = max(0.0, min(found.low, wilson.low)), min(1.0, max(found.high, wilson.high))
    return replace(found, low=float(low), high=float(high), error=max(found.error, least))
