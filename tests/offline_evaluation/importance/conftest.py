"""Forty days of rows whose truth is known: one strong column, a weak one, two that tell the same, and nothing."""

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.data_sampling.views import OpenedTest, Train, Validation, View
from mlsys_assets.models.candidate import Fitted
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.types import TimeWindow

WINDOW = TimeWindow.of("2013-01-01", "2013-04-01")
DAYS = 40
CARRIERS = ("AA", "B6", "EV", "UA")
RECIPE = LightGBM(rounds=30, leaves=7, learning_rate=0.2)


def make(kind: type[View], n: int, *, seed: int) -> View:
    """``twin`` and ``copy`` are equal but for a little; ``nothing`` is noise, ``few`` noise of three values."""
    rng = np.random.default_rng(seed)
    strong, weak, twin, nothing = rng.normal(size=(4, n))
    carrier, few = rng.integers(0, len(CARRIERS), n), rng.integers(0, 3, n)
    margin = 1.5 * strong + 0.5 * weak + 1.0 * twin + 0.5 * (carrier - 1.5)
    label = (rng.random(n) < 1 / (1 + np.exp(-margin))).astype(float)
    numbers = {"strong": strong, "weak": weak, "twin": twin, "copy": twin + 0.05 * rng.normal(size=n),
               "nothing": nothing, "few": few}  # fmt: skip
    columns = {name: pa.array(np.asarray(values, dtype=np.float32)) for name, values in numbers.items()}
    features = pa.table({**columns, "carrier": pa.array(np.array(CARRIERS)[carrier])})
    at = np.datetime64("2013-01-01", "us") + (np.arange(n) * DAYS * 86_400_000_000 // n).astype("timedelta64[us]")
    return kind(pa.array([f"r{i}" for i in range(n)]), at, features, label, WINDOW)


@pytest.fixture(scope="session")
def train() -> Train:
    return make(Train, 4_000, seed=1)


@pytest.fixture(scope="session")
def validation() -> Validation:
    return make(Validation, 1_500, seed=2)


@pytest.fixture(scope="session")
def opened() -> OpenedTest:
    return make(OpenedTest, 1_500, seed=3)


@pytest.fixture(scope="session")
def recipe() -> LightGBM:
    return RECIPE


@pytest.fixture(scope="session")
def fitted(train, validation) -> Fitted:
    return RECIPE.fit(train, validation, seed=0, threads=1)
