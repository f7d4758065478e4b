"""Label-blindness: no label changes when events that became known after it are removed."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.data_ingestion.filing import micros
from mlsys_assets.data_labeling.natural_labels import NaturalLabel
from mlsys_assets.features.leakage.examination import Examination
from mlsys_assets.features.leakage.source_blindness import column_differs
from mlsys_assets.features.leakage.suspicion import Suspicion
from mlsys_assets.tables import KNOWN_AT
from mlsys_assets.types import EPOCH, Severity

FINDING = "no_label_looks_ahead"
"""The check's."""
CUTS = 5
"""At how many moments the events are cut off."""


def label_blindness(label: NaturalLabel, events: pa.Table, *, seed: int = 0) -> Examination:
    """Return whether labels stay as they are when events are removed that became known later.

    A label that is scaled by all events, or is above the mean of all, says with the first one what the last is like,
    and another thing in every training.

    Parameters
    ----------
    label
        Its ``compute`` is tried.
    events
        The rows of its source.
    seed
        Decides at which moments the events are cut off.
    """
    known = micros(events[KNOWN_AT])
    events = events.take(pa.array(np.argsort(known, kind="stable")))
    known, now = np.sort(known), _values(label, events)
    found: list[Suspicion] = []
    rows = 0
    times = np.unique(known)[:-1]  # behind the last one nothing is left to remove
    for moment in np.random.default_rng(seed).permutation(times)[:CUTS].tolist():
        before = int(np.searchsorted(known, moment, side="right"))
        differs = column_differs(now.slice(0, before), _values(label, events.slice(0, before)))
        rows += before
        if differs.any() and not found:
            found.append(_suspicion(label, int(differs.sum()), before, moment))
    clean = f"no label changed when the events that became known after it were removed ({rows:,} compared)"
    if not rows:
        clean = "insufficient data: there are no two events of which one became known later"
    return Examination(FINDING, tuple(found), clean, {"rows": rows, "sufficient": rows > 0})


def _values(label: NaturalLabel, events: pa.Table) -> pa.ChunkedArray:
    values = pc.cast(label.compute(events), pa.float64())
    return pa.chunked_array([values]) if isinstance(values, pa.Array) else values


def _suspicion(label: NaturalLabel, changed: int, rows: int, moment: int) -> Suspicion:
    at = f"{EPOCH + timedelta(microseconds=moment):%Y-%m-%d %H:%M}"
    return Suspicion(
        (f"label {label.name}",),
        Severity.ERROR,
        f"changes with events that became known later: {changed:,} of {rows:,} labels known by {at} UTC are others "
        "without these",
        "A label must say what became of its own request, the same in every training.",
        "Let compute make each label of its own row alone; a limit taken from the data belongs into a constant.",
        {"changed_labels": changed, "rows": rows, "at": at},
    )
