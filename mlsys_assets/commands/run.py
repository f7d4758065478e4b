"""The command ``mlsys run``: a system's past is lived through, and told."""

import argparse
import gc
import os
import signal
import sys
from datetime import datetime
from pathlib import Path

from mlsys_assets.clocks import moment
from mlsys_assets.commands.asked import asked_system, asked_workspace, program, shown
from mlsys_assets.commands.progress import Progress
from mlsys_assets.commands.report import summary
from mlsys_assets.history_page import history_page
from mlsys_assets.ledger import GIVEN_UP, RETRAINING
from mlsys_assets.replay import Replay, require_replayable, tick_told
from mlsys_assets.report import report
from mlsys_assets.runs import Runner
from mlsys_assets.state_folder import clear, own
from mlsys_assets.system import MLSystem
from mlsys_resources.resources import (
    DAGSTER_URL,
    LAKE,
    OPERATIONS_URL,
    TRACKING_URI,
    Resources,
    state_folder,
    workspace_module,
)

YOUNG = 10_000
"""Objects made before the young ones are looked through: of rows by the ten thousand, nearly all are still in use."""


def command(options: argparse.Namespace) -> int:
    """Live a system's past from where its clock stands; raises RuntimeError if a training was given up."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # stopped by a service manager as by Ctrl-C
    home, say, lived = state_folder(os.environ), Progress(sys.stdout), list[datetime]()
    until = None if options.until is None else moment(options.until)
    if options.fresh:
        _clear(options, home, until)
    with own(home, command="mlsys run", environment=os.environ) as owned:
        if options.fresh:
            asked_workspace(anew=True)  # its stores were made before this process owned the folder
        system, workspace = asked_system(options)  # now that the environment says that this process may write
        module = workspace_module(os.environ)
        runner = Runner(system, workspace.definitions, owned.instance, say.step, location=module)
        replay = Replay(runner, workspace.stores, say.doing, say.failed)
        _look_through_no_more()
        for as_of in replay.run(until or _last(system)):
            if not lived:
                _look_through_no_more()  # by now all libraries are loaded
            lived.append(as_of)
            say.settled(system.calendar.key(as_of), tick_told(system, workspace.stores, as_of))
    _tell(system, workspace.stores, home)
    gc.freeze()  # else a million objects are looked through once more, for a second, while the process ends
    if failed := _given_up(system, workspace.stores, lived):
        raise RuntimeError(f"as of {', '.join(failed)} the training failed and was given up; why is told above")
    return 0


def _look_through_no_more() -> None:
    """Leave what is loaded out of further garbage collections, which half a million objects made a tenth of a tick."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])


def _tell(system: MLSystem, stores: Resources, home: Path) -> None:
    told, page = report(system, stores), home / f"{system.name}.html"
    page.write_text(history_page(told), encoding="utf-8")
    print("\n".join(summary(system, told)))
    mlsys = program()
    print(
        f"""
Where to look
  {shown(page)}                    this history, with pictures
  {mlsys} ledger {system.name} --hash         {told["ledger"][:16]}…, the same for the same data and code
  {mlsys} up                            the asset graph with checks, plots and runs, and the models compared
  {shown(home)}/lake                        every table, in every version (Delta Lake)"""
    )


def _given_up(system: MLSystem, stores: Resources, lived: list[datetime]) -> list[str]:
    found = [d.as_of for d in stores.operations.decisions(system.name, RETRAINING) if d.name == GIVEN_UP]
    return [system.calendar.key(as_of) for as_of in found if as_of in lived]


def _clear(options: argparse.Namespace, home: Path, until: datetime | None) -> None:
    """Delete what is in the state folder, once it is sure that what is asked for can be done without it."""
    if elsewhere := [name for name in (LAKE, OPERATIONS_URL, TRACKING_URI, DAGSTER_URL) if os.environ.get(name)]:
        raise ValueError(
            f"--fresh deletes what is in {home}, and {' and '.join(elsewhere)} keeps a part of the state elsewhere; "
            "nothing was deleted: empty that yourself, or name an empty one, and another --home"
        )
    system, workspace = asked_system(options)
    if others := [name for name in workspace.stores.lake.systems() if name != system.name]:
        raise ValueError(
            f"--fresh deletes all that is in {home}, also of {', '.join(others)}; nothing was deleted: name another "
            "--home, or delete the folder yourself"
        )
    require_replayable(system)
    if until is None:
        _last(system)
    clear(home, command="mlsys run --fresh")


def _last(system: MLSystem) -> datetime:
    end = system.calendar.end
    if end is None:
        raise ValueError(f"the calendar of {system.name} has no end; say --until DATE")
    return end - system.calendar.step
