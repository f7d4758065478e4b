"""Batch predictions: each row says which model made it, by content hash."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mlsys_assets.tables import KNOWN_AT, MODEL, MODEL_HASH, SCORE, TIMESTAMP


def prediction_schema(key: str, at: str) -> pa.Schema:
    """Return the schema of a prediction table whose entities are named by ``key`` and asked for ``at``."""
    return pa.schema(
        [
            pa.field(key, pa.string(), nullable=False),
            pa.field(at, TIMESTAMP, nullable=False),
            pa.field(SCORE, pa.float64(), nullable=False),
            pa.field(MODEL_HASH, pa.string(), nullable=False),
            pa.field(KNOWN_AT, TIMESTAMP, nullable=False),
        ]
    )


def baseline_schema(key: str, at: str) -> pa.Schema:
    """Return the schema of the table of what baselines say: a prediction table with the baseline's name first."""
    return prediction_schema(key, at).insert(0, pa.field(MODEL, pa.string(), nullable=False))


def predict_batch(
    features: pa.Table,
    score: Callable[[pa.Table], NDArray[np.float64]],
    *,
    key: str,
    at: str,
    model_hash: str,
) -> pa.Table:
    """Return a prediction for each feature row, in the rows' order.

    Parameters
    ----------
    features
        (n, 2 + d) with ``key`` and ``at``.
    score
        Maps the rows to (n,) finite probabilities; raises ValueError here if it gives anything else.
    """
    scores = score(features)
    if scores.shape != (features.num_rows,) or not np.isfinite(scores).all():
        bad = int((~np.isfinite(scores)).sum())
        raise ValueError(
            f"the model {model_hash} gave {scores.shape} scores, {bad} of them not finite, for {features.num_rows} "
            "rows; one finite score a row was expected"
        )
    columns = [features[key], features[at], pa.array(scores), pa.repeat(model_hash, len(scores)), features[at]]
    return pa.table(columns, schema=prediction_schema(key, at))
