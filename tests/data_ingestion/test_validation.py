"""Every record is accepted or quarantined with its reason, on a small source and on a week of flights."""

import csv
import io
from collections import Counter
from datetime import timedelta

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, strategies as st

from mlsys_assets.data_ingestion.accounting import EMPTY_TICKS
from mlsys_assets.data_ingestion.csv_file import parse_csv
from mlsys_assets.data_ingestion.filing import FAR_FROM_DELIVERY
from mlsys_assets.data_ingestion.keys import REPEATED
from mlsys_assets.data_ingestion.source import Reference, Rule, Source, SourceKind
from mlsys_assets.data_ingestion.source_changed import SourceChanged
from mlsys_assets.data_ingestion.validation import ingest
from mlsys_assets.tables import Column
from mlsys_assets.types import Calendar, DeclarationError, Severity, TimeWindow, days, utc

WEEK = TimeWindow.of("2013-01-07", "2013-01-14")
TIMESTAMP = pa.timestamp("us", tz="UTC")


def _derive(raw: pa.Table) -> pa.Table:
    return raw.append_column("event_time", raw["at"]).append_column(
        "known_at", pc.add(raw["at"], pa.scalar(timedelta(hours=1), pa.duration("us")))
    )


CODES = Source(
    "codes", read=lambda w: pa.table({}), raw=(Column("code", "string"),), columns=(Column("code", "string"),),
    derive=lambda raw: raw, key=("code",), snapshot=True,
)  # fmt: skip


def make_source(**changes) -> Source:
    declared = {
        "read": lambda window: pa.table({}),
        "raw": (
            Column("id", "string", nullable=False),
            Column("at", "timestamp"),
            Column("code", "string"),
            Column("n", "int64", minimum=0, maximum=100),
            Column("x", "float64"),
        ),
        "columns": (Column("id", "string"), Column("code", "string"), Column("n", "int64"), Column("x", "float64")),
        "derive": _derive,
        "key": ("id",),
        "references": (Reference("code", CODES, "code", allow=("ZZ",)),),
        "rules": (Rule("x at most n", "x", lambda t: pc.less_equal(t["x"], t["n"].cast(pa.float64()))),),
        "header": ("id", "at", "code", "n", "x"),
        "tolerance": 0.5,
        "known_within": (days(-7), days(7)),
    }
    return Source("things", **(declared | changes))


KNOWN = {
    "codes": pa.table(
        {"code": ["AA", "BB", "XX"], "known_at": pa.array([*2 * [utc("2012-12-01")], utc("2013-01-09")], TIMESTAMP)}
    )
}
GOOD = ("a{i}", "2013-01-08T00:00:00Z", "AA", "5", "1.5")


def raw_of(*rows: tuple[str, ...], good: int = 20) -> pa.Table:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["id", "at", "code", "n", "x"])
    writer.writerows([tuple(part.format(i=i) for part in GOOD) for i in range(good)])
    writer.writerows(rows)
    table = parse_csv(text.getvalue().encode())
    table = table.append_column("source_file", pa.repeat("f" * 16, table.num_rows))
    return table.append_column("delivered_at", pa.repeat(pa.scalar(utc("2013-01-08"), TIMESTAMP), table.num_rows))


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
def test_a_broken_row_is_quarantined_with_rule_column_and_origin(row, rule, column) -> None:
    found = ingest(make_source(), raw_of(row), window=WEEK, known=KNOWN)
    assert (found.read, found.accepted.num_rows) == (21, 20)
    (kept,) = found.quarantined.to_pylist()
    assert (kept["rule"], kept["column"]) == (rule, column)
    assert (kept["source_line"], kept["source_file"]) == (22, "f" * 16)
    if rule != "malformed":
        assert row[0] in kept["record"]


@given(st.lists(st.sampled_from([r for r, _, _ in BROKEN.values()]), max_size=12))
def test_nothing_vanishes(rows) -> None:
    found = ingest(make_source(tolerance=1.0), raw_of(*rows), window=WEEK, known=KNOWN)
    assert found.accepted.num_rows + found.quarantined.num_rows == found.read == 20 + len(rows)
    lines = found.accepted["source_line"].to_pylist() + found.quarantined["source_line"].to_pylist()
    assert sorted(lines) == list(range(2, 22 + len(rows)))


def test_a_row_belongs_to_the_window_in_which_it_became_known() -> None:
    late = ("late", "2013-01-13T23:30:00Z", "AA", "5", "1")  # known an hour later: next week
    edge = ("edge", "2013-01-06T23:00:00Z", "AA", "5", "1")  # known exactly at the week's start
    ids = ingest(make_source(), raw_of(late, edge), window=WEEK, known=KNOWN).accepted["id"].to_pylist()
    assert "edge" in ids
    assert "late" not in ids
    after = TimeWindow(WEEK.end, WEEK.end + WEEK.length)
    assert ingest(make_source(), raw_of(late, edge), window=after, known=KNOWN).accepted["id"].to_pylist() == ["late"]


def test_a_missing_column_is_named_and_nothing_returned() -> None:
    with pytest.raises(SourceChanged, match=r"column\(s\) code missing.*which have id, at, n, x"):
        ingest(make_source(), raw_of().drop_columns(["code"]), window=WEEK, known=KNOWN)


def test_an_added_column_is_reported_and_ignored() -> None:
    raw = raw_of()
    found = ingest(make_source(), raw.append_column("extra", raw["n"]), window=WEEK, known=KNOWN)
    (finding,) = [f for f in found.findings if f.name == "no_undeclared_columns"]
    assert not finding.passed
    assert "extra" in finding.summary
    assert "extra" not in found.accepted.schema.names


def test_reordered_columns_change_nothing() -> None:
    raw = raw_of()
    turned = raw.select(list(reversed(raw.schema.names)))
    plain = ingest(make_source(), raw, window=WEEK, known=KNOWN).accepted
    assert ingest(make_source(), turned, window=WEEK, known=KNOWN).accepted.equals(plain)


def test_a_retyped_column_fails_the_tick_and_is_named() -> None:
    raw = raw_of()
    words = pa.array(["many"] * raw.num_rows)
    with pytest.raises(SourceChanged, match=r"20 of 20 rows are broken.*not int64 in n, e\.g\. 'many'"):
        ingest(make_source(), raw.set_column(raw.schema.get_field_index("n"), "n", words), window=WEEK, known=KNOWN)


@pytest.mark.parametrize(("kind", "refused"), [(SourceKind.USER_INPUT, False), (SourceKind.SYSTEM_LOGS, True)])
def test_the_same_broken_row_is_met_by_who_made_it(kind: SourceKind, refused: bool) -> None:
    source = make_source(kind=kind, tolerance=None)
    raw = raw_of(BROKEN["text in a number"][0])
    if refused:
        with pytest.raises(SourceChanged, match="1 of 21 rows are broken, 0% are allowed"):
            ingest(source, raw, window=WEEK, known=KNOWN)
    else:
        assert ingest(source, raw, window=WEEK, known=KNOWN).quarantined.num_rows == 1


def test_a_value_is_known_once_the_reference_is() -> None:
    just_in_time = ("b", "2013-01-08T23:00:00Z", "XX", "5", "1")  # known at midnight, as the code is
    found = ingest(make_source(), raw_of(just_in_time), window=WEEK, known=KNOWN)
    assert found.quarantined.num_rows == 0


def test_each_tick_is_judged_by_itself() -> None:
    bad = [(f"b{i}", "2013-01-12T00:00:00Z", "AA", "five", "1") for i in range(30)]
    raw = raw_of(*bad, good=400)
    arrived = [*400 * [utc("2013-01-08")], *30 * [utc("2013-01-12")]]
    raw = raw.set_column(raw.schema.get_field_index("delivered_at"), "delivered_at", pa.array(arrived, TIMESTAMP))
    source, daily = make_source(tolerance=0.1), Calendar(WEEK.start, days(1))
    assert ingest(source, raw, window=WEEK, known=KNOWN).quarantined.num_rows == 30  # one tick of a week
    with pytest.raises(SourceChanged, match=r"tick \[2013-01-12 00:00, .*: 30 of 30 rows are broken"):
        ingest(source, raw, window=WEEK, calendar=daily, known=KNOWN)


def test_derive_where_and_rules_see_no_row_that_could_not_be_read() -> None:
    def only_whole(rows: pa.Table) -> pa.Table:
        assert None not in rows["n"].to_pylist() + rows["x"].to_pylist()
        return rows

    source = make_source(
        tolerance=1.0,
        where=lambda rows: pc.is_valid(only_whole(rows)["n"]),
        derive=lambda rows: _derive(only_whole(rows)),
        rules=(Rule("x at most n", "x", lambda rows: pc.less_equal(only_whole(rows)["x"], rows["n"])),),
    )
    broken = [row for row, rule, _ in BROKEN.values() if rule.startswith("not ") and "codes" not in rule]
    found = ingest(source, raw_of(*broken), window=WEEK, known=KNOWN)
    assert found.accepted.num_rows == 20
    assert found.quarantined.num_rows == len(broken) >= 5


def test_of_one_key_the_first_known_stays_whatever_the_order_of_the_file() -> None:
    later, first, tie = (
        ("k", f"2013-01-{day}T00:00:00Z", "AA", "5", str(x)) for day, x in (("10", 1), ("09", 2), ("09", 3))
    )
    found = ingest(make_source(), raw_of(later, first, tie), window=WEEK, known=KNOWN)
    (kept,) = found.accepted.filter(pc.equal(found.accepted["id"], "k")).to_pylist()
    assert kept["x"] == 2
    assert found.quarantined["rule"].to_pylist() == ["duplicate key"] * 2


def test_a_key_that_stands_is_not_accepted_again() -> None:
    standing = pa.table({"id": ["a3", "a7", "zz"]})
    found = ingest(make_source(), raw_of(), window=WEEK, known=KNOWN, standing=standing)
    assert found.accepted.num_rows == 18
    assert found.quarantined["value"].to_pylist() == ["a3", "a7"]
    assert set(found.quarantined["rule"].to_pylist()) == {"duplicate key"}


STRICT = {"tolerance": None, "kind": SourceKind.SYSTEM_LOGS}
"""A source that may have no broken row at all."""


def test_a_row_told_twice_is_put_aside_and_breaks_nothing() -> None:
    again = tuple(part.format(i=3) for part in GOOD)  # on another line of the file
    found = ingest(make_source(**STRICT), raw_of(again, again), window=WEEK, known=KNOWN)
    assert (found.read, found.accepted.num_rows) == (22, 20)
    assert found.accepted.equals(ingest(make_source(**STRICT), raw_of(), window=WEEK, known=KNOWN).accepted)
    kept = found.quarantined.select(["rule", "column", "value", "source_line"]).to_pylist()
    assert kept == [{"rule": REPEATED, "column": "id", "value": "a3", "source_line": line} for line in (22, 23)]
    (account,) = [f for f in found.findings if f.name == "every_row_accounted_for"]
    assert account.passed
    assert "22 rows read = 20 accepted + 2 quarantined (2 × repeated record in id, e.g. 'a3')" in account.summary


@pytest.mark.parametrize("column", [1, 2, 3, 4], ids=["at", "code", "n", "x"])
def test_a_row_that_says_otherwise_under_the_same_key_is_broken(column: int) -> None:
    other = {1: "2013-01-08T00:00:01Z", 2: "BB", 3: "6", 4: ""}
    row = tuple(other.get(i, part.format(i=3)) if i == column else part.format(i=3) for i, part in enumerate(GOOD))
    found = ingest(make_source(), raw_of(row), window=WEEK, known=KNOWN)
    assert found.quarantined.select(["rule", "value"]).to_pylist() == [{"rule": "duplicate key", "value": "a3"}]
    (kept,) = found.accepted.filter(pc.equal(found.accepted["id"], "a3")).to_pylist()
    assert kept["source_line"] == 5  # the one known first, of equals the first of the file
    with pytest.raises(SourceChanged, match=r"1 of 21 rows are broken.*1 × duplicate key in id, e\.g\. 'a3'"):
        ingest(make_source(**STRICT), raw_of(row), window=WEEK, known=KNOWN)


def test_what_repeats_a_row_that_does_not_stay_is_broken_as_that_row_is() -> None:
    later = ("k", "2013-01-10T00:00:00Z", "AA", "5", "1")
    first = ("k", "2013-01-09T00:00:00Z", "AA", "5", "1")
    found = ingest(make_source(), raw_of(later, later, first, first), window=WEEK, known=KNOWN)
    rules = zip(found.quarantined["source_line"].to_pylist(), found.quarantined["rule"].to_pylist(), strict=True)
    assert dict(rules) == {22: "duplicate key", 23: "duplicate key", 25: REPEATED}


def test_a_broken_row_told_twice_is_broken_twice() -> None:
    row = BROKEN["above its range"][0]
    found = ingest(make_source(), raw_of(row, row), window=WEEK, known=KNOWN)
    assert found.quarantined["rule"].to_pylist() == ["range", "range"]


def test_a_file_delivered_twice_is_accepted_once() -> None:
    once = ingest(make_source(**STRICT), raw_of(), window=WEEK, known=KNOWN)
    resent = raw_of()
    resent = resent.set_column(
        resent.schema.get_field_index("source_file"), "source_file", pa.repeat("e" * 16, resent.num_rows)
    )
    found = ingest(make_source(**STRICT), pa.concat_tables([raw_of(), resent]), window=WEEK, known=KNOWN)
    assert found.accepted.equals(once.accepted)
    assert Counter(found.quarantined["rule"].to_pylist()) == {REPEATED: 20}
    assert set(found.quarantined["source_file"].to_pylist()) == {"e" * 16}


@given(st.permutations(range(20)))
def test_rows_are_filed_by_when_they_became_known_and_by_key_whatever_the_order_of_delivery(order) -> None:
    rows = [(f"c{i:02d}", f"2013-01-08T{i % 7:02d}:00:00Z", "AA", "5", f"{i / 10}") for i in range(20)]
    found = ingest(make_source(), raw_of(*(rows[i] for i in order), good=0), window=WEEK, known=KNOWN).accepted
    assert found["id"].to_pylist() == [row[0] for row in sorted(rows, key=lambda row: (row[1], row[0]))]
    plain = ingest(make_source(), raw_of(*rows, good=0), window=WEEK, known=KNOWN).accepted
    assert found.drop_columns(["source_line"]).equals(plain.drop_columns(["source_line"]))


def test_a_reader_that_dates_no_record_is_told() -> None:
    raw = raw_of()
    undated = raw.set_column(raw.schema.get_field_index("delivered_at"), "delivered_at", pa.nulls(20, TIMESTAMP))
    for records in (undated, raw.drop_columns(["delivered_at"])):
        with pytest.raises(ValueError, match=r"reader must give every record .*delivered_at"):
            ingest(make_source(), records, window=WEEK, known=KNOWN)


def test_an_allowed_reference_is_counted() -> None:
    found = ingest(make_source(), raw_of(("b", "2013-01-08T00:00:00Z", "ZZ", "5", "1")), window=WEEK, known=KNOWN)
    (finding,) = [f for f in found.findings if f.name == "code_is_known"]
    assert found.quarantined.num_rows == 0
    assert finding.evidence["rows"] == 1
    assert finding.passed


def test_a_reference_that_is_not_allowed_is_told_beside_those_that_are() -> None:
    rows = [("b", "2013-01-08T00:00:00Z", "ZZ", "5", "1"), ("c", "2013-01-08T00:00:00Z", "QQ", "5", "1")]
    found = ingest(make_source(), raw_of(*rows), window=WEEK, known=KNOWN)
    (finding,) = [f for f in found.findings if f.name == "code_is_known"]
    assert not finding.passed
    assert finding.summary.startswith("1 rows in quarantine: code not in ")
    assert finding.evidence["rows"] == 1


def test_an_empty_window_gives_an_empty_typed_table() -> None:
    found = ingest(make_source(), raw_of(), window=TimeWindow.of("2014-01-01", "2014-01-08"), known=KNOWN)
    assert found.read == 0
    assert found.accepted.schema == make_source().schema
    (finding,) = [f for f in found.findings if not f.passed]
    assert (finding.name, finding.severity) == (EMPTY_TICKS, Severity.WARN)
    assert "1 tick(s) have no row" in finding.summary


def test_mistakes_of_a_declaration_are_listed_together() -> None:
    wrong = make_source(
        key=("nobody",), columns=(Column("id", "text"), Column("id", "string"), Column("known_at", "string"))
    )
    with pytest.raises(DeclarationError) as error:
        ingest(wrong, raw_of(), window=WEEK, known=KNOWN)
    for part in ("nobody", "'text'", "2 columns are named 'id'", "reserved", "code"):
        assert part in str(error.value)
    assert list(error.value.mistakes) == wrong.mistakes()


def test_rules_are_counted_by_kind() -> None:
    rows = [BROKEN[name][0] for name in ("text in a number", "no key", "unknown reference") for _ in range(2)]
    found = ingest(make_source(), raw_of(*rows), window=WEEK, known=KNOWN)
    assert Counter(found.quarantined["rule"].to_pylist()) == {"not int64": 2, "required": 2, "not in codes.code": 2}
