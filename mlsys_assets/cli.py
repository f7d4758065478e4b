"""The command ``mlsys``."""

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from mlsys_assets.process_environment import prepare
from mlsys_assets.types import SystemClock, utc
from mlsys_resources.resources import HOME, build_resources, state_folder

FIRST_CHAMPION = "2013-07-01"
"""As of when the first champion of the flights system is trained: half the year is known."""


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
    run.add_argument("--home", type=Path, help="the folder of all state (default: $MLSYS_HOME, else .mlsys)")
    run.set_defaults(command=_run)
    doctor = commands.add_parser(
        "doctor",
        help="what is wrong with the state folder, if anything",
        description="Looks at the folder of all state, and says of each part whether it is as it was written. Repairs "
        "nothing, changes nothing. Exits 1 if there is a problem.",
    )
    doctor.add_argument("system", nargs="?", metavar="SYSTEM", help="look at the tables and models of this one only")
    doctor.add_argument("--home", type=Path, help="the folder of all state (default: $MLSYS_HOME, else .mlsys)")
    doctor.set_defaults(command=_doctor)
    return parser


def _run(options: argparse.Namespace) -> int:
    prepare(os.environ)
    if options.home is not None:
        os.environ[HOME] = str(options.home.absolute())
    # Only now, when the environment is settled, and not for --help: this loads Dagster.
    from mlsys_assets.first_run import Progress, first_run, report
    from mlsys_assets.runs import Runner
    from mlsys_assets.state_folder import own

    as_of, home = utc(options.as_of), state_folder(os.environ)
    with own(home, command="mlsys run", environment=os.environ) as owned:
        # Only now, when the environment says that this process may write.
        from mlsys_assets.workspace import SYSTEMS, defs, resources

        system, say = SYSTEMS[0], Progress(sys.stdout)
        first_run(Runner(system, defs, owned.instance, say.step), as_of, stores=resources, say=say)
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


def _doctor(options: argparse.Namespace) -> int:
    prepare(os.environ)
    if options.home is not None:
        os.environ[HOME] = str(options.home.absolute())
    from mlsys_assets.doctor import examine

    healthy = True
    for found in examine(build_resources(os.environ, clock=SystemClock().now), system=options.system):
        healthy &= found.passed
        print(f"{'ok' if found.passed else 'problem':<9}{found.name}: {found.summary}", flush=True)
    return 0 if healthy else 1


def _shown(folder: Path) -> Path:
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder


if __name__ == "__main__":
    sys.exit(main())
