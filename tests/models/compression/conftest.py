"""A fitted network and a fitted linear model, to be made smaller."""

import pytest

from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.mlp import Mlp


@pytest.fixture(scope="session")
def network(train, validation):
    return Mlp(hidden=(16, 8), epochs=10, batch=64).fit(train, validation, seed=1, threads=1).predictor


@pytest.fixture(scope="session")
def linear(train, validation):
    return LogisticRegression().fit(train, validation, seed=1, threads=1).predictor
