"""The views keep fitting away from tests twice: mypy refuses the line before it runs, and it raises if it runs."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.data_sampling.views import OpenedTest, Test, Train, Validation, View
from mlsys_assets.types import TimeWindow

ROOT = Path(__file__).parents[2]
SOURCE = Path(__file__).with_name("misuses.py")
BEGIN = "    "
WINDOW = TimeWindow.of("2013-03-01", "2013-03-11")
CONFIG = """
[mypy]
strict = True
follow_imports = skip
[mypy-mlsys_assets.*]
follow_imports = silent
[mypy-numpy.*]
follow_imports = skip
follow_imports_for_stubs = True
"""
"""Only the product's own types are at stake: those of NumPy alone would take ten times as long."""


def lines():
    """Every line of the function's body, by number, and whether it must be refused."""
    text = SOURCE.read_text(encoding="utf-8").splitlines()
    start = text.index('    """Line by line."""') + 1
    found = [(n, line) for n, line in enumerate(text[start:], start + 1) if line.startswith(BEGIN)]
    return [(n, line.strip(), line.endswith("# refused")) for n, line in found]


def view(kind):
    n = 240
    at = np.datetime64("2013-03-01", "us") + np.arange(n) * np.timedelta64(1, "h")
    columns = {"x": np.arange(n, dtype=np.float32), "c": ["ab"[i % 2] for i in range(n)]}
    return kind(
        pa.array([f"r{i}" for i in range(n)]),
        at,
        pa.table(columns),
        ((np.arange(n) % 3 == 0) | (np.arange(n) % 4 == 0)) * 1.0,
        WINDOW,
    )


@pytest.fixture(scope="module")
def handed():
    """What the lines are about."""
    own, opened = view(Train), view(OpenedTest)
    known = pa.array(["labelled"] * len(own))
    return runpy.run_path(str(SOURCE)) | {
        "train": own,
        "validation": view(Validation),
        "opened": opened,
        "sealed": Test(opened, name="recent_test", content_hash="0", as_of=WINDOW.end),
        "view": view(View),
        "rows": LabelledRows(own.ids, own.at, own.features, own.label, own.at, known, WINDOW.length),
        "score": np.linspace(0, 1, len(own)),
        "as_of": WINDOW.end,
    }


def test_mypy_refuses_every_line_that_fits_on_what_is_not_train_and_no_other(tmp_path):
    (tmp_path / "mypy.ini").write_text(CONFIG, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--config-file", str(tmp_path / "mypy.ini"),
               "--cache-dir", str(tmp_path / "cache"), "--hide-error-context", str(SOURCE)]  # fmt: skip
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    told = re.findall(rf"{SOURCE.name}:(\d+): error: .*\[([a-z-]+)\]", ran.stdout)
    assert told, ran.stdout + ran.stderr
    assert [(int(n), code) for n, code in told] == [(n, "arg-type") for n, _, refused in lines() if refused]


@pytest.mark.parametrize(("line", "refused"), [(line, refused) for _, line, refused in lines()])
def test_the_same_lines_raise_when_they_are_run_and_no_other(handed, line, refused):
    if refused:
        with pytest.raises(TypeError, match=r"Train view only|Validation view only|takes LabelledRows"):
            exec(line, dict(handed))
    else:
        exec(line, dict(handed))


def test_there_are_lines_of_both_kinds():
    kinds = [refused for _, _, refused in lines()]
    assert (sum(kinds), len(kinds) - sum(kinds)) == (37, 15)
