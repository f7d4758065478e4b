"""Flights as they might be: scores that are right, days that differ, and a slice that is made wrong on demand."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from scipy.special import expit, logit


@dataclass(frozen=True)
class World:
    """Rows whose labels are drawn from their scores."""

    features: pa.Table
    at: np.ndarray
    score: np.ndarray
    day: np.ndarray

    def where(self, **values: object) -> np.ndarray:
        """Return (n,) which rows have the values."""
        found = np.ones(len(self.at), dtype=bool)
        for name, value in values.items():
            found &= np.array(self.features[name].to_pylist(), dtype=object) == value
        return found

    def labels(self, seed: int, *, by_day: float = 0.0, shift: float | np.ndarray = 0.0) -> np.ndarray:
        """Draw labels; ``by_day`` is the standard deviation of an effect on the log-odds that a day's rows share."""
        rng = np.random.default_rng(seed)
        effect = rng.normal(0, by_day, size=self.day.max() + 1)[self.day] if by_day else 0.0
        return (rng.random(len(self.score)) < expit(logit(self.score) + effect + shift)).astype(float)


def world(n: int, *, days: int, seed: int) -> World:
    rng = np.random.default_rng(seed)
    day = np.sort(rng.integers(0, days, size=n))
    carrier = rng.choice(["AA", "B6", "DL", "EV", "MQ", "UA", "WN"], size=n, p=[0.1, 0.16, 0.15, 0.16, 0.08, 0.2, 0.15])
    features = pa.table({
        "carrier": carrier,
        "origin": rng.choice(["EWR", "JFK", "LGA"], size=n),
        "hour": pa.array(rng.integers(6, 22, size=n).astype(np.float32)),
        "weekday": pa.array((day % 7).astype(np.float32)),
        "distance": pa.array(rng.gamma(4, 250, size=n).astype(np.float32)),
    })  # fmt: skip
    score = np.clip(rng.beta(1.2, 4, size=n), 0.01, 0.99)
    at = np.datetime64("2013-03-01", "us") + day.astype("timedelta64[D]")
    return World(features, at, score, day)
