"""Columns that can be held against each other are made alike; of the others it is told why they cannot."""

import pyarrow as pa

from mlsys_assets.production_monitoring.drift.comparable import comparable


def test_columns_are_made_alike_and_the_others_told() -> None:
    before = pa.table({
        "whole": [1, 2], "flag": [True, None], "text": pa.array(["a", None]).dictionary_encode(), "gone": [1.0, 2.0],
        "then_null": pa.array([1.5, 2.5]), "never": pa.array([None, None], pa.float64()), "became_text": [1, 2],
        "times": pa.array([1, 2], pa.timestamp("us")), "text_null": ["a", "b"],
    })  # fmt: skip
    now = pa.table({
        "became_text": ["a"], "never": pa.nulls(1), "then_null": pa.nulls(1), "text": ["b"], "whole": [2.5],
        "flag": [False], "new": [1], "times": pa.array([1], pa.timestamp("us")), "text_null": pa.nulls(1),
    })  # fmt: skip
    found = comparable(before, now)
    assert found.left_out == {
        "gone": "is not there now",
        "never": "has no value, before or now",
        "became_text": "held int64 before, and string now",
        "times": "holds timestamp[us], which is neither number nor text",
        "new": "is not there before",
    }
    assert found.before.schema == found.now.schema
    assert found.before.to_pydict() == {
        "whole": [1.0, 2.0], "flag": [1.0, None], "text": ["a", None], "then_null": [1.5, 2.5], "text_null": ["a", "b"],
    }  # fmt: skip
    assert found.now.to_pydict() == {
        "whole": [2.5], "flag": [0.0], "text": ["b"], "then_null": [None], "text_null": [None],
    }  # fmt: skip


def test_a_name_that_stands_twice_and_tables_without_rows_or_columns_are_told() -> None:
    twice = pa.table([[1], [2], [3]], names=["x", "x", "y"])
    assert comparable(twice, pa.table({"x": [1], "y": [2]})).left_out == {"x": "stands 2 times before"}
    assert comparable(pa.table({"x": [1]}), pa.table({"x": pa.array([], pa.int64())})).left_out == {}
    assert comparable(pa.table({}), pa.table({})).before.num_columns == 0
