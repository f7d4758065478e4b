"""Rows for behavioral tests: twenty days of two places with a reading an hour, and models whose truth is known."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.data_sampling.views import OpenedTest
from mlsys_assets.features.named_columns import read_numbers
from mlsys_assets.models.predictor import Rows
from mlsys_assets.offline_evaluation.behavior.behavioral_tests import FunctionScorer
from mlsys_assets.types import TimeWindow

DAYS, AN_HOUR, PLACES = 20, 5, ("EWR", "JFK")
WINDOW = TimeWindow.of("2013-06-01", "2013-06-21")


def read_rows(days: int = DAYS) -> OpenedTest:
    """Late by ``temp`` and ``wind``, whose distributions given the label are normal; ``rain`` is mostly 0."""
    random = np.random.default_rng(4)
    hour, place = (x.ravel() for x in np.meshgrid(np.arange(days * 24), np.arange(len(PLACES)), indexing="ij"))
    hour, place = np.repeat(hour, AN_HOUR), np.repeat(place, AN_HOUR)
    n = len(hour)
    label = (random.random(n) < 0.4).astype(float)
    temp, wind = 1.5 * label + random.normal(size=n), 0.8 * label + random.normal(size=n)
    rain = np.where(random.random(n) < 0.8, 0.0, random.exponential(size=n))
    features = pa.table({
        "origin": pa.array(np.array(PLACES)[place]),
        "temp": pa.array(temp.astype(np.float32)),
        "wind": pa.array(wind.astype(np.float32)),
        "rain": pa.array(rain.astype(np.float32), mask=random.random(n) < 0.1),
        "carrier": pa.array(random.choice(["AA", "B6", "UA"], size=n, p=[0.2, 0.5, 0.3])),
        "seats": pa.array(random.integers(50, 200, size=n).astype(np.float32)),
    })  # fmt: skip
    at = np.datetime64("2013-06-01", "us") + hour * np.timedelta64(1, "h") + np.arange(n) % AN_HOUR
    return OpenedTest(pa.array([f"r{i}" for i in range(n)]), at, features, label, WINDOW)


@pytest.fixture(scope="session")
def read_view() -> OpenedTest:
    """4,800 rows: more than a behavioral test probes."""
    return read_rows()


@pytest.fixture(scope="session")
def scorer() -> Callable[..., FunctionScorer]:
    """Make a model of columns: the logistic function of what is made of their (d, n) numbers, 0 where missing."""

    def make(function: Callable[[np.ndarray], np.ndarray], *columns: str) -> FunctionScorer:
        def score(rows: Rows) -> np.ndarray:
            numbers = np.nan_to_num(read_numbers(rows, columns).astype(np.float64))
            return 1 / (1 + np.exp(-function(numbers)))

        return FunctionScorer(score, columns)

    return make
