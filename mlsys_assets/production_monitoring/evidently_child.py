"""Evidently's part of a report, in a process of its own: it imports 200 MB, takes seconds, and may fail.

This file is run as a script, with the folder that holds its task: it reads ``task.json`` and Arrow files, and leaves
``report.html`` and ``values.json``, or ``error.txt``. It knows no other file of the library.
"""

import contextlib
import json
import math
import os
import random
import sys
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any

SCORE, LABEL = "score", "label"
"""The columns of the labelled rows."""
NUMBER_METHOD, CATEGORY_METHOD = "wasserstein", "jensenshannon"
"""Effect sizes: of the p-values that Evidently takes of a thousand rows and fewer, many fire by chance."""
REFUSED = ("socket.connect", "socket.bind", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto")
"""What is audited in Python before something is sent: nothing here has anything to send."""
LONGEST = 200
"""Characters of what an exception says."""


def main(folder: Path) -> None:
    """Write the report of a folder's task."""
    task = json.loads((folder / "task.json").read_text())
    _confine(task)
    names = {name: read(folder / f"{name}.arrow") for name in task["tables"]}
    columns = list(names["current"].columns)
    snapshot, failed = drift_and_summary(names["reference"], names["current"], columns, task)
    snapshots, notes = [snapshot], {}
    if "labelled_current" in names:
        try:
            snapshots.append(quality(names["labelled_reference"], names["labelled_current"], task))
        except Exception as error:  # noqa: BLE001 - one part less: it is named, and the others still come
            notes["classification"] = told(error)
    write(folder, snapshots, {"failed": failed, "notes": notes})


def drift_and_summary(before: Any, now: Any, columns: list[str], task: Any) -> tuple[Any, dict[str, str]]:
    """Return the snapshot of all columns that Evidently can take, and what it says of the others."""
    from evidently import DataDefinition, Report
    from evidently.presets import DataDriftPreset, DataSummaryPreset

    def run(chosen: list[str]) -> Any:
        numbers = [name for name in chosen if name not in task["texts"]]
        texts = [name for name in chosen if name in task["texts"]]
        presets = [DataDriftPreset(num_method=NUMBER_METHOD, cat_method=CATEGORY_METHOD), DataSummaryPreset()]
        definition = DataDefinition(numerical_columns=numbers, categorical_columns=texts)
        return _run(Report(presets), before[chosen], now[chosen], definition, task)

    try:
        return run(columns), {}
    except Exception as error:  # which column is it? each is tried alone
        failed = {name: said for name in columns if (said := _attempt(run, name))}
        kept = [name for name in columns if name not in failed]
        if not failed or not kept:
            raise RuntimeError(f"no part of it can be made: {told(error)}") from error
        return run(kept), failed


def quality(before: Any, now: Any, task: Any) -> Any:
    """Return the snapshot of how well scores tell labels."""
    from evidently import BinaryClassification, DataDefinition, Report
    from evidently.presets import ClassificationPreset

    how = BinaryClassification(target=LABEL, prediction_probas=SCORE)
    definition = DataDefinition(classification=[how], numerical_columns=[SCORE], categorical_columns=[LABEL])
    return _run(Report([ClassificationPreset(probas_threshold=task["threshold"])]), before, now, definition, task)


def _run(report: Any, before: Any, now: Any, definition: Any, task: Any) -> Any:
    from evidently import Dataset

    sides = [Dataset.from_pandas(rows, data_definition=definition) for rows in (now, before)]
    return report.run(*sides, timestamp=datetime.fromisoformat(task["at"]))


def _attempt(run: Any, name: str) -> str:
    try:
        run([name])
    except Exception as error:  # noqa: BLE001 - this is the question
        return told(error)
    return ""


def write(folder: Path, snapshots: list[Any], more: dict[str, Any]) -> None:
    """Write one page of all snapshots, and their values."""
    import evidently
    from evidently.core.metric_types import render_widgets

    widgets = [widget for snapshot in snapshots for widget in snapshot.to_snapshot_model().widgets]
    values = [
        {"metric": metric["metric_name"], "value": _finite(metric["value"])}
        for snapshot in snapshots
        for metric in json.loads(snapshot.json())["metrics"]
    ]
    (folder / "report.html").write_text(render_widgets(widgets), encoding="utf-8")
    said = {"evidently": evidently.__version__, "metrics": values, **more}
    (folder / "values.json").write_text(json.dumps(said, indent=1, allow_nan=False), encoding="utf-8")


def read(file: Path) -> Any:
    """Return a table as a pandas frame."""
    import pyarrow as pa

    with pa.memory_map(str(file)) as source:
        return pa.ipc.open_file(source).read_all().to_pandas()


def told(error: BaseException) -> str:
    """Return what an exception says in a line. It can hold no rare text: none came in."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:LONGEST]}"


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _confine(task: Any) -> None:
    """Take low priority and bounded time and memory; refuse the network; make identifiers repeat."""
    with contextlib.suppress(AttributeError, OSError):
        os.nice(task["nice"])  # absent on Windows
    with contextlib.suppress(ImportError, ValueError):
        import resource  # absent on Windows

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (task["seconds"], task["seconds"]))
        resource.setrlimit(resource.RLIMIT_AS, (task["memory"], task["memory"]))
    sys.addaudithook(_refuse)
    _repeat_ids(random.Random(task["seed"]))  # noqa: S311 - the ids of a page's parts


def _repeat_ids(draw: random.Random) -> None:
    """Make Evidently name the parts of a page alike each time; before it is imported."""
    uuid.uuid4 = lambda: uuid.UUID(int=draw.getrandbits(128), version=4)
    with contextlib.suppress(ImportError):
        import uuid6

        uuid6.uuid7 = uuid.uuid4  # type: ignore[assignment]  # it is only written down


def _refuse(event: str, _: Any) -> None:
    if event in REFUSED:
        raise PermissionError(f"{event}: a report has nothing to ask for")


if __name__ == "__main__":
    place = Path(sys.argv[1])
    try:
        main(place)
    except Exception as failure:  # noqa: BLE001 - it is handed on as a reason
        (place / "error.txt").write_text(told(failure), encoding="utf-8")
        sys.exit(1)
