"""Who is on the Pareto front of loss and cost, and how surely: in which share of the draws."""

from dataclasses import dataclass

import numpy as np

from mlsys_assets.measures.metrics import Floats
from mlsys_assets.measures.pareto import pareto_front


@dataclass(frozen=True)
class Front:
    """Whether a policy is on a Pareto front, and in which share of the draws; NaN if that cannot be told."""

    on: bool
    share: float


def fronts(drawn: Floats, cost: Floats) -> list[Front]:
    """Return each policy's place, by (p, 1 + b) losses of all requests and of each draw, and (p,) costs."""
    if not np.isfinite(drawn[:, 0]).all():
        return [Front(False, float("nan"))] * len(drawn)
    on = pareto_front(np.column_stack([drawn[:, 0], cost]), ("lower", "lower"))
    shares = front_shares(drawn[:, 1:], cost)
    return [Front(bool(now), float(share)) for now, share in zip(on, shares, strict=True)]


def front_shares(losses: Floats, cost: Floats) -> Floats:
    """Return (p,) the share of draws in which each of p policies is on the front of loss and cost.

    Parameters
    ----------
    losses
        (p, b) in each draw; draws with a NaN do not count.
    cost
        (p,) the same in every draw.

    >>> front_shares(np.array([[0.5, 0.5], [0.4, 0.6]]), np.array([1.0, 2.0])).tolist()
    [1.0, 0.5]
    """
    told = losses[:, np.isfinite(losses).all(axis=0)]
    if not told.shape[1]:
        return np.full(len(losses), np.nan)
    other, own = cost[None, :, None], cost[:, None, None]
    as_good = (other <= own) & (told[None] <= told[:, None])
    better = (other < own) | (told[None] < told[:, None])
    beaten = np.asarray((as_good & better).any(axis=1), dtype=np.float64)
    found: Floats = 1.0 - beaten.mean(axis=1)
    return found
