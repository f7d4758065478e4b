"""Over all ticks every record of a file is filed once, however the ticks are grouped into runs."""

from itertools import count

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, strategies as st

from mlsys_assets import CsvFile, Daily, TimeWindow, Weekly, days, hours, utc
from mlsys_assets.data_ingestion.csv_file import parse_csv
from mlsys_assets.data_ingestion.filing import EVER, FAR_FROM_DELIVERY, OUTSIDE_CALENDAR, reach, span
from mlsys_assets.data_ingestion.validation import ingest

CALENDAR = Daily("2013-01-01", end="2013-01-05")
TICKS = CALENDAR.ticks(TimeWindow(CALENDAR.start, CALENDAR.end))
GROUPINGS = ((1, 1, 1, 1), (2, 2), (1, 3), (4,))
HEADER = "kind,id,delivered,known,v"
ANCHOR = "b,anchor,2013-01-02T12:00:00Z,2013-01-02T12:00:00Z,1"
NUMBER = count()

MOMENTS = st.sampled_from([
    "2013-01-01T00:00:00Z", "2013-01-01T23:59:59Z", "2013-01-02T00:00:00Z", "2013-01-03T12:00:00Z",
    "2013-01-04T23:59:59Z", "2013-01-05T00:00:00Z", "2012-12-31T23:59:59Z", "2012-12-28T00:00:00Z",
    "2013-01-07T00:00:00Z", "2031-01-01T00:00:00Z", "1987-01-01T00:00:00Z", "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59Z", "0000-01-01T00:00:00Z", "2013-02-30T00:00:00Z", "", "soon",
])  # fmt: skip
RECORDS = st.tuples(
    st.sampled_from("aab"), st.sampled_from("pqrstuv"), MOMENTS, MOMENTS, st.sampled_from(["1", "2", "much"])
).map(",".join)
LINES = st.lists(st.one_of(RECORDS, RECORDS, RECORDS, st.sampled_from(["a,short", ""])), max_size=25)


def grouped(sizes: tuple[int, ...]) -> list[TimeWindow]:
    """Return the windows of runs that have so many ticks each."""
    windows, first = [], 0
    for size in sizes:
        windows.append(TimeWindow(TICKS[first].start, TICKS[first + size - 1].end))
        first += size
    return windows


def all_runs(source, sizes: tuple[int, ...]) -> tuple[pa.Table, pa.Table]:
    """Return all that was accepted and quarantined by runs of these sizes, each told what stands."""
    accepted, quarantined = [], []
    for window in grouped(sizes):
        standing = pa.concat_tables(accepted) if accepted else None
        raw = source.read(reach(source, window, CALENDAR))
        found = ingest(source, raw, window=window, calendar=CALENDAR, standing=standing)
        assert all(f.passed for f in found.findings if f.name == "every_row_accounted_for")
        accepted.append(found.accepted)
        quarantined.append(found.quarantined)
    return pa.concat_tables(accepted), pa.concat_tables(quarantined)


def is_of_the_kind(line: str) -> bool:
    """Whether a line is an event of kind ``a``, or cannot tell: written without the code under test."""
    fields = line.split(",")
    return len(fields) != 5 or fields[0] == "a" or fields[3] in {"2013-02-30T00:00:00Z", "soon"} or fields[4] == "much"


@given(LINES)
def test_each_record_lands_once_and_in_the_same_place_for_every_grouping(tmp_path_factory, events_of, lines) -> None:
    path = tmp_path_factory.getbasetemp() / f"filing-{next(NUMBER)}.csv"
    path.write_text("\n".join([HEADER, ANCHOR, *lines]) + "\n")
    source = events_of(path)
    source = events_of(path, read=CsvFile(path, delivered=source.read.delivered, undated=1.0))
    expected = [number for number, line in enumerate([ANCHOR, *lines], start=2) if is_of_the_kind(line)]
    (accepted, quarantined), *others = [all_runs(source, sizes) for sizes in GROUPINGS]
    landed = accepted["source_line"].to_pylist() + quarantined["source_line"].to_pylist()
    assert sorted(landed) == expected
    by_line = [("source_line", "ascending")]
    for once, again in ((a, b) for other in others for a, b in zip((accepted, quarantined), other, strict=True)):
        assert once.sort_by(by_line).equals(again.sort_by(by_line))
    for rows, column in ((accepted, "known_at"), (quarantined, "filed_at")):
        assert all(CALENDAR.start <= moment < CALENDAR.end for moment in rows[column].to_pylist())
    ids = accepted["id"].to_pylist()
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("delivered", "known", "rule", "filed"),
    [
        ("2013-01-03T01:00:00Z", "2013-01-02T09:00:00Z", None, "2013-01-02T09:00"),
        ("2013-01-03T00:00:00Z", "2013-01-01T00:00:00Z", None, "2013-01-01T00:00"),
        ("2013-01-01T00:00:00Z", "2013-01-03T00:00:01Z", FAR_FROM_DELIVERY, "2013-01-01T00:00"),
        ("2013-01-03T01:00:00Z", "2103-01-03T01:00:00Z", FAR_FROM_DELIVERY, "2013-01-03T01:00"),
        ("2013-01-04T23:00:00Z", "2013-01-05T00:00:00Z", OUTSIDE_CALENDAR, "2013-01-04T23:00"),
        ("2012-12-31T23:00:00Z", "2013-01-01T00:00:00Z", None, "2013-01-01T00:00"),
        ("2012-12-31T23:00:00Z", "2012-12-31T23:00:00Z", OUTSIDE_CALENDAR, "2013-01-01T00:00"),
        ("2031-01-01T00:00:00Z", "2031-01-01T00:00:00Z", OUTSIDE_CALENDAR, "2013-01-04T23:59:59.999999"),
    ],
)
def test_where_a_record_is_filed(tmp_path, events_of, delivered, known, rule, filed) -> None:
    path = tmp_path / "events.csv"
    path.write_text(f"{HEADER}\n{ANCHOR}\na,x,{delivered},{known},1\n")
    accepted, quarantined = all_runs(events_of(path), (1, 1, 1, 1))
    kept = quarantined if rule else accepted
    assert kept["filed_at" if rule else "known_at"].to_pylist() == [utc(filed)]
    assert quarantined["rule"].to_pylist() == ([rule] if rule else [])


def test_what_lies_outside_the_calendar_does_not_count_as_broken(tmp_path, events_of) -> None:
    path = tmp_path / "events.csv"
    lines = [f"a,e{i},2014-01-01T00:00:00Z,2014-01-01T00:00:00Z,{'1' if i % 2 else 'much'}" for i in range(100)]
    path.write_text("\n".join([HEADER, ANCHOR.replace("b,", "a,", 1), *lines]) + "\n")
    accepted, quarantined = all_runs(events_of(path, tolerance=0.0), (1, 1, 1, 1))
    assert (accepted.num_rows, quarantined.num_rows) == (1, 100)


def test_a_reader_is_asked_for_what_may_be_known_in_the_window(events_of, tmp_path) -> None:
    source = events_of(tmp_path / "none.csv", known_within=(hours(-1), days(2)))
    middle = TimeWindow.of("2013-01-02", "2013-01-03")
    assert reach(source, middle, CALENDAR) == TimeWindow.of("2012-12-31", "2013-01-03T01:00")
    assert reach(source, middle) == reach(source, middle, CALENDAR)
    whole = TimeWindow(CALENDAR.start, CALENDAR.end)
    assert reach(source, whole, CALENDAR) == EVER
    snapshot = events_of(tmp_path / "none.csv", snapshot=True)
    assert reach(snapshot, middle, CALENDAR) == middle


def test_a_calendar_spans_its_whole_ticks() -> None:
    assert span(Weekly("2013-01-07", end="2013-01-25")) == TimeWindow.of("2013-01-07", "2013-01-21")
    assert span(Weekly("2013-01-07")) == TimeWindow(utc("2013-01-07"), EVER.end)
    assert span(None) == EVER


def test_the_file_gives_what_was_delivered_within_a_window(tmp_path, events_of) -> None:
    path = tmp_path / "events.csv"
    path.write_text(f"{HEADER}\n{ANCHOR}\na,x,2013-01-03T00:00:00Z,2013-01-02T00:00:00Z,1\n")
    read = events_of(path).read
    assert read(TimeWindow.of("2013-01-02", "2013-01-03"))["id"].to_pylist() == ["anchor"]
    assert read(EVER).num_rows == parse_csv(path.read_bytes()).num_rows == 2
    assert pc.all(pc.is_valid(read(EVER)["delivered_at"])).as_py()
