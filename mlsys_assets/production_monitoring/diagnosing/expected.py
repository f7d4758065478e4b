"""What a tick's metrics are expected to be before its labels are known, and whether that is to be believed."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.production_monitoring.estimated_performance import Comparison, silenced

ESTIMATED: Final = "estimated"
"""In the evidence of a diagnosis: what each metric is expected to be."""
NOT_BELIEVED: Final = "estimates not believed"
"""... and why that is not to be believed; empty if it is."""
REFERENCE: Final = "reference"
"""... and what each metric is on the held-out rows that windows are held against, with what a request costs there."""
ARRIVED: Final = 0.9
"""The share of a tick's requests whose label must be known before an estimate of it is held against them."""


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
