"""Two versions are compared where they differ, and what is not read cannot hide a difference."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from mlsys_resources import parquet_files
from mlsys_resources.lake import Lake
from mlsys_resources.strict_schema import TIMESTAMP
from mlsys_resources.table_diff import difference
from mlsys_resources.table_store import NoSuchTable

SCHEMA = pa.schema([("id", pa.string()), ("x", pa.int64())])
TICKS = [datetime(2013, 7, 1, tzinfo=UTC) + timedelta(days=15 * i) for i in range(4)]
"""Of three months."""

states = st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 2), st.sampled_from(TICKS)), max_size=8)


def rows(state: list[tuple[str, int, datetime]]) -> pa.Table:
    ids, values, ticks = zip(*state, strict=True) if state else ((), (), ())
    return pa.table(
        {"id": pa.array(ids, pa.string()), "x": pa.array(values, pa.int64()), "tick": pa.array(ticks, TIMESTAMP)}
    )


def written(lake: Lake, state: list[tuple[str, int, datetime]], run: str) -> int:
    return lake.write_ticks("flights", "t", rows(state), schema=SCHEMA, ticks=TICKS, run_id=run).version


@given(before=states, after=states)
def test_what_is_left_out_is_no_difference(tmp_path_factory, before, after) -> None:
    lake = Lake(tmp_path_factory.mktemp("lake"))
    one, two = written(lake, before, "one"), written(lake, after, "two")
    found = difference(*lake.apart("flights", "t", one, two), key=["id"])
    whole = difference(
        *(lake.read("flights", "t", columns=["id", "x", "tick"], version=v) for v in (one, two)), key=["id"]
    )
    for part in ("added", "removed", "changed_from", "changed_to"):
        ours, theirs = (sorted(map(str, getattr(each, part).to_pylist())) for each in (found, whole))
        assert ours == theirs


def test_files_that_both_versions_share_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake(tmp_path)
    one = written(lake, [("a", 1, TICKS[0]), ("b", 1, TICKS[3])], "one")
    two = written(lake, [("a", 1, TICKS[0]), ("b", 2, TICKS[3])], "two")
    read, asked = parquet_files.read, []

    def noted(files, paths, *args, **more):
        asked.extend(paths)
        return read(files, paths, *args, **more)

    monkeypatch.setattr(parquet_files, "read", noted)
    old, new = lake.apart("flights", "t", one, two)
    assert (old["x"].to_pylist(), new["x"].to_pylist()) == ([1], [2])
    assert {path.partition("/")[0] for path in asked} == {"block=2013-08"}


def test_ticks_of_equal_content_are_left_out(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    one = written(lake, [("a", 1, TICKS[0]), ("b", 1, TICKS[1])], "one")
    two = written(lake, [("a", 1, TICKS[0]), ("b", 2, TICKS[1])], "two")
    assert lake.apart("flights", "t", one, two)[0]["id"].to_pylist() == ["b"]


def test_a_snapshot_is_compared_whole(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for n, value in enumerate((1, 2)):
        lake.write_snapshot(
            "flights", "p", pa.table({"x": [value]}), schema=pa.schema([("x", pa.int64())]), run_id=str(n)
        )
    old, new = lake.apart("flights", "p", 1, 2)
    assert (old.to_pydict(), new.to_pydict()) == ({"x": [1]}, {"x": [2]})
    assert [t.num_rows for t in lake.apart("flights", "p", 2, 2)] == [0, 0]


@pytest.mark.parametrize("version", [-1, 2, 10**9, 2**63, 10**30])
def test_a_version_that_is_not_there_is_told_at_once(tmp_path: Path, version: int) -> None:
    lake = Lake(tmp_path)
    written(lake, [], "one")
    with pytest.raises(NoSuchTable, match=rf"flights\.t has no version {version}; it has 0 to \d"):
        lake.apart("flights", "t", 0, version)
