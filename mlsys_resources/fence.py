"""The fence: of all processes that ever owned the state, the last one may write and no other.

A lock keeps two processes apart that both look at it. It does not stop what a dead owner left behind: a
child that slept while somebody else took over still believes that it may write (Burrows 2006, "sequencers").
So each owner is given a number greater than all before, and every write is refused that shows another one.
Within one owner's time a run is fenced by its id, before it is failed or asked for again: a step that outlived
the process it worked for can commit nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

import sqlalchemy as sa

from mlsys_resources.database import Database, DatabaseUnavailable
from mlsys_resources.operations_tables import FENCE, RUN_LEASES

ONLY = 1
"""The key of the one row: an operations store belongs to one state folder."""

PATIENCE_S = 30
"""Seconds a takeover, or the fencing of a run, waits on PostgreSQL for a write that has begun; SQLite has its own."""


class Fenced(RuntimeError):
    """Another process took the state over, or the run was given up: this process may not write any more."""


def take_over(database: Database, *, holder: str, at: datetime) -> int:
    """Raise the token, note who holds it, and return it; waits for writes that have begun.

    Raises DatabaseUnavailable if such a write does not end.
    """
    noted = {"holder": holder, "taken_at": at}
    here = FENCE.c.id == ONLY
    with patiently(database, "the state folder cannot be taken over") as connection:
        database.insert_if_absent(connection, FENCE, {"id": ONLY, "token": 0, **noted})
        connection.execute(sa.update(FENCE).where(here).values(token=FENCE.c.token + 1, **noted))
        return int(connection.execute(sa.select(FENCE.c.token).where(here)).scalar_one())


def check(connection: sa.Connection, token: int) -> None:
    """Raise Fenced if another token is on record, or none is; until this transaction ends, none can be put there."""
    # PostgreSQL holds the row for us by "FOR SHARE"; in SQLite a write transaction is alone anyway.
    query = sa.select(FENCE).where(FENCE.c.id == ONLY).with_for_update(read=True)
    found = connection.execute(query).first()
    if found is None:
        raise Fenced(
            f"the operations store was cleared since this process was given token {token}; nothing was written, and"
            " this process must end"
        )
    if found.token != token:
        raise Fenced(
            f"another process took over the state folder: {found.holder} has token {found.token} since"
            f" {found.taken_at:%Y-%m-%d %H:%M:%S} UTC, this process has {token}; nothing was written, and this process"
            " must end: what it was asked for is to be asked for again"
        )


def check_run(connection: sa.Connection, run_id: str) -> None:
    """Raise Fenced if a run is fenced; until this transaction ends, it cannot be."""
    query = sa.select(RUN_LEASES).where(RUN_LEASES.c.run_id == run_id).with_for_update(read=True)
    found = connection.execute(query).first()
    if found is not None and found.fenced_at is not None:
        raise Fenced(
            f"run {run_id} may write no more since {found.fenced_at:%Y-%m-%d %H:%M:%S} UTC ({found.reason}); nothing"
            " was written, and this process must end: what it was asked for is asked for again"
        )


@contextmanager
def patiently(database: Database, wrong: str) -> Iterator[sa.Connection]:
    """Hold a write transaction that waits for writes that have begun; raises DatabaseUnavailable if one does not end.

    ``wrong``: what cannot be done then.
    """
    try:
        with database.write() as connection:
            if connection.dialect.name == "postgresql":  # SQLite has its own patience
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{PATIENCE_S}s'")
            yield connection
    except sa.exc.OperationalError as error:
        said = " ".join(str(error.orig).split())
        raise DatabaseUnavailable(
            f"{wrong}: {database!r} refused ({said}); if it is locked, a process that somebody who is gone left behind "
            "stopped in the midst of a write: find it (fuser, lsof, pg_stat_activity) and end it"
        ) from error
