"""A study of policies: chosen on earlier requests, judged on later ones, with what each did when."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from math import isnan
from typing import Any, Final

from mlsys_assets.measures.intervals import Estimate, on_record
from mlsys_assets.retraining.policy_replay.frontier import Frontier, PolicyPoint, frontier
from mlsys_assets.retraining.policy_replay.judged_requests import common_period
from mlsys_assets.retraining.policy_replay.judging import Judging
from mlsys_assets.retraining.policy_replay.lived import Lived
from mlsys_assets.retraining.policy_replay.recommendation import CONFIDENCE, MARGIN, Recommendation, recommend
from mlsys_assets.types import Calendar, TimeWindow

LATER: Final = 3
"""One part of so many of the ticks is kept to judge the choice by, if nobody says otherwise: the last."""


@dataclass(frozen=True)
class Choice:
    """How a policy is chosen, and from when on the choice is judged.

    Parameters
    ----------
    margin, confidence
        The rule of the recommendation.
    judged_since
        Requests from then on have no say in the choice, and judge it; None: all choose, none judges.
    """

    margin: float = MARGIN
    confidence: float = CONFIDENCE
    judged_since: datetime | None = None


@dataclass(frozen=True)
class Timeline:
    """When a policy trained, and when that led to another champion."""

    trainings: tuple[datetime, ...]
    promotions: tuple[datetime, ...]


@dataclass(frozen=True)
class Spent:
    """What a replay took, in seconds of a processor: on distinct trainings, and on everything."""

    trainings_s: float
    all_s: float


@dataclass(frozen=True)
class PolicyStudy:
    """What became of policies, and which of them to live by.

    Parameters
    ----------
    chosen
        All of them on the requests that are chosen on.
    judged
        On later ones, with what they took from the beginning on; None if all were chosen on.
    recommendation
        Which one, and how surely.
    timelines
        By policy.
    lived_cpu_s
        What the trainings of all policies would take, each by itself, in seconds of a processor.
    spent
        What replaying them took; None if nobody measured it.
    """

    chosen: Frontier
    judged: Frontier | None
    recommendation: Recommendation
    timelines: Mapping[str, Timeline]
    lived_cpu_s: float
    spent: Spent | None = None

    @property
    def saved_cpu_s(self) -> float | None:
        """The computing that was saved by training once what several policies train alike; None if not measured."""
        return None if self.spent is None else self.lived_cpu_s - self.spent.trainings_s

    @property
    def shown(self) -> Frontier:
        """What is drawn: the policies on requests that none of them was chosen on, where there are any."""
        return self.judged if self.judged is not None and self.judged.sufficient else self.chosen

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {
            "recommendation": self.recommendation.as_dict(),
            "chosen": _frontier_dict(self.chosen),
            "judged": None if self.judged is None else _frontier_dict(self.judged),
            "timelines": {
                name: {what: [at.isoformat() for at in moments] for what, moments in vars(line).items()}
                for name, line in self.timelines.items()
            },
            "lived_cpu_s": on_record(self.lived_cpu_s),
            "spent_cpu_s": None if self.spent is None else {k: on_record(v) for k, v in asdict(self.spent).items()},
        }


def study(
    lives: Sequence[Lived], judging: Judging, *, choice: Choice | None = None, spent: Spent | None = None
) -> PolicyStudy:
    """Return which of the lived policies to live by.

    Parameters
    ----------
    lives
        One of each policy.
    judging
        What they are judged by.
    choice
        How one is chosen.
    spent
        What replaying them took, if that was measured.

    Raises ValueError as `frontier` and `recommend` do, and for a date that lies outside of the lives.
    """
    rule, whole = choice or Choice(), common_period(lives) if lives else None
    since = rule.judged_since
    if since is None or whole is None:
        chosen, judged = frontier(lives, judging), None
    elif not whole.start < since < whole.end:
        raise ValueError(
            f"the choice is to be judged since {since:%Y-%m-%d %H:%M}; lived was {whole}: name a time within it"
        )
    else:
        chosen = frontier(lives, judging, period=TimeWindow(whole.start, since))
        against = replace(judging, reference=chosen.reference)
        judged = frontier(lives, against, period=TimeWindow(since, whole.end), trained_in=whole)
    found = recommend(chosen, rule.margin, confidence=rule.confidence, judged=judged)
    lines = {life.policy.name: Timeline(life.trainings, life.promotions) for life in lives}
    return PolicyStudy(chosen, judged, found, lines, sum(life.cpu_s for life in lives), spent)


def last_part(calendar: Calendar, lived: TimeWindow) -> datetime | None:
    """Return from when on a choice is judged, if nobody says otherwise; None if there are too few ticks to part."""
    ticks = calendar.ticks(lived)
    return None if len(ticks) < LATER else ticks[len(ticks) - len(ticks) // LATER].start


def _frontier_dict(found: Frontier) -> dict[str, Any]:
    return {
        "metric": found.metric,
        "higher_is_better": found.higher_is_better,
        "reference": found.reference,
        "since": found.period.start.isoformat(),
        "until": found.period.end.isoformat(),
        "rows": found.rows,
        "left_out": found.left_out,
        "policies": [_point_dict(point) for point in found.points],
    }


def _point_dict(point: PolicyPoint) -> dict[str, Any]:
    told = {name: getattr(point, name) for name in ("name", "trainings", "promotions", "cpu_s", "price")}
    estimates = {name: getattr(point, name) for name in ("quality", "loss", "money")}
    shares = {
        name: {**asdict(front), "share": None if isnan(front.share) else front.share}
        for name, front in (("by_trainings", point.by_trainings), ("by_cpu", point.by_cpu))
    }
    return told | {name: _as_dict(found) for name, found in estimates.items()} | shares


def _as_dict(found: Estimate | None) -> dict[str, Any] | None:
    return None if found is None else found.as_dict()
