"""Continuous cold start: how predictions do by how much is known of what they are about (Huyen 2022, ch. 9)."""

import math

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.data_sampling.rows import moments, require_columns, require_unique
from mlsys_assets.measures.intervals import Estimate, Support, bootstrap, day_blocks, estimate
from mlsys_assets.measures.metrics import Floats, LogLoss
from mlsys_assets.tables import LABEL, PREDICT_AT, SCORE

HISTORIES = {"0": (0, 1), "1 to 4": (1, 5), "5 to 19": (5, 20), "20 and more": (20, math.inf)}
"""Rows in the history of a request's key, as half-open ranges."""
UNKNOWN = "unknown"
"""The history of a request without a key."""


def cold_start(  # noqa: PLR0913 - three tables, how they are joined, and what is enough
    predictions: pa.Table,
    labels: pa.Table,
    features: pa.Table,
    *,
    key: str,
    count: str,
    seed: int = 0,
    support: Support | None = None,
) -> dict[str, Estimate]:
    """Return the log loss of predictions by how many rows their key's history has, with an interval by day.

    Only labelled predictions count; a range of histories with too few of them says that the data are insufficient.

    Parameters
    ----------
    predictions
        (n, ≥ 3) ``key``, ``predict_at`` and ``score``.
    labels
        (m, ≥ 2) ``key`` and ``label``: 0 or 1, null where there will never be one.
    features
        (k, ≥ 2) ``key`` and ``count``.
    count
        The feature that counts the rows of a request's key, over its longest window.
    seed
        Of the bootstrap.
    support
        What must be there before a number is believed.

    Raises ValueError if a column is missing, or a key is null or stands twice in any table.
    """
    tables = {
        "predictions": (predictions, (key, PREDICT_AT, SCORE)),
        "labels": (labels, (key, LABEL)),
        "features": (features, (key, count)),
    }
    for what, (table, columns) in tables.items():
        require_columns(table, columns, what=what)
        require_unique(table[key], what=what)
    asked = predictions.select([key, PREDICT_AT, SCORE]).sort_by([(PREDICT_AT, "ascending"), (key, "ascending")])
    label, history = _joined(asked[key], labels, key, LABEL), _joined(asked[key], features, key, count)
    score, at = asked[SCORE].cast(pa.float64()).to_numpy(), moments(asked[PREDICT_AT])
    known = ~np.isnan(label)
    groups = {name: (history >= low) & (history < high) for name, (low, high) in HISTORIES.items()}
    groups[UNKNOWN] = np.isnan(history)
    return {
        name: _loss(label[known & group], score[known & group], at[known & group], seed, support)
        for name, group in groups.items()
    }


def _joined(wanted: pa.ChunkedArray, table: pa.Table, key: str, column: str) -> Floats:
    """Return (n,) a column's values at the wanted keys; NaN where there is none."""
    found = pc.index_in(wanted, value_set=table[key].combine_chunks())
    return np.asarray(table[column].cast(pa.float64()).take(found).to_numpy())


def _loss(label: Floats, score: Floats, at: NDArray[np.datetime64], seed: int, support: Support | None) -> Estimate:
    if not len(label):
        return Estimate(np.nan, np.nan, np.nan, 0, 0, 0, sufficient=False)
    return estimate(LogLoss(), label, score, weights=bootstrap(day_blocks(at), seed=seed), support=support)
