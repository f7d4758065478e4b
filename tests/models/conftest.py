"""Rows for models: what is late, by carrier, hour and weather, with gaps and some noise."""

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.data_sampling.views import OpenedTest, Train, Validation, View
from mlsys_assets.models.task import with_target
from mlsys_assets.types import TimeWindow

WINDOW = TimeWindow.of("2013-01-01", "2013-02-01")
CARRIERS = ("AA", "B6", "EV", "UA")
DESTS = ("ATL", "BOS", "LEX", None)


def rows(n: int, *, seed: int) -> tuple[pa.Table, np.ndarray]:
    """Features and labels whose truth is a logistic function of three of the features."""
    rng = np.random.default_rng(seed)
    hour = rng.integers(6, 22, size=n) + rng.integers(0, 60, size=n) / 60
    carrier = rng.integers(0, len(CARRIERS), size=n)
    precip = np.where(rng.random(n) < 0.8, 0.0, rng.exponential(2.0, size=n))
    noise = rng.normal(size=n)
    margin = -2.0 + 0.15 * (hour - 12) + 0.5 * (carrier - 1.5) + 0.8 * precip
    label = (rng.random(n) < 1 / (1 + np.exp(-margin))).astype(np.float64)
    table = pa.table({
        "sched_hour": pa.array(hour.astype(np.float32)),
        "carrier": pa.array(np.array(CARRIERS)[carrier]),
        "precip": pa.array(precip.astype(np.float32), mask=rng.random(n) < 0.1),
        "dest": pa.array(rng.choice(DESTS, size=n, p=[0.6, 0.3, 0.05, 0.05]).tolist(), pa.string()),
        "noise": pa.array(noise.astype(np.float32)),
    })  # fmt: skip
    return table, label


def view(kind: type[View], n: int, *, seed: int) -> View:
    features, label = rows(n, seed=seed)
    at = np.datetime64("2013-01-05", "us") + np.arange(n) * (np.timedelta64(26, "D").astype("timedelta64[us]") // n)
    return kind(pa.array([f"r{i}" for i in range(n)], pa.string()), at, features, label, WINDOW)


@pytest.fixture(scope="session")
def train() -> Train:
    return view(Train, 1_500, seed=1)


@pytest.fixture(scope="session")
def validation() -> Validation:
    return view(Validation, 500, seed=2)


@pytest.fixture(scope="session")
def later() -> OpenedTest:
    return view(OpenedTest, 400, seed=3)


def minutes(view: View, *, seed: int) -> np.ndarray:
    """A number for each row that is above 15 where the label is 1, and not where it is 0."""
    by = np.random.default_rng(seed).exponential(20.0, size=len(view))
    return np.where(view.label > 0, 15 + by, 15 - by)


@pytest.fixture(scope="session")
def late_train(train: Train) -> Train:
    return with_target(train, minutes(train, seed=1))


@pytest.fixture(scope="session")
def late_validation(validation: Validation) -> Validation:
    return with_target(validation, minutes(validation, seed=2))
