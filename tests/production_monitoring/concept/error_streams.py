"""Streams of errors whose change is known."""

import numpy as np

from mlsys_assets.models.linear_predictor import logistic
from mlsys_assets.production_monitoring.concept.streams import ErrorStream

A_DAY = 920
"""Rows that become known in a day."""
START = np.datetime64("2013-03-01", "us")


def stream(
    *, seed: int, days: int = 11, flipped_from: int = 99, share: float = 1.0, harder_from: int = 99
) -> ErrorStream:
    """Predictions of a calibrated score; from some day on a share of labels is flipped, or rows are harder."""
    random, n = np.random.default_rng(seed), days * A_DAY
    day = np.arange(n) // A_DAY
    odds = np.where(day >= harder_from, 0.3, 1.0) * (random.normal(size=n) * 1.1 - 1.5)
    score = logistic(odds)
    label = random.random(n) < score
    label ^= (day >= flipped_from) & (random.random(n) < share)
    known_at = START + (np.arange(n) * (86_400_000_000 // A_DAY)).astype("timedelta64[us]")
    return ErrorStream.of(label.astype(np.float64), score, known_at=known_at)
