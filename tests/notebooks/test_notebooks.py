"""The notebooks run, as far as was lived through; what is committed is what their kernel would say."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
STAGES = (
    "data_ingestion", "data_labeling", "data_sampling", "features", "models", "offline_evaluation", "prediction",
    "production_monitoring", "retraining", "rollout", "value_analysis",
)  # fmt: skip
SLOW = ("data_sampling", "features", "models")
"""Those that read the rows of all weeks, or fit on them."""
PRIVATE = re.compile(r"(?<![\w.])/\w+/\w+|\b0x[0-9a-f]{6,}|run_id")
"""A path of somebody's machine, an address in memory, the id of a run."""
RUN = """
import json, sys, matplotlib
matplotlib.use("agg")
for path in sys.argv[1:]:
    space = {"__name__": "__main__"}
    for cell in json.load(open(path))["cells"]:
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), path, "exec"), space)
    matplotlib.pyplot.close("all") if hasattr(matplotlib, "pyplot") else None
    print("ran", path)
"""


def read(stage: str) -> nbformat.NotebookNode:
    return nbformat.read(NOTEBOOKS / f"{stage}.ipynb", as_version=4)


def test_there_is_one_for_each_stage() -> None:
    assert tuple(sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))) == STAGES


@pytest.mark.parametrize("stage", STAGES)
def test_it_shows_real_output_and_no_more_than_that(stage: str) -> None:
    notebook, text = read(stage), (NOTEBOOKS / f"{stage}.ipynb").read_text()
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert sum(bool(cell.outputs) for cell in code) >= 2
    assert not [o for cell in code for o in cell.outputs if o.output_type == "error" or o.get("name") == "stderr"]
    assert len(text) < 150_000
    said = [str(o.get("text") or o.get("data", {}).get("text/plain", "")) for cell in code for o in cell.outputs]
    assert not [told for told in said if PRIVATE.search(told)]
    assert all(cell.metadata == {} for cell in notebook.cells)


@pytest.mark.parametrize(
    "stages",
    [
        pytest.param([stage for stage in STAGES if stage not in SLOW], id="quick"),
        pytest.param(SLOW, id="slow", marks=pytest.mark.prove),
    ],
)
def test_all_run_on_a_life_of_one_week(flights_lived, stages) -> None:
    """On what there is after the first champion and a week: nothing in them needs a year."""
    home = flights_lived("2013-07-08")
    paths = [str(NOTEBOOKS / f"{stage}.ipynb") for stage in stages]
    # Their two threads would mostly wait for each other where the tests of another worker run.
    environment = os.environ | {"MLSYS_HOME": str(home), "OMP_THREAD_LIMIT": "1"}
    done = subprocess.run(
        [sys.executable, "-c", RUN, *paths], env=environment, cwd=NOTEBOOKS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("ran ") == len(stages)


@pytest.mark.prove
@pytest.mark.parametrize("stage", STAGES)
def test_it_runs_on_the_year_as_its_reader_would_run_it(flights_lived, monkeypatch, stage: str) -> None:
    """In Jupyter's kernel, to the outputs that are committed, but for the last digits of what is computed anew."""
    from nbclient import NotebookClient

    monkeypatch.setenv("MLSYS_HOME", str(flights_lived("2013-12-30")))
    monkeypatch.delenv("MPLBACKEND", raising=False)
    notebook = read(stage)
    NotebookClient(notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(NOTEBOOKS)}}).execute()
    for now, then in zip(notebook.cells, read(stage).cells, strict=True):
        if now.cell_type == "code":
            kinds = [[o.output_type for o in cell.outputs if o.get("name") != "stderr"] for cell in (now, then)]
            assert kinds[0] == kinds[1], json.dumps(now.outputs)[:500]
