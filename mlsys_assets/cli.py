"""The command ``mlsys``."""

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlsys_assets.process_environment import prepare
from mlsys_assets.types import SystemClock, utc
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
    _add_up(commands)
    _add_clock(commands)
    return parser


def _add_up(commands: Any) -> None:
    up = commands.add_parser(
        "up",
        help="the asset graph, its schedules and runs, and the models compared, in the browser",
        description="Runs Dagster's web pages and daemon and MLflow's web pages on this machine, says where they are, "
        "and stops them all on Ctrl-C. What they say is kept in service_logs in the folder of all state.",
    )
    up.add_argument("--host", default="127.0.0.1", help="this machine, by its loopback address (default: %(default)s)")
    up.add_argument("--port", type=int, default=3000, help="Dagster's pages; 0: a free port (default: %(default)s)")
    up.add_argument("--mlflow-port", type=int, default=5000, metavar="PORT", help="MLflow's (default: %(default)s)")
    up.add_argument("--home", type=Path, help=HOME_HELP)
    up.set_defaults(command=_up)


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


def _up(options: argparse.Namespace) -> int:
    _settle(options.home)
    from mlsys_assets.clocks import StoredClock, clock_of
    from mlsys_assets.up import places, told_when_running, up
    from mlsys_assets.workspace import SYSTEMS, resources

    def say(line: str) -> None:
        print(line, flush=True)

    at = places(resources, host=options.host, port=options.port, mlflow_port=options.mlflow_port)
    simulated = [s.name for s in SYSTEMS if isinstance(clock_of(s, resources), StoredClock)]
    home = "" if options.home is None else f" --home {_shown(resources.home)}"
    moves = [f"{_program()} clock {name} --advance 7d{home}" for name in simulated]
    where = told_when_running(at, logs=_shown(at.logs), moves=moves)
    up(at, since=SystemClock().now(), told=say, running=lambda: say("\n".join(where)))
    gc.freeze()  # as above
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


def _program() -> str:
    called = Path(sys.argv[0]).absolute()
    return str(_shown(called)) if called.name == "mlsys" else "mlsys"


def _shown(folder: Path) -> Path:
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder


if __name__ == "__main__":
    sys.exit(main())
