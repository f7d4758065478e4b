"""Splits on flights: what a random split hides, and folds of the year that keep days and carriers apart."""

import time

import numpy as np
import pytest

from mlsys_assets import LightGBM, LogLoss, MLSystem, days
from mlsys_assets.data_sampling.folds import known_times
from mlsys_assets.data_sampling.grouped_folds import LeaveGroupOut
from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.data_sampling.splits import Split
from mlsys_assets.data_sampling.time_folds import BlockedFolds, WalkForward
from mlsys_assets.measures.metrics import RocAuc
from mlsys_assets.offline_evaluation.findings import STUDIED
from mlsys_assets.offline_evaluation.studies.random_split import SplitStudy

QUICKLY = LightGBM(rounds=30, leaves=15, column_share=0.5, more={"max_bin": 31})
RECIPE = LightGBM(rounds=60, column_share=0.5, more={"max_bin": 63})


def _measured(study: SplitStudy, recipe: LightGBM, system: MLSystem, rows: LabelledRows, split: Split):
    test = split.recent_test.open(lambda read: None, models="", reason=STUDIED)
    notes = []
    begun = time.process_time()
    found = study.measure(recipe, rows, by=system.time_split, as_of=split.as_of, test=test, record=notes.append)
    print(f"{time.process_time() - begun:.1f} CPU s", found.text(), found.finding().summary, sep="\n")
    assert len(notes) == len(study.seeds)
    return found


def test_a_random_split_flatters_though_its_own_test_looks_worse(
    flights_system: MLSystem, flights_rows: LabelledRows, flights_split: Split
) -> None:
    study = SplitStudy("to show what it hides", LogLoss(), rows=20_000, seeds=(0, 1))
    found = _measured(study, QUICKLY, flights_system, flights_rows, flights_split)
    assert found.flattery.low > 0
    assert found.naive < -0.05  # the year has more delays to tell apart than a calm fortnight in September
    assert not found.finding().passed


@pytest.mark.prove
@pytest.mark.parametrize("metric", [LogLoss(), RocAuc()], ids=lambda m: m.name)
def test_what_each_split_would_report_is_a_difference_of_days_first(
    flights_system: MLSystem, flights_rows: LabelledRows, flights_split: Split, metric: LogLoss | RocAuc
) -> None:
    study = SplitStudy("to show what it hides", metric, rows=40_000, seeds=(0, 1, 2))
    found = _measured(study, RECIPE, flights_system, flights_rows, flights_split)
    assert found.flattery.value > 0
    assert abs(found.naive) > 5 * found.flattery.value


def test_folds_of_flights_keep_days_labels_and_carriers_apart(
    flights_system: MLSystem, flights_rows: LabelledRows, flights_split: Split
) -> None:
    train = flights_split.train.take(np.arange(0, len(flights_split.train), 10))
    delay = flights_system.label.delay
    known = known_times(train, flights_rows)
    for splitter in (BlockedFolds(5, delay, days(8)), WalkForward(3, days(14), delay)):
        assert splitter.mistakes(delay=delay) == []
        for fold in splitter.folds(train, known_at=known):
            own = known_times(fold.train, flights_rows)
            before = fold.train.at < fold.validation.at.min()
            assert own[before].max(initial=np.datetime64(0, "us")) <= fold.validation.at.min()
            assert not set(fold.train.at.astype("M8[D]")) & set(fold.validation.at.astype("M8[D]"))
    carriers = LeaveGroupOut(("carrier",), days(28), delay, least_rows=20)
    found = list(carriers.folds(train, known_at=known))
    assert {"UA", "B6", "EV", "DL", "AA"} <= {fold.name for fold in found}
    assert "HA" in carriers.too_few(train)
    for fold in found:
        assert fold.name not in set(fold.train.features["carrier"].to_pylist())
        assert set(fold.validation.features["carrier"].to_pylist()) == {fold.name}
        assert fold.control is not None
        assert fold.name in set(fold.control.features["carrier"].to_pylist())
