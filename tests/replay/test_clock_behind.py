"""A machine whose wall clock is two hours off decides alike, also where it steps back in the midst of a life."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from mlsys_assets import utc
from mlsys_assets.instance import open_instance

CODE = Path(__file__).with_name("behind.c")
TABLES = ("labels", "features", "predictions", "performance")


@pytest.fixture(scope="module")
def behind(tmp_path_factory) -> dict[str, str]:
    """The environment of a process that believes it is two hours earlier."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler `cc`, by which the clock of a process is set back")
    library = tmp_path_factory.mktemp("behind") / "behind.so"
    built = subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(CODE), "-ldl"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if built.returncode:
        pytest.skip(f"the clock of a process cannot be set back here: {built.stderr.splitlines()[0]}")
    return {"LD_PRELOAD": str(library)}


def started(home: Path) -> dict[str, float]:
    """Return when Dagster believes each run began, in seconds since 1970."""
    with open_instance(home) as instance:
        return {one.dagster_run.run_id: one.start_time for one in instance.get_run_records()}


@pytest.mark.parametrize("until", ["2013-03-12", pytest.param("2013-04-16", marks=pytest.mark.prove)])
def test_a_clock_that_steps_two_hours_back_changes_no_decision(six_weeks, born, mlsys, behind, tmp_path, until) -> None:
    """What was written so far lies in the future of the process that goes on."""
    home = Path(shutil.copytree(born, tmp_path / "home"))
    before = started(home)
    with mlsys(home, "run", "rain", "--until", until, environment=behind) as process:
        said, wrong = process.communicate()
    assert process.returncode == 0, said + wrong
    later = [at for run, at in started(home).items() if run not in before]
    assert later
    assert max(later) < min(before.values())  # else no clock was set back
    life = replace(six_weeks, folder=home)
    assert life.decisions() == six_weeks.decisions(until=utc(until))
    for table in TABLES:
        wanted = six_weeks.stores.lake.read("rain", table, window=("tick", utc("2013-01-01"), utc(until)))
        assert life.stores.lake.read("rain", table).equals(wanted), table
