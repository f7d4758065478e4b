"""Erasures: what was asked for, as hashes, how far it came, and the models that it retired."""

import json
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from mlsys_resources.canonical import canonical_json
from mlsys_resources.names import identifier
from mlsys_resources.operations_checks import LONGEST_TEXT, check_count, check_text
from mlsys_resources.operations_online import OnlineStates
from mlsys_resources.operations_tables import (
    ERASURE_KEYS,
    ERASURES,
    ONLINE_POSITIONS,
    ONLINE_ROWS,
    RETIREMENTS,
    TOMBSTONES,
)
from mlsys_resources.tombstones import KEY_BYTES, Tombstones, keyed_hash

ONLY = 1
"""The key of the one row: an operations store has one secret."""


@dataclass(frozen=True, slots=True)
class Erasure:
    """One erasure that was begun. ``id`` is the keyed hash of column and value, ``plan`` what was found to be affected.

    ``done_at`` is None as long as a step of it is left to do.
    """

    system: str
    id: str
    column: str
    reason: str
    as_of: datetime
    plan: Mapping[str, Any] = field(hash=False)
    done_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Retirement:
    """A model that serves no more and cannot be rebuilt: rows that it learned from were erased."""

    system: str
    version: int
    erasure: str
    as_of: datetime


class Erasures(OnlineStates):
    """What was erased from a system, never in clear."""

    def erasure_id(self, column: str, value: str) -> str:
        """Return the keyed hash by which the erasure of a value is known."""
        return keyed_hash(self._erasure_key(), column, value)

    def erasure(self, system: str, id_: str) -> Erasure | None:
        """Return an erasure that was begun, or None."""
        found = self._rows(ERASURES, ERASURES.c.system == identifier(system), ERASURES.c.id == id_)
        return None if not found else Erasure(**{**found[0], "plan": json.loads(found[0]["plan"])})

    def erasures(self, system: str) -> tuple[Erasure, ...]:
        """Return all erasures of a system that were begun, oldest first."""
        found = self._rows(ERASURES, ERASURES.c.system == identifier(system))
        said = [Erasure(**{**row, "plan": json.loads(row["plan"])}) for row in found]
        return tuple(sorted(said, key=lambda each: (each.as_of, each.id)))

    def begin_erasure(self, erasure: Erasure, *, values: Mapping[str, Collection[str]]) -> Erasure:
        """Put an erasure on record with the tombstones of its values, and return it; one that was begun stands.

        An erasure that was done, of a value that was found again, is begun anew; its tombstones stay.
        """
        identifier(erasure.system)
        check_text(LONGEST_TEXT, column=erasure.column, reason=erasure.reason)
        key, plan = self._erasure_key(), canonical_json(dict(erasure.plan))
        row = {
            "system": erasure.system, "id": erasure.id, "column": erasure.column, "reason": erasure.reason,
            "as_of": erasure.as_of, "plan": plan, "done_at": None,
        }  # fmt: skip
        here = (ERASURES.c.system == erasure.system) & (ERASURES.c.id == erasure.id)
        with self._database.write() as connection:
            connection.execute(sa.delete(ERASURES).where(here, ERASURES.c.done_at.is_not(None)))
            self._database.insert_if_absent(connection, ERASURES, row)
            for column, erased in values.items():
                for value in sorted(erased):
                    stone = {"system": erasure.system, "column": column, "hash": keyed_hash(key, column, value)}
                    self._database.insert_if_absent(connection, TOMBSTONES, stone)
        standing = self.erasure(erasure.system, erasure.id)
        assert standing is not None  # noqa: S101 - it was put there
        return standing

    def finish_erasure(self, erasure: Erasure) -> None:
        """Note that nothing of an erasure is left to do."""
        here = (ERASURES.c.system == erasure.system) & (ERASURES.c.id == erasure.id)
        with self._database.write() as connection:
            connection.execute(sa.update(ERASURES).where(here).values(done_at=self._clock()))

    def tombstones(self, *systems: str) -> Tombstones:
        """Return what was erased from systems, to be known again."""
        found: dict[str, set[str]] = {}
        for row in self._rows(TOMBSTONES, TOMBSTONES.c.system.in_([identifier(system) for system in systems])):
            found.setdefault(row["column"], set()).add(row["hash"])
        hashes = {column: frozenset(hashes) for column, hashes in found.items()}
        return Tombstones(self._erasure_key() if hashes else b"", hashes)

    def retire(self, retirement: Retirement) -> None:
        """Put on record that a model serves no more and cannot be rebuilt; the first record stands."""
        row = {name: getattr(retirement, name) for name in ("system", "version", "erasure", "as_of")}
        with self._database.write() as connection:
            self._database.insert_if_absent(connection, RETIREMENTS, row)

    def retirement(self, system: str, version: int) -> Retirement | None:
        """Return why a version serves no more, or None."""
        check_count(version=version)
        found = self._rows(RETIREMENTS, RETIREMENTS.c.system == identifier(system), RETIREMENTS.c.version == version)
        return Retirement(**found[0]) if found else None

    def retired(self, system: str) -> frozenset[int]:
        """Return the versions of a system that serve no more."""
        return frozenset(row["version"] for row in self._rows(RETIREMENTS, RETIREMENTS.c.system == identifier(system)))

    def forget_online(self, system: str) -> None:
        """Delete a system's stored online features: they are built anew from the lake when they are next asked for."""
        identifier(system)
        with self._database.write() as connection:
            for table in (ONLINE_ROWS, ONLINE_POSITIONS):
                connection.execute(sa.delete(table).where(table.c.system == system))

    def _erasure_key(self) -> bytes:
        """Return the store's secret, which is made when it is first asked for."""
        if not (found := self._rows(ERASURE_KEYS)):
            with self._database.write() as connection:
                row = {"id": ONLY, "key": secrets.token_bytes(KEY_BYTES)}
                self._database.insert_if_absent(connection, ERASURE_KEYS, row)
            found = self._rows(ERASURE_KEYS)
        return bytes(found[0]["key"])
