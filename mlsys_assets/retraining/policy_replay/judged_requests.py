"""The requests that policies are judged on: the same ones for all, with labels and scores that are known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.data_sampling.rows import moment
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.retraining.policy_replay.lived import Lived
from mlsys_assets.types import TimeWindow


@dataclass(frozen=True, eq=False)
class JudgedRequests:
    """The requests that every policy is judged on.

    Parameters
    ----------
    at, label
        (n,) when they were asked, and what came of them: all are known.
    scores
        (p, n) what each policy's champion said.
    left_out
        Requests of the period that are not among them.
    """

    at: NDArray[np.datetime64]
    label: Floats
    scores: Floats
    left_out: int

    @classmethod
    def of(cls, lives: Sequence[Lived], period: TimeWindow) -> "JudgedRequests":
        """Return them; raises ValueError if the lives were not asked the same, or were told other labels."""
        found = [_within(life, period) for life in lives]
        first = found[0]
        for life, (at, _, label) in zip(lives, found, strict=True):
            if not np.array_equal(at, first[0]) or not np.array_equal(label, first[2], equal_nan=True):
                raise ValueError(
                    f"policy {life.policy.name!r} has {len(at):,} requests in {period}, {lives[0].policy.name!r} "
                    f"{len(first[0]):,}, and they or their labels are not the same; policies are compared on the same "
                    "requests alone: replay all of them on one state of the data"
                )
        scores = np.array([score for _, score, _ in found])
        kept = np.isfinite(first[2]) & np.isfinite(scores).all(axis=0)
        return cls(first[0][kept], first[2][kept], scores[:, kept], int((~kept).sum()))


def common_period(lives: Sequence[Lived]) -> TimeWindow:
    """Return the time that all lives cover; raises ValueError if there is none."""
    since, until = max(life.since for life in lives), min(life.until for life in lives)
    if until <= since:
        raise ValueError(f"the lives have no time in common: one begins at {since}, another ends at {until}")
    return TimeWindow(since, until)


def _within(life: Lived, period: TimeWindow) -> tuple[NDArray[np.datetime64], Floats, Floats]:
    lengths = {name: len(getattr(life, name)) for name in ("at", "score", "label")}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"the life of {life.policy.name!r} has {lengths}; there must be one of each for a request")
    start, end = (moment(at) for at in (period.start, period.end))
    inside = (life.at >= start) & (life.at < end)
    return life.at[inside], life.score[inside], life.label[inside]
