"""Simulated clocks: where each system's stands, for every process alike."""

from datetime import datetime

import sqlalchemy as sa

from mlsys_resources.names import identifier
from mlsys_resources.operations_records import Records
from mlsys_resources.operations_tables import CLOCKS


class SimulatedClocks(Records):
    """One clock a system, which never goes back."""

    def clock(self, system: str) -> datetime | None:
        """Return where the simulated clock of a system stands, or None if it was never moved."""
        found = self._rows(CLOCKS, CLOCKS.c.system == identifier(system))
        return found[0]["now"] if found else None

    def advance_clock(self, system: str, *, to: datetime) -> datetime:
        """Move the simulated clock of a system to ``to`` and return it; where it stands there already, nothing changes.

        Raises ValueError if it stands later: a clock never goes back, whoever moves it at the same time.
        """
        if to.tzinfo is None:
            raise ValueError(f"{to!r} has no time zone; give an aware UTC datetime")
        row = {"system": identifier(system), "now": to}
        with self._database.write() as connection:
            if self._database.insert_if_absent(connection, CLOCKS, row):
                return to
            here = CLOCKS.c.system == system
            if connection.execute(sa.update(CLOCKS).where(here, CLOCKS.c.now <= to).values(now=to)).rowcount == 1:
                return to
            stands: datetime = connection.execute(sa.select(CLOCKS.c.now).where(here)).scalar_one()
        raise ValueError(
            f"the clock of {system} stands at {stands.isoformat()} and never goes back, so that it cannot be moved to"
            f" {to.isoformat()}; move it to a later time, or start anew with a fresh operations store"
        )
