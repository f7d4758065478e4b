"""Logistic regression by blocks is logistic regression: of files too, in the same memory however long they are."""

import json
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from mlsys_assets.features.preprocessing.preprocessor import Preprocessor
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.distributed.dask_map import dask_map
from mlsys_assets.models.distributed.newton import fit_by_blocks
from mlsys_assets.models.distributed.row_blocks import parquet_blocks

FLAT = 1.1
"""How much more memory ten times the rows may take."""


def _rows(n: int = 3_000, d: int = 6, *, slope: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(n)
    matrix = random.normal(size=(n, d)).astype(np.float32)
    matrix[:, -1] = matrix[:, 0]  # columns alike
    margin = slope * (matrix[:, 0] - 0.5 * matrix[:, 1]) - 1.0
    return matrix, (random.random(n) < expit(margin)).astype(np.float64)


def _parted(matrix: np.ndarray, label: np.ndarray, parts: int):
    return lambda: zip(np.array_split(matrix, parts), np.array_split(label, parts), strict=True)


@pytest.mark.parametrize("c", [1e-4, 0.1, 100.0])
@pytest.mark.parametrize("slope", [1.0, 30.0])
def test_it_is_scikit_learns_optimum(c: float, slope: float) -> None:
    matrix, label = _rows(slope=slope)
    found = fit_by_blocks(_parted(matrix, label, 7), c=c)
    there = LogisticRegression(C=c, tol=1e-10, max_iter=10_000).fit(matrix.astype(np.float64), label)
    scale = max(1.0, np.abs(there.coef_).max())
    assert np.abs(found.weights - there.coef_[0]).max() < 1e-6 * scale
    assert found.intercept == pytest.approx(there.intercept_[0], abs=1e-6 * scale)
    assert found.rows == 3_000


def test_how_rows_are_parted_is_rounding() -> None:
    matrix, label = _rows()
    whole = fit_by_blocks(_parted(matrix, label, 1), c=0.1)
    for parts in (2, 3, 100):
        found = fit_by_blocks(_parted(matrix, label, parts), c=0.1)
        assert np.abs(found.weights - whole.weights).max() < 1e-12


def test_blocks_summed_by_workers_are_those_summed_here_to_the_last_bit(client) -> None:
    matrix, label = _rows()
    here = fit_by_blocks(_parted(matrix, label, 5), c=0.1)
    there = fit_by_blocks(_parted(matrix, label, 5), c=0.1, map=partial(dask_map, client=client))
    assert here.weights.tobytes() == there.weights.tobytes()
    assert (here.intercept, here.passes) == (there.intercept, there.passes)


def test_rows_that_nothing_can_be_learned_from_are_refused() -> None:
    matrix, label = _rows(100)
    missing = matrix.copy()
    missing[3, 2] = np.nan
    for blocks, said in (
        ([], "got no block"),
        ([(matrix, np.ones(100))], "both classes, got 100 positives in 100 rows"),
        ([(matrix, label * 2)], "labels 0 and 1, and"),
        ([(missing, label)], "finite numbers"),
        ([(matrix, label), (matrix[:, :3], label)], "a block has 3 columns, others have 6"),
        ([(matrix, label[:5])], "a block is"),
    ):
        with pytest.raises(FitError, match=said):
            fit_by_blocks(lambda blocks=blocks: blocks, c=1.0)
    with pytest.raises(FitError, match="did not converge in 3 passes"):
        fit_by_blocks(_parted(matrix, label, 2), c=1.0, rounds=3)
    changing = iter([[(matrix, label)], [(matrix[:50], label[:50])]])
    with pytest.raises(FitError, match="the blocks gave 100 rows, and in another pass 50"):
        fit_by_blocks(lambda: next(changing), c=1.0)


def _written(folder: Path, train, files: int = 3) -> None:
    folder.mkdir()
    table = train.features.append_column("late", pa.array(train.label))
    for i, part in enumerate(np.array_split(np.arange(len(train)), files)):
        pq.write_table(table.take(pa.array(part)), folder / f"part-{i}.parquet", row_group_size=100)


def test_rows_of_files_give_the_line_of_rows_in_memory(train, tmp_path) -> None:
    _written(tmp_path / "rows", train)
    prepared = Preprocessor().fit(train)
    whole = fit_by_blocks(lambda: [(prepared.matrix, train.label)], c=0.1)
    blocks = parquet_blocks(tmp_path / "rows", prepared.preprocessing, label="late", at_once=150)
    assert max(len(label) for _, label in blocks()) <= 150
    found = fit_by_blocks(blocks, c=0.1)
    assert np.abs(found.weights - whole.weights).max() < 1e-12
    assert found.rows == len(train)


def test_files_without_labels_are_refused(train, tmp_path) -> None:
    label = pa.array([None, *train.label[1:]])
    pq.write_table(train.features.append_column("late", label), tmp_path / "rows.parquet")
    preprocessing = Preprocessor().fit(train).preprocessing
    with pytest.raises(FitError, match=r"rows.parquet: 1 rows have no late"):
        fit_by_blocks(parquet_blocks(tmp_path / "rows.parquet", preprocessing, label="late"), c=1.0)
    with pytest.raises(ValueError, match="'precip' is a column of the preprocessing"):
        parquet_blocks(tmp_path / "rows.parquet", preprocessing, label="precip")


FITTED = """
import json, resource, sys
from mlsys_assets.features.preprocessing.number import Number
from mlsys_assets.features.preprocessing.transform import Preprocessing
from mlsys_assets.models.distributed.newton import fit_by_blocks
from mlsys_assets.models.distributed.row_blocks import parquet_blocks

preprocessing = Preprocessing(numbers=tuple(Number(f"x{i}") for i in range(20)))
found = fit_by_blocks(parquet_blocks(sys.argv[1], preprocessing, label="late", at_once=20_000), c=0.1)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"rows": found.rows, "passes": found.passes, "peak": peak}))
"""


def _flat(folder: Path, sizes: tuple[int, int]) -> dict[int, float]:
    """Return the peak of memory, in MB, of a process that fits so many rows of a file."""
    peaks = {}
    for n in sizes:
        with pq.ParquetWriter(folder / f"{n}.parquet", pa.schema([
            *(pa.field(f"x{i}", pa.float32()) for i in range(20)), pa.field("late", pa.float64())
        ])) as file:  # fmt: skip
            random = np.random.default_rng(0)
            for _ in range(n // 20_000):
                matrix = random.normal(size=(20_000, 20)).astype(np.float32)
                late = (random.random(20_000) < 1 / (1 + np.exp(1 - matrix[:, 0]))) * 1.0
                file.write_table(pa.table({**{f"x{i}": matrix[:, i] for i in range(20)}, "late": late}))
        command = [sys.executable, "-c", FITTED, folder / f"{n}.parquet"]
        said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        assert said["rows"] == n
        peaks[n] = said["peak"]
    print(peaks)
    return peaks


def test_five_times_the_rows_take_the_same_memory(tmp_path) -> None:
    few, many = _flat(tmp_path, (40_000, 200_000)).values()  # the larger is 16 MB of rows
    assert many - few < 8


@pytest.mark.prove
def test_ten_times_the_rows_take_the_same_memory(tmp_path) -> None:
    few, many = _flat(tmp_path, (300_000, 3_000_000)).values()  # the larger is 250 MB of rows
    assert many <= FLAT * few
