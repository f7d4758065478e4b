"""An aircraft is erased from half a year: nothing of it is left, it stays away, and a model is trained anew."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.types import SystemClock, utc
from mlsys_resources.resources import build_resources
from mlsys_resources.table_diff import difference
from mlsys_resources.value_search import mentions

TAIL, LIVED, NEXT = "N14228", "2013-07-08", "2013-07-15"
"""An aircraft of 77 known flights until then, and of more in the week after."""
MOST_CPU_S = 10
"""Of comparing two states of all flights of a year; a third of it on a quiet machine."""


def said(home: Path, *command: str) -> str:
    clean = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    clean["PYTHONPATH"] = str(Path(__file__).parents[2])
    call = [sys.executable, "-W", "ignore", "-m", "mlsys_assets.cli", *command, "--home", str(home)]
    done = subprocess.run(call, env=clean, cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.prove
def test_an_aircraft_that_is_erased_is_nowhere_and_stays_away(
    flights_lived: Callable[[str], Path], tmp_path: Path
) -> None:
    home = Path(shutil.copytree(flights_lived(LIVED), tmp_path / "home"))
    erase = ("erase", "flights", "--where", f"tailnum={TAIL}", "--reason", "its owner asked")
    told = said(home, *erase)
    assert "flights.schedule: 77 rows" in told
    assert "flights version 1, the champion: retired" in told
    assert mentions(home, TAIL)
    said(home, *erase, "--yes")
    assert mentions(home, TAIL) == []
    said(home, "run", "flights", "--until", NEXT)
    assert mentions(home, TAIL) == []
    stores = build_resources({"MLSYS_HOME": str(home)}, clock=SystemClock().now)
    assert stores.operations.retired("flights") == {1}
    (trained,) = stores.operations.decisions("flights", "training_set", since=utc(NEXT))
    assert trained.verdict == "adequate"
    assert "problem" not in said(home, "doctor")


@pytest.mark.prove
def test_two_states_of_a_years_flights_are_compared_in_seconds(flights_rows: LabelledRows, work) -> None:
    before = flights_rows.features.append_column("flight_id", flights_rows.ids)
    rng, place = np.random.default_rng(0), before.column_names.index("distance")
    changed = np.sort(rng.choice(len(before), 500, replace=False))
    distance = before["distance"].to_numpy().copy()
    distance[changed] += 1
    after = before.set_column(place, "distance", pa.array(distance).cast(before.schema.field("distance").type))
    after = after.take(pa.array(rng.permutation(len(before))))
    began = work.spent()
    found = difference(before, after, key=["flight_id"])
    assert work.spent() - began < MOST_CPU_S
    ids = before["flight_id"].take(pa.array(changed)).to_pylist()
    assert set(found.changed_to["flight_id"].to_pylist()) == set(ids)
    assert (found.counts.added, found.counts.removed, found.changed_columns()) == (0, 0, {"distance": 500})
