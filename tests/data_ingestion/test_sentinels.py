"""Numbers that are declared to stand for a missing value become null, and are counted."""

from dataclasses import replace
from typing import Any

import pytest

from mlsys_assets.data_ingestion.validation import ingest


def _declared(things: Any, name: str, **changes: Any) -> Any:
    source = things.source()
    raw = tuple(replace(column, **changes) if column.name == name else column for column in source.raw)
    return replace(source, raw=raw, tolerance=1.0)


def _row(n: str = "5", x: str = "1.5") -> tuple[str, ...]:
    return ("b", "2013-01-08T00:00:00Z", "AA", n, x)


@pytest.mark.parametrize(
    ("column", "text"), [("n", "999"), ("n", "-1"), ("x", "-9999"), ("x", "-9999.0"), ("x", "1e9")]
)
def test_a_sentinel_becomes_null_before_its_range_is_asked(things: Any, column: str, text: str) -> None:
    sentinels = {"n": (999, -1), "x": (-9999, 1e9)}[column]
    source = _declared(things, column, sentinels=sentinels, minimum=0, maximum=100)
    found = ingest(source, things.raw(_row(**{column: text})), window=things.week, known=things.known)
    assert found.quarantined.num_rows == 0
    (kept,) = [row for row in found.accepted.to_pylist() if row["id"] == "b"]
    assert kept[column] is None
    assert found.accepted[column].null_count == 1  # and no other value
    (account,) = [f for f in found.findings if f.name == "every_row_accounted_for"]
    assert account.passed
    assert account.evidence[f"sentinels_in_{column}"] == 1
    assert f"stand for missing, of all that were looked at: 1 in {column}" in account.summary


def test_the_same_number_undeclared_is_a_value(things: Any) -> None:
    found = ingest(things.source(tolerance=1.0), things.raw(_row(n="999")), window=things.week, known=things.known)
    (kept,) = found.quarantined.to_pylist()
    assert (kept["rule"], kept["column"], kept["value"]) == ("range", "n", "999")
    (account,) = [f for f in found.findings if f.name == "every_row_accounted_for"]
    assert "sentinels" not in account.summary


def test_a_sentinel_where_a_value_must_be_sends_the_row_to_quarantine_as_it_stood(things: Any) -> None:
    source = _declared(things, "n", sentinels=(99,), nullable=False)
    found = ingest(source, things.raw(_row(n="99")), window=things.week, known=things.known)
    (kept,) = found.quarantined.to_pylist()
    assert (kept["rule"], kept["column"], kept["value"]) == ("required", "n", "99")


def test_what_cannot_be_read_is_rejected_beside_sentinels(things: Any) -> None:
    source = _declared(things, "n", sentinels=(99,))
    found = ingest(source, things.raw(_row(n="much"), good=3), window=things.week, known=things.known)
    (kept,) = found.quarantined.to_pylist()
    assert (kept["rule"], kept["column"]) == ("not int64", "n")
    assert found.accepted.num_rows == 3
