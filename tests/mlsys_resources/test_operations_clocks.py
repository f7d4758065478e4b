"""Simulated clocks on SQLite and a real PostgreSQL: they move forward, whoever moves them."""

import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from mlsys_resources.operations_store import OperationsStore

JULY, AUGUST = datetime(2013, 7, 1, tzinfo=UTC), datetime(2013, 8, 1, tzinfo=UTC)
CLOCK_WORKER = """
import sys
from datetime import UTC, datetime, timedelta
from mlsys_resources.operations_store import OperationsStore
url, hours = sys.argv[1], range(int(sys.argv[2]), 60, 2)
at = datetime(2013, 7, 1, tzinfo=UTC)
store = OperationsStore(url, clock=lambda: at)
print("ready", flush=True)
sys.stdin.readline()
for hour in hours:
    to = at + timedelta(hours=hour)
    try:
        stands = store.advance_clock("flights", to=to)
        print("moved" if stands == to else "wrong", flush=True)
    except ValueError:
        stands = store.clock("flights")
        print("late" if stands > to else "wrong", flush=True)
"""


def test_a_clock_moves_forward_for_every_process_and_each_system_has_its_own(
    store: OperationsStore, url: str, clock: Callable[[], datetime]
) -> None:
    assert store.clock("flights") is None
    assert store.advance_clock("flights", to=JULY) == JULY
    assert store.advance_clock("flights", to=AUGUST) == AUGUST
    assert store.advance_clock("weather", to=JULY) == JULY
    other = OperationsStore(url, clock=clock)
    assert (other.clock("flights"), other.clock("weather"), other.clock("rain")) == (AUGUST, JULY, None)
    other.close()


def test_a_clock_moved_to_where_it_stands_stays_there(store: OperationsStore) -> None:
    assert [store.advance_clock("flights", to=JULY) for _ in range(2)] == [JULY, JULY]


def test_a_clock_never_goes_back_and_says_where_it_stands(store: OperationsStore) -> None:
    store.advance_clock("flights", to=AUGUST)
    with pytest.raises(ValueError, match=r"flights stands at 2013-08-01T00:00:00\+00:00 and never goes back.*later"):
        store.advance_clock("flights", to=AUGUST - timedelta(microseconds=1))
    assert store.clock("flights") == AUGUST


def test_a_clock_is_moved_to_an_aware_time(sqlite_store: OperationsStore) -> None:
    with pytest.raises(ValueError, match="no time zone"):
        sqlite_store.advance_clock("flights", to=JULY.replace(tzinfo=None))
    assert sqlite_store.clock("flights") is None


def test_two_processes_that_move_a_clock_never_move_it_back(store: OperationsStore, url: str) -> None:
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", CLOCK_WORKER, url, str(first)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            text=True,
        )
        for first in (0, 1)
    ]  # fmt: skip
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"  # type: ignore[union-attr]
    for worker in workers:
        worker.stdin.write("\n")  # type: ignore[union-attr]
        worker.stdin.flush()  # type: ignore[union-attr]
    seen = []
    while any(worker.poll() is None for worker in workers):
        seen.append(store.clock("flights") or JULY)
    said = [line for worker in workers for line in worker.communicate()[0].split()]
    assert seen == sorted(seen)
    assert len(said) == 60
    assert set(said) <= {"moved", "late"}, said
    assert store.clock("flights") == JULY + timedelta(hours=59)
