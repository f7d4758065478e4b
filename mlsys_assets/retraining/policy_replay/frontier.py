"""What policies are worth: quality with its interval against trainings and computing, paired on the same requests."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import numpy as np

from mlsys_assets.ledger import cpu_seconds
from mlsys_assets.measures.cost_metric import ExpectedCost
from mlsys_assets.measures.intervals import Estimate, bootstrap, day_blocks, estimate, spread
from mlsys_assets.measures.metrics import Floats, Metric, Weights
from mlsys_assets.retraining.policy_replay.fronts import Front, fronts
from mlsys_assets.retraining.policy_replay.judged_requests import JudgedRequests, common_period
from mlsys_assets.retraining.policy_replay.judging import Judging
from mlsys_assets.retraining.policy_replay.lived import Lived
from mlsys_assets.types import TimeWindow

METERED: Final = 2
"""Digits of a processor time that are the same when the same is done again."""


@dataclass(frozen=True)
class PolicyPoint:
    """What came of one policy in the period that is judged.

    Parameters
    ----------
    name
        The policy's.
    quality
        The metric, each request once.
    loss
        How much worse it is than the reference, in the metric's unit: below 0 it is better.
    trainings, promotions
        How often it trained, and got another champion, after the first.
    cpu_s
        The processor time of these trainings in seconds.
    price
        What that costs; None without a price.
    money
        What decisions by its predictions cost, the mean of a request; None without costs.
    by_trainings, by_cpu
        Its place among all policies: quality against trainings, and against processor time.
    """

    name: str
    quality: Estimate
    loss: Estimate
    trainings: int
    promotions: int
    cpu_s: float
    price: float | None
    money: Estimate | None
    by_trainings: Front
    by_cpu: Front

    @property
    def cheapness(self) -> tuple[int, float, str]:
        """The order of cost: fewest trainings, then least computing."""
        return self.trainings, self.cpu_s, self.name


@dataclass(frozen=True, eq=False)
class Frontier:
    """Policies held against each other on the same requests.

    Parameters
    ----------
    metric, higher_is_better
        What is judged by.
    reference
        The policy that the others' losses are told against.
    period
        Whose requests are judged.
    rows, left_out
        Requests that are judged; and those without a label, or without a model under some policy.
    points
        In the order of the lives.
    losses
        (p, b) how much worse each policy is than the reference in each draw of days; NaN if it cannot be told.
    """

    metric: str
    higher_is_better: bool
    reference: str
    period: TimeWindow
    rows: int
    left_out: int
    points: tuple[PolicyPoint, ...]
    losses: Floats

    def __getitem__(self, name: str) -> PolicyPoint:
        """Return the point of a policy; raises KeyError."""
        return self.points[self._place(name)]

    def losses_of(self, name: str) -> Floats:
        """Return (b,) the losses of a policy in each draw; raises KeyError."""
        found: Floats = self.losses[self._place(name)]
        return found

    @property
    def sufficient(self) -> bool:
        """Whether quality can be told of all."""
        return all(point.quality.sufficient and point.loss.sufficient for point in self.points)

    @property
    def best(self) -> PolicyPoint:
        """The best in quality, of equal ones the cheapest: the luckiest too, the more policies there are."""
        return min(self.points, key=lambda one: (np.nan_to_num(one.loss.value, nan=np.inf), one.cheapness))

    def _place(self, name: str) -> int:
        names = [point.name for point in self.points]
        if name not in names:
            raise KeyError(f"no policy {name!r} is judged; there are {', '.join(names)}")
        return names.index(name)


def frontier(
    lives: Sequence[Lived],
    judging: Judging,
    *,
    period: TimeWindow | None = None,
    trained_in: TimeWindow | None = None,
) -> Frontier:
    """Return what policies are worth, by one metric, on the requests that all of them answered.

    Days are drawn, and in each draw all policies are judged on the same days (Efron & Tibshirani 1993, ch. 8), so that
    what makes a day hard for all of them does not blur their differences.

    Parameters
    ----------
    lives
        One of each policy.
    judging
        What is judged by.
    period
        Whose requests are judged; None: all that the lives have in common.
    trained_in
        Whose trainings are counted and paid for; None: those of the period.

    Raises ValueError for no lives, two of one name, lives of other requests, and an unknown reference.
    """
    _require_comparable(lives, judging.reference)
    inside = period or common_period(lives)
    requests = JudgedRequests.of(lives, inside)
    block = day_blocks(requests.at, length=judging.support.block)
    weights = bootstrap(block, seed=judging.seed)
    blocks = len(np.unique(block))
    enough = judging.support.suffices(requests.label, requests.scores[0], blocks)
    shape = len(lives), len(weights.counts) + 1
    found = _losses(judging.metric, requests, weights) if enough else np.full(shape, np.nan)
    against = _reference(lives, found[:, 0], judging.reference)
    like = replace(Estimate.untold(requests.label, blocks), sufficient=enough)
    told = _Told(_sign(judging.metric) * found, found - found[against], _money(requests, weights, judging))
    costs = _costs(lives, trained_in or inside)
    places = fronts(found, costs.trainings), fronts(found, _told_apart(costs.cpu_s))
    return Frontier(
        judging.metric.name,
        judging.metric.higher_is_better,
        lives[against].policy.name,
        inside,
        len(requests.label),
        requests.left_out,
        tuple(
            PolicyPoint(
                life.policy.name,
                spread(float(told.quality[p, 0]), told.quality[p, 1:], like=like),
                spread(float(told.loss[p, 0]), told.loss[p, 1:], like=like),
                int(costs.trainings[p]),
                int(costs.promotions[p]),
                float(costs.cpu_s[p]),
                judging.prices.of(float(costs.cpu_s[p])),
                told.money[p],
                places[0][p],
                places[1][p],
            )
            for p, life in enumerate(lives)
        ),
        told.loss[:, 1:],
    )


@dataclass(frozen=True, eq=False)
class _Told:
    """What is told of each policy: (p, 1 + b) its metric and its loss, of all requests and in each draw."""

    quality: Floats
    loss: Floats
    money: Sequence[Estimate | None]


@dataclass(frozen=True, eq=False)
class _Costs:
    trainings: Floats
    promotions: Floats
    cpu_s: Floats


def _costs(lives: Sequence[Lived], period: TimeWindow) -> _Costs:
    """Return what each life took in the period, after its first champion, which every life has alike."""

    def within(life: Lived, moments: Sequence[datetime]) -> int:
        return sum(at in period and at > life.since for at in moments)

    trained = [within(life, life.trainings) for life in lives]
    cpu_s = [_cpu_s(life, period) for life in lives]
    promoted = [within(life, life.promotions) for life in lives]
    return _Costs(np.array(trained, float), np.array(promoted, float), np.array(cpu_s))


def _cpu_s(life: Lived, period: TimeWindow) -> float:
    """Return the part of a life's price that its later trainings in the period took, by what each took on record."""
    spent = dict.fromkeys(life.trainings, 0.0)
    for record in life.decisions:
        if record.as_of in spent:
            spent[record.as_of] += cpu_seconds([record])
    whole = sum(spent.values())
    shares = {at: price / whole if whole else 1 / len(spent) for at, price in spent.items()}
    return life.cpu_s * sum(share for at, share in shares.items() if at in period and at > life.since)


def _told_apart(cpu_s: Floats) -> Floats:
    """Return processor times as far as a meter can tell them apart: to two digits."""
    return np.array([float(f"{one:.{METERED}g}") for one in cpu_s])


def _sign(metric: Metric) -> float:
    return -1.0 if metric.higher_is_better else 1.0


def _losses(metric: Metric, requests: JudgedRequests, weights: Weights) -> Floats:
    """Return (p, 1 + b) the metric, turned so that less is better: of all requests, and in each draw."""
    both = Weights(weights.block, np.vstack([np.ones_like(weights.counts[:1]), weights.counts]))
    found = [metric.draws(requests.label, score, both) for score in requests.scores]
    return _sign(metric) * np.asarray(found, dtype=np.float64)


def _money(requests: JudgedRequests, weights: Weights, judging: Judging) -> list[Estimate | None]:
    if judging.prices.costs is None:
        return [None] * len(requests.scores)
    metric, support = ExpectedCost(judging.prices.costs), judging.support
    return [estimate(metric, requests.label, score, weights=weights, support=support) for score in requests.scores]


def _reference(lives: Sequence[Lived], whole: Floats, reference: str | None) -> int:
    if reference is not None:
        return [life.policy.name for life in lives].index(reference)
    return int(np.nan_to_num(whole, nan=np.inf).argmin())


def _require_comparable(lives: Sequence[Lived], reference: str | None) -> None:
    names = [life.policy.name for life in lives]
    if not names:
        raise ValueError("no lives are there to be compared; replay at least one policy")
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"policies {', '.join(twice)} were lived twice; each is compared once")
    if reference is not None and reference not in names:
        raise ValueError(f"the reference {reference!r} was not lived; there are {', '.join(names)}")
