"""The lake changes by whole ticks, keeps every version, and takes nothing it was not promised."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import deltalake
import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError
from hypothesis import given, settings, strategies as st

from mlsys_resources.lake import ATTEMPTS, LONGEST_WAIT, Lake
from mlsys_resources.strict_schema import SchemaMismatch
from mlsys_resources.table_hash import table_hash
from mlsys_resources.table_store import NoSuchTable
from mlsys_resources.table_version import CHECKPOINT_EVERY, NoSuchColumn

MOMENT = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        pa.field("id", pa.int64(), nullable=False),
        pa.field("value", pa.float32()),
        pa.field("name", pa.string()),
        pa.field("event_time", MOMENT, nullable=False),
        pa.field("known_at", MOMENT, nullable=False),
    ]
)
WEEK = timedelta(days=7)
START = datetime(2012, 12, 31, tzinfo=UTC)
WEEKS = [START + i * WEEK for i in range(9)]  # blocks 2012-12, 2013-01 (four ticks), 2013-02 (four ticks)
RECORDS = ("flights", "arrivals")


def rows_of(tick: datetime, n: int = 4, *, salt: int = 0) -> list[dict[str, Any]]:
    """Return n rows of a tick, known one day after they happened."""
    at = [tick + timedelta(hours=i, microseconds=123456 + i) for i in range(n)]
    return [
        {"id": salt * 1000 + i, "value": None if i % 3 == 2 else i / 3 + salt, "name": None if i == 1 else f"é{salt}",
         "event_time": t, "known_at": t + timedelta(days=1), "tick": tick}
        for i, t in enumerate(at)
    ]  # fmt: skip


def ticked(rows: Sequence[dict[str, Any]], schema: pa.Schema = SCHEMA) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=schema.append(pa.field("tick", MOMENT)))


def week(tick: datetime, n: int = 4, *, salt: int = 0) -> pa.Table:
    return ticked(rows_of(tick, n, salt=salt))


def weeks(ticks: Sequence[datetime], *, salt: int = 0) -> pa.Table:
    return pa.concat_tables([week(t, salt=salt) for t in ticks])


def files(root: Path) -> set[str]:
    place = str(root / "flights" / "arrivals")
    return set(DeltaTable(place).file_uris())


def put(lake: Lake, ticks: Sequence[datetime], *, salt: int = 0, run_id: str = "run", **other: Any) -> Any:
    return lake.write_ticks(*RECORDS, weeks(ticks, salt=salt), schema=SCHEMA, ticks=ticks, run_id=run_id, **other)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "a lake's root"


@pytest.fixture
def lake(root: Path) -> Lake:
    return Lake(root)


class TestTicks:
    def test_come_back_as_they_went_in(self, lake: Lake) -> None:
        written = put(lake, WEEKS)
        back = lake.read(*RECORDS)
        assert back.schema == SCHEMA
        assert back.to_pylist() == weeks(WEEKS).drop_columns("tick").to_pylist()
        assert (written.version, written.rows) == (1, back.num_rows)
        assert written.blocks_rewritten == ("2012-12", "2013-01", "2013-02")
        assert list(written.content_hashes) == WEEKS
        assert written.content_hashes == {t: table_hash(week(t).drop_columns("tick")) for t in WEEKS}
        assert lake.tick_hashes(*RECORDS) == written.content_hashes

    def test_one_file_a_block(self, lake: Lake, root: Path) -> None:
        put(lake, WEEKS)
        assert len(files(root)) == 3
        for _ in range(3):
            put(lake, WEEKS[1:4], salt=_ + 1)
        assert len(files(root)) == 3

    @pytest.mark.parametrize("place", range(len(WEEKS)))
    def test_rewriting_one_changes_no_other_and_one_file(self, lake: Lake, root: Path, place: int) -> None:
        put(lake, WEEKS)
        before, hashes = files(root), lake.tick_hashes(*RECORDS)
        written = put(lake, [WEEKS[place]], salt=7)
        after = lake.tick_hashes(*RECORDS)
        assert {t for t in WEEKS if after[t] != hashes[t]} == {WEEKS[place]}
        assert after[WEEKS[place]] == written.content_hashes[WEEKS[place]]
        assert len(before - files(root)) == len(files(root) - before) == len(written.blocks_rewritten) == 1

    def test_the_same_again_commits_nothing(self, lake: Lake, root: Path) -> None:
        first = put(lake, WEEKS, run_id="one")
        there = files(root)
        again = put(lake, WEEKS, run_id="two")
        assert (again.version, again.blocks_rewritten) == (first.version, ())
        assert (again.content_hashes, again.content_hash) == (first.content_hashes, first.content_hash)
        assert files(root) == there
        changed = put(lake, WEEKS, salt=1)
        assert changed.content_hash != first.content_hash

    def test_only_changed_blocks_are_rewritten(self, lake: Lake) -> None:
        put(lake, WEEKS)
        data = pa.concat_tables([weeks(WEEKS[:5]), week(WEEKS[5], salt=9), weeks(WEEKS[6:])])
        written = lake.write_ticks(*RECORDS, data, schema=SCHEMA, ticks=WEEKS, run_id="r")
        assert written.blocks_rewritten == ("2013-02",)

    def test_order_within_a_tick_is_the_order_given(self, lake: Lake) -> None:
        backwards = ticked([*reversed(rows_of(WEEKS[2])), *reversed(rows_of(WEEKS[1]))])
        lake.write_ticks(*RECORDS, backwards, schema=SCHEMA, ticks=WEEKS[1:3], run_id="r")
        expected = [r["event_time"] for t in WEEKS[1:3] for r in reversed(rows_of(t))]
        assert lake.read(*RECORDS)["event_time"].to_pylist() == expected
        put(lake, [WEEKS[3]])
        assert lake.read(*RECORDS)["event_time"].to_pylist()[: len(expected)] == expected

    def test_empty_makes_a_typed_table(self, lake: Lake, root: Path) -> None:
        nothing = SCHEMA.append(pa.field("tick", MOMENT)).empty_table()
        written = lake.write_ticks(*RECORDS, nothing, schema=SCHEMA, ticks=[START], run_id="r")
        assert (written.rows, written.blocks_rewritten) == (0, ())
        assert written.content_hashes == {START: table_hash(SCHEMA.empty_table())}
        assert lake.read(*RECORDS, known_by=START).schema == SCHEMA
        assert lake.read(*RECORDS, columns=["tick", "block"]).num_rows == 0
        assert lake.tick_hashes(*RECORDS) == {}
        assert lake.tick_hashes(*RECORDS, ticks=[START]) == written.content_hashes
        put(lake, WEEKS)
        emptied = lake.write_ticks(*RECORDS, nothing, schema=SCHEMA, ticks=[START], run_id="r")
        assert emptied.blocks_rewritten == ("2012-12",)
        assert len(files(root)) == 2
        assert set(lake.tick_hashes(*RECORDS)) == set(WEEKS[1:])

    def test_rows_of_other_ticks_are_refused(self, lake: Lake) -> None:
        put(lake, WEEKS)
        with pytest.raises(ValueError, match=r"2 tick\(s\).*2013-01-14.*being written: 2013-01-07"):
            lake.write_ticks(*RECORDS, weeks(WEEKS[1:4]), schema=SCHEMA, ticks=[WEEKS[1]], run_id="r")
        assert lake.version(*RECORDS) == 1

    def test_naive_moments_are_refused(self, lake: Lake) -> None:
        with pytest.raises(ValueError, match="no time zone"):
            lake.write_ticks(*RECORDS, week(START), schema=SCHEMA, ticks=[datetime(2012, 12, 31)], run_id="r")  # noqa: DTZ001
        put(lake, WEEKS)
        with pytest.raises(ValueError, match="no time zone"):
            lake.read(*RECORDS, known_by=datetime(2013, 1, 1))  # noqa: DTZ001

    def test_other_zones_are_the_same_moment(self, lake: Lake) -> None:
        east = timezone(timedelta(hours=5, minutes=30))
        data = week(START)
        zoned = pa.table([c.cast(pa.timestamp("ns", "Asia/Tokyo")) if c.type == MOMENT else c for c in data.columns],
                         names=data.column_names)  # fmt: skip
        written = lake.write_ticks(*RECORDS, zoned, schema=SCHEMA, ticks=[START.astimezone(east)], run_id="r")
        assert list(written.content_hashes) == [START]
        assert lake.read(*RECORDS, ticks=[START.astimezone(east)]).equals(data.drop_columns("tick"))

    def test_ticks_far_apart_and_before_1970(self, lake: Lake) -> None:
        ticks = [datetime(*day, tzinfo=UTC) for day in ((1931, 5, 1), (2013, 1, 1, 13), (2262, 6, 1))]
        written = put(lake, ticks)
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

    def test_is_no_table_of_ticks(self, lake: Lake) -> None:
        kind = pa.schema([pa.field("a", pa.int64())])
        lake.write_snapshot("flights", "small", pa.table([[1]], schema=kind), schema=kind, run_id="r")
        put(lake, WEEKS)
        with pytest.raises(ValueError, match="is a snapshot"):
            lake.write_ticks("flights", "small", week(START), schema=SCHEMA, ticks=[START], run_id="r")
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
    def test_refuses_before_anything_is_written(self, lake: Lake, root: Path, change: Any, message: str) -> None:
        with pytest.raises(SchemaMismatch, match=message) as refused:
            lake.write_ticks(*RECORDS, change(week(START)), schema=SCHEMA, ticks=[START], run_id="r")
        assert "flights.arrivals" in str(refused.value)
        assert not root.exists()

    def test_an_integer_column_is_not_given_1_7(self, lake: Lake) -> None:
        """What delta-rs by itself would store as 1."""
        kind = pa.schema([pa.field("n", pa.int64())])
        lake.write_snapshot("flights", "n", pa.table([[1]], schema=kind), schema=kind, run_id="r")
        with pytest.raises(SchemaMismatch, match="'n' has type double; declared: int64"):
            lake.write_snapshot("flights", "n", pa.table({"n": [1.7]}), schema=kind, run_id="r")
        assert lake.read("flights", "n").to_pylist() == [{"n": 1}]

    def test_another_schema_is_refused_unless_every_tick_is_rewritten(self, lake: Lake) -> None:
        put(lake, WEEKS)
        wider = SCHEMA.append(pa.field("late", pa.bool_(), nullable=False))

        def data(ticks: Sequence[datetime]) -> pa.Table:
            return ticked([{**r, "late": True} for t in ticks for r in rows_of(t)], wider)

        with pytest.raises(SchemaMismatch, match="'late' is declared and not stored") as refused:
            lake.write_ticks(*RECORDS, data(WEEKS[:8]), schema=wider, ticks=WEEKS[:8], run_id="r")
        assert refused.value.unexpected == ("late",)
        assert lake.schema(*RECORDS) == SCHEMA
        written = lake.write_ticks(*RECORDS, data(WEEKS), schema=wider, ticks=WEEKS, run_id="r")
        assert lake.read(*RECORDS).equals(data(WEEKS).drop_columns("tick"))
        assert lake.schema(*RECORDS) == wider
        assert lake.schema(*RECORDS, version=written.version - 1) == SCHEMA
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

    def test_a_link_out_of_the_lake_is_refused(self, lake: Lake, root: Path, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        root.mkdir()
        (root / "flights").symlink_to(outside)
        with pytest.raises(ValueError, match="symbolic link"):
            put(lake, WEEKS)
        assert list(outside.iterdir()) == []


class TestReading:
    def test_as_of(self, lake: Lake) -> None:
        put(lake, WEEKS)
        every = [r for t in WEEKS for r in rows_of(t)]
        moments = {r["known_at"] for r in every}
        for as_of in sorted({m + timedelta(microseconds=d) for m in moments for d in (-1, 0, 1)}):
            expected = [r["event_time"] for r in every if r["known_at"] <= as_of]
            assert lake.read(*RECORDS, columns=["event_time"], known_by=as_of)["event_time"].to_pylist() == expected

    def test_window_is_half_open(self, lake: Lake) -> None:
        put(lake, WEEKS)
        every = [r["event_time"] for t in WEEKS for r in rows_of(t)]
        ever = (START, START + 99 * WEEK)
        for start, end in ((every[3], every[9]), (every[0], every[-1]), (every[5], every[5]), ever):
            back = lake.read(*RECORDS, window=("event_time", start, end), columns=["event_time"])
            assert back["event_time"].to_pylist() == [m for m in every if start <= m < end]

    def test_conditions_add_up(self, lake: Lake) -> None:
        put(lake, WEEKS)
        start, end, known = WEEKS[1], WEEKS[2] + timedelta(hours=2), WEEKS[2] + timedelta(days=1, hours=1)
        back = lake.read(*RECORDS, ticks=WEEKS[2:5], window=("event_time", start, end), known_by=known)
        assert back["event_time"].to_pylist() == [r["event_time"] for r in rows_of(WEEKS[2])][:1]

    def test_columns_in_the_order_asked(self, lake: Lake) -> None:
        put(lake, WEEKS)
        back = lake.read(*RECORDS, columns=["name", "block", "id", "tick"], ticks=[WEEKS[1]])
        assert back.column_names == ["name", "block", "id", "tick"]
        assert set(back["block"].to_pylist()) == {"2013-01"}
        assert set(back["tick"].to_pylist()) == {WEEKS[1]}

    def test_what_is_not_there_is_said_with_what_is(self, lake: Lake) -> None:
        with pytest.raises(NoSuchTable, match=r"no table flights.arrivals; flights has: nothing yet"):
            lake.read(*RECORDS)
        put(lake, WEEKS)
        with pytest.raises(NoSuchTable, match=r"no table flights.arrival; flights has: arrivals"):
            lake.read("flights", "arrival")
        for ask in ({"columns": ["nam"]}, {"window": ("nam", START, START)}):
            with pytest.raises(NoSuchColumn, match=r"no column 'nam'; it has: id, value, name, event_time"):
                lake.read(*RECORDS, **ask)
        for version in (2, 99, -1):
            with pytest.raises(NoSuchTable, match=f"no version {version}; it has 0 to 1"):
                lake.read(*RECORDS, version=version)

    def test_known_by_needs_the_column(self, lake: Lake) -> None:
        kind = pa.schema([pa.field("a", pa.int64())])
        lake.write_snapshot("flights", "timeless", pa.table([[1]], schema=kind), schema=kind, run_id="r")
        with pytest.raises(NoSuchColumn, match="'known_at'"):
            lake.read("flights", "timeless", known_by=START)

    def test_every_storable_type_comes_back(self, lake: Lake) -> None:
        kinds = {"b": pa.bool_(), "i8": pa.int8(), "i16": pa.int16(), "i32": pa.int32(), "i64": pa.int64(),
                 "f": pa.float32(), "d": pa.float64(), "s": pa.string(), "y": pa.binary(), "day": pa.date32(),
                 "at": MOMENT}  # fmt: skip
        schema = pa.schema([pa.field(n, k) for n, k in kinds.items()])
        full = {"b": True, "i8": -128, "i16": -(2**15), "i32": -(2**31), "i64": -(2**63), "f": 0.1, "d": float("inf"),
                "s": "", "y": b"\x00", "day": START.date(), "at": START + timedelta(microseconds=1)}  # fmt: skip
        data = pa.Table.from_pylist([full, dict.fromkeys(kinds), {**full, "f": -0.0, "d": float("nan")}], schema=schema)
        lake.write_snapshot("flights", "kinds", data, schema=schema, run_id="r")
        back = lake.read("flights", "kinds")
        assert back.schema == schema
        assert table_hash(back) == table_hash(data)

    def test_dictionaries_come_back_plain(self, lake: Lake) -> None:
        data = week(START)
        encoded = data.set_column(2, "name", data["name"].dictionary_encode())
        lake.write_ticks(*RECORDS, encoded, schema=SCHEMA, ticks=[START], run_id="r")
        assert lake.read(*RECORDS).equals(data.drop_columns("tick"))

    def test_tables_are_listed(self, lake: Lake, root: Path) -> None:
        assert lake.tables("flights") == ()
        put(lake, WEEKS)
        lake.write_ticks("flights", "a_first", week(START), schema=SCHEMA, ticks=[START], run_id="r")
        (root / "flights" / "begun" / "_delta_log").mkdir(parents=True)  # a creation that was killed
        (root / "flights" / "stray.txt").write_text("")
        assert lake.tables("flights") == ("a_first", "arrivals")
        assert [lake.has("flights", name) for name in ("a_first", "begun", "other")] == [True, False, False]
        lake.write_ticks("flights", "begun", week(START), schema=SCHEMA, ticks=[START], run_id="r")
        assert lake.tables("flights") == ("a_first", "arrivals", "begun")

    def test_a_url_is_a_root_too(self, lake: Lake, tmp_path: Path) -> None:
        remote = Lake((tmp_path / "store").as_uri())
        written = put(remote, WEEKS)
        put(remote, [WEEKS[0]], salt=3)
        put(lake, WEEKS)
        assert remote.read(*RECORDS, version=written.version).equals(lake.read(*RECORDS))
        assert remote.tables("flights") == ("arrivals",)
        assert remote.tables("others") == ()
        with pytest.raises(ValueError, match="not an allowed name"):
            remote.read("..", "etc")

    def test_foreign_features_are_refused(self, lake: Lake, root: Path) -> None:
        """Rows deleted by a mark beside the file would come back to life."""
        put(lake, WEEKS)
        DeltaTable(str(root / "flights" / "arrivals")).alter.add_feature(
            deltalake.TableFeatures.DeletionVectors, allow_protocol_versions_increase=True
        )
        with pytest.raises(RuntimeError, match="Delta reader of version 3"):
            lake.read(*RECORDS)


class TestSql:
    def test_the_view_shows_a_version(self, lake: Lake) -> None:
        first = put(lake, WEEKS)
        put(lake, WEEKS[:1], salt=5)
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            now = lake.relation(connection, *RECORDS)
            assert now.to_arrow_table().cast(SCHEMA).equals(lake.read(*RECORDS))
            lake.relation(connection, *RECORDS, version=first.version)
            counted = connection.sql("SELECT count(*), max(id), min(event_time) FROM flights.arrivals").fetchall()
            assert counted == [(36, 3, rows_of(START)[0]["event_time"])]

    def test_an_empty_table_is_a_typed_view(self, lake: Lake) -> None:
        kinds = pa.schema([pa.field("b", pa.bool_()), pa.field("i8", pa.int8()), pa.field("i16", pa.int16()),
                           pa.field("i32", pa.int32()), pa.field("d", pa.float64()), pa.field("y", pa.binary()),
                           pa.field("day", pa.date32()), *SCHEMA])  # fmt: skip
        row = {"b": True, "i8": 1, "i16": 1, "i32": 1, "d": 1.0, "y": b"", "day": START.date(), **rows_of(START)[0]}
        data = ticked([row], kinds)
        with duckdb.connect() as connection:
            for part in (data, data.slice(1)):
                lake.write_ticks(*RECORDS, part, schema=kinds, ticks=[START], run_id="r")
                view = lake.relation(connection, *RECORDS)
                assert [(d[0], str(d[1])) for d in view.description] == [
                    (n, str(t)) for n, t in zip(view.columns, view.types, strict=True)
                ]
                assert view.columns == kinds.names
                types = view.types
            assert types == lake.relation(connection, *RECORDS, version=1).types
            assert connection.sql("SELECT count(*) FROM flights.arrivals").fetchall() == [(1,)]


class TestVersions:
    def test_history_names_runs(self, lake: Lake) -> None:
        put(lake, WEEKS, run_id="first")
        put(lake, WEEKS[:1], salt=1, run_id="second; DROP TABLE --")
        assert [(c.version, c.run_id) for c in lake.history(*RECORDS)] == [
            (2, "second; DROP TABLE --"), (1, "first"), (0, "first"),
        ]  # fmt: skip
        ages = [c.at for c in lake.history(*RECORDS)]
        assert ages == sorted(ages, reverse=True)
        assert all(a.tzinfo is not None for a in ages)

    def test_old_versions_survive_checkpoints_and_clean_up(self, lake: Lake, root: Path) -> None:
        first = put(lake, WEEKS)
        kept = lake.read(*RECORDS)
        for n in range(2 * CHECKPOINT_EVERY + 1):
            put(lake, [WEEKS[n % len(WEEKS)]], salt=n + 1)
        place = root / "flights" / "arrivals"
        assert list((place / "_delta_log").glob("*.checkpoint.parquet"))
        long_ago = datetime(2001, 1, 1, tzinfo=UTC).timestamp()
        for path in place.rglob("*"):
            os.utime(path, (long_ago, long_ago))
        table = DeltaTable(str(place))
        table.create_checkpoint()
        table.cleanup_metadata()
        table.vacuum(dry_run=False)
        put(lake, [WEEKS[0]], salt=99)
        assert lake.read(*RECORDS, version=first.version).equals(kept)
        assert lake.tick_hashes(*RECORDS, version=first.version) == first.content_hashes

    @settings(max_examples=12)
    @given(st.data())
    def test_any_sequence_of_writes_equals_a_dictionary(self, tmp_path_factory: Any, data: st.DataObject) -> None:
        lake = Lake(tmp_path_factory.mktemp("model"))
        oracle: dict[datetime, list[dict[str, Any]]] = {}
        past: dict[int, list[dict[str, Any]]] = {}
        for step in range(data.draw(st.integers(1, 6))):
            ticks = data.draw(st.lists(st.sampled_from(WEEKS), min_size=1, max_size=5, unique=True))
            salts = {t: data.draw(st.integers(0, 3)) for t in ticks}
            new = {t: rows_of(t, data.draw(st.integers(0, 3)), salt=salts[t]) for t in ticks}
            order = data.draw(st.permutations(ticks))
            written = lake.write_ticks(
                *RECORDS, ticked([r for t in order for r in new[t]]), schema=SCHEMA, ticks=ticks, run_id=f"run{step}"
            )
            oracle.update(new)
            expected = [r for t in sorted(oracle) for r in oracle[t]]
            assert lake.read(*RECORDS, columns=[*SCHEMA.names, "tick"]).to_pylist() == rounded(expected)
            assert set(lake.tick_hashes(*RECORDS)) == {t for t, rows in oracle.items() if rows}
            assert lake.tick_hashes(*RECORDS, ticks=ticks) == written.content_hashes
            past[written.version] = expected
        for version, expected in past.items():
            back = lake.read(*RECORDS, columns=[*SCHEMA.names, "tick"], version=version)
            assert back.to_pylist() == rounded(expected)


def rounded(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows as 32-bit floats hold them."""
    return ticked(rows).to_pylist()


class Meddler:
    """Writes as another process would, between our reading and our commit, some number of times."""

    def __init__(self, root: Path, ticks: Sequence[datetime], *, times: int = 1) -> None:
        self.lake, self.ticks, self.left, self.waits = Lake(root), ticks, times, list[float]()

    def __call__(self) -> None:
        if self.left:
            self.left -= 1
            put(self.lake, self.ticks, salt=50 + self.left, run_id=f"other{self.left}")

    def lake_of_victim(self) -> Lake:
        return Lake(self.lake.root, fence=self, sleep=self.waits.append)


class TestOtherWriters:
    def test_of_the_same_block_lose_nothing(self, lake: Lake, root: Path) -> None:
        put(lake, WEEKS)
        meddler = Meddler(root, [WEEKS[1]], times=3)
        written = put(meddler.lake_of_victim(), [WEEKS[2]], salt=7, run_id="ours")
        expected = {1: week(WEEKS[1], salt=50), 2: week(WEEKS[2], salt=7), 3: week(WEEKS[3])}
        for i, data in expected.items():
            assert lake.read(*RECORDS, ticks=[WEEKS[i]]).equals(data.drop_columns("tick"))
        assert len(meddler.waits) == 3
        assert all(0 < w <= LONGEST_WAIT for w in meddler.waits)
        assert [c.run_id for c in lake.history(*RECORDS) if c.version == written.version] == ["ours"]

    def test_of_the_same_new_block_lose_nothing(self, lake: Lake, root: Path) -> None:
        put(lake, WEEKS[:1])
        meddler = Meddler(root, [WEEKS[1]])
        put(meddler.lake_of_victim(), [WEEKS[2]], salt=7)
        assert set(lake.tick_hashes(*RECORDS)) == set(WEEKS[:3])
        assert len(meddler.waits) == 1

    def test_of_another_block_lose_nothing(self, lake: Lake, root: Path) -> None:
        put(lake, WEEKS)
        meddler = Meddler(root, [WEEKS[5]])
        written = put(meddler.lake_of_victim(), [WEEKS[2]], salt=7, run_id="ours")
        assert lake.read(*RECORDS, ticks=[WEEKS[5]]).equals(week(WEEKS[5], salt=50).drop_columns("tick"))
        assert lake.read(*RECORDS, ticks=[WEEKS[2]]).equals(week(WEEKS[2], salt=7).drop_columns("tick"))
        assert [(c.version, c.run_id) for c in lake.history(*RECORDS)[:2]] == [(written.version, "ours"), (2, "other0")]

    def test_who_make_the_table_first_are_joined(self, lake: Lake, root: Path) -> None:
        meddler = Meddler(root, [WEEKS[1]])
        put(meddler.lake_of_victim(), [WEEKS[2]], salt=7)
        assert set(lake.tick_hashes(*RECORDS)) == set(WEEKS[1:3])

    def test_of_the_same_tick_leave_the_last_one(self, lake: Lake, root: Path) -> None:
        put(lake, WEEKS)
        put(Meddler(root, [WEEKS[2]]).lake_of_victim(), [WEEKS[2]], salt=7)
        assert lake.read(*RECORDS, ticks=[WEEKS[2]]).equals(week(WEEKS[2], salt=7).drop_columns("tick"))

    def test_who_change_the_schema_are_not_overrun(self, lake: Lake, root: Path) -> None:
        """Every stored tick is rewritten when we look; one more is there when we commit."""
        put(lake, WEEKS[:2])
        narrower = SCHEMA.remove(1)
        data = ticked([r for t in WEEKS[:2] for r in rows_of(t)], narrower)
        victim = Meddler(root, [WEEKS[5]]).lake_of_victim()
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

    def test_who_always_win_end_in_an_error(self, lake: Lake, root: Path) -> None:
        put(lake, WEEKS)
        meddler = Meddler(root, [WEEKS[1]], times=ATTEMPTS)
        with pytest.raises(CommitFailedError):
            put(meddler.lake_of_victim(), [WEEKS[2]], salt=7, run_id="ours")
        assert len(meddler.waits) == ATTEMPTS - 1
        assert "ours" not in {c.run_id for c in lake.history(*RECORDS)}

    def test_runs_wait_out_of_step_and_alike_each_time(self, root: Path) -> None:
        waits = []
        for folder, run_id in (("a", "x"), ("b", "y"), ("c", "x")):
            put(Lake(root / folder), WEEKS)
            meddler = Meddler(root / folder, [WEEKS[1]], times=2)
            put(meddler.lake_of_victim(), [WEEKS[2]], salt=7, run_id=run_id)
            waits.append(meddler.waits)
        assert waits[0] == waits[2] != waits[1]

    def test_after_ours_do_not_take_its_place(self, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
        """The version is found by the run, not taken to be the latest."""
        put(lake, WEEKS)
        real = DeltaTable.create_write_transaction

        def ours_then_another(table: DeltaTable, *args: Any, **options: Any) -> None:
            monkeypatch.setattr(DeltaTable, "create_write_transaction", real)
            real(table, *args, **options)
            put(lake, [WEEKS[6]], salt=5, run_id="other")

        monkeypatch.setattr(DeltaTable, "create_write_transaction", ours_then_another)
        written = put(lake, [WEEKS[1]], salt=7, run_id="ours")
        assert lake.version(*RECORDS) == 3
        assert written.version == 2


class TestFence:
    def test_stops_every_commit(self, lake: Lake, root: Path) -> None:
        def lost() -> None:
            raise PermissionError("the fence token is an older one")

        fenced = Lake(root, fence=lost)
        with pytest.raises(PermissionError, match="fence token"):
            put(fenced, WEEKS)
        assert lake.tables("flights") == ()
        put(lake, WEEKS)
        with pytest.raises(PermissionError, match="fence token"):
            put(fenced, WEEKS, salt=1)
        kind = pa.schema([pa.field("a", pa.int64())])
        with pytest.raises(PermissionError, match="fence token"):
            fenced.write_snapshot("flights", "s", pa.table([[1]], schema=kind), schema=kind, run_id="r")
        assert lake.version(*RECORDS) == 1
        assert fenced.read(*RECORDS).num_rows == 36


class TestDamage:
    @pytest.fixture
    def file(self, lake: Lake, root: Path) -> Path:
        put(lake, WEEKS)
        return min((root / "flights" / "arrivals").rglob("part-*.parquet"))

    def test_of_a_whole_table_is_none(self, lake: Lake, file: Path) -> None:
        put(lake, WEEKS[:1], salt=1)
        assert lake.damages(*RECORDS) == []
        assert lake.lost("flights") == ()
        assert lake.systems() == ("flights",)

    def test_to_a_file_of_an_older_version_is_none_of_the_latest(self, lake: Lake, file: Path) -> None:
        put(lake, WEEKS[:1], salt=1)
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
