import pyarrow as pa
import pytest

from mlsys_assets.prediction.served_log import fitted, widened

STORED = pa.schema([("id", pa.string()), ("x", pa.float32())])


def test_what_is_new_comes_after_what_was_there() -> None:
    served = pa.schema([("id", pa.string()), ("y", pa.float32())])
    assert widened(STORED, served).names == ["id", "x", "y"]
    assert widened(STORED, STORED) == STORED
    with pytest.raises(ValueError, match="'x' is served as string, and its log holds float"):
        widened(STORED, pa.schema([("x", pa.string())]))


def test_rows_lack_what_they_were_served_without() -> None:
    rows = pa.table({"id": ["a"], "tick": [1], "y": pa.array([2.0], pa.float32())})
    schema = pa.schema([*STORED, pa.field("y", pa.float32())])
    assert fitted(rows, schema).to_pylist() == [{"id": "a", "x": None, "y": 2.0, "tick": 1}]
    assert fitted(rows.drop_columns("tick"), schema).schema == schema
