"""Processes that record and deliver at once, or are killed at it, tell each alert once, and none never."""

import json
import signal
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlsys_resources.alert_channels import FileChannel
from mlsys_resources.alerts import deliver
from mlsys_resources.operations_alerts import TAKEN_FOR
from mlsys_resources.operations_store import OperationsStore

JULY = datetime(2013, 7, 1, tzinfo=UTC)
ALERTS = 40
PROCESS = """
import os, signal, sys, time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from mlsys_resources.alert_channels import FileChannel
from mlsys_resources.alerts import deliver
from mlsys_resources.operations_rows import AlertRow
from mlsys_resources.operations_store import OperationsStore

url, file, kills, ahead = sys.argv[1], Path(sys.argv[2]), sys.argv[3], timedelta(hours=float(sys.argv[4]))
JULY = datetime(2013, 7, 1, tzinfo=UTC)
store = OperationsStore(url, clock=lambda: JULY + ahead)

class Told(FileChannel):
    def send(self, alert):
        said = super().send(alert)
        if alert.id == kills:
            os.kill(os.getpid(), signal.SIGKILL)
        return said

def row(n):
    return AlertRow(f"id{n}", "flights", JULY, f"fault {n}", "opened", "so", "warn", "ops", "s", "b", ("file",))

store.alerts("flights")
(file.parent / f"ready{os.getpid()}").touch()
while len(list(file.parent.glob("ready*"))) < int(sys.argv[5]):
    time.sleep(0.01)
numbers = []
for n in range(int(sys.argv[6])):
    numbers.append(max([one.number for one in store.alerts("flights")], default=0))
    store.record_alerts([row(n)])
    deliver(store, "flights", {"file": Told(file)})
deliver(store, "flights", {"file": Told(file)})
assert numbers == sorted(numbers)
"""


def started(url: str, file: Path, *, kills: str = "", ahead: float = 0.0, of: int = 1) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", PROCESS, url, str(file), kills, str(ahead), str(of), str(ALERTS)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def told(file: Path) -> Counter[str]:
    return Counter(json.loads(line)["id"] for line in file.read_text().splitlines())


@pytest.mark.parametrize("ahead", [0.0, 2.0])
def test_two_processes_that_record_and_deliver_at_once_tell_each_alert(url: str, tmp_path: Path, ahead: float) -> None:
    file = tmp_path / "alerts.jsonl"
    processes = [started(url, file, ahead=hours, of=2) for hours in (0.0, ahead)]
    for process in processes:
        assert (process.communicate()[1], process.returncode) == ("", 0)
    store, found = OperationsStore(url, clock=lambda: JULY), told(file)
    assert set(found) == {f"id{n}" for n in range(ALERTS)}
    assert ahead or set(found.values()) == {1}  # by clocks that are apart one may be told twice, under one id
    assert (len(store.alerts("flights")), store.left("flights")) == (ALERTS, 0)
    store.close()


def test_a_process_that_is_killed_between_telling_and_its_record_leaves_it_to_the_next(url: str, tmp_path: Path, clock):
    file = tmp_path / "alerts.jsonl"
    process = started(url, file, kills="id3")
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    store = OperationsStore(url, clock=clock)
    assert (told(file), store.left("flights")) == (Counter({f"id{n}": 1 for n in range(4)}), 1)
    assert deliver(store, "flights", {"file": FileChannel(file)}).sent == 0  # it may be alive
    clock.advance(TAKEN_FOR)
    assert str(deliver(store, "flights", {"file": FileChannel(file)})) == "1 sent, 0 left"
    assert told(file) == Counter({"id0": 1, "id1": 1, "id2": 1, "id3": 2})
    store.close()
