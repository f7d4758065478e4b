"""Operational state: one store of ledger, trusted models, aliases, read ledger, clocks, online features, erasures."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

import sqlalchemy as sa

from mlsys_resources import fence
from mlsys_resources.database import Database
from mlsys_resources.operations_alerts import AlertOutbox
from mlsys_resources.operations_aliases import Aliases, RetiredModel, UnknownModel
from mlsys_resources.operations_checks import LONGEST_TEXT, check_text
from mlsys_resources.operations_clocks import SimulatedClocks
from mlsys_resources.operations_decisions import Ledger
from mlsys_resources.operations_erasures import Erasures
from mlsys_resources.operations_models import TrustedModels
from mlsys_resources.operations_records import Conflict
from mlsys_resources.operations_rows import Alias
from mlsys_resources.operations_runs import RunLeases
from mlsys_resources.operations_tables import METADATA
from mlsys_resources.operations_test_reads import ReadLedger

__all__ = ["Conflict", "OperationsStore", "RetiredModel", "UnknownModel"]


class OperationsStore(Ledger, TrustedModels, Aliases, ReadLedger, SimulatedClocks, Erasures, AlertOutbox, RunLeases):
    """The operational record of all systems, in SQLite (``sqlite:///file``) or PostgreSQL (``postgresql://…``).

    Opens its database on first use and creates its tables, safely against other processes doing the
    same. ``clock`` stamps what is written; as-of times are always the caller's. System and alias names
    are identifiers; every value is bound. Raises ValueError for a URL or a name that is not allowed,
    DatabaseUnavailable where the server or the file cannot be reached, and, if it was given a ``token``,
    Fenced for any write once there is a newer one. While a process works at a run, so it does once the run is fenced.
    """

    def __init__(self, url: str, *, clock: Callable[[], datetime], token: int | None = None) -> None:
        super().__init__(Database(url, METADATA, guard=self._guard), clock)
        self._token, self._run = token, ""

    def __repr__(self) -> str:
        return f"OperationsStore({self._database!r})"

    def close(self) -> None:
        """Close the connections held; the store can be used again."""
        self._database.close()

    def serving(self, system: str, alias: str) -> Alias | None:
        """Return what an alias stands for now; None if it was never set, or stands for a model that is retired."""
        found = self.alias(system, alias)
        return None if found is None or self.retirement(system, found.version) is not None else found

    def take_over(self, holder: str) -> int:
        """Return a token greater than all before it, so that whoever shows one of those can write no more."""
        check_text(LONGEST_TEXT, holder=holder)
        return fence.take_over(self._database, holder=holder, at=self._clock())

    def check_fence(self) -> None:
        """Raise Fenced if there is a newer token than this store's, or the run is fenced: for writes to others."""
        if self._token is not None or self._run:
            with self._database.read() as connection:
                self._guard(connection)

    @contextmanager
    def at_work(self, run_id: str) -> Iterator[None]:
        """Write for a run, in all threads of this process, until leaving: no more than the run may."""
        before, self._run = self._run, run_id
        try:
            yield
        finally:
            self._run = before

    def _guard(self, connection: sa.Connection) -> None:
        if self._token is not None:
            fence.check(connection, self._token)
        if self._run:
            fence.check_run(connection, self._run)
