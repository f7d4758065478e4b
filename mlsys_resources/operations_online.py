"""Online state at rest: one row an entity, and up to when it holds what happened."""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime

import sqlalchemy as sa

from mlsys_resources.names import identifier
from mlsys_resources.operations_records import Records, row_of, values_of
from mlsys_resources.operations_rows import OnlinePosition
from mlsys_resources.operations_tables import ONLINE_POSITIONS, ONLINE_ROWS

Key = tuple[str, bytes]
"""A state's name, and an entity's key in it."""
AT_ONCE = 5_000
"""How many keys one statement names."""


class OnlineStates(Records):
    """The online features of each system, stored as of one moment, all together or not at all."""

    def online_position(self, system: str) -> OnlinePosition | None:
        """Return as of when the stored state is, and of which declarations; None if there is none."""
        found = self._rows(ONLINE_POSITIONS, ONLINE_POSITIONS.c.system == identifier(system))
        return row_of(OnlinePosition, found[0]) if found else None

    def online_rows(self, system: str) -> Iterator[tuple[str, bytes, bytes]]:
        """Yield the stored state: names of states, keys of entities, contents."""
        asked = sa.select(ONLINE_ROWS.c.state, ONLINE_ROWS.c.entity, ONLINE_ROWS.c.content)
        with self._database.read() as connection:
            for row in connection.execute(asked.where(ONLINE_ROWS.c.system == identifier(system))):
                yield row.state, bytes(row.entity), bytes(row.content)

    def online_size(self, system: str) -> tuple[int, int]:
        """Return how many entities are stored, and in how many bytes."""
        asked = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(sa.func.length(ONLINE_ROWS.c.content)), 0))
        with self._database.read() as connection:
            entities, size = connection.execute(asked.where(ONLINE_ROWS.c.system == identifier(system))).one()
        return int(entities), int(size)

    def save_online(  # noqa: PLR0913 - a position, what changed, and since when
        self,
        system: str,
        *,
        signature: str,
        at: datetime,
        snapshots: str,
        put: Mapping[Key, bytes],
        gone: Collection[Key] = (),
        after: OnlinePosition | None,
        whole: bool = False,
    ) -> OnlinePosition | None:
        """Store what changed ``after`` a position, None if nothing was stored; with ``whole``, ``put`` is all there is.

        Returns the new position; None, with nothing stored, if the stored state is not that of ``after`` any more:
        another process moved it.
        """
        with self._database.write() as connection:
            asked = sa.select(ONLINE_POSITIONS).where(ONLINE_POSITIONS.c.system == identifier(system)).with_for_update()
            found = connection.execute(asked).mappings().first()
            if after != (None if found is None else row_of(OnlinePosition, found)):
                return None
            if whole:
                connection.execute(sa.delete(ONLINE_ROWS).where(ONLINE_ROWS.c.system == system))
            else:
                _delete(connection, system, [*gone, *put])
            if put:
                rows = [{"system": system, "state": s, "entity": e, "content": c} for (s, e), c in put.items()]
                connection.execute(sa.insert(ONLINE_ROWS), rows)
            position = OnlinePosition(system, signature, at, snapshots, edition=after.edition + 1 if after else 1)
            connection.execute(sa.delete(ONLINE_POSITIONS).where(ONLINE_POSITIONS.c.system == system))
            connection.execute(sa.insert(ONLINE_POSITIONS).values(values_of(position)))
        return position


def _delete(connection: sa.Connection, system: str, keys: Collection[Key]) -> None:
    by_state: dict[str, list[bytes]] = {}
    for state, entity in keys:
        by_state.setdefault(state, []).append(entity)
    for state, entities in by_state.items():
        here = (ONLINE_ROWS.c.system == system) & (ONLINE_ROWS.c.state == state)
        for i in range(0, len(entities), AT_ONCE):
            some = ONLINE_ROWS.c.entity.in_(entities[i : i + AT_ONCE])
            connection.execute(sa.delete(ONLINE_ROWS).where(here, some))
