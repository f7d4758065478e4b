"""The last champion of the year, made again in an environment built from the lock, predicts December as it did."""

import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from mlsys_assets import FixedClock, utc
from mlsys_assets.models.bundle import from_files
from mlsys_resources.resources import build_resources

pytestmark = pytest.mark.prove
ROOT = Path(__file__).parents[2]
END = "2013-12-30"
DECEMBER, JANUARY = utc("2013-12-01"), utc("2014-01-01")
NEEDED = ("Makefile", "README.md", "LICENSE", "pyproject.toml", "requirements.lock", "requirements-scale.lock")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> Path:
    """The command of an environment that the Makefile builds, from the lock, beside a copy of the packages."""
    clone = tmp_path_factory.mktemp("clone")
    for name in NEEDED:
        shutil.copy(ROOT / name, clone / name)
    for package in ("mlsys_assets", "mlsys_resources"):
        shutil.copytree(ROOT / package, clone / package, ignore=shutil.ignore_patterns("__pycache__"))
    # The long proofs are run with Spark there, so that the year was lived with it.
    target = ".venv/.scale" if find_spec("pyspark") is not None else ".venv/.installed"
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(["make", target], cwd=clone, env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return clone / ".venv" / "bin" / "mlsys"


def test_the_last_champion_made_again_in_a_fresh_environment_predicts_december_to_the_last_bit(
    flights_lived, fresh, tmp_path
) -> None:
    home, out = flights_lived(END), tmp_path / "rebuilt"
    stores = build_resources({"MLSYS_HOME": str(home)}, clock=FixedClock(JANUARY).now)
    champion = stores.operations.alias("flights", "champion")
    assert champion is not None
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "OMP_NUM_THREADS")}
    done = subprocess.run(
        [fresh, "rebuild", f"flights@{champion.version}", "--home", home, "--out", out],
        cwd=tmp_path, env=clean, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    print(f"\n{done.stdout}")
    assert "environment  the same" in done.stdout
    made = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    rows = stores.lake.read("flights", "features", window=("predict_at", DECEMBER, JANUARY))
    registered = stores.models.load("flights", champion.version).content
    ours, theirs = (from_files(files).predict(rows, threads=2) for files in (made, registered))
    assert rows.num_rows > 25_000
    assert np.array_equal(ours.view(np.uint64), theirs.view(np.uint64))
