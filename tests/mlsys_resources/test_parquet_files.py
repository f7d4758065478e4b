"""Rows come back in the order they were written in, from as many files as there are."""

import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from pyarrow import fs, parquet

from mlsys_resources.parquet_files import ROW_GROUP, read, write

MOMENT = pa.timestamp("us", tz="UTC")
START = datetime(2013, 1, 1, tzinfo=UTC)


@pytest.fixture
def files(tmp_path: Path) -> fs.FileSystem:
    return fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem())


def numbers(n: int, *, start: int = 0, chunks: int = 1) -> pa.Table:
    edges = [start + n * i // chunks for i in range(chunks + 1)]
    return pa.table({"n": pa.chunked_array([pa.array(range(a, b), pa.int64()) for a, b in pairwise(edges)])})


@pytest.mark.parametrize("chunks", [1, 7])
def test_order_survives_row_groups_files_and_threads(files: fs.FileSystem, chunks: int) -> None:
    """Of many sizes, so that a thread with little to read would overtake one with much."""
    sizes = [3 * ROW_GROUP, 1, ROW_GROUP + 1, 10, 2 * ROW_GROUP]
    starts = [sum(sizes[:i]) for i in range(len(sizes))]
    paths = [f"{i}.parquet" for i in range(len(sizes))]
    for path, size, start in zip(paths, sizes, starts, strict=True):
        write(files, path, numbers(size, start=start, chunks=chunks))
    everything = numbers(sum(sizes))["n"]
    for _ in range(10):
        assert read(files, paths, numbers(0).schema, columns=["n"], where=None)["n"].equals(everything)
        odd = read(files, paths, numbers(0).schema, columns=["n"], where=pc.field("n") >= ROW_GROUP)["n"]
        assert odd.equals(everything.slice(ROW_GROUP))


def test_statistics_are_cut_to_milliseconds(files: fs.FileSystem) -> None:
    moments = [START + timedelta(microseconds=1999), None, START + timedelta(microseconds=2001)]
    rows = pa.table({"at": pa.array(moments, MOMENT), "never": pa.array([None] * 3, MOMENT), "n": [1, 2, 3]})
    stored = write(files, "deep/er/x.parquet", rows)
    assert json.loads(stored.statistics) == {
        "numRecords": 3,
        "minValues": {"at": "2013-01-01T00:00:00.001Z"},
        "maxValues": {"at": "2013-01-01T00:00:00.002Z"},
        "nullCount": {"at": 1, "never": 3},
    }
    info = files.get_file_info("deep/er/x.parquet")
    assert (stored.path, stored.size, stored.modified) == ("deep/er/x.parquet", info.size, info.mtime_ns // 10**6)


def test_nothing_to_read_is_typed(files: fs.FileSystem) -> None:
    schema = pa.schema([pa.field("a", pa.float32()), pa.field("b", MOMENT, nullable=False)])
    assert read(files, [], schema, columns=["b"], where=None).equals(schema.empty_table().select(["b"]))


def test_a_write_that_fails_leaves_no_file(
    files: fs.FileSystem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = parquet.write_table

    def half(rows: pa.Table, path: str, **options: Any) -> None:
        real(rows, path, **options)
        raise OSError("no space left on device")

    monkeypatch.setattr(parquet, "write_table", half)
    with pytest.raises(OSError, match="no space"):
        write(files, "b/x.parquet", numbers(10))
    assert list((tmp_path / "b").iterdir()) == []


def test_a_changed_number_is_refused(files: fs.FileSystem, tmp_path: Path) -> None:
    rows = pa.table({"f": pa.array([0.0] * 1000, pa.float32())})
    write(files, "x.parquet", rows)
    raw = bytearray((tmp_path / "x.parquet").read_bytes())
    raw[2000] ^= 1  # one bit of one float
    (tmp_path / "x.parquet").write_bytes(raw)
    assert parquet.read_table(tmp_path / "x.parquet").num_rows == 1000  # what others make of it
    with pytest.raises(OSError, match="CRC"):
        read(files, ["x.parquet"], rows.schema, columns=["f"], where=None)


def test_files_are_plain_parquet(files: fs.FileSystem, tmp_path: Path) -> None:
    rows = pa.table({"s": ["a", None], "f": pa.array([1.5, None], pa.float32()), "at": pa.array([START, None], MOMENT)})
    write(files, "x.parquet", rows)
    assert parquet.read_table(tmp_path / "x.parquet").equals(rows)
    kept = parquet.ParquetFile(tmp_path / "x.parquet").metadata.row_group(0)
    assert [kept.column(i).compression for i in range(3)] == ["LZ4", "UNCOMPRESSED", "LZ4"]
