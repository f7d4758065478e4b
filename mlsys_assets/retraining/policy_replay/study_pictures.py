"""Policies in pictures: quality against trainings and against computing, and which one trained when."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

from mlsys_assets import thumbnails
from mlsys_assets.charts import grid, trade_off
from mlsys_assets.retraining.policy_replay.frontier import Frontier, PolicyPoint
from mlsys_assets.retraining.policy_replay.policy_study import PolicyStudy
from mlsys_assets.types import TimeWindow

Cost = Literal["trainings", "cpu_s"]
"""What quality is drawn against."""
AXES: Final = {"trainings": "trainings", "cpu_s": "processor time of its trainings [s]"}
TITLES: Final = {"trainings": "quality against trainings", "cpu_s": "quality against computing"}
PROMOTED, TRAINED = "promoted", "trained, not promoted"
WORDS: Final = {PROMOTED: "#1f77b4", TRAINED: "#ff7f0e"}
RECOMMENDED, ON, OFF = "recommended", "on the front", "not on it"


def picture(found: PolicyStudy, cost: Cost) -> str:
    """Return the policies as SVG; the front is a line, the recommended one has a ring.

    Intervals are those of the differences to the reference, which has none: what all have in common is not in them.
    """
    shown = found.shown
    spans = {p.name: (_cost(p, cost), *_paired(shown, p)) for p in shown.points if p.loss.sufficient}
    front = [p.name for p in shown.points if p.name in spans and _on(p, cost)]
    better = "higher" if shown.higher_is_better else "lower"
    axes = AXES[cost], f"{shown.metric}, {better} is better; intervals of what is between it and {shown.reference}"
    return trade_off(spans, title=TITLES[cost], axes=axes, front=front, marked=found.recommendation.policy)


def thumbnail(found: PolicyStudy, cost: Cost) -> str:
    """Return the policies as Markdown that is seen at once."""
    groups: dict[str, list[tuple[float, float]]] = {RECOMMENDED: [], ON: [], OFF: []}
    for p in found.shown.points:
        if p.quality.sufficient:
            named = p.name == found.recommendation.policy
            groups[RECOMMENDED if named else ON if _on(p, cost) else OFF].append((_cost(p, cost), p.quality.value))
    told = {name: points for name, points in groups.items() if points}
    return thumbnails.scatter(told, title=f"{found.shown.metric} by {AXES[cost]}")


def timeline(found: PolicyStudy, ticks: Sequence[TimeWindow]) -> str:
    """Return which policy trained as of which tick's start, as SVG."""
    labels = [f"{tick.start:%m-%d}" for tick in ticks]
    return grid(labels, _said(found, ticks), title="which policy trained when", colours=WORDS)


def small_timeline(found: PolicyStudy, ticks: Sequence[TimeWindow]) -> str:
    """Return which policy trained when as Markdown that is seen at once."""
    return thumbnails.marks(_said(found, ticks), title="which policy trained when", colours=WORDS)


def _said(found: PolicyStudy, ticks: Sequence[TimeWindow]) -> dict[str, list[str]]:
    def word(name: str, tick: TimeWindow) -> str:
        line = found.timelines[name]
        trained, promoted = (_any(moments, tick) for moments in (line.trainings, line.promotions))
        return PROMOTED if promoted else TRAINED if trained else ""

    order = sorted(found.timelines, key=lambda name: found.chosen[name].cheapness)
    return {name: [word(name, tick) for tick in ticks] for name in order}


def _any(moments: Sequence[datetime], tick: TimeWindow) -> bool:
    return any(at in tick for at in moments)


def _paired(shown: Frontier, point: PolicyPoint) -> tuple[float, float, float]:
    """Return a policy's quality, and the interval of its difference to the reference around it."""
    base, loss = shown[shown.reference].quality.value, point.loss
    if shown.higher_is_better:
        return base - loss.value, base - loss.high, base - loss.low
    return base + loss.value, base + loss.low, base + loss.high


def _cost(point: PolicyPoint, cost: Cost) -> float:
    return float(getattr(point, cost))


def _on(point: PolicyPoint, cost: Cost) -> bool:
    return (point.by_trainings if cost == "trainings" else point.by_cpu).on
