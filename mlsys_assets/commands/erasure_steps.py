"""An erasure done, step by step: each can be done again, so that one that was cut short goes on where it was."""

import shutil
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from mlsys_assets.commands.erasure_plan import Affected, Plan, joined
from mlsys_assets.commands.rollback import CannotServe, roll_back
from mlsys_assets.ledger import ERASURE, RETIREMENT
from mlsys_assets.models.tracking import SAMPLE_FOLDER
from mlsys_assets.models.tuning.journal import SEARCHES
from mlsys_assets.rollout.rollback import unaffected
from mlsys_assets.types import CHAMPION, FixedClock
from mlsys_resources import value_search
from mlsys_resources.artifact_files import ServedElsewhere
from mlsys_resources.mlflow_connection import ModelStoreError
from mlsys_resources.model_files import KEPT
from mlsys_resources.operations_erasures import Erasure, Retirement
from mlsys_resources.operations_rows import Alias, Decision
from mlsys_resources.orphans import MODEL_FOLDER
from mlsys_resources.resources import Resources
from mlsys_resources.table_erasure import Wanted

DONE, RETIRED = "erased", "retired"
"""Verdicts."""
ID_DIGITS = 16
"""Hexadecimal digits of an erasure's id by which the ledger and commits name it."""
HASHED = ("mlsys_",)
"""How the tables of the record begin, whose texts are hashed and are never changed."""
BECAUSE = "its training rows were erased"


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
) -> list[str]:
    """Do all steps, tell each, and return what still holds the value: nothing, or a person must look at it."""
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
    left = _discard(stores, hit, say)
    sought = found.value if found.in_texts else ""
    for changed in value_search.redact(stores.home, sought, tables=HASHED, unless=partial(_kept, stores)):
        say(f"taken out of {changed.relative_to(stores.home)}")
    _record(stores, hit, erasure)
    left += [f"{file} still holds the value, or cannot be read" for file in value_search.mentions(stores.home, sought)]
    if not left:
        ask.finish_erasure(erasure)
    return left


def _discard(stores: Resources, hit: Affected, say: Callable[[str], None]) -> list[str]:
    """Delete what models are made of, samples of rows and searches under way; return what could not be, and why."""
    left = []
    try:
        folders = [each for system, run in hit.runs(stores) for each in stores.models.folders(system, run)]
    except ModelStoreError as error:
        folders, left = [], [f"the runs of what learned from the rows were not looked through: {error}"]
    told = {source: None for name, source in folders if name == SAMPLE_FOLDER or MODEL_FOLDER.fullmatch(name)}
    for source, manifest_sha256 in {**told, **hit.files(stores)}.items():
        try:
            if stores.models.discard(source, manifest_sha256=manifest_sha256):
                say(f"files deleted: {source}")
        except (ModelStoreError, ServedElsewhere) as error:
            left.append(f"{source}: {error}")
    for system in hit.trainings:
        if (searched := stores.home / SEARCHES / system).is_dir():
            shutil.rmtree(searched)
            say(f"trials of searches under way deleted: {searched.relative_to(stores.home)}")
    return left


def _kept(stores: Resources, file: Path) -> bool:
    """Return whether a file is a table's or a model's: their bytes are recorded."""
    below = file.relative_to(stores.home).parts
    return below[0] in ("lake", "lock") or KEPT in below or any(MODEL_FOLDER.fullmatch(part) for part in below)


def _retire(stores: Resources, system: str, hit: Affected, erasure: Erasure, say: Callable[[str], None]) -> None:
    mine = [model for model in hit.models if model.system == system]
    for model in mine:
        stores.operations.retire(Retirement(system, model.version, erasure.id, erasure.as_of))
        say(f"{system} version {model.version} retired: it cannot be rebuilt any more")
    while (standing := _retired_champion(stores, system)) is not None:
        at = max(erasure.as_of, standing.as_of)  # a clock that is behind keeps nobody in place
        if not _gone_back(stores, system, at, say):
            say(f"{system}: {nobody(system)}")
            return


def _retired_champion(stores: Resources, system: str) -> Alias | None:
    standing, retired = stores.operations.alias(system, CHAMPION), stores.operations.retired(system)
    return standing if standing is not None and standing.version in retired else None


def _gone_back(stores: Resources, system: str, at: datetime, say: Callable[[str], None]) -> bool:
    """Put the last champion in place that is not affected and loads, and return whether there was one."""
    operations = stores.operations
    for target in unaffected(operations.attempts(system, CHAMPION), operations.retired(system)):
        try:
            done = roll_back(
                system, operations, stores.models, reason=BECAUSE, now=FixedClock(at).now, to=target.version
            )
        except CannotServe as error:
            say(f"{error}")
            continue
        say("\n".join(done.lines))
        return done.done
    return False


def nobody(system: str) -> str:
    """Return what to do where no champion is left: no retired one comes back, and no gate is passed by."""
    return (
        "no champion, so that nothing is predicted until a training passes its gate; the next decision asks for one by "
        f"itself (mlsys run, or the schedule of mlsys up), job {system}_train does at once; if the gate does not pass "
        f"it, `mlsys ledger {system}` says what it lacks"
    )


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
