"""Performance with its revisions: each time labels of a tick become known, what is said of it is said anew."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.measures.metrics import Metric
from mlsys_assets.production_monitoring.performance import COUNTS, MEAN_COST, performance_schema
from mlsys_assets.tables import MODEL, MODEL_HASH, TICK, TIMESTAMP

PREDICTED, REVISION, AS_OF = "predicted", "revision", "as_of"
"""The start of the tick that was predicted; the how manieth saying this is, from 1; what was known by then."""


REVISED_MEANS = {
    PREDICTED: "the start of the tick that was predicted",
    REVISION: "how often that tick was spoken of so far, from 1: it is told anew each time labels become known",
    AS_OF: "what was known by then",
    "requests": "predictions of the tick",
    "labelled": "those whose label is known",
    "unlabelled": "those without one",
    "never": "those of them that will never have one",
    "positives": "those whose label is 1",
    MEAN_COST: "what deciding by the scores cost in the mean, by the declared costs",
}
"""What the columns of the performance table mean."""


def revised_schema(metrics: Sequence[Metric]) -> pa.Schema:
    """Return the schema of the performance table: a row for each model, predicted tick and revision."""
    head = [
        pa.field(PREDICTED, TIMESTAMP, nullable=False),
        pa.field(MODEL, pa.string(), nullable=False),
        pa.field(REVISION, pa.int64(), nullable=False),
        pa.field(AS_OF, TIMESTAMP, nullable=False),
    ]
    return pa.schema(head + [f for f in performance_schema(metrics) if f.name != TICK])


def revised(
    found: Mapping[str, pa.Table], earlier: pa.Table, *, as_of: datetime, metrics: Sequence[Metric]
) -> pa.Table:
    """Return what was found of each model as further revisions of what was said earlier.

    Parameters
    ----------
    found
        By model's name, rows as of ``performance_schema``.
    earlier
        (n, 2) ``predicted`` and ``model`` of every earlier saying.
    """
    counts = earlier.group_by([PREDICTED, MODEL]).aggregate([([], "count_all")]).to_pylist()
    before = {(row[PREDICTED], row[MODEL]): row["count_all"] for row in counts}
    rows = [
        {PREDICTED: row.pop(TICK), MODEL: model, REVISION: 1, AS_OF: as_of, **row}
        for model, table in found.items()
        for row in table.to_pylist()
    ]
    for row in rows:
        row[REVISION] += before.get((row[PREDICTED], row[MODEL]), 0)
    rows.sort(key=lambda row: (row[PREDICTED], row[MODEL], row[MODEL_HASH]))
    return pa.Table.from_pylist(rows, schema=revised_schema(metrics))


def latest(performance: pa.Table) -> list[dict[str, Any]]:
    """Return the last revision of each model and predicted tick, by tick and model."""
    last: dict[tuple[datetime, str], dict[str, Any]] = {}
    for row in performance.sort_by([(REVISION, "ascending")]).to_pylist():
        last[row[PREDICTED], row[MODEL]] = row
    return [last[key] for key in sorted(last)]


def served(revisions: pa.Table, model: str, metrics: Sequence[Metric]) -> dict[str, dict[str, Any]]:
    """Return what the ledger keeps of one model's revisions, by the tick that was predicted."""
    mine = revisions.filter(pc.equal(revisions[MODEL], model)).to_pylist()
    names = [m.name for m in metrics]
    return {
        row[PREDICTED].isoformat(): {
            "model": row[MODEL_HASH],
            "revision": row[REVISION],
            **{name: row[name] for name in COUNTS},
            "metrics": {name: row[name] for name in names},
            MEAN_COST: row[MEAN_COST],
        }
        for row in mine
    }
