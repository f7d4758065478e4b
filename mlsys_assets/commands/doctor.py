"""The doctor: looks at a state folder and says what is wrong with it; it repairs nothing and changes not a byte."""

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from mlsys_assets.commands.examined_folder import READ_ONLY, ExaminedFolder
from mlsys_assets.types import CHAMPION, Finding, SystemClock
from mlsys_resources import record_audit, sqlite_files
from mlsys_resources.database import Database
from mlsys_resources.database_urls import told_to_look
from mlsys_resources.folder_lock import LOCK, look
from mlsys_resources.manifest import TamperedArtifact
from mlsys_resources.mlflow_connection import ModelStoreError
from mlsys_resources.operations_store import UnknownModel
from mlsys_resources.resources import DAGSTER_URL, LAKE, OPERATIONS_URL, TRACKING_URI, Resources, build_resources
from mlsys_resources.table_version import TERMINAL_COLOUR

GIB = 2**30
LEAST_FREE_GIB = 1
"""Several months of flights with their models and events take less."""

HEARTBEAT_S = 120
"""Seconds within which a daemon that lives says so again: Dagster's do so every half a minute."""

LONGEST_ERROR = 300
"""Characters of a library's error that a finding repeats."""

MEND_RECORD = "restore the operations store from a backup, or replay from the raw data in a fresh folder"
MEND_MIRROR = "MLflow's pages need it, decisions and models do not: restore it from a backup"
MEND_HISTORY = "it is Dagster's history of runs, no data: restore it from a backup, or move it away and do without"
MEND_TABLE = (
    "put the file back from a backup, or move the table's folder away and bring all its ticks in again (its older"
    " versions are gone then)"
)

Findings = Iterator[Finding]


def examine(stores: Resources, *, system: str | None = None) -> Findings:
    """Look at a state folder, and yield what each check found, as it is found.

    Parameters
    ----------
    stores
        As the environment names them.
    system
        The one whose record, tables and models are looked at; all that are there if not given.
    """
    if _nothing_there(stores):
        yield Finding("folder", True, f"nothing here yet: {stores.home} is not there or empty; `mlsys run` begins")
        return
    live, holder = look(stores.home) if stores.home.is_dir() else (False, None)
    with (
        tempfile.TemporaryDirectory(prefix="mlsys-doctor-") as scratch,
        closing(ExaminedFolder(stores, Path(scratch), system, live, holder)) as case,
    ):
        for name, check in CHECKS.items():
            yield from _guarded(name, check, case)


def _folder(case: ExaminedFolder) -> Findings:
    if not case.home.is_dir():
        wrong = "is no folder; move the file away, or name another folder (--home)"
    elif not os.access(case.home, os.W_OK | os.X_OK):
        wrong = "cannot be written by this user, so that nothing can run in it; give it to the user that runs mlsys"
    else:
        wrong = None
    yield Finding("folder", wrong is None, f"{case.home} {wrong or 'is there and can be written'}")


def _disk(case: ExaminedFolder) -> Findings:
    free = shutil.disk_usage(next(each for each in (case.home, *case.home.parents) if each.is_dir())).free / GIB
    wrong = f", less than {LEAST_FREE_GIB}: runs fail once it is full; make room, or move the folder"
    yield Finding("disk", free >= LEAST_FREE_GIB, f"{free:.1f} GiB are free{wrong if free < LEAST_FREE_GIB else ''}")


def _lock(case: ExaminedFolder) -> Findings:
    who = case.holder or "somebody who left no note"
    dead = f"; {who} has died in it, and the next start clears up" if case.holder else ""
    yield Finding("lock", True, f"{who} owns the folder" if case.live else f"nobody owns the folder{dead}")


def _databases(case: ExaminedFolder) -> Findings:
    record, mirror = case.record_file, case.mirror_file
    advice = dict.fromkeys(sorted((case.home / "dagster").rglob("*.db")), MEND_HISTORY)
    advice |= {file: MEND_MIRROR for file in [mirror] if file is not None and file.exists()}
    # Models are registered there and here: a folder with one and not the other has lost something.
    advice |= {file: MEND_RECORD for file in [record] if file is not None and (file.exists() or mirror in advice)}
    wrong = {file: said for file in advice if (said := _damage(file, live=case.live)) is not None}
    for file, said in wrong.items():
        name = file.relative_to(case.home) if file.is_relative_to(case.home) else file
        yield Finding("databases", False, f"{name} is damaged: {said}; {advice[file]}")
    if not wrong:
        yield Finding("databases", True, f"{_count(len(advice), 'SQLite file')}, whole")


def _system(case: ExaminedFolder) -> Findings:
    if case.wanted is None:
        return
    there = sorted({*case.stores.lake.systems(), *case.recorded()})
    if case.wanted not in there:
        known = ", ".join(there) or "nothing"
        yield Finding("system", False, f"there is nothing of {case.wanted!r} here; there is {known}: name one of these")


def _ledger(case: ExaminedFolder) -> Findings:
    for system in case.chosen(case.recorded()):
        count, altered = record_audit.altered_decisions(case.database, system)
        wrong = [
            f"the decision {each.what} was recorded with the hash {each.recorded}, and its content has {each.found}"
            for each in altered
        ] + [
            f"the last move on record put {each.what} at {each.recorded}, and it stands at {each.found}"
            for each in record_audit.strayed_aliases(case.operations, system)
        ]
        for said in wrong:
            yield Finding(f"ledger {system}", False, f"{said}: it was changed behind our back; {MEND_RECORD}")
        if not wrong:
            yield Finding(f"ledger {system}", True, f"{_count(count, 'decision')}, as recorded")


def _tables(case: ExaminedFolder) -> Findings:
    lake = case.stores.lake
    for system in case.chosen(lake.systems()):
        tables = lake.tables(system)
        wrong = [f"{table}: {said}" for table in tables for said in _table_damages(case, system, table)]
        wrong += [f"{table}: the log that says which of its files count is gone" for table in lake.lost(system)]
        for said in wrong:
            yield Finding(f"tables {system}", False, f"{said}; {MEND_TABLE}")
        if not wrong:
            told = f"{_count(len(tables), 'table')}, and every file of the latest versions is there and readable"
            yield Finding(f"tables {system}", True, told)


def _models(case: ExaminedFolder) -> Findings:
    for system in case.chosen(case.recorded()):
        named, retired = record_audit.named_models(case.operations, system), case.operations.retired(system)
        named = {version: content for version, content in named.items() if version not in retired}
        wrong = {
            version: said for version, content in named.items() if (said := _distrust(case, system, version, content))
        }
        for version, said in wrong.items():
            yield Finding(f"models {system}", False, f"version {version}: {said}")
        if not wrong:
            told = f"{_count(len(named), 'model')} that an alias names or named, as registered"
            yield Finding(f"models {system}", True, told)


def _erasures(case: ExaminedFolder) -> Findings:
    for system in case.chosen(case.recorded()):
        for each in case.operations.erasures(system):
            if each.done_at is None:
                told = f"an erasure by {each.column}, begun as of {each.as_of:%Y-%m-%d %H:%M}, was cut short"
                yield Finding(f"erasures {system}", False, f"{told}; ask `mlsys erase` for it again: it goes on there")


def _mirror(case: ExaminedFolder) -> Findings:
    for system in case.chosen(case.recorded()):
        ours = case.operations.alias(system, CHAMPION)
        if ours is None:
            continue
        shown = case.models.mirrored_alias(system, CHAMPION)
        told = f"MLflow shows version {shown} as {CHAMPION}" if shown else f"MLflow shows no {CHAMPION}"
        if shown != ours.version:
            told += (
                f", ours is {ours.version}: predictions use ours, and people who look there are misled; materialize"
                f" {system}/promotion as of {ours.as_of:%Y-%m-%d %H:%M} again, which copies it"
            )
        yield Finding(f"mirror {system}", shown == ours.version, told)


def _runs(case: ExaminedFolder) -> Findings:
    storage = _run_storage(case)
    if storage is None:
        return
    from dagster import RunsFilter
    from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

    runs = storage.get_runs(RunsFilter(statuses=NOT_FINISHED_STATUSES))
    count = f"{_count(len(runs), 'run')} not finished"
    if not runs:
        yield Finding("runs", True, "every run has ended")
    elif case.live:
        yield Finding("runs", True, f"{count}, and who owns the folder is at work")
    elif case.stores.env.get(DAGSTER_URL) and _beats(storage, case.stores.clock()):
        yield Finding("runs", True, f"{count}, and a daemon is at work")
    else:
        which = ", ".join(f"{run.run_id} ({run.job_name}, {run.status.value})" for run in runs)
        advice = "their process has died; the next start (mlsys run) fails them: ask for them again"
        yield Finding("runs", False, f"{count}, and nobody owns the folder: {which}; {advice}")


def _run_storage(case: ExaminedFolder) -> Any:
    """Return where Dagster keeps its runs, to be read; None if it has kept none yet."""
    url = case.stores.env.get(DAGSTER_URL)
    if not url:
        from dagster._core.storage.runs import SqliteRunStorage

        file = case.home / "dagster" / "history" / "runs.db"
        copy = sqlite_files.copied(file, case.scratch, live=case.live) if file.exists() else None
        return None if copy is None else SqliteRunStorage.from_local(str(copy.parent))
    from dagster_postgres import PostgresRunStorage

    url = told_to_look(url, READ_ONLY)
    with closing(Database(url, sa.MetaData())) as database, database.read() as connection:
        made = sa.inspect(connection).has_table("runs")
    return PostgresRunStorage(url, should_autocreate_tables=False) if made else None


def _beats(storage: Any, now: datetime) -> bool:
    """Return whether a daemon said of late that it works: on PostgreSQL it may be on any machine."""
    return any(now.timestamp() - beat.timestamp < HEARTBEAT_S for beat in storage.get_daemon_heartbeats().values())


CHECKS: dict[str, Callable[[ExaminedFolder], Findings]] = {
    "folder": _folder, "disk": _disk, "lock": _lock, "databases": _databases, "system": _system, "ledger": _ledger,
    "tables": _tables, "models": _models, "erasures": _erasures, "mirror": _mirror, "runs": _runs,
}  # fmt: skip
"""In the order of what rests on what."""


def _guarded(name: str, check: Callable[[ExaminedFolder], Findings], case: ExaminedFolder) -> Findings:
    try:
        yield from check(case)
    except Exception as error:  # noqa: BLE001 - what a damaged file makes a library raise is what we are here to tell
        yield Finding(name, False, f"could not be looked at ({_said(error)}); see to the other problems first")


def _nothing_there(stores: Resources) -> bool:
    home = stores.home
    elsewhere = any(stores.env.get(name) for name in (LAKE, OPERATIONS_URL, TRACKING_URI, DAGSTER_URL))
    empty = not home.exists() or (home.is_dir() and {each.name for each in home.iterdir()} <= {LOCK})
    return empty and not elsewhere


def _damage(file: Path, *, live: bool) -> str | None:
    try:
        return sqlite_files.damage(file, live=live)
    except OSError as error:
        return f"it cannot be read ({_said(error)})"


def _table_damages(case: ExaminedFolder, system: str, table: str) -> list[str]:
    try:
        return case.stores.lake.damages(system, table)
    except Exception as error:  # noqa: BLE001 - as above: a broken log fails in many ways
        return [f"it cannot be opened ({_said(error)})"]


def _distrust(case: ExaminedFolder, system: str, version: int, content_hash: str) -> str | None:
    try:
        found = case.models.load(system, version).version.content_hash
    except UnknownModel as error:
        return f"{error}; {MEND_RECORD}"
    except (TamperedArtifact, ModelStoreError, OSError) as error:
        return str(error)
    return None if found == content_hash else f"it is {found}, and {content_hash} was decided for; {MEND_RECORD}"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _said(error: BaseException) -> str:
    """Return what is at the bottom of an error, in a line: the rest is advice for another situation."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = TERMINAL_COLOUR.sub("", str(error)).strip().splitlines()
    return lines[0][:LONGEST_ERROR] if lines else type(error).__name__


def command(options: argparse.Namespace) -> int:
    """Tell what each check found, as it is found; 1 if there is a problem."""
    healthy = True
    for found in examine(build_resources(os.environ, clock=SystemClock().now), system=options.system):
        healthy &= found.passed
        print(f"{'ok' if found.passed else 'problem':<9}{found.name}: {found.summary}", flush=True)
    return 0 if healthy else 1
