"""Aliases on SQLite and a real PostgreSQL: moved by compare-and-set, every attempt on record."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from mlsys_resources.operations_erasures import Retirement
from mlsys_resources.operations_rows import Alias, AliasAttempt
from mlsys_resources.operations_store import Conflict, OperationsStore, RetiredModel, UnknownModel

JULY, AUGUST = datetime(2013, 7, 1, tzinfo=UTC), datetime(2013, 8, 1, tzinfo=UTC)


def test_an_alias_moves_by_compare_and_set(store: OperationsStore, records: Any) -> None:
    for version in (1, 2):
        store.record_model(records.model(version))
    assert store.alias("flights", "champion") is None
    assert records.promote(store, 1, 0) == Alias("flights", "champion", 1, "c1", JULY, 1)
    assert records.promote(store, 2, 1, AUGUST) == Alias("flights", "champion", 2, "c2", AUGUST, 2)
    assert store.alias("flights", "champion") == Alias("flights", "champion", 2, "c2", AUGUST, 2)
    assert store.alias("flights", "challenger") is None


@pytest.mark.parametrize("expected", [0, 2, 7])
def test_whoever_expected_something_else_gets_a_conflict_and_is_on_record(
    store: OperationsStore, expected: int, records: Any
) -> None:
    for version in (1, 2):
        store.record_model(records.model(version))
    records.promote(store, 1, 0)
    with pytest.raises(Conflict, match=rf"expected revision {expected}, found version 1 .*revision 1; .*read the"):
        records.promote(store, 2, expected)
    assert store.alias("flights", "champion") == Alias("flights", "champion", 1, "c1", JULY, 1)
    won, lost = store.attempts("flights")
    assert lost == AliasAttempt("flights", "champion", 2, "c2", JULY, expected, 1, "lost", "gate passed for 2", JULY)
    assert (won.outcome, won.expected_revision, won.found_revision, won.at) == ("won", 0, 0, JULY)


def test_expecting_a_revision_of_an_alias_never_set_is_a_conflict(store: OperationsStore, records: Any) -> None:
    store.record_model(records.model())
    with pytest.raises(Conflict, match="expected revision 3, found nothing, revision 0"):
        records.promote(store, 1, 3)
    assert store.alias("flights", "champion") is None
    assert [attempt.outcome for attempt in store.attempts("flights")] == ["lost"]


def test_a_retired_version_is_never_promoted_and_the_try_is_on_record(store: OperationsStore, records: Any) -> None:
    for version in (1, 2):
        store.record_model(records.model(version))
    records.promote(store, 1, 0)
    store.retire(Retirement("flights", 2, "e", JULY))
    store.retire(Retirement("rain", 1, "e", JULY))  # of another system
    with pytest.raises(RetiredModel, match="flights version 2 is retired: rows that it learned from were erased"):
        records.promote(store, 2, 1)
    assert store.alias("flights", "champion").version == 1  # type: ignore[union-attr]
    assert [one.outcome for one in store.attempts("flights")] == ["won", "refused"]
    assert records.promote(store, 1, 1, AUGUST).revision == 2
    assert store.serving("flights", "champion") == store.alias("flights", "champion")
    store.retire(Retirement("flights", 1, "e", JULY))
    assert store.serving("flights", "champion") is store.serving("flights", "shadow") is None


@pytest.mark.parametrize("version", [-1, 2**31, 10**30])
def test_a_version_that_no_store_holds_is_no_retired_one(store: OperationsStore, version: int) -> None:
    with pytest.raises(ValueError, match="allowed is a whole number from 0 to"):
        store.retirement("flights", version)


@pytest.mark.parametrize(("version", "content"), [(1, "c2"), (9, "c9"), (1, "")])
def test_what_is_not_on_record_is_never_promoted(
    store: OperationsStore, version: int, content: str, records: Any
) -> None:
    """Fault 14: the evaluation of one model promotes no other one."""
    store.record_model(records.model())
    with pytest.raises(UnknownModel, match="register it first"):
        store.set_alias(
            "flights", "champion", version=version, content_hash=content, as_of=JULY, expected_revision=0, reason=""
        )
    assert store.alias("flights", "champion") is None
    assert [attempt.outcome for attempt in store.attempts("flights", "champion")] == ["refused"]


def test_a_decision_of_the_past_does_not_undo_a_later_one(store: OperationsStore, records: Any) -> None:
    for version in (1, 2):
        store.record_model(records.model(version))
    records.promote(store, 2, 0, AUGUST)
    with pytest.raises(Conflict, match="comes too late"):
        records.promote(store, 1, 1, JULY)
    assert store.alias("flights", "champion").version == 2  # type: ignore[union-attr]


@given(st.data())
def test_the_alias_as_of_a_time_is_its_last_move_until_then(records: Any, tmp_path: Path, data: st.DataObject) -> None:
    store = OperationsStore(f"sqlite:///{tmp_path}/{time.monotonic_ns()}.db", clock=lambda: AUGUST)
    store.record_model(records.model())
    moves = sorted(data.draw(st.lists(st.integers(0, 30), max_size=6)))
    for revision, day in enumerate(moves):
        records.promote(store, 1, revision, JULY + timedelta(days=day))
    for day in range(-1, 32):
        at = JULY + timedelta(days=day)
        until = [moved for moved in moves if moved <= day]
        found = store.alias_at("flights", "champion", at)
        assert (0 if found is None else found.revision) == len(until)
        assert found is None or found.as_of == JULY + timedelta(days=until[-1])
    store.close()


def test_a_lost_attempt_does_not_count_as_of_its_time(store: OperationsStore, records: Any) -> None:
    for version in (1, 2):
        store.record_model(records.model(version))
    first = records.promote(store, 1, 0)
    with pytest.raises(Conflict):
        records.promote(store, 2, 0, AUGUST)
    assert store.alias_at("flights", "champion", AUGUST) == first


WORKER = """
import sys, time
from datetime import UTC, datetime
from mlsys_resources.operations_store import Conflict, OperationsStore
url, version = sys.argv[1], int(sys.argv[2])
at = datetime(2013, 7, 1, tzinfo=UTC)
store = OperationsStore(url, clock=lambda: at)
if "late" not in sys.argv:
    store.models("flights")
print("ready", flush=True)
for line in sys.stdin:
    alias, start, expected = line.split()
    while time.monotonic() < float(start):
        pass
    try:
        store.set_alias("flights", alias, version=version, content_hash=f"c{version}", as_of=at,
                        expected_revision=int(expected), reason="raced")
        print("won", flush=True)
    except Conflict as conflict:
        print("lost", conflict, flush=True)
    except Exception as error:
        print("error", type(error).__name__, flush=True)
"""


@pytest.fixture
def race(url: str) -> Iterator[Callable[..., list[str]]]:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, url, str(version)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for version in (1, 2)
    ]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"  # type: ignore[union-attr]

    def run(alias: str, expected: int) -> list[str]:
        start = time.monotonic() + 0.05
        for worker in workers:
            worker.stdin.write(f"{alias} {start} {expected}\n")  # type: ignore[union-attr]
            worker.stdin.flush()  # type: ignore[union-attr]
        return [worker.stdout.readline() for worker in workers]  # type: ignore[union-attr]

    yield run
    for worker in workers:
        worker.communicate()
        assert worker.returncode == 0


def test_of_two_processes_one_wins_and_one_gets_a_conflict_and_both_are_on_record(
    store: OperationsStore, race: Callable[..., list[str]], records: Any
) -> None:
    """Faults 12 and 13: ten races for the first move of an alias and ten for the next one."""
    for version in (1, 2):
        store.record_model(records.model(version))
    for round_ in range(10):
        alias = f"champion_{round_}"
        for expected in (0, 1):
            answers = race(alias, expected)
            assert sorted(answer.split()[0] for answer in answers) == ["lost", "won"], answers
            winner = 1 + [answer.startswith("won") for answer in answers].index(True)
            assert f"expected revision {expected}, found version {winner}" in answers[2 - winner]
            stands = store.alias("flights", alias)
            assert (stands.version, stands.revision) == (winner, expected + 1)  # type: ignore[union-attr]
        tries = store.attempts("flights", alias)
        assert sorted((one.outcome, one.expected_revision) for one in tries) == [
            ("lost", 0), ("lost", 1), ("won", 0), ("won", 1)]  # fmt: skip
        assert {(one.version, one.expected_revision) for one in tries} == {(1, 0), (1, 1), (2, 0), (2, 1)}
