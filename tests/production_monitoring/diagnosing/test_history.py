"""Distances are read back by tick as they were measured, whatever the order of the rows."""

import numpy as np
import pyarrow as pa
from diagnosing_worlds import normal, pair

from mlsys_assets.production_monitoring.diagnosing.history import ALL, PAST, RECENT_DRIFT_SCHEMA, past_of, recent_rows
from mlsys_assets.production_monitoring.diagnosing.together import apart
from mlsys_assets.production_monitoring.drift.columns import Reference
from mlsys_assets.production_monitoring.drift.kernel_test import KernelTest
from mlsys_assets.types import days, utc

START = utc("2013-01-07")


def test_distances_are_rows_with_one_for_all_columns_together() -> None:
    features = pair(normal(0, 2_000, columns=2), normal(1, 500, columns=2))
    distances, together = Reference.of(features.before).distances(features.now), apart(KernelTest(), features, seed=0)
    rows = recent_rows(distances, together)
    assert rows.schema == RECENT_DRIFT_SCHEMA
    told = {row["column"]: row for row in rows.to_pylist()}
    assert list(told) == ["x0", "x1", ALL]
    assert told["x0"]["psi"] == distances["x0"].psi
    assert (told["x0"]["together"], told[ALL]["psi"]) == (None, None)
    assert told[ALL]["together"] == together.distance
    assert (told[ALL]["rows_before"], told[ALL]["rows"]) == (2_000, 500)
    assert ALL not in recent_rows(distances)["column"].to_pylist()
    assert recent_rows({}, together).num_rows == 0


def test_the_past_is_read_by_tick_with_gaps_where_nothing_was_measured() -> None:
    rows = [
        (2, "temp", 0.3, None), (0, "temp", 0.1, None), (1, "temp", None, None), (2, "wind", 0.7, None),
        (2, ALL, None, 0.05), (0, ALL, None, 0.02),
    ]  # fmt: skip
    table = pa.Table.from_pylist(
        [dict(zip(PAST.names, (START + days(7 * week), *more), strict=True)) for week, *more in rows], schema=PAST
    )
    found, together = past_of(table)
    assert found.keys() == {"temp", "wind"}
    np.testing.assert_array_equal(found["temp"], [0.1, np.nan, 0.3])
    np.testing.assert_array_equal(found["wind"], [np.nan, np.nan, 0.7])
    np.testing.assert_array_equal(together, [0.02, np.nan, 0.05])
    assert past_of(PAST.empty_table())[0] == {}
"""Distances of a tick are kept as rows, and read back as each feature's past."""


from mlsys_assets.production_monitoring.diagnosing.history import (
    RECENT_DRIFT_MEANS,
)

BEFORE = pa.table({"x": np.arange(100.0), "gone": np.arange(100.0), "text": ["a", "b"] * 50})
NOW = pa.table({"x": np.arange(50.0), "text": ["a", "c"] * 25, "new": np.arange(50.0)})


def test_each_feature_is_a_row_and_what_cannot_be_told_is_null() -> None:
    found = Reference.of(BEFORE).distances(NOW)
    rows = recent_rows(found)
    assert rows.schema.equals(RECENT_DRIFT_SCHEMA)
    assert set(RECENT_DRIFT_MEANS) == set(rows.column_names)
    told = {row["column"]: row for row in rows.to_pylist()}
    assert list(told) == ["x", "gone", "text", "new"]
    assert told["x"]["psi"] == found["x"].psi
    assert (told["x"]["rows_before"], told["x"]["rows"], told["x"]["untold"]) == (100, 50, "")
    assert told["gone"]["psi"] is told["new"]["psi"] is told["text"]["ks"] is None
    assert told["gone"]["untold"].startswith("is gone")
    assert recent_rows({}).num_rows == 0


def test_the_past_is_in_order_of_time_whatever_the_order_of_rows() -> None:
    """``b`` is younger, and could not be told in the second tick."""
    rows = [(0, "a", 0.1), (1, "a", 0.2), (1, "b", None), (2, "a", 0.3), (2, "b", 0.5)]
    expected = {"a": [0.1, 0.2, 0.3], "b": [np.nan, np.nan, 0.5]}
    for seed in range(4):
        order = np.random.default_rng(seed).permutation(len(rows))
        tick, column, psi = zip(*(rows[i] for i in order), strict=True)
        found = past_of(pa.table({"tick": tick, "column": column, "psi": pa.array(psi, pa.float64())}))
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_array_equal(found[name], values)


def test_without_ticks_there_is_no_past() -> None:
    assert past_of(pa.table({"tick": [], "column": [], "psi": []})) == {}
