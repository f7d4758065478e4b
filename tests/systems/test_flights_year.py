"""The whole year: the same ledger however it is lived, and a policy that costs a quarter of the trainings."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlsys_assets import FixedClock, LogLoss, utc
from mlsys_assets.measures.intervals import bootstrap, day_blocks, difference
from mlsys_assets.measures.metrics import value
from mlsys_assets.systems.flights.files import FlightsFiles
from mlsys_resources.resources import Resources, build_resources

pytestmark = pytest.mark.prove
HERE = Path(__file__).parent
END, PAUSE = "2013-12-30", "2013-12-09"
KILLS = 3
OCTOBER, JANUARY = utc("2013-10-01"), utc("2014-01-01")
MOST_TRAININGS = 12
MOST_LOSS = 0.003


def command(home: Path, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
    """Start ``mlsys`` on the flights, as they are or as ``environment`` says."""
    home.mkdir(parents=True, exist_ok=True)
    clean = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    own = {"MLSYS_HOME": str(home), "MLSYS_WORKSPACE": "flights_variant", "PYTHONPATH": str(HERE), **environment}
    return subprocess.Popen(
        [sys.executable, "-m", "mlsys_assets.cli", *arguments], env=clean | own, text=True, cwd=home,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def done(home: Path, *arguments: str, **environment: str) -> str:
    """Run ``mlsys`` to its end and return what it said."""
    with command(home, *arguments, **environment) as process:
        said, wrong = process.communicate()
    assert process.returncode == 0, said + wrong
    return said


@pytest.fixture(scope="module")
def year(flights_lived) -> Path:
    """The year in one go."""
    home = flights_lived(END)
    said, took = ((home / name).read_text() for name in ("said.txt", "work.txt"))
    print(f"\n{said}\nthe year took {float(took):.0f} s of a processor")
    return home


@pytest.fixture(scope="module")
def paused(tmp_path_factory) -> Path:
    """The year up to December."""
    home = tmp_path_factory.mktemp("paused") / "home"
    done(home, "run", "--until", PAUSE)
    return home


def stores(home: Path) -> Resources:
    return build_resources({"MLSYS_HOME": str(home)}, clock=FixedClock(JANUARY).now)


def ledger(home: Path) -> str:
    return stores(home).operations.ledger_hash("flights")


def test_a_year_in_one_go_and_one_that_was_stopped_and_went_on_are_the_same(year, paused, tmp_path) -> None:
    home = shutil.copytree(paused, tmp_path / "home")
    done(home, "run", "--until", END)
    assert ledger(home) == ledger(year)
    report = json.loads(done(home, "report", "--json"))
    assert report["ledger"] == ledger(year)
    assert len(report["ticks"]) == 27
    assert [m["month"] for m in report["months"]] == [f"2013-{m:02}" for m in range(7, 13)]


def test_a_year_killed_three_times_is_the_same(year, work, tmp_path) -> None:
    draw, whole = random.Random(2013), float((year / "work.txt").read_text())
    for _ in range(KILLS):
        with command(tmp_path, "run", "--until", END) as process:
            assert work.stop_after(process, draw.uniform(0.1, 0.28) * whole)[0] == -signal.SIGKILL
    done(tmp_path, "run", "--until", END)
    assert ledger(tmp_path) == ledger(year)


def test_one_label_of_december_that_is_another_changes_the_ledger(year, paused, tmp_path) -> None:
    raw, home = tmp_path / "raw", shutil.copytree(paused, tmp_path / "home")
    shutil.copytree(FlightsFiles.installed().folder, raw, ignore=shutil.ignore_patterns("flights.csv.zip"))
    with zipfile.ZipFile(FlightsFiles.installed().folder / "flights.csv.zip") as archive:
        lines = archive.read("flights.csv").decode().splitlines()
    (at, *_) = [n for n, line in enumerate(lines) if line.startswith("2013,12,12,") and _on_time(line)]
    fields = lines[at].split(",")
    fields[8] = "16"  # one minute more than what counts as on time
    lines[at] = ",".join(fields)
    (raw / "flights.csv").write_text("\n".join(lines) + "\n")
    done(home, "run", "--until", END, FLIGHTS_FOLDER=str(raw))
    before = utc(PAUSE)
    ours, theirs = (stores(h).operations.decisions for h in (home, year))
    assert ours("flights", until=before) == theirs("flights", until=before)
    assert ledger(home) != ledger(year)


def _on_time(line: str) -> bool:
    delay = line.split(",")[8]
    return delay.lstrip("-").isdigit() and int(delay) == 15


def test_the_declared_policy_is_as_good_as_retraining_every_week(year, tmp_path) -> None:
    done(tmp_path, "run", "--until", END, FLIGHTS_POLICY="weekly")
    homes = {"declared": year, "weekly": tmp_path}
    trained = {name: _trainings(home) for name, home in homes.items()}
    scores = {name: _last_quarter(home) for name, home in homes.items()}
    at, label, declared = scores["declared"]
    assert np.array_equal(at, scores["weekly"][0])
    assert np.array_equal(label, scores["weekly"][1])
    losses = {name: value(LogLoss(), label, score) for name, (_, _, score) in scores.items()}
    gap = difference(LogLoss(), label, (declared, scores["weekly"][2]), weights=bootstrap(day_blocks(at), seed=0))
    print(f"\nlog loss October to December, {len(label)} rows: {losses}; trainings {trained}; difference {gap}")
    assert trained["weekly"] == 26
    assert trained["declared"] <= MOST_TRAININGS
    assert losses["declared"] <= losses["weekly"] + MOST_LOSS


def _trainings(home: Path) -> int:
    """Return how often a model was trained after the first."""
    return len(stores(home).operations.decisions("flights", "training_set")) - 1


def _last_quarter(home: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return prediction times, labels and champions' scores of October to December, in one order."""
    lake: Callable[..., pa.Table] = stores(home).lake.read
    made = lake("flights", "predictions", window=("predict_at", OCTOBER, JANUARY)).sort_by("flight_id")
    labels = lake("flights", "labels", columns=["flight_id", "label"])
    label = labels["label"].take(pc.index_in(made["flight_id"], value_set=labels["flight_id"].combine_chunks()))
    known = np.asarray(pc.is_valid(label))
    at = made["predict_at"].cast(pa.timestamp("us")).to_numpy()
    return at[known], label.to_numpy()[known], made["score"].to_numpy()[known]
