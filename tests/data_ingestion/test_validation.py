"""Every record is accepted or quarantined with its reason, on a small source."""

from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, strategies as st

from mlsys_assets.data_ingestion.accounting import EMPTY_TICKS
from mlsys_assets.data_ingestion.filing import FAR_FROM_DELIVERY
from mlsys_assets.data_ingestion.source import Rule, SourceKind
from mlsys_assets.data_ingestion.source_changed import SourceChanged
from mlsys_assets.data_ingestion.validation import ingest
from mlsys_assets.tables import Column
from mlsys_assets.types import Calendar, DeclarationError, Severity, TimeWindow, days, utc

TIMESTAMP = pa.timestamp("us", tz="UTC")
BROKEN = {
    "text in a number": (("b", "2013-01-08T00:00:00Z", "AA", "five", "1"), "not int64", "n"),
    "a fraction in a whole number": (("b", "2013-01-08T00:00:00Z", "AA", "5.5", "1"), "not int64", "n"),
    "hexadecimal": (("b", "2013-01-08T00:00:00Z", "AA", "0x10", "1"), "not int64", "n"),
    "hexadecimal in capitals": (("b", "2013-01-08T00:00:00Z", "AA", "0X1F", "1"), "not int64", "n"),
    "text in a float": (("b", "2013-01-08T00:00:00Z", "AA", "5", "much"), "not float64", "x"),
    "not a number": (("b", "2013-01-08T00:00:00Z", "AA", "5", "nan"), "range", "x"),
    "infinity": (("b", "2013-01-08T00:00:00Z", "AA", "5", "inf"), "range", "x"),
    "no key": (("NA", "2013-01-08T00:00:00Z", "AA", "5", "1"), "required", "id"),
    "above its range": (("b", "2013-01-08T00:00:00Z", "AA", "101", "1"), "range", "n"),
    "unreadable time": (("b", "2013-02-30T00:00:00Z", "AA", "5", "1"), "not timestamp", "at"),
    "no time": (("b", "", "AA", "5", "1"), "impossible time", "event_time"),
    "unknown reference": (("b", "2013-01-08T00:00:00Z", "YY", "5", "1"), "not in codes.code", "code"),
    "not in the reference yet": (("b", "2013-01-08T22:59:59Z", "XX", "5", "1"), "not in codes.code", "code"),
    "a broken rule": (("b", "2013-01-08T00:00:00Z", "AA", "5", "6"), "x at most n", "x"),
    "a key again": (("a0", "2013-01-08T00:00:00Z", "BB", "5", "1"), "duplicate key", "id"),
    "known long after its delivery": (("b", "2013-01-15T01:00:00Z", "AA", "5", "1"), FAR_FROM_DELIVERY, "known_at"),
    "known long before its delivery": (("b", "2012-01-08T00:00:00Z", "AA", "5", "1"), FAR_FROM_DELIVERY, "known_at"),
    "too few fields": (("b", "2013-01-08T00:00:00Z"), "malformed", ""),
}


@pytest.mark.parametrize(("row", "rule", "column"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_row_is_quarantined_with_rule_column_and_origin(row, rule, column, things: Any) -> None:
    found = ingest(things.source(), things.raw(row), window=things.week, known=things.known)
    assert (found.read, found.accepted.num_rows) == (21, 20)
    (kept,) = found.quarantined.to_pylist()
    assert (kept["rule"], kept["column"]) == (rule, column)
    assert (kept["source_line"], kept["source_file"]) == (22, "f" * 16)
    if rule != "malformed":
        assert row[0] in kept["record"]


@given(st.lists(st.sampled_from([r for r, _, _ in BROKEN.values()]), max_size=12))
def test_nothing_vanishes(things: Any, rows) -> None:
    found = ingest(things.source(tolerance=1.0), things.raw(*rows), window=things.week, known=things.known)
    assert found.accepted.num_rows + found.quarantined.num_rows == found.read == 20 + len(rows)
    lines = found.accepted["source_line"].to_pylist() + found.quarantined["source_line"].to_pylist()
    assert sorted(lines) == list(range(2, 22 + len(rows)))


def test_a_row_belongs_to_the_window_in_which_it_became_known(things: Any) -> None:
    late = ("late", "2013-01-13T23:30:00Z", "AA", "5", "1")  # known an hour later: next week
    edge = ("edge", "2013-01-06T23:00:00Z", "AA", "5", "1")  # known exactly at the week's start
    ids = (
        ingest(things.source(), things.raw(late, edge), window=things.week, known=things.known)
        .accepted["id"]
        .to_pylist()
    )
    assert "edge" in ids
    assert "late" not in ids
    after = TimeWindow(things.week.end, things.week.end + things.week.length)
    assert ingest(things.source(), things.raw(late, edge), window=after, known=things.known).accepted[
        "id"
    ].to_pylist() == ["late"]


def test_a_missing_column_is_named_and_nothing_returned(things: Any) -> None:
    with pytest.raises(SourceChanged, match=r"column\(s\) code missing.*which have id, at, n, x"):
        ingest(things.source(), things.raw().drop_columns(["code"]), window=things.week, known=things.known)


def test_an_added_column_is_reported_and_ignored(things: Any) -> None:
    raw = things.raw()
    found = ingest(things.source(), raw.append_column("extra", raw["n"]), window=things.week, known=things.known)
    (finding,) = [f for f in found.findings if f.name == "no_undeclared_columns"]
    assert not finding.passed
    assert "extra" in finding.summary
    assert "extra" not in found.accepted.schema.names


def test_reordered_columns_change_nothing(things: Any) -> None:
    raw = things.raw()
    turned = raw.select(list(reversed(raw.schema.names)))
    plain = ingest(things.source(), raw, window=things.week, known=things.known).accepted
    assert ingest(things.source(), turned, window=things.week, known=things.known).accepted.equals(plain)


def test_a_retyped_column_fails_the_tick_and_is_named(things: Any) -> None:
    raw = things.raw()
    words = pa.array(["many"] * raw.num_rows)
    with pytest.raises(SourceChanged, match=r"20 of 20 rows are broken.*not int64 in n, e\.g\. 'many'"):
        ingest(
            things.source(),
            raw.set_column(raw.schema.get_field_index("n"), "n", words),
            window=things.week,
            known=things.known,
        )


@pytest.mark.parametrize(("kind", "refused"), [(SourceKind.USER_INPUT, False), (SourceKind.SYSTEM_LOGS, True)])
def test_the_same_broken_row_is_met_by_who_made_it(kind: SourceKind, refused: bool, things: Any) -> None:
    source = things.source(kind=kind, tolerance=None)
    raw = things.raw(BROKEN["text in a number"][0])
    if refused:
        with pytest.raises(SourceChanged, match="1 of 21 rows are broken, 0% are allowed"):
            ingest(source, raw, window=things.week, known=things.known)
    else:
        assert ingest(source, raw, window=things.week, known=things.known).quarantined.num_rows == 1


def test_a_value_is_known_once_the_reference_is(things: Any) -> None:
    just_in_time = ("b", "2013-01-08T23:00:00Z", "XX", "5", "1")  # known at midnight, as the code is
    found = ingest(things.source(), things.raw(just_in_time), window=things.week, known=things.known)
    assert found.quarantined.num_rows == 0


def test_each_tick_is_judged_by_itself(things: Any) -> None:
    bad = [(f"b{i}", "2013-01-12T00:00:00Z", "AA", "five", "1") for i in range(30)]
    raw = things.raw(*bad, good=400)
    arrived = [*400 * [utc("2013-01-08")], *30 * [utc("2013-01-12")]]
    raw = raw.set_column(raw.schema.get_field_index("delivered_at"), "delivered_at", pa.array(arrived, TIMESTAMP))
    source, daily = things.source(tolerance=0.1), Calendar(things.week.start, days(1))
    assert ingest(source, raw, window=things.week, known=things.known).quarantined.num_rows == 30  # one tick of a week
    with pytest.raises(SourceChanged, match=r"tick \[2013-01-12 00:00, .*: 30 of 30 rows are broken"):
        ingest(source, raw, window=things.week, calendar=daily, known=things.known)


def test_derive_where_and_rules_see_no_row_that_could_not_be_read(things: Any) -> None:
    def only_whole(rows: pa.Table) -> pa.Table:
        assert None not in rows["n"].to_pylist() + rows["x"].to_pylist()
        return rows

    source = things.source(
        tolerance=1.0,
        where=lambda rows: pc.is_valid(only_whole(rows)["n"]),
        derive=lambda rows: things.derive(only_whole(rows)),
        rules=(Rule("x at most n", "x", lambda rows: pc.less_equal(only_whole(rows)["x"], rows["n"])),),
    )
    broken = [row for row, rule, _ in BROKEN.values() if rule.startswith("not ") and "codes" not in rule]
    found = ingest(source, things.raw(*broken), window=things.week, known=things.known)
    assert found.accepted.num_rows == 20
    assert found.quarantined.num_rows == len(broken) >= 5


def test_a_reader_that_dates_no_record_is_told(things: Any) -> None:
    raw = things.raw()
    undated = raw.set_column(raw.schema.get_field_index("delivered_at"), "delivered_at", pa.nulls(20, TIMESTAMP))
    for records in (undated, raw.drop_columns(["delivered_at"])):
        with pytest.raises(ValueError, match=r"reader must give every record .*delivered_at"):
            ingest(things.source(), records, window=things.week, known=things.known)


def test_an_allowed_reference_is_counted(things: Any) -> None:
    found = ingest(
        things.source(),
        things.raw(("b", "2013-01-08T00:00:00Z", "ZZ", "5", "1")),
        window=things.week,
        known=things.known,
    )
    (finding,) = [f for f in found.findings if f.name == "code_is_known"]
    assert found.quarantined.num_rows == 0
    assert finding.evidence["rows"] == 1
    assert finding.passed


def test_a_reference_that_is_not_allowed_is_told_beside_those_that_are(things: Any) -> None:
    rows = [("b", "2013-01-08T00:00:00Z", "ZZ", "5", "1"), ("c", "2013-01-08T00:00:00Z", "QQ", "5", "1")]
    found = ingest(things.source(), things.raw(*rows), window=things.week, known=things.known)
    (finding,) = [f for f in found.findings if f.name == "code_is_known"]
    assert not finding.passed
    assert finding.summary.startswith("1 rows in quarantine: code not in ")
    assert finding.evidence["rows"] == 1


def test_an_empty_window_gives_an_empty_typed_table(things: Any) -> None:
    found = ingest(things.source(), things.raw(), window=TimeWindow.of("2014-01-01", "2014-01-08"), known=things.known)
    assert found.read == 0
    assert found.accepted.schema == things.source().schema
    (finding,) = [f for f in found.findings if not f.passed]
    assert (finding.name, finding.severity) == (EMPTY_TICKS, Severity.WARN)
    assert "1 tick(s) have no row" in finding.summary


def test_mistakes_of_a_declaration_are_listed_together(things: Any) -> None:
    wrong = things.source(
        key=("nobody",), columns=(Column("id", "text"), Column("id", "string"), Column("known_at", "string"))
    )
    with pytest.raises(DeclarationError) as error:
        ingest(wrong, things.raw(), window=things.week, known=things.known)
    for part in ("nobody", "'text'", "2 columns are named 'id'", "reserved", "code"):
        assert part in str(error.value)
    assert list(error.value.mistakes) == wrong.mistakes()


def test_rules_are_counted_by_kind(things: Any) -> None:
    rows = [BROKEN[name][0] for name in ("text in a number", "no key", "unknown reference") for _ in range(2)]
    found = ingest(things.source(), things.raw(*rows), window=things.week, known=things.known)
    assert Counter(found.quarantined["rule"].to_pylist()) == {"not int64": 2, "required": 2, "not in codes.code": 2}
