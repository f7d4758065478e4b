"""The command ``mlsys erase``: personal data goes for good, and the models that learned from it with it."""

import argparse
import json
import os
from collections.abc import Iterator

from mlsys_assets.clocks import clock_of
from mlsys_assets.commands.asked import asked_system, asked_workspace
from mlsys_assets.commands.erasure_plan import Plan, champion_of, family, plan
from mlsys_assets.commands.erasure_steps import ID_DIGITS, begin, carry_out, nobody
from mlsys_assets.rollout.rollback import unaffected
from mlsys_assets.state_folder import own
from mlsys_assets.system import MLSystem
from mlsys_assets.types import CHAMPION
from mlsys_assets.workspace import Workspace
from mlsys_resources.resources import DAGSTER_URL, LAKE, OPERATIONS_URL, TRACKING_URI, Resources, state_folder
from mlsys_resources.value_search import LEAST_CHARACTERS

SHOWN = 5
"""How many columns are named."""
FOUND_LEFT = 3
"""The exit code where a person must look at files that still hold the value."""


def command(options: argparse.Namespace) -> int:
    """Tell what would be erased, or, with --yes, erase it."""
    if options.system is None:
        raise ValueError("say whose rows: mlsys erase SYSTEM --where COLUMN=VALUE --reason TEXT")
    column, value = _asked(options.where, options.reason)
    if not options.yes:
        system, workspace = asked_system(options)
        found = plan(system, workspace.systems, workspace.stores, column=column, value=value)
        lines, values = list(told(workspace.stores, found)), found.record()
        print(json.dumps(values) if options.json else "\n".join([*lines, "nothing was changed; --yes does it"]))
        return 0
    with own(state_folder(os.environ), command="mlsys erase", environment=os.environ):
        asked_workspace(anew=True)  # its stores were made before this process owned the folder
        system, workspace = asked_system(options)
        return _erase(system, workspace, (column, value), options)


def told(stores: Resources, found: Plan) -> Iterator[str]:
    """Yield in words what an erasure concerns."""
    yield f"rows of {found.column} = {found.value!r}, and of {len(found.keys):,} {found.key} of such rows"
    for (system, table), held in found.tables.items():
        yield (
            f"  {system}.{table}: {held.rows:,} rows; {len(held.versions)} version(s) become unreadable, "
            f"{len(held.files)} file(s) are deleted"
        )
    for model in found.affected.models:
        champion = ", the champion" if champion_of(stores, model.system) == model.version else ""
        yield f"  {model.system} version {model.version}{champion}: retired, its files deleted, not to be rebuilt"
    for name in found.affected.trainings:
        retired = {m.version for m in found.affected.models if m.system == name} | stores.operations.retired(name)
        if champion_of(stores, name) in retired:
            back = [
                f"version {move.version}" for move in unaffected(stores.operations.attempts(name, CHAMPION), retired)
            ]
            yield f"  {name}: " + (f"back to {back[0]}, which is not affected" if back else nobody(name))
    if found.shared:
        shown = ", ".join(found.shared[:SHOWN]) + (", …" if len(found.shared) > SHOWN else "")
        yield f"  kept: {len(found.shared)} columns of other requests in which these rows may have counted: {shown}"
    yield from (f"  {limit}" for limit in limits(stores, found))


def limits(stores: Resources, found: Plan) -> Iterator[str]:
    """Yield in words where the value is not looked for."""
    if len(found.value) < LEAST_CHARACTERS:
        yield f"a value this short is looked for in tables only, not in texts (from {LEAST_CHARACTERS} characters on)"
    elif not found.in_texts:
        yield "a value that is the name of a system, table or column is looked for in tables only, not in texts"
    for place in (OPERATIONS_URL, TRACKING_URI, DAGSTER_URL, LAKE):
        if stores.env.get(place):
            yield f"{place} names a place outside the state folder: what it holds beside tables is not looked through"


def _asked(where: str, reason: str) -> tuple[str, str]:
    column, equals, value = where.partition("=")
    if not (column and equals and value):
        raise ValueError(f"--where is {where!r}; say COLUMN=VALUE, such as tailnum=N12345")
    if not reason.strip():
        raise ValueError("an erasure needs a reason, for who reads the ledger: say who asked for it")
    if value in reason:
        raise ValueError("the reason holds the value, and would keep it on record for ever; say it without")
    return column, value


def _erase(system: MLSystem, workspace: Workspace, what: tuple[str, str], options: argparse.Namespace) -> int:
    stores, (column, value) = workspace.stores, what
    found = plan(system, workspace.systems, stores, column=column, value=value)
    before = stores.operations.erasure(system.name, stores.operations.erasure_id(column, found.value))
    if not found.tables and (before is None or before.done_at is not None):
        done = f"; it was erased as of {before.as_of:%Y-%m-%d %H:%M}" if before else ""
        told = f"no row of {system.name} has {column} = {value!r}{done}: nothing was changed"
        print(json.dumps(found.record() | {"done": [told], "left": []}) if options.json else told)
        return 0 if before else 1
    said: list[str] = []
    say = said.append if options.json else print
    erasure = begin(stores, found, system=system.name, reason=options.reason, now=clock_of(system, stores).now())
    names = tuple(each.name for each in family(system, workspace.systems))
    left = carry_out(stores, found, erasure, systems=names, say=say)
    if options.json:
        outside = {"not_looked_through": list(limits(stores, found))}
        print(json.dumps({**erasure.plan, "erasure": erasure.id, "done": said, "left": left, **outside}))
    else:
        for each in left:
            print(f"LEFT: {each}; see to it yourself, and ask again")
        for limit in limits(stores, found):
            print(f"NOTE: {limit}")
        print(f"{system.name}: " + ("not done yet" if left else f"erased, on record as {erasure.id[:ID_DIGITS]}"))
    return FOUND_LEFT if left else 0
