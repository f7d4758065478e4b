"""A past as it was lived under a policy: when it trained and promoted, at what price, and what it predicted."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.ledger import Record
from mlsys_assets.retraining.policy import Policy


@dataclass(frozen=True, eq=False)
class Lived:
    """What came of a policy.

    Parameters
    ----------
    policy
        What was lived under.
    since, until
        As of when the first champion was trained, and the last decision was taken.
    trainings
        The as-ofs of the trainings, oldest first; those without enough data are among them.
    promotions
        The as-ofs of those that led to another champion.
    cpu_s
        The processor time of its trainings in seconds, each counted in full, whoever else shared it.
    at
        (n,) datetime64[us], UTC: when each prediction was asked for, from ``since`` on.
    score
        (n,) what the champion of its tick's start said; NaN where there was none yet.
    label
        (n,) what came of it, as known at the end; NaN where that is not known.
    decisions
        The records of all that was decided and found, in order.
    """

    policy: Policy
    since: datetime
    until: datetime
    trainings: tuple[datetime, ...]
    promotions: tuple[datetime, ...]
    cpu_s: float
    at: NDArray[np.datetime64]
    score: NDArray[np.float64]
    label: NDArray[np.float64]
    decisions: tuple[Record, ...]
