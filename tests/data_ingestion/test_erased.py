"""What was erased is read, counted and left out, whether its records are sound or broken."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlsys_assets.data_ingestion.quarantine import QUARANTINE
from mlsys_assets.data_ingestion.source import DELIVERED_AT, Source
from mlsys_assets.data_ingestion.validation import ingest
from mlsys_assets.tables import SOURCE_FILE, SOURCE_LINE, TIMESTAMP, Column
from mlsys_assets.types import TimeWindow, utc
from mlsys_resources.tombstones import Tombstones, keyed_hash

AT = utc("2013-07-01 12:00")
WINDOW = TimeWindow.of("2013-07-01", "2013-07-02")
KEY = b"a secret"


def stones(**values: str) -> Tombstones:
    return Tombstones(KEY, {column: frozenset({keyed_hash(KEY, column, value)}) for column, value in values.items()})


def source(*, raw_name: str = "owner") -> Source:
    def derive(raw: pa.Table) -> pa.Table:
        at = pa.array([AT] * raw.num_rows, TIMESTAMP)
        rows = raw if raw_name == "owner" else raw.append_column("owner", raw[raw_name])
        return rows.append_column("event_time", at).append_column("known_at", at)

    return Source(
        "trips",
        read=lambda window: raw,  # type: ignore[name-defined]  # noqa: F821 - never called
        raw=(Column("trip", "string", nullable=False), Column(raw_name, "string"), Column("km", "float64")),
        columns=(Column("trip", "string"), Column("owner", "string"), Column("km", "float64")),
        derive=derive,
        key=("trip",),
        tolerance=1.0,
    )


def records(*rows: tuple[str, str, str], raw_name: str = "owner") -> pa.Table:
    trips, owners, km = zip(*rows, strict=True)
    return pa.table(
        {
            "trip": pa.array(trips), raw_name: pa.array(owners), "km": pa.array(km),
            SOURCE_FILE: pa.array(["f"] * len(rows)), SOURCE_LINE: pa.array(range(len(rows)), pa.int32()),
            DELIVERED_AT: pa.array([AT] * len(rows), TIMESTAMP), "malformed": pa.nulls(len(rows), pa.string()),
        }
    )  # fmt: skip


@pytest.mark.parametrize("raw_name", ["owner", "by_whom"])
def test_sound_and_broken_records_of_the_erased_are_left_out_and_counted(raw_name: str) -> None:
    rows = [("a", "P-1", "3"), ("b", "P-2", "4"), ("c", "P-1", "?"), ("d", "P-2", "?"), ("e", "P-11", "5")]
    raw = records(*rows, raw_name=raw_name)
    found = ingest(source(raw_name=raw_name), raw, window=WINDOW, erased=stones(owner="P-1"))
    assert found.accepted["trip"].to_pylist() == ["b", "e"]
    assert [("P-1" + '"') in r for r in found.quarantined["record"].to_pylist()] == [False]
    assert (found.read, found.erased) == (5, 2)
    (told,) = [f for f in found.findings if f.name == "every_row_accounted_for"]
    assert told.passed
    assert "5 rows read = 2 accepted + 1 quarantined" in told.summary
    assert "+ 2 of what was erased" in told.summary
    assert told.evidence["erased"] == 2


def test_rows_go_by_their_name_too() -> None:
    found = ingest(source(), records(("a", "P-1", "3"), ("b", "P-2", "4")), window=WINDOW, erased=stones(trip="b"))
    assert found.accepted["trip"].to_pylist() == ["a"]
    assert found.quarantined.schema == QUARANTINE


def test_without_an_erasure_nothing_is_told_of_one() -> None:
    found = ingest(source(), records(("a", "P-1", "3")), window=WINDOW)
    assert found.erased == 0
    assert "erased" not in found.findings[0].evidence
    assert pc.all(pc.is_valid(found.accepted["trip"])).as_py()


def test_a_text_of_a_source_that_has_no_such_column_is_somebody_elses() -> None:
    found = ingest(source(), records(("a", "P-1", "3"), ("b", "P-2", "?")), window=WINDOW, erased=stones(tail="P-2"))
    assert (found.accepted.num_rows, found.quarantined.num_rows, found.erased) == (1, 1, 0)
