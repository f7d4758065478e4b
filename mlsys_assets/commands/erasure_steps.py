"""An erasure done, step by step: each can be done again, so that one that was cut short goes on where it was."""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from mlsys_assets.commands.erasure_plan import Affected, Plan, joined
from mlsys_assets.commands.rollback import CannotServe, roll_back
from mlsys_assets.ledger import ERASURE, RETIREMENT
from mlsys_assets.rollout.rollback import last_unaffected
from mlsys_assets.types import CHAMPION, FixedClock
from mlsys_resources import value_search
from mlsys_resources.operations_erasures import Erasure, Retirement
from mlsys_resources.operations_rows import Decision
from mlsys_resources.resources import Resources
from mlsys_resources.table_erasure import Wanted

DONE, RETIRED = "erased", "retired"
"""Verdicts."""
ID_DIGITS = 16
"""Hexadecimal digits of an erasure's id by which the ledger and commits name it."""
HASHED = ("mlsys_",)
"""How the tables of the record begin, whose texts are hashed and are never changed."""
BECAUSE = "its training rows were erased"
NOBODY = "no champion until the next training"


def begin(stores: Resources, found: Plan, *, system: str, reason: str, now: datetime) -> Erasure:
    """Put an erasure on record before anything is changed, or return the one that was begun before."""
    id_ = stores.operations.erasure_id(found.column, found.value)
    erased = {found.column: {found.value}, found.key: {*found.keys}}
    if found.column == found.key:
        erased = {found.column: {found.value, *found.keys}}
    asked = Erasure(system, id_, found.column, reason, now, found.record())
    return stores.operations.begin_erasure(asked, values=erased)


def carry_out(
    stores: Resources, found: Plan, erasure: Erasure, *, systems: tuple[str, ...], say: Callable[[str], None]
) -> list[Path]:
    """Do all steps, tell each, and return the files that still hold the value: none, or a person must look at them."""
    hit = joined(stores, found.affected, erasure.plan)
    name, ask = erasure.id[:ID_DIGITS], stores.operations
    wanted = Wanted(found.column, found.value, {found.key: partial(ask.tombstones(erasure.system).mask, found.key)})
    for system in systems:  # first: what serves must not learn of it by its files
        _retire(stores, system, hit, erasure, say)
    for system in systems:
        for table in stores.lake.tables(system):
            if gone := stores.lake.erase(system, table, wanted, run_id=f"erasure {name}"):
                say(f"{system}.{table}: rows erased, {len(gone)} file(s) of its versions deleted")
        ask.forget_online(system)
    for source in hit.files(stores):
        if stores.models.discard(source):
            say(f"model files deleted: {source}")
    for changed in value_search.redact(stores.home, found.value, tables=HASHED, unless=partial(_kept, stores)):
        say(f"taken out of {changed.relative_to(stores.home)}")
    _record(stores, hit, erasure)
    left = value_search.mentions(stores.home, found.value)
    if not left:
        ask.finish_erasure(erasure)
    return left


def _kept(stores: Resources, file: Path) -> bool:
    """Return whether a file is a table's or a model's: their bytes are recorded."""
    below = file.relative_to(stores.home).parts
    return below[0] in ("lake", "lock") or any(part.startswith("model-") for part in below)


def _retire(stores: Resources, system: str, hit: Affected, erasure: Erasure, say: Callable[[str], None]) -> None:
    mine = [model for model in hit.models if model.system == system]
    for model in mine:
        stores.operations.retire(Retirement(system, model.version, erasure.id, erasure.as_of))
        say(f"{system} version {model.version} retired: it cannot be rebuilt any more")
    retired = stores.operations.retired(system)
    while (standing := stores.operations.alias(system, CHAMPION)) is not None and standing.version in retired:
        at = max(erasure.as_of, standing.as_of)  # a clock that is behind keeps nobody in place
        target = last_unaffected(stores.operations.attempts(system, CHAMPION), retired)
        if target is None:
            say(f"{system}: {NOBODY}")
            return
        try:
            done = roll_back(
                system, stores.operations, stores.models, reason=BECAUSE, now=FixedClock(at).now, to=target.version
            )
        except CannotServe as error:
            say(f"{system}: {NOBODY}; {error}")
            return
        say("\n".join(done.lines))
        if not done.done:
            return


def _record(stores: Resources, hit: Affected, erasure: Erasure) -> None:
    """Put on record what was erased, by counts and hashes, and each model that went with it."""
    name, operations = erasure.id[:ID_DIGITS], stores.operations
    plan: dict[str, Any] = dict(erasure.plan)
    evidence = {"value": erasure.id, "column": erasure.column, "rows": plan["rows"], "requests": plan["requests"]}
    context = {"versions": plan["versions"]}
    operations.record(Decision(erasure.system, erasure.as_of, ERASURE, name, DONE, erasure.reason, evidence, context))
    for model in hit.models:
        operations.record(
            Decision(
                model.system, erasure.as_of, RETIREMENT, f"version {model.version}", RETIRED, BECAUSE,
                {"model": model.content_hash, "erasure": erasure.id, "rebuildable": False}, {"version": model.version},
            )
        )  # fmt: skip
