"""What is read from the lake is what was written: by rows, by view, and as any version that was."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import deltalake
import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings, strategies as st

from mlsys_resources.lake import Lake
from mlsys_resources.table_hash import table_hash
from mlsys_resources.table_store import NoSuchTable
from mlsys_resources.table_version import CHECKPOINT_EVERY, NoSuchColumn

MOMENT = pa.timestamp("us", tz="UTC")
WEEK = timedelta(days=7)
START = datetime(2012, 12, 31, tzinfo=UTC)
WEEKS = [START + i * WEEK for i in range(9)]  # blocks 2012-12, 2013-01 (four ticks), 2013-02 (four ticks)
RECORDS = ("flights", "arrivals")


class TestReading:
    def test_as_of(self, lake: Lake, arrivals: Any) -> None:
        arrivals.put(lake, WEEKS)
        every = [r for t in WEEKS for r in arrivals.rows_of(t)]
        moments = {r["known_at"] for r in every}
        for as_of in sorted({m + timedelta(microseconds=d) for m in moments for d in (-1, 0, 1)}):
            expected = [r["event_time"] for r in every if r["known_at"] <= as_of]
            assert lake.read(*RECORDS, columns=["event_time"], known_by=as_of)["event_time"].to_pylist() == expected

    def test_window_is_half_open(self, lake: Lake, arrivals: Any) -> None:
        arrivals.put(lake, WEEKS)
        every = [r["event_time"] for t in WEEKS for r in arrivals.rows_of(t)]
        ever = (START, START + 99 * WEEK)
        for start, end in ((every[3], every[9]), (every[0], every[-1]), (every[5], every[5]), ever):
            back = lake.read(*RECORDS, window=("event_time", start, end), columns=["event_time"])
            assert back["event_time"].to_pylist() == [m for m in every if start <= m < end]

    def test_conditions_add_up(self, lake: Lake, arrivals: Any) -> None:
        arrivals.put(lake, WEEKS)
        start, end, known = WEEKS[1], WEEKS[2] + timedelta(hours=2), WEEKS[2] + timedelta(days=1, hours=1)
        back = lake.read(*RECORDS, ticks=WEEKS[2:5], window=("event_time", start, end), known_by=known)
        assert back["event_time"].to_pylist() == [r["event_time"] for r in arrivals.rows_of(WEEKS[2])][:1]

    def test_columns_in_the_order_asked(self, lake: Lake, arrivals: Any) -> None:
        arrivals.put(lake, WEEKS)
        back = lake.read(*RECORDS, columns=["name", "block", "id", "tick"], ticks=[WEEKS[1]])
        assert back.column_names == ["name", "block", "id", "tick"]
        assert set(back["block"].to_pylist()) == {"2013-01"}
        assert set(back["tick"].to_pylist()) == {WEEKS[1]}

    def test_what_is_not_there_is_said_with_what_is(self, lake: Lake, arrivals: Any) -> None:
        with pytest.raises(NoSuchTable, match=r"no table flights.arrivals; flights has: nothing yet"):
            lake.read(*RECORDS)
        arrivals.put(lake, WEEKS)
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

    def test_dictionaries_come_back_plain(self, lake: Lake, arrivals: Any) -> None:
        data = arrivals.week(START)
        encoded = data.set_column(2, "name", data["name"].dictionary_encode())
        lake.write_ticks(*RECORDS, encoded, schema=arrivals.schema, ticks=[START], run_id="r")
        assert lake.read(*RECORDS).equals(data.drop_columns("tick"))

    def test_tables_are_listed(self, lake: Lake, root: Path, arrivals: Any) -> None:
        assert lake.tables("flights") == ()
        arrivals.put(lake, WEEKS)
        lake.write_ticks("flights", "a_first", arrivals.week(START), schema=arrivals.schema, ticks=[START], run_id="r")
        (root / "flights" / "begun" / "_delta_log").mkdir(parents=True)  # a creation that was killed
        (root / "flights" / "stray.txt").write_text("")
        assert lake.tables("flights") == ("a_first", "arrivals")
        assert [lake.has("flights", name) for name in ("a_first", "begun", "other")] == [True, False, False]
        lake.write_ticks("flights", "begun", arrivals.week(START), schema=arrivals.schema, ticks=[START], run_id="r")
        assert lake.tables("flights") == ("a_first", "arrivals", "begun")

    def test_a_url_is_a_root_too(self, lake: Lake, tmp_path: Path, arrivals: Any) -> None:
        remote = Lake((tmp_path / "store").as_uri())
        written = arrivals.put(remote, WEEKS)
        arrivals.put(remote, [WEEKS[0]], salt=3)
        arrivals.put(lake, WEEKS)
        assert remote.read(*RECORDS, version=written.version).equals(lake.read(*RECORDS))
        assert remote.tables("flights") == ("arrivals",)
        assert remote.tables("others") == ()
        with pytest.raises(ValueError, match="not an allowed name"):
            remote.read("..", "etc")

    def test_foreign_features_are_refused(self, lake: Lake, root: Path, arrivals: Any) -> None:
        """Rows deleted by a mark beside the file would come back to life."""
        arrivals.put(lake, WEEKS)
        DeltaTable(str(root / "flights" / "arrivals")).alter.add_feature(
            deltalake.TableFeatures.DeletionVectors, allow_protocol_versions_increase=True
        )
        with pytest.raises(RuntimeError, match="Delta reader of version 3"):
            lake.read(*RECORDS)


class TestSql:
    def test_the_view_shows_a_version(self, lake: Lake, arrivals: Any) -> None:
        first = arrivals.put(lake, WEEKS)
        arrivals.put(lake, WEEKS[:1], salt=5)
        with duckdb.connect() as connection:
            connection.execute("SET TimeZone = 'UTC'")
            now = lake.relation(connection, *RECORDS)
            assert now.to_arrow_table().cast(arrivals.schema).equals(lake.read(*RECORDS))
            lake.relation(connection, *RECORDS, version=first.version)
            counted = connection.sql("SELECT count(*), max(id), min(event_time) FROM flights.arrivals").fetchall()
            assert counted == [(36, 3, arrivals.rows_of(START)[0]["event_time"])]

    def test_an_empty_table_is_a_typed_view(self, lake: Lake, arrivals: Any) -> None:
        kinds = pa.schema([pa.field("b", pa.bool_()), pa.field("i8", pa.int8()), pa.field("i16", pa.int16()),
                           pa.field("i32", pa.int32()), pa.field("d", pa.float64()), pa.field("y", pa.binary()),
                           pa.field("day", pa.date32()), *arrivals.schema])  # fmt: skip
        row = {
            "b": True,
            "i8": 1,
            "i16": 1,
            "i32": 1,
            "d": 1.0,
            "y": b"",
            "day": START.date(),
            **arrivals.rows_of(START)[0],
        }
        data = arrivals.ticked([row], kinds)
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
    def test_history_names_runs(self, lake: Lake, arrivals: Any) -> None:
        arrivals.put(lake, WEEKS, run_id="first")
        arrivals.put(lake, WEEKS[:1], salt=1, run_id="second; DROP TABLE --")
        assert [(c.version, c.run_id) for c in lake.history(*RECORDS)] == [
            (2, "second; DROP TABLE --"), (1, "first"), (0, "first"),
        ]  # fmt: skip
        ages = [c.at for c in lake.history(*RECORDS)]
        assert ages == sorted(ages, reverse=True)
        assert all(a.tzinfo is not None for a in ages)

    def test_old_versions_survive_checkpoints_and_clean_up(self, lake: Lake, root: Path, arrivals: Any) -> None:
        first = arrivals.put(lake, WEEKS)
        kept = lake.read(*RECORDS)
        for n in range(2 * CHECKPOINT_EVERY + 1):
            arrivals.put(lake, [WEEKS[n % len(WEEKS)]], salt=n + 1)
        place = root / "flights" / "arrivals"
        assert list((place / "_delta_log").glob("*.checkpoint.parquet"))
        long_ago = datetime(2001, 1, 1, tzinfo=UTC).timestamp()
        for path in place.rglob("*"):
            os.utime(path, (long_ago, long_ago))
        table = DeltaTable(str(place))
        table.create_checkpoint()
        table.cleanup_metadata()
        table.vacuum(dry_run=False)
        arrivals.put(lake, [WEEKS[0]], salt=99)
        assert lake.read(*RECORDS, version=first.version).equals(kept)
        assert lake.tick_hashes(*RECORDS, version=first.version) == first.content_hashes

    @settings(max_examples=12)
    @given(st.data())
    def test_any_sequence_of_writes_equals_a_dictionary(
        self, tmp_path_factory: Any, arrivals: Any, data: st.DataObject
    ) -> None:
        lake = Lake(tmp_path_factory.mktemp("model"))
        oracle: dict[datetime, list[dict[str, Any]]] = {}
        past: dict[int, list[dict[str, Any]]] = {}
        for step in range(data.draw(st.integers(1, 6))):
            ticks = data.draw(st.lists(st.sampled_from(WEEKS), min_size=1, max_size=5, unique=True))
            salts = {t: data.draw(st.integers(0, 3)) for t in ticks}
            new = {t: arrivals.rows_of(t, data.draw(st.integers(0, 3)), salt=salts[t]) for t in ticks}
            order = data.draw(st.permutations(ticks))
            written = lake.write_ticks(
                *RECORDS,
                arrivals.ticked([r for t in order for r in new[t]]),
                schema=arrivals.schema,
                ticks=ticks,
                run_id=f"run{step}",
            )
            oracle.update(new)
            expected = [r for t in sorted(oracle) for r in oracle[t]]
            assert (
                lake.read(*RECORDS, columns=[*arrivals.schema.names, "tick"]).to_pylist()
                == arrivals.ticked(expected).to_pylist()
            )
            assert set(lake.tick_hashes(*RECORDS)) == {t for t, rows in oracle.items() if rows}
            assert lake.tick_hashes(*RECORDS, ticks=ticks) == written.content_hashes
            past[written.version] = expected
        for version, expected in past.items():
            back = lake.read(*RECORDS, columns=[*arrivals.schema.names, "tick"], version=version)
            assert back.to_pylist() == arrivals.ticked(expected).to_pylist()
