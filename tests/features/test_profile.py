"""A profile counts what a loop over the rows counts, in bins at NumPy's deciles."""

import time
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.features.profile import MOST_CATEGORIES, PROFILE_SCHEMA, profile

N = 500
RNG = np.random.default_rng(0)
TABLE = pa.table(
    {
        "normal": pa.array(RNG.normal(size=N)),
        "gaps": pa.array(RNG.normal(size=N), mask=RNG.uniform(size=N) < 0.2),
        "nan": np.where(RNG.uniform(size=N) < 0.1, np.nan, RNG.uniform(size=N)),
        "whole": pa.array(RNG.integers(0, 5, N), pa.int16(), mask=RNG.uniform(size=N) < 0.1),
        "flag": pa.array(RNG.uniform(size=N) < 0.03),
        "full": np.where(RNG.uniform(size=N) < 0.95, 10.0, RNG.uniform(0, 10, N)),
        "zero": np.where(RNG.uniform(size=N) < 0.95, 0.0, RNG.exponential(size=N)),
        "ends": np.where(RNG.uniform(size=N) < 0.1, np.inf, np.where(RNG.uniform(size=N) < 0.1, -np.inf, 1.5)),
        "nothing": pa.nulls(N, pa.float32()),
        "untyped": pa.nulls(N),
        "text": pa.array([None if u < 0.1 else "abc"[int(u * 3)] for u in RNG.uniform(size=N)]),
        "coded": pa.array([None if u < 0.1 else "abc"[int(u * 3)] for u in RNG.uniform(size=N)]).dictionary_encode(),
        "many": pa.array([f"N{i:03}" for i in RNG.geometric(0.03, N)], pa.large_string()),
        "silent": pa.nulls(N, pa.string()),
    }
)
NUMERIC = TABLE.schema.names[:10]


def bins(name: str, table: pa.Table = TABLE) -> list[dict]:
    return [row for row in profile(table.select([name])).to_pylist() if row["column"] == name]


def holds(row: dict, value: object, others: Iterable[str] = ()) -> bool:
    """What a bin says of itself, applied to one value."""
    missing = value is None or value != value  # noqa: PLR0124
    if missing or row["kind"] == "missing":
        return missing and row["kind"] == "missing"
    if row["kind"] == "range":
        low, high = (
            end if row[which] is None else row[which] for which, end in (("lower", -np.inf), ("upper", np.inf))
        )
        return low < value <= high or value == low == -np.inf
    return value == row["category"] if row["kind"] == "category" else value not in others


@pytest.mark.parametrize("name", TABLE.schema.names)
def test_every_bin_counts_what_a_loop_counts(name: str) -> None:
    found = bins(name)
    assert [row["bin"] for row in found] == list(range(len(found)))
    named = [row["category"] for row in found if row["kind"] == "category"]
    values = TABLE[name].to_pylist()
    for row in found:
        assert row["count"] == sum(holds(row, value, named) for value in values), row
    assert sum(row["count"] for row in found) == N


def test_the_schema_and_the_order_of_the_columns() -> None:
    found = profile(TABLE)
    assert found.schema == PROFILE_SCHEMA
    assert found["column"].unique().to_pylist() == TABLE.schema.names


@pytest.mark.parametrize("name", NUMERIC)
def test_mean_and_deviation_are_numpys(name: str) -> None:
    values = np.array([np.nan if v is None else v for v in TABLE[name].to_pylist()], float)
    values = values[np.isfinite(values)]
    for row in bins(name):
        if len(values):
            assert row["mean"] == pytest.approx(values.mean(), abs=1e-12)
            assert row["sd"] == pytest.approx(values.std(), abs=1e-12)
        else:
            assert (row["mean"], row["sd"]) == (None, None)


@pytest.mark.parametrize("n", [11, 20, 333, N])
def test_edges_are_numpys_deciles(n: int) -> None:
    values = TABLE["normal"][:n].to_numpy()
    wanted = np.quantile(values, np.arange(1, 10) / 10, method="inverted_cdf")
    uppers = [row["upper"] for row in bins("normal", TABLE[:n]) if row["kind"] == "range"]
    np.testing.assert_array_equal(uppers[:-1], np.unique(wanted))
    assert uppers[-1] is None


def test_a_value_that_takes_up_more_than_a_bin_has_one_to_itself() -> None:
    for name, value in (("full", 10.0), ("zero", 0.0), ("flag", 0.0)):
        (own,) = (row for row in bins(name) if holds(row, value))
        assert own["count"] == TABLE[name].to_pylist().count(value)
        assert own["lower"] == pytest.approx(value)


def test_edges_at_zero_are_the_same_on_every_processor() -> None:
    """One that takes numbers too small to be normal for 0 would count 0 below its own bin."""
    for signs in ([0.0, -0.0] * 50, [-0.0, 0.0] * 50):
        (own,) = (row for row in bins("x", pa.table({"x": signs})) if row["count"])
        assert (own["lower"], str(own["upper"])) == (-np.finfo(float).tiny, "0.0")


def test_rare_categories_are_one_other() -> None:
    found = bins("many")
    counts = [row["count"] for row in found if row["kind"] == "category"]
    assert len(counts) == MOST_CATEGORIES
    assert counts == sorted(counts, reverse=True)
    (other,) = (row["count"] for row in found if row["kind"] == "other")
    assert other == N - sum(counts) > 0


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_the_rows_changes_no_bit(seed: int) -> None:
    assert profile(TABLE.take(np.random.default_rng(seed).permutation(N))).equals(profile(TABLE))


def test_of_more_rows_some_are_looked_at_evenly_spaced() -> None:
    rows = pa.table({"x": np.arange(1_000.0)})
    assert profile(rows, most_rows=100).equals(profile(rows.take(list(range(0, 1_000, 10)))))
    assert profile(rows, most_rows=1_000).equals(profile(rows))
    thirds = profile(rows, most_rows=300)
    assert sum(thirds["count"].to_pylist()) == 300
    assert thirds["mean"][0].as_py() == pytest.approx(499.5, abs=5)


@pytest.mark.parametrize("table", [TABLE[:0], pa.table({})], ids=["no rows", "no columns"])
def test_nothing_has_no_profile(table: pa.Table) -> None:
    with pytest.raises(ValueError, match="a profile of 0 rows would say nothing"):
        profile(table)


def test_a_column_that_is_neither_number_nor_text_is_refused() -> None:
    with pytest.raises(ValueError, match=r"column 'at' holds timestamp\[us\]; only numbers and text"):
        profile(pa.table({"at": pa.array([0], pa.timestamp("us"))}))


def test_a_hundred_columns_take_no_time() -> None:
    """Measured at 0.06 s; the bound is for a machine that is busy."""
    rng = np.random.default_rng(0)
    wide = pa.table({f"c{i}": rng.normal(size=20_000) for i in range(100)})
    profile(wide[:100])
    took = []
    for _ in range(3):
        began = time.perf_counter()
        profile(wide)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.3
