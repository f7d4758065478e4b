"""The real ingestion killed at any moment: what is read is whole ticks, and a run that follows mends the rest."""

import random
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest

from mlsys_assets import FixedClock, TimeWindow
from mlsys_resources.lake import Lake
from mlsys_resources.resources import build_resources

WEEKS = TimeWindow.of("2013-02-25", "2013-03-18")
INGEST = f"""
import sys
from mlsys_assets import SystemClock, TimeWindow, build_definitions
from mlsys_assets.runs import Runner
from mlsys_assets.instance import open_instance
from mlsys_assets.systems.flights.system import flights
from mlsys_resources.resources import build_resources
from pathlib import Path

stores = build_resources({{"MLSYS_HOME": sys.argv[1]}}, clock=SystemClock().now)
definitions = build_definitions(flights, resources=stores)
with open_instance(Path(sys.argv[1])) as instance:
    print("ready", flush=True)
    runner = Runner(flights, definitions, instance, lambda step: print(step, flush=True))
    runner.ticks("flights_ingest", TimeWindow.of("{WEEKS.start:%Y-%m-%d}", "{WEEKS.end:%Y-%m-%d}"))
"""
STEPS = 11
"""Sources, labels, features."""

Content = dict[tuple[str, datetime], str]


def _start(home: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", INGEST, str(home)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _content(home: Path) -> Content:
    """Return the hash of every tick of every table, as a reader sees them now."""
    lake = _lake(home)
    return {
        (table, tick): found
        for table in lake.tables("flights")
        if "tick" in _stored(lake, table)
        for tick, found in lake.tick_hashes("flights", table).items()
    }


def _lake(home: Path) -> Lake:
    return build_resources({"MLSYS_HOME": str(home)}, clock=FixedClock(WEEKS.end).now).lake


def _stored(lake: Lake, table: str) -> list[str]:
    try:
        return lake.read("flights", table, columns=["tick"]).column_names
    except LookupError:  # a snapshot
        return []


def _killed_at(home: Path, *, step: int, after: float) -> bool:
    """Kill an ingestion ``after`` seconds of a step; return whether it was still at work."""
    with _start(home) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        for _ in range(step):
            process.stdout.readline()
        time.sleep(after)
        process.kill()
    return process.returncode != 0


def _finish(home: Path) -> None:
    with _start(home) as process:
        process.communicate()
    assert process.returncode == 0


def _survives(tmp_path: Path, *, kills: int, seed: int) -> None:
    chance, calm = random.Random(seed), tmp_path / "calm"
    _finish(calm)
    wanted = _content(calm)
    assert len({tick for _, tick in wanted}) == 3
    torn = 0
    for number in range(kills):
        killed = tmp_path / f"killed {number}"
        at_work = _killed_at(killed, step=chance.randrange(1, STEPS + 1), after=chance.uniform(0, 0.15))
        seen = _content(killed)
        assert seen.items() <= wanted.items()  # a tick is as it should be, or not there yet
        torn += at_work and seen != wanted
        _finish(killed)
        assert _content(killed) == wanted
        for table in ("schedule", "arrivals", "weather", "labels", "features", "airports", "planes"):
            assert _lake(killed).read("flights", table).equals(_lake(calm).read("flights", table))
    assert torn >= kills * 3 // 4


@pytest.mark.prove
def test_an_ingestion_killed_twice_is_mended_by_the_next(tmp_path: Path) -> None:
    _survives(tmp_path, kills=2, seed=11)


@pytest.mark.prove
def test_an_ingestion_killed_at_twenty_moments_is_mended_by_the_next(tmp_path: Path) -> None:
    _survives(tmp_path, kills=20, seed=5)
