"""What a tick's metrics are expected to be before its labels are known, and whether that is to be believed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np

from mlsys_assets.measures.costs import CostMatrix
from mlsys_assets.measures.intervals import Estimate, attempt, on_record
from mlsys_assets.measures.metrics import Metric
from mlsys_assets.production_monitoring.diagnosing.order import Diagnosing
from mlsys_assets.production_monitoring.estimated_performance import (
    Comparison,
    estimated_performance,
    not_valid,
    silenced,
)
from mlsys_assets.production_monitoring.performance import MEAN_COST
from mlsys_assets.production_monitoring.reference_scores import ReferenceScores

ESTIMATED: Final = "estimated"
"""In the evidence of a diagnosis: what each metric is expected to be."""
NOT_BELIEVED: Final = "estimates not believed"
"""... and why that is not to be believed; empty if it is."""
REFERENCE: Final = "reference"
"""... and what each metric is on the held-out rows that windows are held against, with what a request costs there."""
ARRIVED: Final = 0.9
"""The share of a tick's requests whose label must be known before an estimate of it is held against them."""


@dataclass(frozen=True)
class Expected:
    """What a tick's metrics are expected to be.

    Parameters
    ----------
    estimates
        By metric; empty without a champion, held-out rows or requests.
    reason
        Why they are not to be believed; empty if they are.
    reference
        What each metric is on the held-out rows, and what a request costs there.
    """

    estimates: Mapping[str, Estimate]
    reason: str
    reference: Mapping[str, float]

    @classmethod
    def of(cls, making: Diagnosing, metrics: Sequence[Metric], matured: Sequence[Comparison]) -> "Expected":
        """Return what the scores of a diagnosis' window tell.

        Parameters
        ----------
        matured
            How earlier estimates did whose labels are known by now.
        """
        rows, reference = making.seen.predicted, making.reference
        if reference is None or not len(rows):
            return cls({}, "", {})
        made = estimated_performance(reference, rows.score, rows.at, metrics=metrics, seed=making.seed)
        told = _on_reference(reference, metrics, making.seen.costs)
        return cls(made, not_valid(making.label_shift, tuple(matured)), told)

    @property
    def evidence(self) -> dict[str, Any]:
        """What the ledger keeps: also what is not believed, that it can be held against what came."""
        made = {name: e.as_dict() for name, e in self.estimates.items()}
        return {ESTIMATED: made, NOT_BELIEVED: self.reason, REFERENCE: dict(self.reference)}

    @property
    def table(self) -> list[tuple[str, str]]:
        """Each metric with what it is expected to be, untold where that is not to be believed."""
        return [(name, str(e)) for name, e in silenced(dict(self.estimates), self.reason).items()]


def _on_reference(reference: ReferenceScores, metrics: Sequence[Metric], costs: CostMatrix | None) -> dict[str, float]:
    found = {m.name: attempt(m, reference.label, reference.score) for m in metrics}
    if costs is not None:
        found[MEAN_COST] = costs.realised(reference.label, reference.score)
    return {name: on_record(value) for name, value in found.items() if np.isfinite(value)}


def estimates_on_record(evidence: Mapping[str, Any], *, shown: bool = False) -> dict[str, Estimate]:
    """Return what a diagnosis' record expected of each metric; ``shown``: untold where it is not to be believed."""
    found = {name: Estimate.from_dict(told) for name, told in evidence.get(ESTIMATED, {}).items()}
    return silenced(found, evidence[NOT_BELIEVED]) if shown and found else found


def last_comparison(
    records: Mapping[datetime, Mapping[str, Any]], performance: Mapping[datetime, Mapping[str, Any]], metric: str
) -> tuple[Comparison, ...]:
    """Return how the last estimate did whose labels have come; nothing if none has.

    Parameters
    ----------
    records
        The evidence of earlier diagnoses, by the start of the tick that was predicted.
    performance
        The champion's last rows, by the same.
    """
    for tick in sorted(records, reverse=True):
        row, made = performance.get(tick), estimates_on_record(records[tick]).get(metric)
        if row is None or made is None or not made.sufficient or row[metric] is None:
            continue
        if row["labelled"] + row["never"] >= ARRIVED * row["requests"]:
            return (Comparison(tick, metric, made, float(row[metric])),)
    return ()
