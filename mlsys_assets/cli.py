"""The command ``mlsys``."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TypeAlias

from mlsys_assets.process_environment import prepare
from mlsys_resources.resources import HOME

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"  # noqa: SLF001 - argparse names it nowhere else

INTERRUPTED = 128 + signal.SIGINT
"""The exit code that shells expect of a command that was interrupted."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        prepare(os.environ)
        if options.home is not None:
            os.environ[HOME] = str(options.home.absolute())
        module = import_module(f"mlsys_assets.commands.{options.command}")  # only now: it may load Dagster
        return int(module.command(options))
    except (ValueError, LookupError, OSError, RuntimeError) as error:
        print(f"mlsys: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt as stopped:
        told = str(stopped) or "what was done is kept, and asked for again it goes on from there"
        print(f"mlsys: stopped; {told}", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mlsys", description="The production life of a machine-learning model as a Dagster asset graph."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for add in (_add_lives, _add_looks, _add_services, _add_models, _add_data, _add_new_system):
        add(commands)
    return parser


def _add_lives(commands: Commands) -> None:
    """Add what lives through a system's data."""
    run = _command(
        commands, "run", "live through a system's data: every tick, verdict, training and decision",
        "Lives a system's past from where its simulated clock stands: trains the first champion, then goes through "
        "the ticks by the system's own schedule, sensors and jobs. Killed, it goes on where it was. What is decided is "
        "put on record, by the policy that the system declares; what others would have done, `mlsys replay` tells.",
    )  # fmt: skip
    run.add_argument("--until", metavar="DATE", help="the last decision's as-of (default: the calendar's last tick)")
    run.add_argument("--fresh", action="store_true", help="delete the state folder's contents first")
    replay = _command(
        commands, "replay", "what if another policy had trained it: what that gains and takes, and which to live by",
        "Lives a past that `mlsys run` has lived, or life itself, once more under other policies, each decided as it "
        "would have been then, and changes nothing on record. Says what each would have been worth on the same "
        "requests, with intervals, and recommends the cheapest that is surely as good: chosen on earlier requests, "
        "judged on later ones.",
    )  # fmt: skip
    replay.add_argument(
        "--policies", metavar="NAMES", help="with commas between, or all (default: the system's own, else the standard)"
    )
    replay.add_argument("--since", metavar="DATE", help="as of when the first champion is trained (default: its own)")
    replay.add_argument("--until", metavar="DATE", help="the last decision (default: the last on record)")
    replay.add_argument("--judge-since", metavar="DATE", help="chosen before, judged after (default: the last third)")
    replay.add_argument("--margin", metavar="M", help="how much worse it may be than every tick (default: 0.002)")
    replay.add_argument("--json", action="store_true", help="for programs")
    replay.add_argument("--out", type=Path, metavar="FILE", help="the page (default: in the folder of all state)")


def _add_looks(commands: Commands) -> None:
    """Add what tells of a life, and changes nothing."""
    report = _command(
        commands, "report", "what a system lived through, and what it cost",
        "Each tick's and month's metrics by model version, the trainings, the verdicts and the cost.",
    )  # fmt: skip
    report.add_argument("--json", action="store_true", help="for programs")
    report.add_argument("--html", type=Path, metavar="FILE", help="write it as one self-contained page")
    features = _command(
        commands, "features", "every feature: what it is, whose, read from what, known when, used by whom",
        "Writes the feature catalogue of a system as one page that fetches nothing: each column's definition, unit, "
        "owner, lineage, availability, consumers and measured cost, and how late each source becomes known.",
    )  # fmt: skip
    features.add_argument("--out", type=Path, metavar="FILE", help="the page (default: SYSTEM_features.html)")
    ledger = _command(
        commands, "ledger", "every decision on record, and the evidence it rests on",
        "Lists the decisions in order of as-of, kind and name.",
    )  # fmt: skip
    ledger.add_argument("--hash", action="store_true", help="one hash over everything that was decided")
    ledger.add_argument("--json", action="store_true", help="with evidence, one decision a line")
    metrics = _command(
        commands, "metrics", "what is counted of a system's life, as Prometheus reads it",
        "Decisions, trainings and alerts by verdict, rows by table, the model's age and the data's lag, as of the "
        "system's clock, in Prometheus' text format: for a file that its node exporter reads.",
    )  # fmt: skip
    metrics.add_argument("--out", type=Path, metavar="FILE", help="put it there, whole, in the place of what is there")
    monitor = _command(
        commands, "monitor", "what monitoring said of each tick, what came of it, and who was told",
        "One line for each tick: what changed, what to do, what that was estimated to cost and, once labels have come, "
        "what it did cost; below, what somebody was told of faults, and how many alarms were false.",
    )  # fmt: skip
    monitor.add_argument("--json", action="store_true", help="for programs")
    monitor.add_argument("--since", metavar="DATE", help="the first as-of (default: all)")
    trace = _command(
        commands, "trace", "everything behind one prediction: features, model, code, label, decisions",
        "Tells of what features a prediction was made, and what was known then; which model made it, by what code and "
        "as of when it was trained; what became of it, and when that was known; and what was decided around it.",
        system=False,
    )  # fmt: skip
    trace.add_argument("system", metavar="SYSTEM", help="its name")
    trace.add_argument("key", metavar="KEY", help="what was predicted, as its requests name it")
    trace.add_argument("--json", action="store_true", help="for programs")
    _command(
        commands, "doctor", "what is wrong with the state folder, if anything",
        "Looks at the folder of all state, and says of each part whether it is as it was written. Repairs nothing, "
        "changes nothing. Exits 1 if there is a problem.",
    )  # fmt: skip


def _add_services(commands: Commands) -> None:
    """Add what runs, or keeps up, what others ask."""
    up = _command(
        commands, "up", "the asset graph, its schedules and runs, and the models compared, in the browser",
        "Runs Dagster's web pages and daemon and MLflow's web pages on this machine, says where they are, and stops "
        "them all on Ctrl-C. What they say is kept in service_logs in the folder of all state.",
        system=False,
    )  # fmt: skip
    up.add_argument("--host", default="127.0.0.1", help="this machine, by its loopback address (default: %(default)s)")
    up.add_argument("--port", type=int, default=3000, help="Dagster's pages; 0: a free port (default: %(default)s)")
    up.add_argument("--mlflow-port", type=int, default=5000, metavar="PORT", help="MLflow's (default: %(default)s)")
    clock = _command(
        commands, "clock", "where the clock of a system stands, and how to move it",
        "Says where the clock of a system stands. The clock of one that lives on data of the past stands still until "
        "it is moved, never back and never beyond the end of the data; also while `mlsys up` runs.",
    )  # fmt: skip
    move = clock.add_mutually_exclusive_group()
    move.add_argument("--advance", metavar="DURATION", help="move it by so much: 7d, 12h or 90m")
    move.add_argument("--to", metavar="DATE", help="move it to then")
    online = _command(
        commands, "online", "up to when the online features are stored, and how to build them anew",
        "Says as of when a system's online features are stored, and how large they are. They are kept up by the ticks; "
        "--rebuild builds them from the lake's tables as of the tick under way, in the place of what is stored.",
    )  # fmt: skip
    online.add_argument("--rebuild", action="store_true", help="build them anew from the lake")


def _add_models(commands: Commands) -> None:
    """Add what is done with registered models."""
    rollback = _command(
        commands, "rollback", "put an earlier champion in the place of the current one",
        "Verifies that the earlier champion still loads, moves the alias as of the system's clock, and puts who went "
        "back where, and why, on record.",
    )  # fmt: skip
    rollback.add_argument("--reason", required=True, metavar="TEXT", help="what is wrong with the champion")
    rollback.add_argument("--to", type=int, metavar="VERSION", help="a former champion (default: the one before)")
    rebuild = _command(
        commands, "rebuild", "make a registered model again from its record alone, and compare it to the last bit",
        "Unpacks the code that is on record of a model, reads the versions of the tables that it was made from, fits "
        "it anew with the recipe, seed and threads on record, and says whether every byte is the same. Refuses where "
        "other versions are installed than then, and names them. Exits 0 if the models are equal.",
        system=False,
    )  # fmt: skip
    rebuild.add_argument("model", metavar="SYSTEM@VERSION", help="which one: flights@6")
    rebuild.add_argument("--anyway", action="store_true", help="also in another environment, which proves less")
    rebuild.add_argument("--out", type=Path, metavar="FOLDER", help="keep the rebuilt model's files there")


def _add_new_system(commands: Commands) -> None:
    """Add what writes a system."""
    new = commands.add_parser(
        "new-system", help="a working system of your own, from a CSV or Parquet file",
        description="Writes a system into the current folder: sources, label, features, a test, and its entry in "
        "mlsys_workspace.py. What the file does not say is guessed, told, and marked in the code; nothing that is "
        "there is overwritten.",
    )  # fmt: skip
    new.add_argument("name", metavar="NAME", help="what it is called: letters, digits, underscores")
    new.add_argument(
        "--from",
        dest="source",
        type=Path,
        required=True,
        metavar="FILE",
        help="rows with a time: .csv or .parquet",
    )
    new.add_argument("--time", default="", metavar="COLUMN", help="when a row happens")
    new.add_argument("--key", default="", metavar="COLUMN", help="what names a row")
    new.add_argument("--label", default="", metavar="COLUMN", help="what is to be predicted")
    new.set_defaults(command="new_system", home=None)


def _add_data(commands: Commands) -> None:
    """Add the commands on the data's versions."""
    diff = _command(
        commands, "diff", "which rows differ between two versions of a table, or in what two models learned from",
        "Lists the rows that were added, removed and changed from one version of a table to another: SYSTEM TABLE "
        "VERSION VERSION; or in all that two models learned from: SYSTEM@VERSION SYSTEM@VERSION.",
        system=False,
    )  # fmt: skip
    diff.add_argument("of", nargs="+", metavar="WHAT", help="SYSTEM TABLE VERSION VERSION, or two SYSTEM@VERSION")
    shown = diff.add_mutually_exclusive_group()
    shown.add_argument("--limit", type=int, default=10, metavar="N", help="rows of each kind shown (default: 10)")
    shown.add_argument("--all", action="store_true", help="show every row")
    diff.add_argument("--json", action="store_true", help="for programs")
    erase = _command(
        commands, "erase", "take all rows of one value out of every version of every table, and retire their models",
        "Erases personal data: every row that holds the value, in all versions of all tables, and what was made of it. "
        "Models that learned from it are retired, and can never be rebuilt. Without --yes nothing is changed: all that "
        "would be is listed. Killed, it goes on where it was when it is asked again.",
    )  # fmt: skip
    erase.add_argument("--where", required=True, metavar="COLUMN=VALUE", help="whose rows: tailnum=N12345")
    erase.add_argument("--reason", required=True, metavar="TEXT", help="who asked for it; never the value itself")
    erase.add_argument("--yes", action="store_true", help="do it; it cannot be undone")
    erase.add_argument("--json", action="store_true", help="for programs")


def _command(
    commands: Commands,
    name: str,
    help_text: str,
    description: str,
    *,
    system: bool = True,
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=help_text, description=description)
    if system:
        command.add_argument("system", nargs="?", metavar="SYSTEM", help="its name (default: the first)")
    command.add_argument("--home", type=Path, help="the folder of all state (default: $MLSYS_HOME, else .mlsys)")
    command.set_defaults(command=name)
    return command


if __name__ == "__main__":
    sys.exit(main())
