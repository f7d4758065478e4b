"""The folder that holds all state: who owns it, and the Dagster instance in it."""

import shutil
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from mlsys_assets.instance import open_instance
from mlsys_assets.types import SystemClock
from mlsys_resources.folder_lock import Holder, locked
from mlsys_resources.resources import FENCE, HOME, build_resources

OWN = (
    "lake", "dagster", "mlartifacts", "searches", "logs", "service_logs", "pages", "reports", "operations.db",
    "mlflow.db", "dagster.yaml",
)  # fmt: skip
"""What mlsys puts into a state folder, and what a fresh start takes out of it; a database with its journals."""


def clear(home: Path, *, command: str) -> None:
    """Delete what mlsys keeps in a state folder, and nothing else that may lie there; raises StateFolderBusy."""
    if not home.is_dir():
        return
    with locked(home, Holder.this(command, since=SystemClock().now())):
        for name in OWN:
            if (home / name).is_dir():
                shutil.rmtree(home / name)
            for file in (home / name, home / f"{name}-wal", home / f"{name}-shm"):
                file.unlink(missing_ok=True)


@dataclass(frozen=True)
class Owned:
    """A state folder that is this process's own.

    Parameters
    ----------
    home
        The folder.
    token
        The number by which its stores know that this process and its children may write.
    instance
        Where its runs and events are kept.
    orphans
        The runs that owners before it left unfinished, which are failed now.
    """

    home: Path
    token: int
    instance: dg.DagsterInstance
    orphans: tuple[str, ...]


@contextmanager
def own(home: Path, *, command: str, environment: MutableMapping[str, str]) -> Iterator[Owned]:
    """Own a state folder, which is made if there is none, until leaving or death.

    Whoever owned it before can write no more, nor can what it left running; the runs that it left
    are failed. Stores are to be built from ``environment`` only afterwards: it then holds the token.

    Parameters
    ----------
    home
        The folder.
    command
        What this process is, for whoever finds the folder in use.
    environment
        That of this process, which its children inherit; put back on leaving.

    Raises StateFolderBusy, naming who owns it; ValueError where Dagster's history would be elsewhere;
    DatabaseUnavailable if a database cannot be opened.
    """
    home = home.absolute()  # where the children are may be elsewhere
    elsewhere = environment.get("DAGSTER_HOME")
    if elsewhere and Path(elsewhere).absolute() != home:
        raise ValueError(
            f"DAGSTER_HOME is {elsewhere}, and the runs of this state folder are kept in {home} with all else: "
            f"half of the history would be missed; unset DAGSTER_HOME, or use that folder (--home {elsewhere})"
        )
    home.mkdir(parents=True, exist_ok=True)
    holder = Holder.this(command, since=SystemClock().now())
    with (
        locked(home, holder),
        _taken_over(home, holder, environment) as token,
        open_instance(home, environment) as instance,
    ):
        yield Owned(home, token, instance, fail_orphans(instance, holder))


def fail_orphans(instance: dg.DagsterInstance, holder: Holder) -> tuple[str, ...]:
    """Fail every run that is not finished, free the slots of its steps, and return the runs' ids.

    Only for whoever owns the folder: nobody else works at any of them.
    """
    orphans = instance.get_runs(filters=dg.RunsFilter(statuses=NOT_FINISHED_STATUSES))
    for run in orphans:
        instance.report_run_failed(
            run,
            f"{holder} took over the state folder, in which a process that is gone had left this run"
            f" {run.status.value}. What it has committed stands, and it can commit no more: ask for it again.",
        )
    storage = instance.event_log_storage
    # Also of runs that ended, but died before they gave back what they held.
    for run_id in {run.run_id for run in orphans} | storage.get_concurrency_run_ids():
        storage.free_concurrency_slots_for_run(run_id)
    return tuple(run.run_id for run in orphans)


@contextmanager
def _taken_over(home: Path, holder: Holder, environment: MutableMapping[str, str]) -> Iterator[int]:
    """Raise the fence, and keep the token in the environment while the folder is owned."""
    before = {name: environment.get(name) for name in (HOME, FENCE)}
    environment[HOME] = str(home)
    environment.pop(FENCE, None)  # of an owner before: the new one is above it
    try:
        operations = build_resources(environment, clock=SystemClock().now).operations
        token = operations.take_over(str(holder))
        for run_id in operations.open_leases():  # of the owners before: no reaper has to look for their workers
            operations.fence_run(run_id, f"{holder} took over the state folder")
        operations.close()
        environment[FENCE] = str(token)
        yield token
    finally:
        for name, value in before.items():
            environment.pop(name, None)
            if value is not None:
                environment[name] = value
