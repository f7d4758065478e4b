"""The command ``mlsys new-system``: a working system from a file of rows, in the current folder."""

import argparse
import sys
from importlib.util import find_spec
from keyword import iskeyword
from pathlib import Path
from tempfile import TemporaryDirectory

from mlsys_assets.commands.asked import program
from mlsys_assets.mistakes import misnamed
from mlsys_assets.scaffold.code import WORKSPACE_FILE, files, workspace
from mlsys_assets.scaffold.guess import Plan, plan
from mlsys_assets.scaffold.look import look
from mlsys_assets.system_mistakes import LONGEST_SYSTEM_NAME
from mlsys_resources.resources import LOCAL_WORKSPACE


def command(options: argparse.Namespace) -> int:
    """Write the files of a system, all of them or none, and tell what was guessed."""
    name, folder, data = options.name, Path.cwd(), options.source.absolute()
    _require_name(name, folder)
    made = plan(look(data), time=options.time, key=options.key, label=options.label)
    place = folder / WORKSPACE_FILE
    there = place.read_text(encoding="utf-8") if place.exists() else None
    entry = workspace(name, there)
    written = files(name, made, data=data, folder=folder)
    with TemporaryDirectory(prefix=f".{name}-", dir=folder) as aside:
        for path, content in written.items():
            (Path(aside) / path).parent.mkdir(exist_ok=True)
            (Path(aside) / path).write_text(content, encoding="utf-8")
        (Path(aside) / name).rename(folder / name)  # all of it, or nothing
    if entry is not None:
        place.write_text(entry, encoding="utf-8")
    print("\n".join(_told(name, made, list(written), named=entry is not None)))
    return 0


def _require_name(name: str, folder: Path) -> None:
    if wrong := misnamed("the system", name, longest=LONGEST_SYSTEM_NAME):
        raise ValueError(f"{wrong[0]}; nothing was written")
    if iskeyword(name) or name in sys.stdlib_module_names or name == LOCAL_WORKSPACE:
        raise ValueError(f"{name!r} means something else already; choose another name, nothing was written")
    if (folder / name).exists() or (folder / f"{name}.py").exists():
        raise FileExistsError(f"there is a {name} in {folder} already, and nothing was changed; choose another name")
    if find_spec(name) is not None:
        raise ValueError(f"there is a package {name!r} already, which would be hidden; choose another name")


def _told(name: str, made: Plan, written: list[str], *, named: bool) -> list[str]:
    entry = (
        [f"  {WORKSPACE_FILE}"]
        if named
        else [f"  {WORKSPACE_FILE} stays as it is: add `from {name}.system import {name}`, and {name} to its Workspace"]
    )
    return [
        f"{name}: {len(made.time.values):,} rows, {made.timing.start:%Y-%m-%d} to {made.timing.end:%Y-%m-%d}", "",
        "Written", *(f"  {path}" for path in written), *entry, "",
        "Guessed, and marked `guessed` in the code",
        *(f"  {g.what}: {g.why} ({g.how})" for g in made.guesses), "",
        "Next",
        f"  {program()} run {name}      lives through the data from {made.timing.simulated_from:%Y-%m-%d} on",
        f"  {program()} up{' ' * (len(name) + 7)}shows it in the browser",
    ]  # fmt: skip
