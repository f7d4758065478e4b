"""The leases of runs: which process works at which run, and which run may write no more."""

from collections.abc import Iterable
from datetime import timedelta

import sqlalchemy as sa

from mlsys_resources import fence
from mlsys_resources.operations_checks import LONGEST_NAME, LONGEST_TEXT, check_text
from mlsys_resources.operations_records import Records, row_of
from mlsys_resources.operations_rows import RunLease
from mlsys_resources.operations_tables import RUN_CLAIMS, RUN_LEASES
from mlsys_resources.worker import Worker

CLAIMED_FOR = timedelta(minutes=1)
"""How long the run that somebody asked for may take to be there, before another may ask for it."""


class RunLeases(Records):
    """Who asked for a run, who works at it, from its begin to its end, and which runs are fenced."""

    def begin_run(self, run_id: str, worker: Worker, *, token: int) -> None:
        """Put on record that a process begins to work at a run; raises Fenced if the run is fenced.

        ``token``: of the owner of the state folder, 0 where nobody owns it.
        """
        check_text(LONGEST_NAME, run_id=run_id, host=worker.host)
        who = {"host": worker.host, "pid": worker.pid, "born": worker.born, "token": token, "begun_at": self._clock()}
        with self._database.write() as connection:
            if not self._database.insert_if_absent(connection, RUN_LEASES, {"run_id": run_id, "beats": 0, **who}):
                fence.check_run(connection, run_id)
                connection.execute(_of(run_id).values(ended_at=None, **who))

    def beat_run(self, run_id: str) -> None:
        """Count one more sign of life of who works at a run; raises Fenced if the run is fenced."""
        with self._database.write() as connection:
            fence.check_run(connection, run_id)
            connection.execute(_of(run_id).values(beats=RUN_LEASES.c.beats + 1))

    def end_run(self, run_id: str) -> None:
        """Put on record that who worked at a run has come to its end, well or not; raises Fenced if it is fenced."""
        with self._database.write() as connection:
            fence.check_run(connection, run_id)
            connection.execute(_of(run_id).values(ended_at=self._clock()))

    def fence_run(self, run_id: str, reason: str) -> bool:
        """Refuse every write of a run from now on, and return False if that was so before.

        Waits for its writes that have begun; raises DatabaseUnavailable if one does not end.
        """
        check_text(LONGEST_NAME, run_id=run_id)
        check_text(LONGEST_TEXT, reason=reason)
        fenced = {"fenced_at": self._clock(), "reason": reason}
        with fence.patiently(self._database, f"run {run_id} cannot be fenced") as connection:
            new = {"run_id": run_id, "token": 0, "beats": 0, "begun_at": self._clock(), **fenced}
            if self._database.insert_if_absent(connection, RUN_LEASES, new):
                return True
            return connection.execute(_of(run_id).where(_UNFENCED).values(**fenced)).rowcount == 1

    def claim_run(self, key: str, *, by: str) -> bool:
        """Return whether somebody may ask for a run: nobody else did, or did so long ago that it came to nothing."""
        check_text(LONGEST_TEXT, key=key, by=by)
        now = self._clock()
        with self._database.write() as connection:
            if self._database.insert_if_absent(connection, RUN_CLAIMS, {"key": key, "by": by, "at": now}):
                return True
            free = (RUN_CLAIMS.c.by == by) | (RUN_CLAIMS.c.at <= now - CLAIMED_FOR)
            taken = sa.update(RUN_CLAIMS).where(RUN_CLAIMS.c.key == key, free).values(by=by, at=now)
            return connection.execute(taken).rowcount == 1

    def leases(self, run_ids: Iterable[str]) -> dict[str, RunLease]:
        """Return the leases of runs, by run; none of a run that never began."""
        wanted = sorted(set(run_ids))
        found = self._rows(RUN_LEASES, RUN_LEASES.c.run_id.in_(wanted)) if wanted else []
        return {row["run_id"]: row_of(RunLease, row) for row in found}

    def open_leases(self) -> dict[str, RunLease]:
        """Return the leases of runs that are neither ended nor fenced, by run."""
        found = self._rows(RUN_LEASES, RUN_LEASES.c.ended_at.is_(None), _UNFENCED)
        return {row["run_id"]: row_of(RunLease, row) for row in found}


_UNFENCED = RUN_LEASES.c.fenced_at.is_(None)


def _of(run_id: str) -> sa.Update:
    return sa.update(RUN_LEASES).where(RUN_LEASES.c.run_id == run_id)
