"""The lake changes by whole ticks, and takes nothing it was not promised."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from mlsys_resources.lake import Lake
from mlsys_resources.strict_schema import SchemaMismatch
from mlsys_resources.table_hash import table_hash
from mlsys_resources.table_version import NoSuchColumn

MOMENT = pa.timestamp("us", tz="UTC")
WEEK = timedelta(days=7)
START = datetime(2012, 12, 31, tzinfo=UTC)
WEEKS = [START + i * WEEK for i in range(9)]  # blocks 2012-12, 2013-01 (four ticks), 2013-02 (four ticks)
RECORDS = ("flights", "arrivals")


def files(root: Path) -> set[str]:
    place = str(root / "flights" / "arrivals")
    return set(DeltaTable(place).file_uris())


class TestTicks:
    def test_come_back_as_they_went_in(self, lake: Lake, arrivals: Any) -> None:
        written = arrivals.put(lake, WEEKS)
        back = lake.read(*RECORDS)
        assert back.schema == arrivals.schema
        assert back.to_pylist() == arrivals.weeks(WEEKS).drop_columns("tick").to_pylist()
        assert (written.version, written.rows) == (1, back.num_rows)
        assert written.blocks_rewritten == ("2012-12", "2013-01", "2013-02")
        assert list(written.content_hashes) == WEEKS
        assert written.content_hashes == {t: table_hash(arrivals.week(t).drop_columns("tick")) for t in WEEKS}
        assert lake.tick_hashes(*RECORDS) == written.content_hashes

    def test_one_file_a_block(self, lake: Lake, root: Path, arrivals: Any) -> None:
        arrivals.put(lake, WEEKS)
        assert len(files(root)) == 3
        for _ in range(3):
            arrivals.put(lake, WEEKS[1:4], salt=_ + 1)
        assert len(files(root)) == 3

    @pytest.mark.parametrize("place", range(len(WEEKS)))
    def test_rewriting_one_changes_no_other_and_one_file(
        self, lake: Lake, root: Path, place: int, arrivals: Any
    ) -> None:
        arrivals.put(lake, WEEKS)
        before, hashes = files(root), lake.tick_hashes(*RECORDS)
        written = arrivals.put(lake, [WEEKS[place]], salt=7)
        after = lake.tick_hashes(*RECORDS)
        assert {t for t in WEEKS if after[t] != hashes[t]} == {WEEKS[place]}
        assert after[WEEKS[place]] == written.content_hashes[WEEKS[place]]
        assert len(before - files(root)) == len(files(root) - before) == len(written.blocks_rewritten) == 1

    def test_the_same_again_commits_nothing(self, lake: Lake, root: Path, arrivals: Any) -> None:
        first = arrivals.put(lake, WEEKS, run_id="one")
        there = files(root)
        again = arrivals.put(lake, WEEKS, run_id="two")
        assert (again.version, again.blocks_rewritten) == (first.version, ())
        assert (again.content_hashes, again.content_hash) == (first.content_hashes, first.content_hash)
        assert files(root) == there
        changed = arrivals.put(lake, WEEKS, salt=1)
        assert changed.content_hash != first.content_hash

    def test_only_changed_blocks_are_rewritten(self, lake: Lake, arrivals: Any) -> None:
        arrivals.put(lake, WEEKS)
        data = pa.concat_tables([arrivals.weeks(WEEKS[:5]), arrivals.week(WEEKS[5], salt=9), arrivals.weeks(WEEKS[6:])])
        written = lake.write_ticks(*RECORDS, data, schema=arrivals.schema, ticks=WEEKS, run_id="r")
        assert written.blocks_rewritten == ("2013-02",)

    def test_order_within_a_tick_is_the_order_given(self, lake: Lake, arrivals: Any) -> None:
        backwards = arrivals.ticked([*reversed(arrivals.rows_of(WEEKS[2])), *reversed(arrivals.rows_of(WEEKS[1]))])
        lake.write_ticks(*RECORDS, backwards, schema=arrivals.schema, ticks=WEEKS[1:3], run_id="r")
        expected = [r["event_time"] for t in WEEKS[1:3] for r in reversed(arrivals.rows_of(t))]
        assert lake.read(*RECORDS)["event_time"].to_pylist() == expected
        arrivals.put(lake, [WEEKS[3]])
        assert lake.read(*RECORDS)["event_time"].to_pylist()[: len(expected)] == expected

    def test_empty_makes_a_typed_table(self, lake: Lake, root: Path, arrivals: Any) -> None:
        nothing = arrivals.schema.append(pa.field("tick", MOMENT)).empty_table()
        written = lake.write_ticks(*RECORDS, nothing, schema=arrivals.schema, ticks=[START], run_id="r")
        assert (written.rows, written.blocks_rewritten) == (0, ())
        assert written.content_hashes == {START: table_hash(arrivals.schema.empty_table())}
        assert lake.read(*RECORDS, known_by=START).schema == arrivals.schema
        assert lake.read(*RECORDS, columns=["tick", "block"]).num_rows == 0
        assert lake.tick_hashes(*RECORDS) == {}
        assert lake.tick_hashes(*RECORDS, ticks=[START]) == written.content_hashes
        arrivals.put(lake, WEEKS)
        emptied = lake.write_ticks(*RECORDS, nothing, schema=arrivals.schema, ticks=[START], run_id="r")
        assert emptied.blocks_rewritten == ("2012-12",)
        assert len(files(root)) == 2
        assert set(lake.tick_hashes(*RECORDS)) == set(WEEKS[1:])

    def test_rows_of_other_ticks_are_refused(self, lake: Lake, arrivals: Any) -> None:
        arrivals.put(lake, WEEKS)
        with pytest.raises(ValueError, match=r"2 tick\(s\).*2013-01-14.*being written: 2013-01-07"):
            lake.write_ticks(*RECORDS, arrivals.weeks(WEEKS[1:4]), schema=arrivals.schema, ticks=[WEEKS[1]], run_id="r")
        assert lake.version(*RECORDS) == 1

    def test_naive_moments_are_refused(self, lake: Lake, arrivals: Any) -> None:
        naive = datetime(2012, 12, 31)  # noqa: DTZ001
        with pytest.raises(ValueError, match="no time zone"):
            lake.write_ticks(*RECORDS, arrivals.week(START), schema=arrivals.schema, ticks=[naive], run_id="r")
        arrivals.put(lake, WEEKS)
        with pytest.raises(ValueError, match="no time zone"):
            lake.read(*RECORDS, known_by=datetime(2013, 1, 1))  # noqa: DTZ001

    def test_other_zones_are_the_same_moment(self, lake: Lake, arrivals: Any) -> None:
        east = timezone(timedelta(hours=5, minutes=30))
        data = arrivals.week(START)
        zoned = pa.table([c.cast(pa.timestamp("ns", "Asia/Tokyo")) if c.type == MOMENT else c for c in data.columns],
                         names=data.column_names)  # fmt: skip
        written = lake.write_ticks(*RECORDS, zoned, schema=arrivals.schema, ticks=[START.astimezone(east)], run_id="r")
        assert list(written.content_hashes) == [START]
        assert lake.read(*RECORDS, ticks=[START.astimezone(east)]).equals(data.drop_columns("tick"))

    def test_ticks_far_apart_and_before_1970(self, lake: Lake, arrivals: Any) -> None:
        ticks = [datetime(*day, tzinfo=UTC) for day in ((1931, 5, 1), (2013, 1, 1, 13), (2262, 6, 1))]
        written = arrivals.put(lake, ticks)
        assert written.blocks_rewritten == ("1931-05", "2013-01", "2262-06")
        assert lake.tick_hashes(*RECORDS) == written.content_hashes


class TestSnapshots:
    def test_replaces_everything_and_its_schema(self, lake: Lake) -> None:
        planes = pa.schema([pa.field("tailnum", pa.string(), nullable=False), pa.field("seats", pa.int64())])
        first = pa.table([["N1", "N2"], [100, None]], schema=planes)
        written = lake.write_snapshot("flights", "planes", first, schema=planes, run_id="r1")
        assert (written.version, written.rows, written.content_hashes) == (1, 2, {})
        assert written.content_hash == table_hash(first)
        assert lake.read("flights", "planes").equals(first)
        again = lake.write_snapshot("flights", "planes", first, schema=planes, run_id="r2")
        assert (again.version, again.blocks_rewritten) == (1, ())
        wider = planes.append(pa.field("known_at", MOMENT))
        second = pa.table([["N3"], [1], [START]], schema=wider)
        assert lake.write_snapshot("flights", "planes", second, schema=wider, run_id="r3").version == 2
        assert lake.read("flights", "planes").equals(second)
        assert lake.schema("flights", "planes") == wider
        assert lake.read("flights", "planes", version=1).equals(first)
        assert lake.schema("flights", "planes", version=1) == planes
        none = lake.write_snapshot("flights", "planes", second.slice(1), schema=wider, run_id="r4")
        assert lake.read("flights", "planes").num_rows == none.rows == 0

    def test_is_no_table_of_ticks(self, lake: Lake, arrivals: Any) -> None:
        kind = pa.schema([pa.field("a", pa.int64())])
        lake.write_snapshot("flights", "small", pa.table([[1]], schema=kind), schema=kind, run_id="r")
        arrivals.put(lake, WEEKS)
        with pytest.raises(ValueError, match="is a snapshot"):
            lake.write_ticks(
                "flights", "small", arrivals.week(START), schema=arrivals.schema, ticks=[START], run_id="r"
            )
        with pytest.raises(ValueError, match="is written by ticks"):
            lake.write_snapshot(*RECORDS, pa.table([[1]], schema=kind), schema=kind, run_id="r")
        with pytest.raises(ValueError, match="is a snapshot"):
            lake.tick_hashes("flights", "small")
        with pytest.raises(NoSuchColumn, match="'tick'"):
            lake.read("flights", "small", ticks=[START])


class TestStrictness:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda t: t.drop_columns("name"), "'name' is missing"),
            (lambda t: t.drop_columns("tick"), "'tick' is missing"),
            (lambda t: t.append_column("extra", t["id"]), "'extra' is not declared"),
            (lambda t: t.append_column("id", t["id"]), "'id' is not declared, or stands there twice"),
            (lambda t: t.select(["value", "id", *t.column_names[2:]]), "the order is value, id"),
            (lambda t: t.set_column(0, "id", pa.array([1.7, 2, 3, 4])), "'id' has type double; declared: int64"),
            (lambda t: t.set_column(0, "id", pa.array([1, 2, 3, 4], pa.int32())), "'id' has type int32"),
            (lambda t: t.set_column(1, "value", t["value"].cast(pa.float64())), "'value' has type double"),
            (lambda t: t.set_column(2, "name", pa.nulls(4)), "'name' has type null"),
            (lambda t: t.set_column(3, "event_time", t["known_at"].cast(pa.timestamp("us"))), "'event_time' has type"),
            (lambda t: t.set_column(0, "id", pa.array([1, None, 3, None])), r"'id' holds 2 null\(s\)"),
            (lambda t: t.set_column(5, "tick", pa.array([START, None, START, START], MOMENT)), r"'tick' holds 1 null"),
        ],
    )
    def test_refuses_before_anything_is_written(
        self, lake: Lake, root: Path, change: Any, message: str, arrivals: Any
    ) -> None:
        with pytest.raises(SchemaMismatch, match=message) as refused:
            lake.write_ticks(*RECORDS, change(arrivals.week(START)), schema=arrivals.schema, ticks=[START], run_id="r")
        assert "flights.arrivals" in str(refused.value)
        assert not root.exists()

    def test_an_integer_column_is_not_given_1_7(self, lake: Lake) -> None:
        """What delta-rs by itself would store as 1."""
        kind = pa.schema([pa.field("n", pa.int64())])
        lake.write_snapshot("flights", "n", pa.table([[1]], schema=kind), schema=kind, run_id="r")
        with pytest.raises(SchemaMismatch, match="'n' has type double; declared: int64"):
            lake.write_snapshot("flights", "n", pa.table({"n": [1.7]}), schema=kind, run_id="r")
        assert lake.read("flights", "n").to_pylist() == [{"n": 1}]

    def test_another_schema_is_refused_unless_every_tick_is_rewritten(self, lake: Lake, arrivals: Any) -> None:
        arrivals.put(lake, WEEKS)
        wider = arrivals.schema.append(pa.field("late", pa.bool_(), nullable=False))

        def data(ticks: Sequence[datetime]) -> pa.Table:
            return arrivals.ticked([{**r, "late": True} for t in ticks for r in arrivals.rows_of(t)], wider)

        with pytest.raises(SchemaMismatch, match="'late' is declared and not stored") as refused:
            lake.write_ticks(*RECORDS, data(WEEKS[:8]), schema=wider, ticks=WEEKS[:8], run_id="r")
        assert refused.value.unexpected == ("late",)
        assert lake.schema(*RECORDS) == arrivals.schema
        written = lake.write_ticks(*RECORDS, data(WEEKS), schema=wider, ticks=WEEKS, run_id="r")
        assert lake.read(*RECORDS).equals(data(WEEKS).drop_columns("tick"))
        assert lake.schema(*RECORDS) == wider
        assert lake.schema(*RECORDS, version=written.version - 1) == arrivals.schema
        one = lake.write_ticks(*RECORDS, data(WEEKS[:1]).slice(1), schema=wider, ticks=WEEKS[:1], run_id="r")
        assert one.blocks_rewritten == ("2012-12",)

    @pytest.mark.parametrize(
        "name",
        ["../up", "a/b", "a\\b", "", ".", "..", "a.b", "a b", "a;b", 'x"; DROP TABLE t; --', "é", "a\0b", "/etc",
         "%2e%2e", "x" * 64, "CON", "1st"],
    )  # fmt: skip
    def test_names_that_lead_elsewhere_are_refused(self, lake: Lake, root: Path, name: str) -> None:
        kind = pa.schema([pa.field("a", pa.int64())])
        data = pa.table([[1]], schema=kind)
        for system, table in ((name, "t"), ("s", name)):
            with pytest.raises(ValueError, match="name"):
                lake.write_snapshot(system, table, data, schema=kind, run_id="r")
            with pytest.raises(ValueError, match="name"):
                lake.read(system, table)
        if name != "CON":  # a device, but a fine column
            hostile = pa.schema([pa.field(name, pa.int64())])
            with pytest.raises(SchemaMismatch, match="not an allowed name"):
                lake.write_snapshot("s", "t", data.rename_columns([name]), schema=hostile, run_id="r")
        assert not root.exists()

    def test_a_link_out_of_the_lake_is_refused(self, lake: Lake, root: Path, tmp_path: Path, arrivals: Any) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        root.mkdir()
        (root / "flights").symlink_to(outside)
        with pytest.raises(ValueError, match="symbolic link"):
            arrivals.put(lake, WEEKS)
        assert list(outside.iterdir()) == []
