"""A registered model is made again from its record alone, and every byte is compared."""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from mlsys_assets.commands.refit_recorded import CONTENT, FOUND
from mlsys_assets.models.passport.complete import CompletePassport
from mlsys_assets.models.passport.environment import Dependencies
from mlsys_assets.types import SystemClock
from mlsys_resources.model_store import LoadedArtifacts
from mlsys_resources.resources import HOME, Resources, build_resources

PROGRAM: Final = "mlsys_assets.commands.refit_recorded"
"""What is run of the code on record."""
HASH_DIGITS: Final = 16
"""Hexadecimal digits of a hash that are told."""
MOST_NAMED: Final = 20
"""So many differences of the environment are named; the number is of all."""


class CannotRebuild(RuntimeError):
    """The model cannot be made again: by this environment, or at all."""


@dataclass(frozen=True)
class Outcome:
    """Whether the rebuilt model is the registered one, and what to tell of it, in lines."""

    equal: bool
    lines: tuple[str, ...]


def rebuild(stores: Resources, system: str, version: int, *, anyway: bool = False, out: Path | None = None) -> Outcome:
    """Make a registered model again from its record, in a process that runs the code of that record.

    Parameters
    ----------
    anyway
        Also where other versions are installed than when it was made.
    out
        A new or empty folder for the rebuilt model's files.

    Raises CannotRebuild where the environment is another, or what it was made from is gone; UnknownModel,
    TamperedArtifact and PassportError for a model that is not on record as it was registered.
    """
    if out is not None and out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ValueError(f"{out} is not empty, or no folder; name a new folder for the rebuilt model's files")
    if (retired := stores.operations.retirement(system, version)) is not None:
        raise CannotRebuild(
            f"{system}@{version} was retired as of {retired.as_of:%Y-%m-%d %H:%M}: rows that it learned from were "
            "erased, so that it can never be made again"
        )
    began, loaded = time.monotonic(), stores.models.load(system, version)
    passport = CompletePassport.of(loaded.record, content_hash=loaded.version.content_hash)
    differences = passport.dependencies.differences(Dependencies.observed())
    if differences and not anyway:
        raise CannotRebuild(
            f"{system}@{version} was made in another environment, where sums may have other last bits: "
            f"{_named(differences)}; install what it was made with, or say --anyway, which proves less"
        )
    with tempfile.TemporaryDirectory(prefix="mlsys-rebuild-") as folder:
        found = _refitted(passport, stores, Path(folder))
        if out is not None:
            shutil.copytree(Path(folder) / "out" / CONTENT, out, dirs_exist_ok=True)
    registered = {name: file.sha256 for name, file in loaded.manifest.content.items()}
    unlike = _unlike(registered, found["content"])
    told = [*_told(loaded, passport, found), *_environment(passport, differences)]
    if unlike:
        told += [f"  model        DIFFERS: {'; '.join(unlike)}"]
    else:
        told += [f"  model        equal to the last bit: {loaded.version.content_hash[:HASH_DIGITS]}"]
    return Outcome(not unlike, (*told, f"  took         {time.monotonic() - began:.1f} s"))


def _refitted(passport: CompletePassport, stores: Resources, folder: Path) -> dict[str, Any]:
    """Run the code on record on the record, and return what it found; raises CannotRebuild with what it said."""
    code, record, out = (folder / name for name in ("code", "record", "out"))
    passport.source.unpack(code)
    for name, content in passport.files.items():
        path = record / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    # Nothing but what is on record can be imported before what is installed.
    own = {HOME: str(stores.home), "PYTHONPATH": str(code), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", PROGRAM, str(record), str(out)],
        env={**os.environ, **stores.env, **own}, cwd=code, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise CannotRebuild(f"it cannot be made again: {done.stderr.strip() or f'exit code {done.returncode}'}")
    found: dict[str, Any] = msgspec.json.decode((out / FOUND).read_bytes())
    if Path(found["code"]) != (code / PROGRAM.partition(".")[0]).resolve():
        raise CannotRebuild(f"the code that ran was that of {found['code']}, not that on record: nothing is proved")
    return found


def _unlike(was: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    """Return which files of the model are others, or are there in one of the two only."""
    none = "not there"
    pairs = {name: (was.get(name, none), now.get(name, none)) for name in sorted({*was, *now})}
    return [f"{n}: was {a[:HASH_DIGITS]}, is {b[:HASH_DIGITS]}" for n, (a, b) in pairs.items() if a != b]


def _told(loaded: LoadedArtifacts, passport: CompletePassport, found: Mapping[str, Any]) -> list[str]:
    """Return what was made again, of what."""
    version, made = loaded.version, passport.parameters
    tables = ", ".join(f"{table} version {number}" for table, number in passport.context.lake_versions.items())
    files = len(passport.source.files)
    return [
        f"{version.system}@{version.version}: {version.name} as of {version.as_of:%Y-%m-%d %H:%M}, made again",
        f"  code         {files} files, {passport.generation.code[:HASH_DIGITS]}: those on record, none of this tree",
        f"  data         {tables}: {found['rows']:,} rows, fitted on {found['training_rows']:,}, each equal",
        f"  set up       recipe {dict(made.recipe)}, seed {made.seed}, {made.threads} thread(s)",
    ]


def _environment(passport: CompletePassport, differences: Sequence[str]) -> list[str]:
    made = passport.dependencies
    if differences:
        return [f"  environment  ANOTHER, so that this proves less: {_named(differences)}"]
    return [
        f"  environment  the same: Python {made.python}, {len(made.distributions)} distributions, {made.architecture}"
    ]


def _named(differences: Sequence[str]) -> str:
    more = f", and {len(differences) - MOST_NAMED} more" if len(differences) > MOST_NAMED else ""
    return "; ".join(differences[:MOST_NAMED]) + more


def asked(model: str) -> tuple[str, int]:
    """Return the system and the version of a model as people write it; raises ValueError.

    >>> asked("flights@6")
    ('flights', 6)
    """
    system, _, version = model.partition("@")
    if not system or not version.isdecimal():
        raise ValueError(f"{model!r} is no model; write SYSTEM@VERSION, such as flights@6")
    return system, int(version)


def command(options: argparse.Namespace) -> int:
    """Rebuild a model, and tell whether it is the same; 1 if it is not."""
    system, version = asked(options.model)
    stores = build_resources(os.environ, clock=SystemClock().now)
    outcome = rebuild(stores, system, version, anyway=options.anyway, out=options.out)
    print("\n".join(outcome.lines))
    return 0 if outcome.equal else 1
