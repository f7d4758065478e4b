"""The command ``mlsys``."""

import argparse
import gc
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from importlib import import_module, reload
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlsys_assets.process_environment import prepare
from mlsys_assets.types import SystemClock
from mlsys_resources.resources import (
    HOME,
    LAKE,
    OPERATIONS_URL,
    TRACKING_URI,
    WORKSPACE,
    build_resources,
    state_folder,
    workspace_module,
)

if TYPE_CHECKING:
    import dagster as dg

    from mlsys_assets.system import MLSystem
    from mlsys_resources.resources import Resources

INTERRUPTED = 128 + signal.SIGINT
"""The exit code that shells expect of a command that was interrupted."""

LEDGER_COLUMNS = ("system", "as_of", "kind", "name", "verdict", "reason", "evidence", "context", "content_hash")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        prepare(os.environ)
        if options.home is not None:
            os.environ[HOME] = str(options.home.absolute())
        return int(options.command(options))
    except (ValueError, LookupError, OSError, RuntimeError) as error:
        print(f"mlsys: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("mlsys: stopped; what was done is kept, and asked for again it goes on from there", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mlsys", description="The production life of a machine-learning model as a Dagster asset graph."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    run = _command(
        commands, "run", _run, "live through a system's data: every tick, verdict, training and decision",
        "Lives a system's past from where its simulated clock stands: trains the first champion, then goes through "
        "the ticks by the system's own schedule, sensors and jobs. Killed, it goes on where it was.",
    )  # fmt: skip
    run.add_argument("--until", metavar="DATE", help="the last decision's as-of (default: the calendar's last tick)")
    run.add_argument("--fresh", action="store_true", help="delete the state folder's contents first")
    report = _command(
        commands, "report", _report, "what a system lived through, and what it cost",
        "Each tick's and month's metrics by model version, the trainings, the verdicts and the cost.",
    )  # fmt: skip
    report.add_argument("--json", action="store_true", help="for programs")
    report.add_argument("--html", type=Path, metavar="FILE", help="write it as one self-contained page")
    ledger = _command(
        commands, "ledger", _ledger, "every decision on record, and the evidence it rests on",
        "Lists the decisions in order of as-of, kind and name.",
    )  # fmt: skip
    ledger.add_argument("--hash", action="store_true", help="one hash over everything that was decided")
    ledger.add_argument("--json", action="store_true", help="with evidence, one decision a line")
    _command(
        commands, "doctor", _doctor, "what is wrong with the state folder, if anything",
        "Looks at the folder of all state, and says of each part whether it is as it was written. Repairs nothing, "
        "changes nothing. Exits 1 if there is a problem.",
    )  # fmt: skip
    up = _command(
        commands, "up", _up, "the asset graph, its schedules and runs, and the models compared, in the browser",
        "Runs Dagster's web pages and daemon and MLflow's web pages on this machine, says where they are, and stops "
        "them all on Ctrl-C. What they say is kept in service_logs in the folder of all state.",
        system=False,
    )  # fmt: skip
    up.add_argument("--host", default="127.0.0.1", help="this machine, by its loopback address (default: %(default)s)")
    up.add_argument("--port", type=int, default=3000, help="Dagster's pages; 0: a free port (default: %(default)s)")
    up.add_argument("--mlflow-port", type=int, default=5000, metavar="PORT", help="MLflow's (default: %(default)s)")
    clock = _command(
        commands, "clock", _clock, "where the clock of a system stands, and how to move it",
        "Says where the clock of a system stands. The clock of one that lives on data of the past stands still until "
        "it is moved, never back and never beyond the end of the data; also while `mlsys up` runs.",
    )  # fmt: skip
    move = clock.add_mutually_exclusive_group()
    move.add_argument("--advance", metavar="DURATION", help="move it by so much: 7d, 12h or 90m")
    move.add_argument("--to", metavar="DATE", help="move it to then")
    rollback = _command(
        commands, "rollback", _rollback, "put an earlier champion in the place of the current one",
        "Verifies that the earlier champion still loads, moves the alias as of the system's clock, and puts who went "
        "back where, and why, on record.",
    )  # fmt: skip
    rollback.add_argument("--reason", required=True, metavar="TEXT", help="what is wrong with the champion")
    rollback.add_argument("--to", type=int, metavar="VERSION", help="a former champion (default: the one before)")
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    handler: Callable[[argparse.Namespace], int],
    help_text: str,
    description: str,
    *,
    system: bool = True,
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=help_text, description=description)
    if system:
        command.add_argument("system", nargs="?", metavar="SYSTEM", help="its name (default: the first)")
    command.add_argument("--home", type=Path, help="the folder of all state (default: $MLSYS_HOME, else .mlsys)")
    command.set_defaults(command=handler)
    return command


def _module() -> Any:
    """Return the workspace, which loads Dagster: only now, when the environment is settled, and not for --help."""
    name = workspace_module(os.environ)
    if os.environ.get(WORKSPACE) and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))  # as `python -m` does, with which the services are started
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise  # of something that the workspace imports
        raise LookupError(
            f"there is no module {error.name!r}, which {WORKSPACE} names; call mlsys in the folder that holds it, or "
            "put that folder on PYTHONPATH"
        ) from None


def _workspace(options: argparse.Namespace) -> "tuple[MLSystem, dg.Definitions, Resources]":
    """Return the system asked for, and the definitions and stores of its workspace."""
    workspace = _module()
    named: dict[str, MLSystem] = {system.name: system for system in workspace.SYSTEMS}
    if not named:
        raise LookupError(f"{workspace.__name__} has no systems; name at least one in its SYSTEMS")
    name = next(iter(named)) if options.system is None else options.system
    if name not in named:
        raise LookupError(f"{workspace.__name__} has no system {name!r}; it has: {', '.join(named)}")
    return named[name], workspace.defs, workspace.resources


def _run(options: argparse.Namespace) -> int:
    from mlsys_assets.clocks import moment
    from mlsys_assets.history_page import history_page
    from mlsys_assets.progress import Progress
    from mlsys_assets.replay import Replay, tick_told
    from mlsys_assets.report import report, summary
    from mlsys_assets.runs import Runner
    from mlsys_assets.state_folder import own

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stopped by a service manager as by Ctrl-C
    home, say, lived = state_folder(os.environ), Progress(sys.stdout), list[datetime]()
    until = None if options.until is None else moment(options.until)
    if options.fresh:
        _clear(options, home, until)
    with own(home, command="mlsys run", environment=os.environ) as owned:
        if options.fresh:
            reload(_module())  # whose stores were made before this process owned the folder
        system, defs, resources = _workspace(options)  # now that the environment says that this process may write
        replay = Replay(Runner(system, defs, owned.instance, say.step), resources, say.doing, say.failed)
        for as_of in replay.run(until or _last(system)):
            lived.append(as_of)
            say.settled(system.calendar.key(as_of), tick_told(system, resources, as_of))
    told, page = report(system, resources), home / f"{system.name}.html"
    page.write_text(history_page(told), encoding="utf-8")
    print("\n".join(summary(system, told)))
    print(
        f"""
Where to look
  {_shown(page)}                    this history, with pictures
  mlsys ledger {system.name} --hash         {told["ledger"][:16]}…, the same for the same data and code
  make up                            the asset graph, checks, plots and runs in the Dagster UI, models in the MLflow UI
  {_shown(home)}/lake                        every table, in every version (Delta Lake)"""
    )
    gc.freeze()  # else a million objects are looked through once more, for a second, while the process ends
    if failed := _given_up(system, resources, lived):
        raise RuntimeError(f"as of {', '.join(failed)} the training failed and was given up; why is told above")
    return 0


def _given_up(system: "MLSystem", resources: "Resources", lived: list[datetime]) -> list[str]:
    from mlsys_assets.retraining.ledger import GIVEN_UP, RETRAINING

    found = [d.as_of for d in resources.operations.decisions(system.name, RETRAINING) if d.name == GIVEN_UP]
    return [system.calendar.key(as_of) for as_of in found if as_of in lived]


def _clear(options: argparse.Namespace, home: Path, until: datetime | None) -> None:
    """Delete what is in the state folder, once it is sure that what is asked for can be done without it."""
    from mlsys_assets.replay import require_replayable
    from mlsys_assets.state_folder import clear

    if elsewhere := [name for name in (LAKE, OPERATIONS_URL, TRACKING_URI) if os.environ.get(name)]:
        raise ValueError(
            f"--fresh deletes what is in {home}, and {' and '.join(elsewhere)} keeps a part of the state elsewhere; "
            "nothing was deleted: empty that yourself, or name an empty one, and another --home"
        )
    system, _, resources = _workspace(options)
    if others := [name for name in resources.lake.systems() if name != system.name]:
        raise ValueError(
            f"--fresh deletes all that is in {home}, also of {', '.join(others)}; nothing was deleted: name another "
            "--home, or delete the folder yourself"
        )
    require_replayable(system)
    if until is None:
        _last(system)
    clear(home, command="mlsys run --fresh")


def _last(system: "MLSystem") -> datetime:
    end = system.calendar.end
    if end is None:
        raise ValueError(f"the calendar of {system.name} has no end; say --until DATE")
    return end - system.calendar.step


def _report(options: argparse.Namespace) -> int:
    from mlsys_assets.history_page import history_page
    from mlsys_assets.report import report, summary

    system, _, resources = _workspace(options)
    told = report(system, resources)
    if options.html is not None:
        options.html.write_text(history_page(told), encoding="utf-8")
    print(json.dumps(told, indent=1) if options.json else "\n".join(summary(system, told)))
    return 0


def _ledger(options: argparse.Namespace) -> int:
    system, _, resources = _workspace(options)
    name, store = system.name, resources.operations
    if options.hash:
        print(store.ledger_hash(name))
        return 0
    for d in store.decisions(name):
        if options.json:
            row = {name: getattr(d, name) for name in LEDGER_COLUMNS} | {"as_of": d.as_of.isoformat()}
            print(json.dumps(row))
        else:
            print(f"{d.as_of:%Y-%m-%d %H:%M}  {d.kind:<13}{d.name:<22}{d.verdict}: {d.reason}")
    return 0


def _rollback(options: argparse.Namespace) -> int:
    if options.system is None:
        raise ValueError("say whose champion: mlsys rollback SYSTEM --reason TEXT")
    from mlsys_assets.clocks import clock_of
    from mlsys_assets.manual_rollback import roll_back

    system, _, resources = _workspace(options)
    now = clock_of(system, resources).now
    outcome = roll_back(
        system.name, resources.operations, resources.models, reason=options.reason, now=now, to=options.to
    )
    print("\n".join(outcome.lines))
    return 0 if outcome.done else 1


def _doctor(options: argparse.Namespace) -> int:
    from mlsys_assets.doctor import examine

    healthy = True
    for found in examine(build_resources(os.environ, clock=SystemClock().now), system=options.system):
        healthy &= found.passed
        print(f"{'ok' if found.passed else 'problem':<9}{found.name}: {found.summary}", flush=True)
    return 0 if healthy else 1


def _up(options: argparse.Namespace) -> int:
    from mlsys_assets.state_folder import own
    from mlsys_assets.up import places, told_when_running, up

    def say(line: str) -> None:
        print(line, flush=True)

    with own(state_folder(os.environ), command="mlsys up", environment=os.environ):
        workspace = _module()  # now that the environment says that this process and its children may write
        at = places(workspace.resources, host=options.host, port=options.port, mlflow_port=options.mlflow_port)
        home = "" if options.home is None else f" --home {_shown(workspace.resources.home)}"
        simulated = [system.name for system in workspace.SYSTEMS if system.simulated_from is not None]
        moves = [f"{_program()} clock {name} --advance 7d{home}" for name in simulated]
        where = told_when_running(at, logs=_shown(at.logs), moves=moves)
        up(at, since=SystemClock().now(), told=say, running=lambda: say("\n".join(where)))
    gc.freeze()  # as above
    return 0


def _clock(options: argparse.Namespace) -> int:
    from mlsys_assets.clocks import StoredClock, clock_of, moved

    system, _, resources = _workspace(options)
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


def _program() -> str:
    called = Path(sys.argv[0]).absolute()
    return str(_shown(called)) if called.name == "mlsys" else "mlsys"


def _shown(folder: Path) -> Path:
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder


if __name__ == "__main__":
    sys.exit(main())
