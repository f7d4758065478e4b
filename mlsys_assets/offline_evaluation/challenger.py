"""The challenger: the one model of a training that is compared with the champion, chosen on validation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from mlsys_assets.measures.intervals import Support, attempt
from mlsys_assets.measures.metrics import Metric
from mlsys_assets.offline_evaluation.comparison import Scored
from mlsys_assets.offline_evaluation.studies.ladder import ladder


@dataclass(frozen=True)
class Chosen:
    """Which candidate, why, and the numbers that it rests on; NaN where one cannot be told."""

    name: str
    reason: str
    evidence: Mapping[str, float] = field(default_factory=dict)


@runtime_checkable
class Choice(Protocol):
    """A rule that picks one of a training's candidates by their scores on validation; tests choose none."""

    def choose(self, rows: Scored, metric: Metric, *, seed: int, support: Support) -> Chosen:
        """Return the choice.

        Parameters
        ----------
        rows
            Validation, with the scores of every model that could be fitted, the simplest first.
        metric
            What is better or worse.
        """
        ...


@dataclass(frozen=True)
class Best:
    """The one that did best, the first of equals."""

    def choose(self, rows: Scored, metric: Metric, *, seed: int, support: Support) -> Chosen:
        """Return the best; the first of all, if the metric can tell none."""
        found = {name: attempt(metric, rows.label, score) for name, score in rows.scores.items()}
        best = _best(found, metric)
        evidence = {f"validation {metric.name} of {name}": one for name, one in found.items()}
        return Chosen(best, f"best on validation: {metric.name} {found[best]:.4f}", evidence)


@dataclass(frozen=True)
class SimplestWithinNoise:
    """The simplest that noise alone may have put behind the best, as the ladder says it (Breiman et al. 1984, ch. 3).

    Candidates are declared from the simplest on.
    """

    def choose(self, rows: Scored, metric: Metric, *, seed: int, support: Support) -> Chosen:
        """Return the ladder's recommendation; the best, where validation has too few rows or days for one."""
        best = Best().choose(rows, metric, seed=seed, support=support)
        steps = ladder(rows, list(rows.scores), metric=metric, seed=seed, support=support)
        if steps.recommended is None:
            return Chosen(best.name, f"{best.reason}; validation cannot tell of simpler ones", best.evidence)
        behind = {f"{r.name} behind {steps.best}": r.behind for r in steps.rungs if r.behind is not None}
        evidence = {**best.evidence, **{name: e.value for name, e in behind.items()}}
        return Chosen(steps.recommended, steps.text(), evidence)


def _best(found: Mapping[str, float], metric: Metric) -> str:
    sign = -1 if metric.higher_is_better else 1
    known = {name: sign * one for name, one in found.items() if np.isfinite(one)}
    return min(known, key=known.__getitem__, default=next(iter(found)))
