"""A report by Evidently beside the monitor's own: one page and its values, of a sample, off the critical path.

Evidently takes seconds to import and to run, fails on columns that are empty throughout, and writes pages of 4 MB. So
it looks at a bounded sample of columns that it can take, in a child of low priority that has bounded time and memory,
no network and a home of its own. Whatever becomes of it, the outcome is a value.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets.mistakes import out_of_range
from mlsys_assets.production_monitoring.evidently_columns import screened
from mlsys_assets.tables import LABEL, SCORE
from mlsys_assets.types import DeclarationError

CHILD: Final = Path(__file__).with_name("evidently_child.py")
PAGE, VALUES = "evidently.html", "evidently.json"
"""The names of the files that are made."""
LEAST_ROWS: Final = 30
"""Rows a side: of fewer, a report shows chance."""
LEAST_OF_EACH_CLASS: Final = 30
"""Labels a side and class from which on it is told how well scores tell them."""
QUIET: Final = {
    "DO_NOT_TRACK": "1", "ITERATIVE_DO_NOT_TRACK": "1", "PYTHONHASHSEED": "0", "PYTHONUTF8": "1", "TZ": "UTC",
    "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MPLBACKEND": "Agg",
}  # fmt: skip
"""All that the child finds in its environment, besides its home: Evidently's own switch of telemetry is the first."""


@dataclass(frozen=True)
class EvidentlyLimits:
    """What an Evidently report may take.

    Parameters
    ----------
    rows
        Of each side, drawn at random.
    seconds
        Wall clock and processor, each.
    memory
        Bytes of addresses; half of them are never touched.
    nice
        How much lower its priority is.
    """

    rows: int = 5_000
    seconds: int = 300
    memory: int = 8 * 1024**3
    nice: int = 10

    def mistakes(self) -> list[str]:
        """Return what is wrong with the declaration."""
        found = out_of_range("Evidently limits: rows", self.rows, whole=True, least=LEAST_ROWS)
        found += out_of_range("Evidently limits: seconds", self.seconds, whole=True, least=1)
        found += out_of_range("Evidently limits: memory", self.memory, whole=True, least=1024**3)
        return found + out_of_range("Evidently limits: nice", self.nice, whole=True, least=0, most=19)


@dataclass(frozen=True)
class EvidentlyReport:
    """What became of a report.

    Parameters
    ----------
    page, values
        The files, both or neither.
    reason
        Why there are none; empty where there are.
    rows
        How many rows of the reference and of now were looked at.
    left_out
        Why a column, or the ``classification``, is not in it, by name.
    """

    page: Path | None
    values: Path | None
    reason: str
    rows: tuple[int, int] = (0, 0)
    left_out: Mapping[str, str] = field(default_factory=dict)

    @property
    def made(self) -> bool:
        """Whether there is one."""
        return self.page is not None


def evidently_report(  # noqa: PLR0913 - two tables, where to, and what must not be taken from the machine
    reference: pa.Table,
    current: pa.Table,
    *,
    into: Path,
    at: datetime,
    seed: int,
    threshold: float = 0.5,
    limits: EvidentlyLimits | None = None,
) -> EvidentlyReport:
    """Write Evidently's report of now against a reference into a folder; it raises for mistakes of callers alone.

    The same rows in the same order and the same seed give the same values, and on the same machine the same page.

    Parameters
    ----------
    reference, current
        (n, d) and (m, d) features, without keys and times. ``score`` and ``label`` (0, 1, or null where it is not
        known) may be among them: where both are, and labels of both classes are known on both sides, the report
        tells how well scores tell labels too.
    into
        The folder, made where it is not there; an earlier report in it is replaced, or removed where none is made.
    at
        The moment that the report bears.
    threshold
        The score from which on a request counts as predicted positive.

    Raises DeclarationError for limits that cannot be kept.
    """
    limits = limits or EvidentlyLimits()
    if mistakes := limits.mistakes():
        raise DeclarationError("the Evidently limits", mistakes)
    into.mkdir(parents=True, exist_ok=True)
    for name in (PAGE, VALUES):
        (into / name).unlink(missing_ok=True)
    drawn = [_drawn(table, limits.rows, seed) for table in (reference, current)]
    rows = (len(drawn[0]), len(drawn[1]))
    if min(rows) < LEAST_ROWS:
        few = f"insufficient data: {rows[0]:,} rows of the reference and {rows[1]:,} of now; {LEAST_ROWS} of each"
        return EvidentlyReport(None, None, few, rows)
    found = screened(*(table.drop_columns([LABEL]) if LABEL in table.column_names else table for table in drawn))
    if not found.reference.num_columns:
        return EvidentlyReport(None, None, "no column that Evidently can take", rows, found.left_out)
    labelled = [_labelled(table, limits.rows, seed) for table in (reference, current)]
    tables, left_out = {"reference": found.reference, "current": found.current}, dict(found.left_out)
    unknown = next((side for side in labelled if isinstance(side, str)), None)
    if unknown is None:
        tables |= dict(zip(("labelled_reference", "labelled_current"), labelled, strict=True))
    else:
        left_out["classification"] = unknown
    task = {
        "at": at.isoformat(), "seed": seed, "threshold": threshold, "tables": list(tables),
        "texts": [f.name for f in found.current.schema if pa.types.is_string(f.type)],
        "seconds": limits.seconds, "memory": limits.memory, "nice": limits.nice,
    }  # fmt: skip
    try:
        with tempfile.TemporaryDirectory(prefix="evidently-") as folder:
            place = Path(folder)
            if failed := _in_child(place, tables, task):
                return EvidentlyReport(None, None, failed, rows, left_out)
            said = json.loads((place / "values.json").read_text(encoding="utf-8"))
            left_out |= said.pop("failed") | said.pop("notes")
            told = {"at": task["at"], "seed": seed, "rows": rows, "left_out": left_out, **said}
            (into / VALUES).write_text(json.dumps(told, indent=1, allow_nan=False), encoding="utf-8")
            shutil.move(place / "report.html", into / PAGE)
    except OSError as error:
        for name in (PAGE, VALUES):
            (into / name).unlink(missing_ok=True)
        why = f"its files cannot be written: {error.strerror or type(error).__name__}"
        return EvidentlyReport(None, None, why, rows, left_out)
    return EvidentlyReport(into / PAGE, into / VALUES, "", rows, left_out)


def _in_child(place: Path, tables: Mapping[str, pa.Table], task: Mapping[str, Any]) -> str:
    """Have the child make the report in a folder; return why it did not, if it did not."""
    for name, table in tables.items():
        with pa.OSFile(str(place / f"{name}.arrow"), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    (place / "task.json").write_text(json.dumps(task), encoding="utf-8")
    command = [sys.executable, "-P", "-s", "-W", "ignore", str(CHILD), str(place)]
    home = {"HOME": str(place), "XDG_CONFIG_HOME": str(place), "XDG_CACHE_HOME": str(place), "TMPDIR": str(place)}
    try:
        child = subprocess.run(
            command, env=QUIET | home, cwd=place, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, timeout=task["seconds"], check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"Evidently took more than {task['seconds']} s, and was ended"
    except OSError as error:
        return f"the process of Evidently does not start ({type(error).__name__}: {error})"
    if child.returncode == 0 and (place / "report.html").is_file() and (place / "values.json").is_file():
        return ""
    said = place / "error.txt"
    return f"Evidently failed: {said.read_text(encoding='utf-8') if said.is_file() else f'exit {child.returncode}'}"


def _drawn(table: pa.Table, most: int, seed: int) -> pa.Table:
    """Return at most so many rows, drawn at random, in their order."""
    if len(table) <= most:
        return table
    return table.take(np.sort(np.random.default_rng(seed).choice(len(table), most, replace=False)))


def _labelled(table: pa.Table, most: int, seed: int) -> pa.Table | str:
    """Return a sample of the scores whose labels are known, or why there is none."""
    if LABEL not in table.column_names or SCORE not in table.column_names:
        return "no labels, or no scores"
    try:
        score, label = (np.asarray(table[name].cast(pa.float64()).to_numpy()) for name in (SCORE, LABEL))
    except pa.ArrowInvalid:
        return f"scores are {table[SCORE].type} and labels {table[LABEL].type}, not numbers"
    known = np.isin(label, (0.0, 1.0)) & (score >= 0) & (score <= 1)
    if min(int((label[known] == one).sum()) for one in (0, 1)) < LEAST_OF_EACH_CLASS:
        return f"insufficient data: {LEAST_OF_EACH_CLASS} labels of each class needed on each side"
    rows = pa.table({SCORE: score[known], LABEL: pc.cast(pa.array(label[known]), pa.int64())})
    return _drawn(rows, most, seed)
