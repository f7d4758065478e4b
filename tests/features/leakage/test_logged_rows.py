import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.features.leakage.logged_rows import LoggedRows


def test_a_log_is_read_by_its_key_and_time():
    moment = pa.array([0, 1], pa.timestamp("us", tz="UTC"))
    read = LoggedRows.of(pa.table({"id": ["a", "b"], "asked": moment, "x": [1.0, 2.0]}), key="id", at="asked")
    assert read.ids.to_pylist() == ["a", "b"]
    assert read.features.schema.names == ["x"]
    assert read.at.dtype == np.dtype("M8[us]")


def test_some_rows_are_taken_together():
    at = np.array(["2013-01-01", "2013-01-02"], "M8[us]")
    taken = LoggedRows(pa.array(["a", "b"]), at, pa.table({"x": [1.0, 2.0]})).take(np.array([1]))
    assert (taken.ids.to_pylist(), taken.at.tolist(), taken.features["x"].to_pylist()) == (
        ["b"],
        at[1:].tolist(),
        [2.0],
    )


def test_a_log_without_its_key_is_refused():
    with pytest.raises(ValueError, match=r"the rows of the log lack the columns \['id'\]"):
        LoggedRows.of(pa.table({"x": [1.0]}), key="id", at="x")
