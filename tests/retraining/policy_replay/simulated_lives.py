"""Lives whose true losses are known: labels come from probabilities that each policy distorts by a known amount."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from mlsys_assets.retraining.by_time import Every
from mlsys_assets.retraining.policy import Policy
from mlsys_assets.retraining.policy_replay.lived import Lived
from mlsys_assets.types import days, utc

SINCE = utc("2013-01-01")
MEAN, BETWEEN_DAYS, WITHIN = -1.0, 0.5, 0.7
"""Of the log odds of the label: normal, with a part that all requests of a day share."""


@dataclass(frozen=True)
class Distorted:
    """A policy whose model is off by so many log odds, up on even days, down on odd ones, or ``later`` ones."""

    off: float
    trainings: int
    cpu_s: float = 0.0
    later: float | None = None


@dataclass(frozen=True)
class Told:
    """A record of a ledger."""

    as_of: datetime
    kind: str
    name: str
    verdict: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict)


def true_loss(off: float) -> float:
    """Return how much log loss more than the true probabilities a model has in the mean, by quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    odds = MEAN + np.hypot(BETWEEN_DAYS, WITHIN) * nodes
    p = 1 / (1 + np.exp(-odds))
    divergences = [
        p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
        for q in (1 / (1 + np.exp(-odds - s * off)) for s in (1, -1))
    ]
    return float((weights * sum(divergences) / 2).sum() / weights.sum())


def lived(
    policies: Mapping[str, Distorted], *, seed: int, length: int = 60, a_day: int = 40, switch: int | None = None
) -> list[Lived]:
    """Return one life of each policy, on the same requests; from the day ``switch`` on, distorted as ``later``."""
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(length), a_day)
    odds = MEAN + BETWEEN_DAYS * rng.normal(size=length)[day] + WITHIN * rng.normal(size=len(day))
    label = (rng.uniform(size=len(day)) < 1 / (1 + np.exp(-odds))).astype(float)
    second = np.sort(rng.integers(0, 86_400, size=(length, a_day)), axis=1).ravel()
    at = (
        np.datetime64(SINCE.replace(tzinfo=None), "us") + day * np.timedelta64(1, "D") + second * np.timedelta64(1, "s")
    )
    up = np.where(day % 2 == 0, 1.0, -1.0)
    until = SINCE + days(length)
    found = []
    for name, one in policies.items():
        after = one.off if one.later is None else one.later
        off = np.where(day < (length if switch is None else switch), one.off, after)
        trained = tuple(SINCE + k * timedelta(days=length) / (one.trainings + 1) for k in range(one.trainings + 1))
        score = 1 / (1 + np.exp(-odds - up * off))
        policy = Policy(name, (Every(days(7)),))
        found.append(Lived(policy, SINCE, until, trained, trained[:1], one.cpu_s, at, score, label, ()))
    return found
