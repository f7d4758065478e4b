import math

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.features.expression import Expression, NotRowByRow, columns_read, evaluate, probe
from mlsys_assets.features.numpy_table import NumpyTable
from mlsys_assets.tables import Column

TABLE = pa.table({
    "delay": pa.array([10.0, None, math.nan, 20.0]), "line": pa.array([1, 2, None, 4]),
    "place": pa.array(["A", None, "B", "A"]), "open": pa.array([True, False, None, True]),
})  # fmt: skip


def _known(of: object, rows: object = None) -> list[object]:
    found = evaluate(of, NumpyTable(TABLE, rows))  # type: ignore[arg-type]
    valid = np.ones(len(found.values), bool) if found.valid is None else found.valid
    return [v if k else None for v, k in zip(found.values.tolist(), valid, strict=True)]


def test_a_result_is_unknown_where_a_column_it_read_is() -> None:
    assert _known("delay") == [10.0, None, None, 20.0]
    assert _known("line") == [1, 2, None, 4]
    assert _known(lambda row: row["delay"] > 15) == [False, None, None, True]
    assert _known(lambda row: row["line"] + 1) == [2, 3, None, 5]
    assert _known(lambda row: (row["place"] == "A") & row["open"]) == [True, None, None, True]
    assert _known(lambda row: row["line"] * 0 + row["delay"]) == [10.0, None, None, 20.0]


def test_a_result_is_unknown_where_it_is_not_a_number() -> None:
    assert _known(lambda row: (row["line"] - 1) / (row["line"] - 1)) == [None, 1.0, None, 1.0]


def test_rows_are_picked_in_order() -> None:
    assert _known("line", np.array([3, 2, 0])) == [4, None, 1]
    assert NumpyTable(TABLE, np.array([3, 1])).arrow("place").to_pylist() == ["A", None]


def test_one_expression_means_the_same_over_columns_and_over_one_record() -> None:
    late = lambda row: (row["delay"] - row["line"]) > 15  # noqa: E731
    assert _known(late)[3] == late({"delay": 20.0, "line": 4})


def test_a_dictionary_reads_as_its_values() -> None:
    coded = pa.table({"place": TABLE["place"].dictionary_encode()})
    assert evaluate("place", NumpyTable(coded)).values.tolist() == ["A", "", "B", "A"]


def test_a_constant_is_one_value_a_row_and_a_wrong_length_is_refused() -> None:
    assert _known(lambda row: 1.5) == [1.5] * 4
    with pytest.raises(ValueError, match=r"one value a row; got \(2,\) for 4 rows"):
        evaluate(lambda row: row["line"][:2], NumpyTable(TABLE))


def test_unknown_columns_and_types_are_named() -> None:
    with pytest.raises(KeyError, match=r"Did you mean 'delay'\? Columns: delay"):
        evaluate("dely", NumpyTable(TABLE))
    with pytest.raises(TypeError, match="list<item: int64>"):
        evaluate("x", NumpyTable(pa.table({"x": [[1]]})))
    with pytest.raises(ValueError, match="has 1 nulls"):
        NumpyTable(pa.table({"t": pa.array([None], pa.timestamp("us", tz="UTC"))})).moments("t")


def test_probing_tells_a_type_from_a_schema() -> None:
    columns = (Column("delay", "float64"), Column("place", "string"))
    assert probe("place", columns).is_text
    assert probe(lambda row: row["delay"] > 1, columns).is_condition
    assert not probe(lambda row: row["delay"] * 2, columns).is_text


COLUMNS = [Column("delay", "float64"), Column("line", "int64"), Column("place", "string"), Column("at", "timestamp")]


@pytest.mark.parametrize(
    ("of", "seen"),
    [
        (lambda row: row["delay"] - row["delay"].mean(), r"\.mean is no operator"),
        (lambda row: row["delay"].cumsum(), r"\.cumsum"),
        (lambda row: np.cumsum(row["delay"]), "whole columns"),
        (lambda row: np.mean(row["delay"]), "whole columns"),
        (lambda row: np.where(row["delay"] > 1, 1, 0), "whole columns"),
        (lambda row: np.add.reduce(row["delay"]), r"np\.add"),
        (lambda row: np.maximum.accumulate(row["delay"]), r"np\.maximum"),
        (lambda row: np.roll(row["delay"], 1), "whole columns"),
        (lambda row: row["delay"] @ row["delay"], r"np\.matmul"),
        (lambda row: row["delay"][::-1], "slice"),
        (lambda row: [x for x in row["delay"]], "going through"),  # noqa: C416
        (lambda row: sum(row["delay"]), "going through"),
        (lambda row: max(row["delay"], 0), "max"),
        (lambda row: row["delay"] if row["line"] else 0, "if, in, and, or"),
        (lambda row: row["place"] in ("A", "B"), "if, in, and, or"),
        (lambda row: row["line"] - len(row["delay"]), "len"),
    ],
)
def test_an_expression_that_could_look_at_other_rows_is_refused(of: Expression, seen: str) -> None:
    for tried in (probe, columns_read):
        with pytest.raises(NotRowByRow, match=seen):
            tried(of, COLUMNS)


@pytest.mark.parametrize(
    "of",
    [
        lambda row: -(row["delay"] ** 2) + abs(row["line"]) // 3 % 2 - +row["line"] / 2.5,
        lambda row: ~(row["place"] == "A") & (row["delay"] >= 1) | (row["line"] != 2) ^ (row["line"] > 1),
        lambda row: np.float64(2) * row["line"],
        lambda row: (row["at"] - np.datetime64("2013-01-01")) / np.timedelta64(1, "h"),
    ],
)
def test_operators_are_tried_with_the_types_of_numpy(of: Expression) -> None:
    real = {"delay": np.ones(1), "line": np.ones(1, np.int64), "place": np.array(["A"], object)}
    real["at"] = np.array(["2013-01-02"], "datetime64[us]")
    assert probe(of, COLUMNS).values.dtype == np.asarray(of(real)).dtype
    assert columns_read(of, COLUMNS)[0] in real
