"""Writers who meet lose nothing, whoever was fenced commits nothing, and what is damaged is told."""

import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError

from mlsys_resources.lake import ATTEMPTS, LONGEST_WAIT, Lake
from mlsys_resources.strict_schema import SchemaMismatch

WEEK = timedelta(days=7)
START = datetime(2012, 12, 31, tzinfo=UTC)
WEEKS = [START + i * WEEK for i in range(9)]  # blocks 2012-12, 2013-01 (four ticks), 2013-02 (four ticks)
RECORDS = ("flights", "arrivals")


class Meddler:
    """Writes as another process would, between our reading and our commit, some number of times."""

    def __init__(self, put: Callable[..., Any], root: Path, ticks: Sequence[datetime], *, times: int = 1) -> None:
        self.put, self.lake, self.ticks, self.left, self.waits = put, Lake(root), ticks, times, list[float]()

    def __call__(self) -> None:
        if self.left:
            self.left -= 1
            self.put(self.lake, self.ticks, salt=50 + self.left, run_id=f"other{self.left}")

    def lake_of_victim(self) -> Lake:
        return Lake(self.lake.root, fence=self, sleep=self.waits.append)


class TestOtherWriters:
    def test_of_the_same_block_lose_nothing(self, lake: Lake, root: Path, arrivals: Any) -> None:
        arrivals.put(lake, WEEKS)
        meddler = Meddler(arrivals.put, root, [WEEKS[1]], times=3)
        written = arrivals.put(meddler.lake_of_victim(), [WEEKS[2]], salt=7, run_id="ours")
        expected = {1: arrivals.week(WEEKS[1], salt=50), 2: arrivals.week(WEEKS[2], salt=7), 3: arrivals.week(WEEKS[3])}
        for i, data in expected.items():
            assert lake.read(*RECORDS, ticks=[WEEKS[i]]).equals(data.drop_columns("tick"))
        assert len(meddler.waits) == 3
        assert all(0 < w <= LONGEST_WAIT for w in meddler.waits)
        assert [c.run_id for c in lake.history(*RECORDS) if c.version == written.version] == ["ours"]

    def test_of_the_same_new_block_lose_nothing(self, lake: Lake, root: Path, arrivals: Any) -> None:
        arrivals.put(lake, WEEKS[:1])
        meddler = Meddler(arrivals.put, root, [WEEKS[1]])
        arrivals.put(meddler.lake_of_victim(), [WEEKS[2]], salt=7)
        assert set(lake.tick_hashes(*RECORDS)) == set(WEEKS[:3])
        assert len(meddler.waits) == 1

    def test_of_another_block_lose_nothing(self, lake: Lake, root: Path, arrivals: Any) -> None:
        arrivals.put(lake, WEEKS)
        meddler = Meddler(arrivals.put, root, [WEEKS[5]])
        written = arrivals.put(meddler.lake_of_victim(), [WEEKS[2]], salt=7, run_id="ours")
        assert lake.read(*RECORDS, ticks=[WEEKS[5]]).equals(arrivals.week(WEEKS[5], salt=50).drop_columns("tick"))
        assert lake.read(*RECORDS, ticks=[WEEKS[2]]).equals(arrivals.week(WEEKS[2], salt=7).drop_columns("tick"))
        assert [(c.version, c.run_id) for c in lake.history(*RECORDS)[:2]] == [(written.version, "ours"), (2, "other0")]

    def test_who_make_the_table_first_are_joined(self, lake: Lake, root: Path, arrivals: Any) -> None:
        meddler = Meddler(arrivals.put, root, [WEEKS[1]])
        arrivals.put(meddler.lake_of_victim(), [WEEKS[2]], salt=7)
        assert set(lake.tick_hashes(*RECORDS)) == set(WEEKS[1:3])

    def test_of_the_same_tick_leave_the_last_one(self, lake: Lake, root: Path, arrivals: Any) -> None:
        arrivals.put(lake, WEEKS)
        arrivals.put(Meddler(arrivals.put, root, [WEEKS[2]]).lake_of_victim(), [WEEKS[2]], salt=7)
        assert lake.read(*RECORDS, ticks=[WEEKS[2]]).equals(arrivals.week(WEEKS[2], salt=7).drop_columns("tick"))

    def test_who_change_the_schema_are_not_overrun(self, lake: Lake, root: Path, arrivals: Any) -> None:
        """Every stored tick is rewritten when we look; one more is there when we commit."""
        arrivals.put(lake, WEEKS[:2])
        narrower = arrivals.schema.remove(1)
        data = arrivals.ticked([r for t in WEEKS[:2] for r in arrivals.rows_of(t)], narrower)
        victim = Meddler(arrivals.put, root, [WEEKS[5]]).lake_of_victim()
        with pytest.raises(SchemaMismatch, match="'value' is stored and no longer declared"):
            victim.write_ticks(*RECORDS, data, schema=narrower, ticks=WEEKS[:2], run_id="r")
        assert set(lake.tick_hashes(*RECORDS)) == {*WEEKS[:2], WEEKS[5]}

    def test_of_a_snapshot_leave_one_whole(self, lake: Lake, root: Path) -> None:
        kind = pa.schema([pa.field("a", pa.int64())])

        def write(to: Lake, value: int) -> Any:
            data = pa.table([[value] * 3], schema=kind)
            return to.write_snapshot("flights", "s", data, schema=kind, run_id=f"{value}")

        for ours, other, lost in ((2, 1, 0), (4, 3, 1)):  # at first the other one makes the table
            turns, waits = iter([other]), list[float]()
            victim = Lake(root, fence=lambda turns=turns: [write(lake, n) for n in turns] and None, sleep=waits.append)
            written = write(victim, ours)
            assert lake.read("flights", "s")["a"].to_pylist() == [ours] * 3
            assert len(waits) == lost
            assert {c.version: c.run_id for c in lake.history("flights", "s")}[written.version] == f"{ours}"

    def test_of_an_empty_snapshot_leave_one_whole(self, lake: Lake, root: Path) -> None:
        """Two overwrites of nothing remove no common file: only their versions tell that they met."""
        kind = pa.schema([pa.field("a", pa.int64())])
        lake.write_snapshot("flights", "s", kind.empty_table(), schema=kind, run_id="r")
        turns = iter([1])

        def other() -> None:
            for n in turns:
                lake.write_snapshot("flights", "s", pa.table([[n]], schema=kind), schema=kind, run_id="other")

        Lake(root, fence=other).write_snapshot("flights", "s", pa.table([[2]], schema=kind), schema=kind, run_id="ours")
        assert lake.read("flights", "s")["a"].to_pylist() == [2]

    def test_who_always_win_end_in_an_error(self, lake: Lake, root: Path, arrivals: Any) -> None:
        arrivals.put(lake, WEEKS)
        meddler = Meddler(arrivals.put, root, [WEEKS[1]], times=ATTEMPTS)
        with pytest.raises(CommitFailedError):
            arrivals.put(meddler.lake_of_victim(), [WEEKS[2]], salt=7, run_id="ours")
        assert len(meddler.waits) == ATTEMPTS - 1
        assert "ours" not in {c.run_id for c in lake.history(*RECORDS)}

    def test_runs_wait_out_of_step_and_alike_each_time(self, root: Path, arrivals: Any) -> None:
        waits = []
        for folder, run_id in (("a", "x"), ("b", "y"), ("c", "x")):
            arrivals.put(Lake(root / folder), WEEKS)
            meddler = Meddler(arrivals.put, root / folder, [WEEKS[1]], times=2)
            arrivals.put(meddler.lake_of_victim(), [WEEKS[2]], salt=7, run_id=run_id)
            waits.append(meddler.waits)
        assert waits[0] == waits[2] != waits[1]

    def test_after_ours_do_not_take_its_place(self, lake: Lake, monkeypatch: pytest.MonkeyPatch, arrivals: Any) -> None:
        """The version is found by the run, not taken to be the latest."""
        arrivals.put(lake, WEEKS)
        real = DeltaTable.create_write_transaction

        def ours_then_another(table: DeltaTable, *args: Any, **options: Any) -> None:
            monkeypatch.setattr(DeltaTable, "create_write_transaction", real)
            real(table, *args, **options)
            arrivals.put(lake, [WEEKS[6]], salt=5, run_id="other")

        monkeypatch.setattr(DeltaTable, "create_write_transaction", ours_then_another)
        written = arrivals.put(lake, [WEEKS[1]], salt=7, run_id="ours")
        assert lake.version(*RECORDS) == 3
        assert written.version == 2


class TestFence:
    def test_stops_every_commit(self, lake: Lake, root: Path, arrivals: Any) -> None:
        def lost() -> None:
            raise PermissionError("the fence token is an older one")

        fenced = Lake(root, fence=lost)
        with pytest.raises(PermissionError, match="fence token"):
            arrivals.put(fenced, WEEKS)
        assert lake.tables("flights") == ()
        arrivals.put(lake, WEEKS)
        with pytest.raises(PermissionError, match="fence token"):
            arrivals.put(fenced, WEEKS, salt=1)
        kind = pa.schema([pa.field("a", pa.int64())])
        with pytest.raises(PermissionError, match="fence token"):
            fenced.write_snapshot("flights", "s", pa.table([[1]], schema=kind), schema=kind, run_id="r")
        assert lake.version(*RECORDS) == 1
        assert fenced.read(*RECORDS).num_rows == 36


class TestDamage:
    @pytest.fixture
    def file(self, lake: Lake, root: Path, arrivals: Any) -> Path:
        arrivals.put(lake, WEEKS)
        return min((root / "flights" / "arrivals").rglob("part-*.parquet"))

    def test_of_a_whole_table_is_none(self, lake: Lake, file: Path, arrivals: Any) -> None:
        arrivals.put(lake, WEEKS[:1], salt=1)
        assert lake.damages(*RECORDS) == []
        assert lake.lost("flights") == ()
        assert lake.systems() == ("flights",)

    def test_to_a_file_of_an_older_version_is_none_of_the_latest(self, lake: Lake, file: Path, arrivals: Any) -> None:
        arrivals.put(lake, WEEKS[:1], salt=1)
        file.unlink()
        assert lake.damages(*RECORDS) == []

    def test_is_a_missing_file(self, lake: Lake, file: Path) -> None:
        file.unlink()
        assert lake.damages(*RECORDS) == [f"block=2012-12/{file.name} is not there"]

    def test_is_a_file_of_another_length(self, lake: Lake, file: Path) -> None:
        size = file.stat().st_size
        os.truncate(file, size - 1)
        assert lake.damages(*RECORDS) == [
            f"block=2012-12/{file.name} has {size - 1} bytes, and was written with {size}"
        ]

    @pytest.mark.parametrize("place", [-1, -6])
    def test_is_a_footer_that_cannot_be_read(self, lake: Lake, file: Path, place: int) -> None:
        data = bytearray(file.read_bytes())
        data[place] ^= 0xFF
        file.write_bytes(data)
        (said,) = lake.damages(*RECORDS)
        assert said.startswith(f"block=2012-12/{file.name} cannot be read: ")

    def test_is_a_log_that_is_gone(self, lake: Lake, file: Path, root: Path) -> None:
        (root / "flights" / "planned" / "_delta_log").mkdir(parents=True)  # as one whose first write was killed
        assert lake.lost("flights") == ()
        for entry in (root / "flights" / "arrivals" / "_delta_log").iterdir():
            entry.unlink()
        assert lake.lost("flights") == ("arrivals",)

    def test_of_a_lake_that_is_not_there_is_none(self, lake: Lake) -> None:
        assert lake.systems() == lake.lost("flights") == ()
