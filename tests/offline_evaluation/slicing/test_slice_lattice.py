"""Slices and their sums are those that are found one by one."""

import time
import tracemalloc
from itertools import combinations, product

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.offline_evaluation.slicing.coded_column import by_value
from mlsys_assets.offline_evaluation.slicing.excess_loss import ExcessLoss, surprise
from mlsys_assets.offline_evaluation.slicing.slice_lattice import Lattice, Level, measured

N, DAYS, LEAST_ROWS, LEAST_DAYS = 3_000, 12, 40, 12
RANDOM = np.random.default_rng(0)
TABLE = pa.table({name: RANDOM.choice(list("abcdefgh"), size=N, p=RANDOM.dirichlet(np.ones(8))) for name in "wxyz"})
DAY = RANDOM.integers(0, DAYS, size=N)
SCORE = RANDOM.uniform(0.05, 0.6, size=N)


def levels(depth: int) -> list[Level]:
    columns = [by_value(TABLE, name) for name in TABLE.schema.names]
    return list(Lattice(columns, DAY, LEAST_ROWS, LEAST_DAYS).levels(depth))


def one_by_one(depth: int) -> dict[tuple[tuple[int, str], ...], np.ndarray]:
    values = [np.array(TABLE[name].to_pylist()) for name in TABLE.schema.names]
    found = {}
    for size in range(1, depth + 1):
        for columns in combinations(range(4), size):
            for texts in product("abcdefgh", repeat=size):
                rows = np.all([values[c] == text for c, text in zip(columns, texts, strict=True)], axis=0)
                if rows.sum() >= LEAST_ROWS and len(np.unique(DAY[rows])) >= LEAST_DAYS:
                    found[tuple(zip(columns, texts, strict=True))] = rows
    return found


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_no_slice_with_support_is_left_out_and_none_without_is_in(depth: int) -> None:
    values = [TABLE[name].to_pylist() for name in TABLE.schema.names]
    found = {}
    for level in levels(depth):
        assert level.code.max() == len(level.rows) - 1
        for number, (rows, days) in enumerate(zip(level.rows, level.days, strict=True)):
            mask = level.code == number
            assert (mask.sum(), len(np.unique(DAY[mask]))) == (rows, days)
            first = int(np.flatnonzero(mask)[0])
            found[tuple((c, values[c][first]) for c in level.columns)] = mask
    wanted = one_by_one(depth)
    assert set(found) == set(wanted)
    assert all((found[name] == wanted[name]).all() for name in wanted)


def loss(*, by_day: float, seed: int) -> ExcessLoss:
    rng = np.random.default_rng(seed)
    odds = np.log(SCORE / (1 - SCORE)) + by_day * rng.normal(size=(DAYS, 8))[DAY, by_value(TABLE, "w").code]
    return surprise((rng.random(N) < 1 / (1 + np.exp(-odds))).astype(float), SCORE)


def test_the_sums_are_those_of_the_slices_rows() -> None:
    drawn = loss(by_day=0.0, seed=1)
    for level in levels(2):
        sums = measured(level, drawn, DAY)
        for number in range(len(level.rows)):
            rows = level.code == number
            assert sums.excess[number] == pytest.approx(drawn.excess[rows].sum())
            assert sums.variance[number] >= drawn.variance[rows].sum() * 0.999
            assert sums.skew[number] * sums.variance[number] ** 1.5 == pytest.approx(drawn.third[rows].sum())


@pytest.mark.parametrize("by_day", [0.0, 0.8], ids=["rows alone", "rows of a day share an effect"])
def test_the_variance_is_at_least_that_of_the_sums_over_many_worlds(by_day: float) -> None:
    (level, *_) = levels(1)
    worlds = [measured(level, loss(by_day=by_day, seed=seed), DAY) for seed in range(200)]
    seen = np.var([w.excess for w in worlds], axis=0)
    told = np.mean([w.variance for w in worlds], axis=0)
    large = level.rows > 200
    assert (told[large] / seen[large] > 0.85).all(), told / seen
    assert (told[large] / seen[large] < 2.2).all(), told / seen  # of two estimates the larger is told


def test_a_column_whose_values_are_all_different_costs_nothing() -> None:
    """Of two such columns and 60,000 rows there are 3.6 billion pairs of values, none of which has enough rows."""
    n = 60_000
    names = [f"row {i}" for i in range(n)]
    features = pa.table({"a": names, "b": names[::-1], "c": (["x", "y"] * n)[:n]})
    columns = [by_value(features, name) for name in features.schema.names]
    began = time.process_time()
    tracemalloc.start()
    found = list(Lattice(columns, np.arange(n) % DAYS, LEAST_ROWS, 1).levels(3))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [level.columns for level in found] == [(2,)]
    assert found[0].rows.tolist() == [n // 2, n // 2]
    assert peak < 20e6
    assert time.process_time() - began < 0.5


def test_a_value_with_few_rows_among_others_is_in_no_slice() -> None:
    features = pa.table({"a": ["rare"] * 5 + ["x"] * 95 + ["y"] * 100, "b": ["p", "q"] * 100})
    columns = [by_value(features, name) for name in features.schema.names]
    found = list(Lattice(columns, np.arange(200) % 10, 10, 1).levels(2))
    assert {level.columns: level.rows.tolist() for level in found} == {
        (0,): [95, 100], (0, 1): [47, 48, 50, 50], (1,): [100, 100],
    }  # fmt: skip
