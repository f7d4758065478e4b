"""The challenger: the one model of a training that is compared with the champion, chosen on validation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np

from mlsys_assets.measures.intervals import Support, bootstrap, day_blocks, difference
from mlsys_assets.measures.metrics import Metric, value
from mlsys_assets.offline_evaluation.comparison import Scored


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
        found = {name: value(metric, rows.label, score) for name, score in rows.scores.items()}
        best = _best(found, metric)
        evidence = {f"validation {metric.name} of {name}": one for name, one in found.items()}
        return Chosen(best, f"best of {len(found)} in {metric.name} on validation: {found[best]:.4f}", evidence)


@dataclass(frozen=True)
class SimplestWithinNoise:
    """The simplest that is no worse than the best by more than one standard error (Breiman et al. 1984, ch. 3).

    The error is that of the paired difference by day, which is far smaller than that of either model. Candidates are
    declared from the simplest on.
    """

    def choose(self, rows: Scored, metric: Metric, *, seed: int, support: Support) -> Chosen:
        """Return the first candidate within the error; the best, where validation has too few days to tell."""
        best = Best().choose(rows, metric, seed=seed, support=support)
        weights = bootstrap(day_blocks(rows.at, length=support.block), seed=seed)
        sign = -1 if metric.higher_is_better else 1
        evidence = dict(best.evidence)
        for name, score in rows.scores.items():
            if name == best.name:
                break
            both = (score, rows.scores[best.name])
            found = difference(metric, rows.label, both, weights=weights, support=support)
            evidence |= {f"{name} minus {best.name}": found.value, f"{name} minus {best.name} error": found.error}
            if found.sufficient and sign * found.value <= found.error:
                reason = f"the simplest within noise of {best.name}: {metric.name} {found}, error {found.error:.4f}"
                return Chosen(name, reason, evidence)
        return Chosen(best.name, f"{best.reason}; no simpler one is within noise", evidence)


def _best(found: Mapping[str, float], metric: Metric) -> str:
    sign = -1 if metric.higher_is_better else 1
    known = {name: sign * one for name, one in found.items() if np.isfinite(one)}
    return min(known, key=known.__getitem__, default=next(iter(found)))
