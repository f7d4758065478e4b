"""The files of a new system, as an engineer would write them: short, and every guess marked where it stands."""

from ast import literal_eval
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from mlsys_assets.scaffold.guess import Plan
from mlsys_assets.scaffold.look import NULLS

WORKSPACE_FILE = "mlsys_workspace.py"
"""What names the systems of a folder; `mlsys` looks for it where it is started."""


def files(name: str, made: Plan, *, data: Path, folder: Path) -> dict[str, str]:
    """Return the content of each file of the system's package, by its path below ``folder``."""
    return {
        f"{name}/__init__.py": f'"""The system {name}: its sources, label, features, and what is made of them."""\n',
        f"{name}/sources.py": _sources(name, made, data=data, folder=folder),
        f"{name}/label.py": _label(made),
        f"{name}/features.py": _features(made),
        f"{name}/system.py": _system(name, made),
        f"{name}/test_system.py": _test(name, made),
    }


def workspace(name: str, there: str | None) -> str | None:
    """Return the folder's workspace with one more system; None if what is there cannot be understood."""
    line = f"from {name}.system import {name}"
    if there is None:
        return (
            '"""The systems of this folder: what `mlsys` works on here, and what Dagster loads."""\n\n'
            f"from mlsys_assets import Workspace\n\n{line}\n\n"
            f"workspace = Workspace({name})\ndefs = workspace.definitions\n"
        )
    lines = there.splitlines()
    places = [n for n, found in enumerate(lines) if found.startswith("workspace = Workspace(") and found.endswith(")")]
    imports = [n for n, found in enumerate(lines) if found.startswith("from ") and ".system import " in found]
    if len(places) != 1 or not imports:
        return None
    lines[places[0]] = f"{lines[places[0]].removesuffix(')')}, {name})"
    lines.insert(imports[-1] + 1, line)
    return "\n".join(lines) + "\n"


def _sources(name: str, made: Plan, *, data: Path, folder: Path) -> str:
    reader = "CsvFile" if data.suffix.lower() in (".csv", ".zip") else "ParquetFile"
    inside = data.is_relative_to(folder)
    where = (
        f"Path(__file__).parents[1] / {_quoted(str(data.relative_to(folder)))}"
        if inside
        else f"Path({_quoted(str(data))})"
    )
    columns = [*made.features, *made.later, made.label]
    names = {c.raw: c.name for c in columns if c.raw != c.name}
    if made.key is not None and made.key.raw != made.key.name:
        names[made.key.raw] = made.key.name
    key = made.key_name
    unit, amount = _units(made.timing.delay)
    raw = [*([] if made.key is None else [(made.key.raw, "string")]), *((c.raw, c.kind) for c in columns)]
    told = f"    where=lambda raw: pc.is_valid(raw[{_quoted(made.label.raw)}]),\n" if made.label.missing else ""
    return f'''"""Where the rows of {name} come from, and when each became known."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from mlsys_assets import Column, {reader}, Source, {", ".join(sorted({"hours", unit}))}, read_moments

# guessed: the column that says when a row happens, in UTC where it names no zone
TIME = {_quoted(made.time.raw)}
# guessed: how long after a row its outcome is known
DELAY = {unit}({amount})
NULLS = ({", ".join(map(_quoted, NULLS))})
"""Texts that stand for a missing value."""


def _when(raw: pa.Table) -> pa.ChunkedArray:
    return read_moments(raw[TIME], zone="UTC")


FILE = {reader}({where}, delivered=_when)
RAW = (
    Column(TIME, "string"),
{_lines(f'Column({_quoted(n)}, "{k}"),' for n, k in raw)})
"""The columns of the file that are read; others are ignored."""
NAMES: dict[str, str] = {{{_dict(names)}}}
"""What the file calls otherwise than the tables do."""

# guessed: what names a row, each once
KEY = Column("{key}", "string", nullable=False, description="names a row")
# guessed: all that is known when a row happens; move to TOLD what is known later
KNOWN = (
{_lines(f'Column("{c.name}", "{c.kind}"),' for c in made.features)})
# guessed: what is known with the outcome, and never used to predict it
TOLD = (
{_lines(f'Column("{c.name}", "{c.kind}"),' for c in (*made.later, made.label))})
GROUPS = tuple(c for c in KNOWN if c.name in ({_tuple(c.name for c in made.groups)}))
"""The columns by which outcomes are summed up."""


def _named(raw: pa.Table) -> pa.Table:
    """Return the rows by the names of the tables, with when each happened."""
    rows = raw.rename_columns([NAMES.get(name, name) for name in raw.column_names])
{_row_key(made)}    return rows.append_column("event_time", _when(raw))


def _happened(raw: pa.Table) -> pa.Table:
    rows = _named(raw)
    at = rows["event_time"]
    return rows.append_column("known_at", at).append_column("predict_at", at)


def _told(raw: pa.Table) -> pa.Table:
    rows = _named(raw)
    known = pc.add(rows["event_time"], pa.scalar(DELAY))
    return rows.append_column("known_at", known)


requests = Source(
    "requests",
    read=FILE,
    raw=RAW,
    columns=(KEY, *KNOWN, Column("predict_at", "timestamp", nullable=False)),
    derive=_happened,
    key=(KEY.name,),
    nulls=NULLS,
    known_within=(hours(0), hours(0)),
    description="What is predicted for, known as it happens.",
)
outcomes = Source(
    "outcomes",
    read=FILE,
    raw=RAW,
    columns=(KEY, *GROUPS, *TOLD),
    derive=_told,
{told}    key=(KEY.name,),
    nulls=NULLS,
    known_within=(DELAY, DELAY),
    description="What became of it, known later.",
)
'''


def _row_key(made: Plan) -> str:
    if made.key is not None:
        return ""
    return f'    rows = rows.append_column("{made.key_name}", raw["source_line"].cast(pa.string()))\n'


def _label(made: Plan) -> str:
    column, (kind, limit) = made.label, made.positive.split(" ", 1)
    compare = {"==": "pc.equal", ">": "pc.greater"}[kind]
    value = f'rows["{column.name}"]'
    told = value if column.kind == "bool" else f"{compare}({value}, {_code(limit)})"
    imports = "" if column.kind == "bool" else "import pyarrow.compute as pc\n"
    return f'''"""What is predicted."""

import pyarrow as pa
{imports}from mlsys_assets import NaturalLabel

from .sources import DELAY, outcomes


def _counts(rows: pa.Table) -> pa.ChunkedArray:
    # guessed: what is predicted, and which rows are the ones that count
    return {told}


label = NaturalLabel(
    "{column.name}",
    source=outcomes,
    compute=_counts,
    delay=DELAY,
    window=2 * DELAY,
)
'''


def _features(made: Plan) -> str:
    windows = "days(7), days(28)" if made.timing.step >= timedelta(days=7) else "days(1), days(7)"
    value = f'row["{made.label.name}"]'
    counts = f"{value} > 0" if made.label.kind == "bool" else f"{value} {_code(made.positive)}"
    by = [f'"{c.name}"' for c in made.groups] + ["()"]
    trailing = "".join(
        f"    Trailing(\n        outcomes,\n        by={one},\n        over=({windows}),\n"
        "        share=rate(_counts),\n        n=count(),\n    ),\n"
        for one in by
    )
    request = (
        f"    Request(\n{_lines((f'{_quoted(c.name)},' for c in made.features), indent=8)}    ),\n"
        if made.features
        else ""
    )
    return f'''"""What is known of a row when it happens: what it says, and how such rows ended."""

from collections.abc import Mapping
from typing import Any

from mlsys_assets import {"Request, " if made.features else ""}Trailing, count, days, rate

from .sources import outcomes


def _counts(row: Mapping[str, Any]) -> Any:
    return {counts}


features = (
{request}    # Of outcomes known by then, and no others: that is what known_at is for.
{trailing})
'''


def _system(name: str, made: Plan) -> str:
    weekly = made.timing.step == timedelta(days=7)
    calendar = "Weekly" if weekly else "Daily"
    rate = f"    GroupRate(by=({_tuple(c.name for c in made.groups[:2])})),\n" if made.groups else ""
    slices = f'    slices=(Slice("{made.groups[0].name}"),),\n' if made.groups else ""
    names = [
        "AllOf", "AnyOf", "Drift", "Every", "Gates", "LabelVolume", "LightGBM", "LogLoss", "LogisticRegression",
        "MLSystem", "PerformanceDrop", "PrAuc", "Requests", "Retraining", "RocAuc", "TimeSplit", "Support", "ZeroRule",
        "days", "utc", calendar,
    ]  # fmt: skip
    names += (["GroupRate"] if made.groups else []) + (["Slice"] if made.groups else [])
    imports = "".join(f"    {n},\n" for n in sorted(names, key=_import_order))
    part = made.timing.part.days
    return f'''"""The system {name}: everything that it chooses."""

from mlsys_assets import (
{imports})

from .features import features
from .label import label
from .sources import KEY, outcomes, requests

MONTHLY, LABELS = Every(days(28)), LabelVolume(grows=0.25)
WORSE, SHIFTED = PerformanceDrop(by=0.05), Drift(costs=0.005)

{name} = MLSystem(
    name="{name}",
    owner="{name}-team",
    description={_quoted(f"Whether {made.label.raw} {made.positive}, predicted as a row happens.")},
    # guessed: a tick, at whose end data comes in and decisions are taken
    calendar={calendar}("{made.timing.start:%Y-%m-%d}", end="{made.timing.end:%Y-%m-%d}"),
    sources=(requests, outcomes),
    requests=Requests(requests, key=KEY.name),
    label=label,
    features=features,
    split=TimeSplit(validation=days({part}), test=days({part})),
    candidates=(
        ZeroRule(),
    {rate}        LogisticRegression(),
        LightGBM(),
    ),
    metrics=(LogLoss(), RocAuc(), PrAuc()),
{slices}    # guessed: so many rows of either outcome, or a test tells nothing
    gates=Gates(support=Support(least_of_each_class={made.least})),
    triggers=(MONTHLY, LABELS, WORSE, SHIFTED),
    retraining=Retraining(
        AnyOf(LABELS, WORSE, AllOf(MONTHLY, SHIFTED)),
        cooldown=days({14 if weekly else 7}),
        at_most=6,
        within=days(91),
    ),
    # Data of the past is lived through from here on; without it: on the wall clock.
    simulated_from=utc("{made.timing.simulated_from:%Y-%m-%d}"),
)
'''


def _test(name: str, made: Plan) -> str:
    return f'''"""Rows arrive, labels follow, and a model is trained and judged."""

from pathlib import Path

import pytest
from mlsys_assets import Workspace
from mlsys_assets.cli import main

from .system import {name}


def test_the_first_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parents[1])
    until = "{made.timing.simulated_from:%Y-%m-%d}"
    assert main(["run", "{name}", "--until", until, "--home", str(tmp_path)]) == 0
    stores = Workspace({name}, environment={{"MLSYS_HOME": str(tmp_path)}}).stores
    labels = stores.lake.read("{name}", "labels")["label"].to_pylist()
    assert {{0.0, 1.0}} <= set(labels)
    (gate,) = stores.operations.decisions("{name}", "gate")
    assert gate.verdict in ("pass", "fail", "insufficient data")
'''


def _units(length: timedelta) -> tuple[str, int]:
    whole = length // timedelta(days=1)
    return ("days", whole) if length == timedelta(days=whole) else ("hours", length // timedelta(hours=1))


def _import_order(name: str) -> tuple[int, str]:
    """Return where ruff sorts a name: constants, classes, then functions."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name.lower())


def _code(comparison: str) -> str:
    """Return the code of a comparison, or of its value alone, with texts in the quotes of the other code."""
    head = comparison[: len("== ")] if comparison.startswith("== ") else ""
    value = comparison.removeprefix(head)
    return head + (_quoted(literal_eval(value)) if value.startswith(("'", '"')) else value)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _lines(items: Iterable[str], *, indent: int = 4) -> str:
    return "".join(f"{' ' * indent}{item}\n" for item in items)


def _tuple(names: Iterable[str]) -> str:
    found = [_quoted(n) for n in names]
    return ", ".join(found) + ("," if len(found) == 1 else "")


def _dict(names: dict[str, str]) -> str:
    return "" if not names else "\n" + "".join(f"    {_quoted(k)}: {_quoted(v)},\n" for k, v in names.items())
