"""Of what is told twice one stays: what repeats it is put aside, what says otherwise is broken."""

from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, strategies as st

from mlsys_assets.data_ingestion.keys import REPEATED
from mlsys_assets.data_ingestion.source import SourceKind
from mlsys_assets.data_ingestion.source_changed import SourceChanged
from mlsys_assets.data_ingestion.validation import ingest

STRICT = {"tolerance": None, "kind": SourceKind.SYSTEM_LOGS}
"""A source that may have no broken row at all."""


def test_of_one_key_the_first_known_stays_whatever_the_order_of_the_file(things: Any) -> None:
    later, first, tie = (
        ("k", f"2013-01-{day}T00:00:00Z", "AA", "5", str(x)) for day, x in (("10", 1), ("09", 2), ("09", 3))
    )
    found = ingest(things.source(), things.raw(later, first, tie), window=things.week, known=things.known)
    (kept,) = found.accepted.filter(pc.equal(found.accepted["id"], "k")).to_pylist()
    assert kept["x"] == 2
    assert found.quarantined["rule"].to_pylist() == ["duplicate key"] * 2


def test_a_key_that_stands_is_not_accepted_again(things: Any) -> None:
    standing = pa.table({"id": ["a3", "a7", "zz"]})
    found = ingest(things.source(), things.raw(), window=things.week, known=things.known, standing=standing)
    assert found.accepted.num_rows == 18
    assert found.quarantined["value"].to_pylist() == ["a3", "a7"]
    assert set(found.quarantined["rule"].to_pylist()) == {"duplicate key"}


def test_a_row_told_twice_is_put_aside_and_breaks_nothing(things: Any) -> None:
    again = tuple(part.format(i=3) for part in things.good)  # on another line of the file
    found = ingest(things.source(**STRICT), things.raw(again, again), window=things.week, known=things.known)
    assert (found.read, found.accepted.num_rows) == (22, 20)
    assert found.accepted.equals(
        ingest(things.source(**STRICT), things.raw(), window=things.week, known=things.known).accepted
    )
    kept = found.quarantined.select(["rule", "column", "value", "source_line"]).to_pylist()
    assert kept == [{"rule": REPEATED, "column": "id", "value": "a3", "source_line": line} for line in (22, 23)]
    (account,) = [f for f in found.findings if f.name == "every_row_accounted_for"]
    assert account.passed
    assert "22 rows read = 20 accepted + 2 quarantined (2 × repeated record in id, e.g. 'a3')" in account.summary


def test_what_becomes_known_later_under_the_same_key_corrects_where_it_may(things: Any) -> None:
    told = tuple(("k", f"2013-01-{day}T00:00:00Z", "AA", "5", x) for day, x in (("10", "1"), ("09", "2")))
    same_moment = ("k", "2013-01-10T00:00:00Z", "AA", "5", "3")
    standing = pa.table({"id": ["k"]})
    found = ingest(
        things.source(corrections=True), things.raw(*told, told[0], same_moment),
        window=things.week, known=things.known, standing=standing,
    )  # fmt: skip
    assert found.accepted.filter(pc.equal(found.accepted["id"], "k"))["x"].to_pylist() == [2, 1]
    assert found.quarantined["rule"].to_pylist() == [REPEATED, "duplicate key"]


@pytest.mark.parametrize("column", [1, 2, 3, 4], ids=["at", "code", "n", "x"])
def test_a_row_that_says_otherwise_under_the_same_key_is_broken(column: int, things: Any) -> None:
    other = {1: "2013-01-08T00:00:01Z", 2: "BB", 3: "6", 4: ""}
    row = tuple(
        other.get(i, part.format(i=3)) if i == column else part.format(i=3) for i, part in enumerate(things.good)
    )
    found = ingest(things.source(), things.raw(row), window=things.week, known=things.known)
    assert found.quarantined.select(["rule", "value"]).to_pylist() == [{"rule": "duplicate key", "value": "a3"}]
    (kept,) = found.accepted.filter(pc.equal(found.accepted["id"], "a3")).to_pylist()
    assert kept["source_line"] == 5  # the one known first, of equals the first of the file
    with pytest.raises(SourceChanged, match=r"1 of 21 rows are broken.*1 × duplicate key in id, e\.g\. 'a3'"):
        ingest(things.source(**STRICT), things.raw(row), window=things.week, known=things.known)


def test_what_repeats_a_row_that_does_not_stay_is_broken_as_that_row_is(things: Any) -> None:
    later = ("k", "2013-01-10T00:00:00Z", "AA", "5", "1")
    first = ("k", "2013-01-09T00:00:00Z", "AA", "5", "1")
    found = ingest(things.source(), things.raw(later, later, first, first), window=things.week, known=things.known)
    rules = zip(found.quarantined["source_line"].to_pylist(), found.quarantined["rule"].to_pylist(), strict=True)
    assert dict(rules) == {22: "duplicate key", 23: "duplicate key", 25: REPEATED}


def test_a_broken_row_told_twice_is_broken_twice(things: Any) -> None:
    row = ("b", "2013-01-08T00:00:00Z", "AA", "101", "1")  # above its range
    found = ingest(things.source(), things.raw(row, row), window=things.week, known=things.known)
    assert found.quarantined["rule"].to_pylist() == ["range", "range"]


def test_a_file_delivered_twice_is_accepted_once(things: Any) -> None:
    once = ingest(things.source(**STRICT), things.raw(), window=things.week, known=things.known)
    resent = things.raw()
    resent = resent.set_column(
        resent.schema.get_field_index("source_file"), "source_file", pa.repeat("e" * 16, resent.num_rows)
    )
    found = ingest(
        things.source(**STRICT), pa.concat_tables([things.raw(), resent]), window=things.week, known=things.known
    )
    assert found.accepted.equals(once.accepted)
    assert Counter(found.quarantined["rule"].to_pylist()) == {REPEATED: 20}
    assert set(found.quarantined["source_file"].to_pylist()) == {"e" * 16}


@given(st.permutations(range(20)))
def test_rows_are_filed_by_when_they_became_known_and_by_key_whatever_the_order_of_delivery(things: Any, order) -> None:
    rows = [(f"c{i:02d}", f"2013-01-08T{i % 7:02d}:00:00Z", "AA", "5", f"{i / 10}") for i in range(20)]
    found = ingest(
        things.source(), things.raw(*(rows[i] for i in order), good=0), window=things.week, known=things.known
    ).accepted
    assert found["id"].to_pylist() == [row[0] for row in sorted(rows, key=lambda row: (row[1], row[0]))]
    plain = ingest(things.source(), things.raw(*rows, good=0), window=things.week, known=things.known).accepted
    assert found.drop_columns(["source_line"]).equals(plain.drop_columns(["source_line"]))
