"""A search in pictures: the value of each trial, and the best so far."""

from collections.abc import Sequence
from itertools import accumulate

from mlsys_assets import charts, thumbnails
from mlsys_assets.measures.metrics import Metric
from mlsys_assets.models.tuning.trial import Trial


def search_plot(trials: Sequence[Trial], metric: Metric, *, name: str) -> str:
    """Return, as SVG, the value of each complete trial and the best so far; others are marked with how they ended."""
    events = {t.number: _told(t) for t in trials if t.state != "complete"}
    labels = [str(t.number + 1) for t in trials]
    return charts.lines(
        labels, _series(trials, metric), title=f"{name}: validation {metric.name} by trial", events=events
    )


def search_thumbnail(trials: Sequence[Trial], metric: Metric, *, name: str) -> str:
    """Return the same so small that it is seen at once."""
    return thumbnails.lines(_series(trials, metric), title=f"{name}: {metric.name} by trial")


def _series(trials: Sequence[Trial], metric: Metric) -> dict[str, list[float | None]]:
    values = [t.value if t.state == "complete" else None for t in trials]
    pick = max if metric.higher_is_better else min

    def better(best: float | None, value: float | None) -> float | None:
        known = [v for v in (best, value) if v is not None]
        return pick(known) if known else None

    return {"best so far": list(accumulate(values, better)), "trial": values}


def _told(trial: Trial) -> str:
    how = f"pruned after step {trial.pruned_at}" if trial.state == "pruned" else f"failed: {trial.reason}"
    return f"trial {trial.number + 1} {how}"
