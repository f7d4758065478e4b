"""Smaller and faster models of real flights: what each saves and costs on the days before October."""

import re
import time
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets import LightGBM, LogLoss
from mlsys_assets.data_sampling.splits import Split
from mlsys_assets.data_sampling.time_folds import BlockedFolds, WalkForward
from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.measures.metrics import value
from mlsys_assets.models.booster_text import BoosterText
from mlsys_assets.models.bundle import from_files, to_files
from mlsys_assets.models.compression.compressed import size_of
from mlsys_assets.models.compression.distillation import Distillation, compare_with_control
from mlsys_assets.models.compression.onnx_export import OnnxExport
from mlsys_assets.models.compression.table import CompressionStudy, CompressionTable
from mlsys_assets.models.compression.tree_pruning import TreePruning
from mlsys_assets.models.compression.truncation import Truncation
from mlsys_assets.models.predictor import Predictor
from mlsys_assets.types import days

SHARES = (0.75, 0.5, 0.25, 0.1)
METHODS = (*(Truncation(share=s) for s in SHARES), *(TreePruning(s) for s in SHARES), OnnxExport(),
           OnnxExport(double=False))  # fmt: skip
ONE_OF = 16
"""Of so many training rows one, where two students are compared with each other only."""


@pytest.fixture(scope="module")
def few(flights_split: Split) -> Train:
    return flights_split.train.take(np.arange(0, len(flights_split.train), ONE_OF))


@pytest.fixture(scope="module")
def table(flights_split: Split, flights_fitted: dict[str, Predictor], few: Train) -> CompressionTable:
    study = CompressionStudy(time.process_time, time.process_time)
    made = study.make(flights_fitted["lightgbm"], METHODS, few, seed=0)
    return study.measure(made, flights_split.validation, seed=0)


def test_each_smaller_model_is_measured_and_told(table: CompressionTable) -> None:
    print(table.table(), table.text().replace("; ", "\n"), sep="\n\n")
    assert not table.failed
    found = {row.name: row for row in table.rows}
    for kind in ("first", "pruned_to"):
        rows = [table.original, *(found[f"{kind}_{100 * share:.0f}_percent"] for share in SHARES)]
        assert all(a.size > b.size for a, b in pairwise(rows))
        assert rows[-1].size < 0.25 * rows[0].size
        assert rows[-1].lost.low > 0  # a tenth of the trees is not the model
    assert found["pruned_to_25_percent"].lost.value < found["first_25_percent"].lost.value
    assert found["pruned_to_50_percent"].lost.value < 0.005
    assert sum(row.p50 for row in table.rows) < 0.01


def test_onnx_is_the_same_model_in_half_the_bytes(table: CompressionTable) -> None:
    found = {row.name: row for row in table.rows}
    assert found["onnx"].apart < 1e-15
    assert 0 < found["onnx_single"].apart < 1e-6
    assert found["onnx_single"].size < found["onnx"].size < 0.5 * table.original.size
    assert re.search(r"onnx is [56]\d% smaller[^;]*; no probability differs by more than", table.text())


@pytest.mark.parametrize("name", ["lightgbm", "logistic_regression"])
def test_an_exported_model_scores_a_row_alone_as_in_the_year(
    flights_split: Split, flights_fitted: dict[str, Predictor], few: Train, name: str
) -> None:
    features: pa.Table = flights_split.validation.features
    made = OnnxExport(tolerance=1e-15).compress(flights_fitted[name], few, seed=0, threads=1)
    loaded = from_files(to_files(made))
    whole = loaded.predict(features)
    np.testing.assert_allclose(whole, flights_fitted[name].predict(features), rtol=0, atol=1e-15)
    alone = [loaded.predict(row)[0] for row in features.slice(0, 300).to_pylist()]
    np.testing.assert_array_equal(alone, whole[:300])
    parts = [loaded.predict(features.slice(start, 777)) for start in range(0, len(features), 777)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_pruning_costs_less_than_truncation_at_equal_size(
    flights_split: Split, flights_fitted: dict[str, Predictor], few: Train
) -> None:
    """The curve of size and loss, by splits that stay."""
    whole, rows = flights_fitted["lightgbm"], flights_split.validation
    for share in (0.4, 0.2):
        pruned = TreePruning(share).compress(whole, few, seed=0, threads=1)
        cut = Truncation(share=share).compress(whole, few, seed=0, threads=1)
        splits = [BoosterText.of(one.text).splits for one in (pruned, cut)]
        assert splits[0] <= splits[1] * 1.02
        losses = [value(LogLoss(), rows.label, one.predict(rows.features)) for one in (pruned, cut)]
        assert losses[0] < losses[1]
        assert size_of(pruned) < 0.6 * size_of(whole)


def students(train: Train, validation: Validation, seeds: tuple[int, ...]) -> str:
    more = {"max_bin": 63}
    student = LightGBM(rounds=10, leaves=4, more=more, name="small")
    teacher = LightGBM(rounds=120, column_share=0.3, more=more)
    taught = Distillation(teacher, student, BlockedFolds(4, days(1)))
    found = compare_with_control(taught, train, validation, seeds=seeds, threads=1)
    print(found, found.by_seed)
    assert found.gain.sufficient
    assert abs(found.gain.value) < 0.03
    return str(found)


def test_whether_a_taught_student_beats_one_of_its_size_is_told(flights_split: Split, few: Train) -> None:
    """Of so few rows its loss is lower on these two weeks, by an amount that they barely tell from none."""
    told = students(few.take(np.arange(0, len(few), 2)), flights_split.validation, (0,))
    assert "small: log loss -0.0" in told


@pytest.mark.prove
def test_fitted_on_more_rows_and_judged_on_eight_weeks_it_does_not(flights_split: Split) -> None:
    (fold,) = WalkForward(1, days(56), days(1)).folds(flights_split.train)
    thin = fold.train.take(np.arange(0, len(fold.train), 8))
    assert "distillation costs" in students(thin, fold.validation, (0, 1, 2))
