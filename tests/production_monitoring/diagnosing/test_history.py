"""Distances of a tick are kept as rows, and read back as each feature's past."""

import numpy as np
import pyarrow as pa

from mlsys_assets.production_monitoring.diagnosing.history import (
    RECENT_DRIFT_MEANS,
    RECENT_DRIFT_SCHEMA,
    past_of,
    recent_rows,
)
from mlsys_assets.production_monitoring.drift.columns import Reference

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
        found = past_of(
            pa.table(
                {
                    "tick": tick,
                    "column": column,
                    "psi": pa.array(psi, pa.float64()),
                    "together": pa.nulls(len(psi), pa.float64()),
                }
            )
        )[0]
        assert found.keys() == expected.keys()
        for name, values in expected.items():
            np.testing.assert_array_equal(found[name], values)


def test_without_ticks_there_is_no_past() -> None:
    assert past_of(pa.table({"tick": [], "column": [], "psi": [], "together": []}))[0] == {}
