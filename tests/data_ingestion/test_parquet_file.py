"""A Parquet file's records are read as text that says all of them, dated and kept like a CSV file's."""

from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, strategies as st

from mlsys_assets import CsvFile, ParquetFile, TimeWindow, read_moments, utc
from mlsys_assets.data_ingestion.casting import cast
from mlsys_assets.data_ingestion.parquet_file import as_text

ROWS = pa.table(
    {
        "at": pa.array([utc("2024-05-01T12:00"), utc("2024-05-02T00:00:00.25"), None], pa.timestamp("us", "UTC")),
        "amount": [0.1, 1e-30, None],
        "items": [1, 2**53 + 1, None],
        "paid": [True, False, None],
        "shop": pa.array(["a", "b", None]).dictionary_encode(),
        "day": [date(2024, 5, 1), None, None],
    }
)  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> ParquetFile:
    pq.write_table(ROWS, tmp_path / "orders.parquet")
    return ParquetFile(tmp_path / "orders.parquet", delivered=lambda raw: read_moments(raw["at"]), undated=0.5)


def test_every_value_is_text_that_reads_back_as_the_same(file) -> None:
    found = file.records()
    for name, kind in (("at", "timestamp"), ("amount", "float64"), ("items", "int64"), ("paid", "bool")):
        text = pa.chunked_array([[value or None for value in found[name].to_pylist()]], pa.string())
        assert cast(text, kind)[0].to_pylist() == ROWS[name].to_pylist(), name
    assert found["shop"].to_pylist() == ["a", "b", ""]
    assert found["day"].to_pylist() == ["2024-05-01", "", ""]
    assert found["source_line"].to_pylist() == [2, 3, 4]
    assert found["malformed"].null_count == 3


def test_it_gives_what_was_delivered_within_the_window(file) -> None:
    found = file(TimeWindow.of("2024-05-02", "2024-05-03"))
    assert found["items"].to_pylist() == [str(2**53 + 1), ""]  # what has no time stands where it stands
    assert len(found["source_file"][0].as_py()) == 16


def test_a_file_says_the_same_in_either_format(tmp_path, file) -> None:
    columns = [name for name in ROWS.schema.names if name != "day"]
    lines = [",".join(columns), *(",".join(row[c] for c in columns) for row in file.records().to_pylist())]
    (tmp_path / "orders.csv").write_text("\n".join(lines) + "\n")
    assert CsvFile(tmp_path / "orders.csv").records().select(columns).equals(file.records().select(columns))


def test_what_has_parts_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"'tags' is of type list.*flatten it"):
        as_text("tags", pa.chunked_array([[["a"], ["b"]]]))


@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=5))
def test_a_number_is_the_same_number(values) -> None:
    text = as_text("x", pa.chunked_array([values], pa.float64()))
    assert cast(text, "float64")[0].to_pylist() == values


@given(st.datetimes(*map(datetime.fromisoformat, ("1970-01-02", "2037-12-31"))))  # as far as Arrow knows clocks
def test_a_clock_in_a_zone_is_the_moment_that_python_says(shown: datetime) -> None:
    zone = ZoneInfo("America/New_York")
    (found,) = read_moments(pa.chunked_array([[shown.isoformat(sep=" ")]]), zone="America/New_York").to_pylist()
    there = shown.replace(tzinfo=zone, fold=0)
    skipped = there.astimezone(ZoneInfo("UTC")).astimezone(zone).replace(tzinfo=None) != shown
    if not skipped:  # a time that the clocks skip is when they go forward
        assert found == there
