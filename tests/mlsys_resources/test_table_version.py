"""Only the files that may hold the rows are read, and never one too few."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable
from hypothesis import given, strategies as st

from mlsys_resources.lake import Lake
from mlsys_resources.table_store import TableStore
from mlsys_resources.table_version import KEPT, Bound, TableVersion

MOMENT = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema([pa.field("at", MOMENT), pa.field("known_at", MOMENT)])
START = datetime(2013, 1, 1, tzinfo=UTC)
MONTHS = [datetime(2013, m, 1, tzinfo=UTC) for m in range(1, 7)]

moments = st.integers(0, 5000).map(lambda us: START + timedelta(microseconds=us))


def cut(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


@given(st.lists(moments, min_size=1, max_size=4), st.none() | moments, moments, st.booleans())
def test_a_file_that_holds_such_a_row_is_never_left_out(
    values: list[datetime], low: datetime | None, high: datetime, closed: bool
) -> None:
    bound = Bound("at", low, high, closed)
    file = {"min.at": cut(min(values)), "max.at": cut(max(values))}
    held = [v for v in values if (low is None or v >= low) and (v <= high if closed else v < high)]
    assert bound.may_hold_in(file) or not held
    assert bound.may_hold_in({})
    far = timedelta(seconds=1)
    assert not bound.may_hold_in({"min.at": high + far, "max.at": high + far})
    if low is not None:
        assert not bound.may_hold_in({"min.at": low - far, "max.at": low - far})


@pytest.fixture
def base(tmp_path: Path) -> TableVersion:
    """A table of six monthly files, each with rows at its start and 900.999 ms later."""
    rows = [(m + timedelta(microseconds=us), m + timedelta(days=40), m) for m in MONTHS for us in (0, 900_999)]
    data = pa.table(list(zip(*rows, strict=True)), schema=SCHEMA.append(pa.field("tick", MOMENT)))
    Lake(tmp_path).write_ticks("s", "t", data, schema=SCHEMA, ticks=MONTHS, run_id="r")
    return TableStore(tmp_path).open("s", "t")


def blocks(paths: list[str]) -> list[str]:
    return [p.split("/")[0] for p in paths]


def test_files_are_in_order_of_time(base: TableVersion) -> None:
    assert blocks(base.paths()) == [f"block=2013-{m:02d}" for m in range(1, 7)]
    assert blocks(base.paths(blocks=["2013-05", "2013-02"])) == ["block=2013-02", "block=2013-05"]


def test_files_out_of_bounds_are_not_opened(base: TableVersion) -> None:
    window = Bound("at", MONTHS[2], MONTHS[3], closed=False)
    assert blocks(base.paths(bounds=[window])) == ["block=2013-03", "block=2013-04"]  # the end is a value of April's
    known = Bound("known_at", None, MONTHS[3], closed=True)
    assert blocks(base.paths(bounds=[known])) == ["block=2013-01", "block=2013-02"]
    assert blocks(base.paths(bounds=[known, window])) == []


@pytest.mark.parametrize("late", [0, 1])
def test_microseconds_that_statistics_cut_off_are_found(base: TableVersion, late: int) -> None:
    last = MONTHS[1] + timedelta(microseconds=900_999 + late)
    bound = Bound("at", last, MONTHS[2], closed=False)
    assert base.rows(["at"], bounds=[bound]).num_rows == 1 - late


def test_ticks_read_only_their_blocks(base: TableVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    real = TableVersion.paths
    monkeypatch.setattr(TableVersion, "paths", lambda self, **o: asked.append(found := real(self, **o)) or found)
    assert base.rows(["at"], ticks=[MONTHS[4]]).num_rows == 2
    assert [blocks(paths) for paths in asked] == [["block=2013-05"]]  # type: ignore[arg-type]


def test_other_readers_of_delta_see_the_same(base: TableVersion) -> None:
    theirs = pa.table(DeltaTable(base.place).scan(columns=["at", "known_at", "tick", "block"]).read_all())
    ours = base.rows(["at", "known_at", "tick", "block"])
    assert theirs.cast(ours.schema).sort_by("at").equals(ours.sort_by("at"))
    june = DeltaTable(base.place).scan(columns=["at"], predicate=f"at >= '{MONTHS[5].isoformat()}'")
    assert pa.table(june.read_all()).num_rows == 2


def test_versions_are_kept_for_a_century(base: TableVersion) -> None:
    settings = base.delta.metadata().configuration
    assert settings["delta.logRetentionDuration"] == settings["delta.deletedFileRetentionDuration"]
    assert settings["delta.logRetentionDuration"] == f"interval {KEPT.days} days"
    assert timedelta(days=365 * 30) < KEPT
