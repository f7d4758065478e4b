"""How long a model takes for one row, as a service asks it."""

from collections.abc import Callable, Mapping
from typing import Final

import pyarrow as pa

from mlsys_assets.models.predictor import Predictor

Meter = Callable[[], float]
"""Tells how many seconds of a processor were used so far, such as ``time.process_time``."""
CALLS: Final = 50
BATCHES: Final = 7
"""The fastest of so many is told: what else the machine does in between only ever slows them."""


def seconds_of_one_row(predictor: Predictor, features: pa.Table, meter: Meter) -> float:
    """Return how long the prediction of one row takes that is a mapping: the mean of the fastest batch of calls.

    Parameters
    ----------
    features
        (n, d) the rows, of which the first are asked for in turn; n > 0.
    meter
        Is read before and after each batch.
    """
    if not len(features):
        raise ValueError("there is no row to predict; give at least one")
    read = features.select(list(predictor.columns)).slice(0, CALLS).to_pylist()
    rows: list[Mapping[str, object]] = read if predictor.columns else [{}]
    asked = [rows[i % len(rows)] for i in range(CALLS)]
    predictor.predict(asked[0], threads=1)  # the first call may read what the others find read
    taken = []
    for _ in range(BATCHES):
        begun = meter()
        for row in asked:
            predictor.predict(row, threads=1)
        taken.append(meter() - begun)
    return min(taken) / CALLS
