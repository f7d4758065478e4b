"""The command ``mlsys``."""

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlsys_assets.process_environment import prepare
from mlsys_assets.types import utc
from mlsys_resources.resources import HOME, state_folder

FIRST_CHAMPION = "2013-07-01"
"""As of when the first champion of the flights system is trained: half the year is known."""

HOME_HELP = "the folder of all state (default: $MLSYS_HOME, else .mlsys)"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return int(options.command(options))
    except (ValueError, LookupError, OSError, RuntimeError) as error:
        print(f"mlsys: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mlsys", description="The production life of a machine-learning model as a Dagster asset graph."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = commands.add_parser(
        "run",
        help="raw files in, a gated champion and a tick's predictions out",
        description="Brings in all data known by AS_OF, trains, compares and perhaps promotes as of then, predicts for "
        "the tick that follows, and says what was found and where to look. What stands already is done again, "
        "with the same result.",
    )
    run.add_argument("--as-of", default=FIRST_CHAMPION, metavar="DATE", help="a tick's start (default: %(default)s)")
    run.add_argument("--home", type=Path, help=HOME_HELP)
    run.set_defaults(command=_run)
    _add_clock(commands)
    return parser


def _add_clock(commands: Any) -> None:
    clock = commands.add_parser(
        "clock",
        help="where the clock of a system stands, and how to move it",
        description="Says where the clock of a system stands. The clock of one that lives on data of the past stands "
        "still until it is moved, never back and never beyond the end of the data; also while `mlsys up` runs.",
    )
    clock.add_argument("system", metavar="SYSTEM", help="its name")
    move = clock.add_mutually_exclusive_group()
    move.add_argument("--advance", metavar="DURATION", help="move it by so much: 7d, 12h or 90m")
    move.add_argument("--to", metavar="DATE", help="move it to then")
    clock.add_argument("--home", type=Path, help=HOME_HELP)
    clock.set_defaults(command=_clock)


def _run(options: argparse.Namespace) -> int:
    _settle(options.home)
    # Only now, when the environment is settled, and not for --help: this loads Dagster.
    from mlsys_assets.first_run import Progress, first_run, report
    from mlsys_assets.runs import Runner
    from mlsys_assets.state_folder import open_instance
    from mlsys_assets.workspace import SYSTEMS, defs, resources

    system, as_of, home = SYSTEMS[0], utc(options.as_of), state_folder(os.environ)
    with open_instance(home) as instance:
        say = Progress(sys.stdout)
        first_run(Runner(system, defs, instance, say.step), as_of, stores=resources, say=say)
    print("\n".join(report(system, as_of, resources)))
    print(
        f"""
Where to look
  make up                                     the asset graph, checks, plots and runs in the Dagster UI
  .venv/bin/mlflow ui --backend-store-uri sqlite:///{_shown(home)}/mlflow.db
                                              the models compared in the MLflow UI
  {_shown(home)}/lake                                 every table, in every version (Delta Lake)"""
    )
    gc.freeze()  # else a million objects are looked through once more, for a second, while the process ends
    return 0


def _clock(options: argparse.Namespace) -> int:
    _settle(options.home)
    from mlsys_assets.clocks import StoredClock, clock_of, moved
    from mlsys_assets.workspace import SYSTEMS, resources

    found = {system.name: system for system in SYSTEMS}
    if options.system not in found:
        raise LookupError(f"no system is named {options.system!r}; there are: {', '.join(found)}")
    system = found[options.system]
    clock, end = clock_of(system, resources), system.calendar.end
    now = moved(clock, by=options.advance, to=options.to, end=end)
    if not isinstance(clock, StoredClock):
        told = ", the wall clock, which cannot be moved"
    elif end is None:
        told = ""
    else:
        told = ": end of data" if now >= end else f"; its data ends at {end:%Y-%m-%d %H:%M} UTC"
    print(f"{system.name}: {now:%Y-%m-%d %H:%M} UTC{told}")
    return 0


def _settle(home: Path | None) -> None:
    prepare(os.environ)
    if home is not None:
        os.environ[HOME] = str(home.absolute())


def _shown(folder: Path) -> Path:
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder


if __name__ == "__main__":
    sys.exit(main())
