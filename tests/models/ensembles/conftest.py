"""A stack's bases, and what they say of rows that none of them was fitted on."""

import pytest

from mlsys_assets.data_sampling.time_folds import WalkForward
from mlsys_assets.models.baselines import GroupRate
from mlsys_assets.models.ensembles.out_of_fold import OutOfFold, score_out_of_fold
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.types import days, hours

FOLDS = WalkForward(3, days(5), hours(6))


@pytest.fixture(scope="session")
def folds() -> WalkForward:
    return FOLDS


@pytest.fixture(scope="session")
def scored(train) -> OutOfFold:
    bases = [(LogisticRegression(), {}), (LightGBM(), {"rounds": 10}), (GroupRate(by=("carrier",)), {})]
    return score_out_of_fold(bases, train, FOLDS, seed=0, threads=1)
