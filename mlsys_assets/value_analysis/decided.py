"""Every request that was decided on, by champion and baselines alike, with what is known of its label."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.data_sampling.rows import moments
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.tables import LABEL, MODEL, MODEL_HASH, PREDICT_AT, SCORE
from mlsys_assets.types import CHAMPION


@dataclass(frozen=True, eq=False)
class Decided:
    """Rows in order of time, entity and model, so that sums of them are the same whatever order they came in.

    Parameters
    ----------
    at
        (n,) datetime64[us], UTC: when a model was asked.
    label
        (n,) 0 or 1, NaN where it is not known.
    score
        (n,) what the model said.
    model
        (n,) ``champion`` or the baseline's name.
    content
        (n,) the model's content hash.
    """

    at: NDArray[np.datetime64]
    label: Floats
    score: Floats
    model: NDArray[Any]
    content: NDArray[Any]


def decided(predictions: pa.Table, baselines: pa.Table, labels: pa.Table, *, key: str) -> Decided:
    """Return champions' and baselines' predictions with the labels that are known.

    Parameters
    ----------
    predictions, baselines
        Rows of the tables of those names.
    labels
        (m, ≥ 2) ``key`` and ``label``, each entity once.
    """
    columns = [key, PREDICT_AT, SCORE, MODEL_HASH]
    beside = baselines.select([*columns, MODEL])
    mine = predictions.select(columns).append_column(beside.schema.field(MODEL), pa.repeat(CHAMPION, len(predictions)))
    rows = pa.concat_tables([mine, beside])
    rows = rows.sort_by([(PREDICT_AT, "ascending"), (key, "ascending"), (MODEL, "ascending")])
    found = pc.index_in(rows[key], value_set=labels[key].combine_chunks())
    return Decided(
        moments(rows[PREDICT_AT]),
        labels[LABEL].cast(pa.float64()).take(found).to_numpy(),
        rows[SCORE].to_numpy(),
        rows[MODEL].to_numpy().astype(str),
        rows[MODEL_HASH].to_numpy().astype(str),
    )
