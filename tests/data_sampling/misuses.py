"""What cannot be written: read by `test_types.py`, which has every line checked by mypy, and tried.

A line that ends in "refused" must be an error of an argument's type, and raise TypeError when it is run; no other
line may be either.
"""

from datetime import datetime

from mlsys_assets.data_sampling.grouped_folds import GroupedFolds, LeaveGroupOut
from mlsys_assets.data_sampling.oversampling import oversample, undersample
from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.data_sampling.splits import TimeSplit
from mlsys_assets.data_sampling.time_folds import BlockedFolds, WalkForward
from mlsys_assets.data_sampling.views import OpenedTest, Test, Train, Validation, View
from mlsys_assets.features.preprocessing.preprocessor import Preprocessor
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.models.baselines import GroupRate
from mlsys_assets.models.calibration import Calibrated
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.offline_evaluation.choices.thresholds import ByRecall, ByShare
from mlsys_assets.offline_evaluation.slicing.isolation import Isolation
from mlsys_assets.types import days, hours

LINEAR, TREES, RATE = LogisticRegression(), LightGBM(rounds=2), GroupRate(by=("c",))
PREPARED = Preprocessor()
PLATT, RARE, FEW = Calibrated(RATE), ByRecall(0.5), ByShare(0.5)
BLOCKS, WALK, GROUPS = BlockedFolds(2, hours(1)), WalkForward(1, days(1), hours(1)), GroupedFolds(2, ("c",))
LEAVE, SPLIT = LeaveGroupOut(("c",), least_rows=1), TimeSplit(days(2), days(2), hours(1))


def misuses(
    train: Train,
    validation: Validation,
    opened: OpenedTest,
    sealed: Test,
    view: View,
    rows: LabelledRows,
    score: Floats,
    as_of: datetime,
) -> None:
    """Line by line."""
    LINEAR.fit(train, validation, seed=0, threads=1)
    LINEAR.fit(validation, validation, seed=0, threads=1)  # refused
    LINEAR.fit(opened, validation, seed=0, threads=1)  # refused
    LINEAR.fit(sealed, validation, seed=0, threads=1)  # refused
    LINEAR.fit(view, validation, seed=0, threads=1)  # refused
    LINEAR.fit(rows, validation, seed=0, threads=1)  # refused
    LINEAR.fit(train, opened, seed=0, threads=1)  # refused
    LINEAR.fit(train, train, seed=0, threads=1)  # refused
    LINEAR.refit(train, recipe={}, seed=0, threads=1)
    LINEAR.refit(validation, recipe={}, seed=0, threads=1)  # refused
    LINEAR.refit(opened, recipe={}, seed=0, threads=1)  # refused
    TREES.fit(train, validation, seed=0, threads=1)
    TREES.fit(opened, validation, seed=0, threads=1)  # refused
    TREES.fit(train, sealed, seed=0, threads=1)  # refused
    TREES.refit(sealed, recipe={"rounds": 2}, seed=0, threads=1)  # refused
    RATE.fit(train, validation, seed=0, threads=1)
    RATE.fit(validation, validation, seed=0, threads=1)  # refused
    PREPARED.fit(train)
    PREPARED.fit(validation)  # refused
    PREPARED.fit(opened)  # refused
    PREPARED.fit(rows)  # refused
    PLATT.fit(train, validation, seed=0, threads=1)
    PLATT.fit(train, opened, seed=0, threads=1)  # refused
    RARE.choose(validation, score)
    RARE.choose(train, score)  # refused
    RARE.choose(opened, score)  # refused
    FEW.choose(sealed, score)  # refused
    Isolation.fit(opened, seed=0)  # refused
    oversample(train, share=0.5, seed=0)
    oversample(validation, share=0.5, seed=0)  # refused
    oversample(opened, share=0.5, seed=0)  # refused
    oversample(sealed, share=0.5, seed=0)  # refused
    oversample(rows, share=0.5, seed=0)  # refused
    undersample(train, share=0.5, seed=0)
    undersample(validation, share=0.5, seed=0)  # refused
    undersample(rows, share=0.5, seed=0)  # refused
    LINEAR.fit(oversample(train, share=0.5, seed=0), validation, seed=0, threads=1)
    SPLIT.split(rows, as_of=as_of)
    SPLIT.split(train, as_of=as_of)  # refused
    SPLIT.split(oversample(train, share=0.5, seed=0), as_of=as_of)  # refused
    SPLIT.refit_view(train, as_of=as_of)  # refused
    BLOCKS.folds(train)
    BLOCKS.folds(validation)  # refused
    BLOCKS.folds(opened)  # refused
    BLOCKS.folds(sealed)  # refused
    BLOCKS.folds(rows)  # refused
    WALK.folds(train)
    WALK.folds(opened)  # refused
    GROUPS.folds(train)
    GROUPS.folds(validation)  # refused
    LEAVE.folds(train)
    LEAVE.folds(sealed)  # refused
