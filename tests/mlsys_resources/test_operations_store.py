"""The operations store on SQLite and a real PostgreSQL: its tables, its reads of tests, what it takes."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from mlsys_resources.operations_rows import TestRead
from mlsys_resources.operations_store import OperationsStore

JULY, AUGUST = datetime(2013, 7, 1, tzinfo=UTC), datetime(2013, 8, 1, tzinfo=UTC)
HOSTILE_TEXTS = [
    "x'; DROP TABLE mlsys_models; --",
    'x"; DROP TABLE mlsys_aliases; --',
    "%s %(x)s :p ?",
    "naïve ✈",
    "\n",
]
HOSTILE_NAMES = ["x'; DROP TABLE t; --", 'a"b', "a b", "", "a" * 64, "a\x00", "../x", "é"]


def test_three_processes_create_the_tables_at_once(url: str) -> None:
    code = (
        "import sys, time\n"
        "from datetime import UTC, datetime\n"
        "from mlsys_resources.operations_store import OperationsStore\n"
        "store = OperationsStore(sys.argv[1], clock=lambda: datetime(2013, 7, 1, tzinfo=UTC))\n"
        "print('ready', flush=True)\n"
        "sys.stdin.readline()\n"
        "print(store.models('flights'), flush=True)\n"
    )
    workers = [
        subprocess.Popen([sys.executable, "-c", code, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"  # type: ignore[union-attr]
    for worker in workers:
        worker.stdin.write("\n")  # type: ignore[union-attr]
        worker.stdin.flush()  # type: ignore[union-attr]
    assert [worker.communicate()[0] for worker in workers] == ["()\n"] * 3


def test_reads_of_a_sealed_split_are_counted_and_a_step_run_again_adds_none(store: OperationsStore) -> None:
    read = TestRead("flights", "static_test", "h1", "lightgbm, zero_rule", "champion decision", JULY)
    others = [replace(read, reason="a second look"), replace(read, content_hash="h2"), replace(read, as_of=AUGUST)]
    assert store.record_test_read(read)
    assert not store.record_test_read(read)
    for other in others:
        assert store.record_test_read(other)
    assert set(store.test_reads("flights")) == {read, *others}
    assert len(store.test_reads("flights", content_hash="h1")) == 3
    assert store.test_reads("flights", content_hash="h2") == (others[1],)
    assert store.test_reads("weather") == ()


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_a_hostile_system_or_alias_is_refused(sqlite_store: OperationsStore, name: str, records: Any) -> None:
    sqlite_store.record_model(records.model())
    calls: list[Callable[[], object]] = [
        lambda: sqlite_store.record_model(records.model(system=name)),
        lambda: sqlite_store.model(name, 1),
        lambda: sqlite_store.models(name),
        lambda: sqlite_store.alias(name, "champion"),
        lambda: sqlite_store.alias("flights", name),
        lambda: sqlite_store.alias_at("flights", name, JULY),
        lambda: sqlite_store.attempts("flights", name),
        lambda: sqlite_store.record(records.decision(system=name)),
        lambda: sqlite_store.ledger_hash(name),
        lambda: sqlite_store.record_test_read(TestRead(name, "s", "h", "m", "r", JULY)),
        lambda: sqlite_store.test_reads(name),
        lambda: sqlite_store.clock(name),
        lambda: sqlite_store.advance_clock(name, to=JULY),
        lambda: sqlite_store.set_alias(
            "flights", name, version=1, content_hash="c1", as_of=JULY, expected_revision=0, reason=""),
    ]  # fmt: skip
    for call in calls:
        with pytest.raises(ValueError, match="not an allowed name"):
            call()


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_hostile_text_is_bound_and_comes_back(store: OperationsStore, text: str, records: Any) -> None:
    """Fault 43."""
    made = records.decision(
        kind=text, name=text, verdict=text, reason=text, evidence={text: text}, context={text: text}
    )
    store.record(made)
    store.record_model(records.model(name=text, content_hash=text, run_id=text, source=text))
    read = TestRead("flights", text, text, text, text, JULY)
    store.record_test_read(read)
    assert store.decisions("flights", text) == (made,)
    assert store.find_model("flights", text, content_hash=text, as_of=JULY) is not None
    assert store.test_reads("flights", content_hash=text) == (read,)


@pytest.mark.parametrize("text", ["a\x00b", "\ud800", "x" * 20_000, None, 7])
def test_text_that_no_database_holds_is_refused(sqlite_store: OperationsStore, text: object, records: Any) -> None:
    with pytest.raises(ValueError, match="allowed is text"):
        sqlite_store.record(records.decision(reason=text))
    with pytest.raises(ValueError, match="allowed is text"):
        sqlite_store.record(records.decision(name=text))
    assert sqlite_store.decisions("flights") == ()


@pytest.mark.parametrize("version", [-1, 2**31, True, "1", None, 1.0])
def test_a_number_that_is_none_is_refused(sqlite_store: OperationsStore, version: object) -> None:
    with pytest.raises(ValueError, match="whole number"):
        sqlite_store.model("flights", version)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="whole number"):
        sqlite_store.set_alias("flights", "champion", version=1, content_hash="c1", as_of=JULY,
                        expected_revision=version, reason="")  # type: ignore[arg-type]  # fmt: skip
