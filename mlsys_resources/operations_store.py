"""Operational state: trusted models, aliases moved by compare-and-set, the ledger, the read ledger, the clocks."""

import json
from collections.abc import Callable
from dataclasses import fields
from datetime import datetime
from functools import partial
from typing import Any, TypeVar

import sqlalchemy as sa

from mlsys_resources import fence
from mlsys_resources.canonical import canonical_json, content_hash as hash_of
from mlsys_resources.database import Database
from mlsys_resources.names import identifier
from mlsys_resources.operations_checks import LONGEST_NAME, LONGEST_TEXT, check_count, check_text
from mlsys_resources.operations_rows import LOST, REFUSED, WON, Alias, AliasAttempt, Decision, ModelVersion, TestRead
from mlsys_resources.operations_tables import (
    ALIAS_ATTEMPTS,
    ALIASES,
    CLOCKS,
    DECISIONS,
    METADATA,
    MODELS,
    TEST_READS,
)

Row = TypeVar("Row", ModelVersion, Alias, AliasAttempt, Decision, TestRead)


class Conflict(RuntimeError):
    """Another writer was there first, or the same key is on record with other content."""


class UnknownModel(LookupError):
    """No trusted record says that this version is this model."""


class OperationsStore:
    """The operational record of all systems, in SQLite (``sqlite:///file``) or PostgreSQL (``postgresql://…``).

    Opens its database on first use and creates its tables, safely against other processes doing the
    same. ``clock`` stamps what is written; as-of times are always the caller's. System and alias names
    are identifiers; every value is bound. Raises ValueError for a URL or a name that is not allowed,
    DatabaseUnavailable where the server or the file cannot be reached, and, if it was given a ``token``,
    Fenced for any write once there is a newer one.
    """

    def __init__(self, url: str, *, clock: Callable[[], datetime], token: int | None = None) -> None:
        guard = None if token is None else partial(fence.check, token=token)
        self._database = Database(url, METADATA, guard=guard)
        self._clock = clock
        self._guard = guard

    def __repr__(self) -> str:
        return f"OperationsStore({self._database!r})"

    def close(self) -> None:
        """Close the connections held; the store can be used again."""
        self._database.close()

    def take_over(self, holder: str) -> int:
        """Return a token greater than all before it, so that whoever shows one of those can write no more."""
        check_text(LONGEST_TEXT, holder=holder)
        return fence.take_over(self._database, holder=holder, at=self._clock())

    def check_fence(self) -> None:
        """Raise Fenced if there is a newer token than this store's: for writes to other stores."""
        if self._guard is not None:
            with self._database.read() as connection:
                self._guard(connection)

    # -- models ---------------------------------------------------------------------------------

    def record_model(self, model: ModelVersion) -> ModelVersion:
        """Put a model on record and return it, or return the one that stands for the same content and as-of.

        Raises Conflict if the version number is on record for another model.
        """
        identifier(model.system)
        check_count(version=model.version)
        check_text(LONGEST_NAME, name=model.name, content_hash=model.content_hash, run_id=model.run_id)
        check_text(LONGEST_TEXT, manifest_sha256=model.manifest_sha256, source=model.source)
        row = _values(model, registered_at=self._clock())
        with self._database.write() as connection:
            self._database.insert_if_absent(connection, MODELS, row)
        standing = self.find_model(model.system, model.name, content_hash=model.content_hash, as_of=model.as_of)
        if standing is not None:
            return standing
        raise Conflict(
            f"{model.system} version {model.version} is already on record for another model than"
            f" {model.name} {model.content_hash}: the model registry and this store do not belong together;"
            " point both to stores that have grown together, or start both anew"
        )

    def model(self, system: str, version: int) -> ModelVersion | None:
        """Return the trusted record of a version, or None."""
        check_count(version=version)
        found = self._rows(MODELS, MODELS.c.system == identifier(system), MODELS.c.version == version)
        return _row(ModelVersion, found[0]) if found else None

    def find_model(self, system: str, name: str, *, content_hash: str, as_of: datetime) -> ModelVersion | None:
        """Return the version that holds this content of this candidate as of that time, or None."""
        found = self._rows(
            MODELS,
            MODELS.c.system == identifier(system),
            MODELS.c.name == name,
            MODELS.c.content_hash == content_hash,
            MODELS.c.as_of == as_of,
        )
        return _row(ModelVersion, found[0]) if found else None

    def models(self, system: str) -> tuple[ModelVersion, ...]:
        """Return all versions of a system, oldest first."""
        found = self._rows(MODELS, MODELS.c.system == identifier(system), order=MODELS.c.version)
        return tuple(_row(ModelVersion, row) for row in found)

    # -- aliases --------------------------------------------------------------------------------

    def alias(self, system: str, alias: str) -> Alias | None:
        """Return what an alias stands for now, or None if it was never set."""
        with self._database.read() as connection:
            return _alias(connection, identifier(system), identifier(alias))

    def alias_at(self, system: str, alias: str, at: datetime) -> Alias | None:
        """Return what an alias stood for as of a time: its last move with ``as_of <= at``, or None."""
        found = self._rows(
            ALIAS_ATTEMPTS,
            ALIAS_ATTEMPTS.c.system == identifier(system),
            ALIAS_ATTEMPTS.c.alias == identifier(alias),
            ALIAS_ATTEMPTS.c.outcome == WON,
            ALIAS_ATTEMPTS.c.as_of <= at,
            order=ALIAS_ATTEMPTS.c.expected_revision,
        )
        if not found:
            return None
        last = _row(AliasAttempt, found[-1])
        return Alias(system, alias, last.version, last.content_hash, last.as_of, last.expected_revision + 1)

    def set_alias(  # noqa: PLR0913 - a compare-and-set says all it compares
        self,
        system: str,
        alias: str,
        *,
        version: int,
        content_hash: str,
        as_of: datetime,
        expected_revision: int,
        reason: str,
    ) -> Alias:
        """Move an alias if it still stands at ``expected_revision`` (0: not yet set); every attempt is recorded.

        Raises Conflict if another move came first or the alias was moved by a decision of a later
        as-of; UnknownModel if no trusted record says that this version has this content.
        """
        check_count(version=version, expected_revision=expected_revision)
        wanted = Alias(identifier(system), identifier(alias), version, content_hash, as_of, expected_revision + 1)
        check_text(LONGEST_TEXT, content_hash=content_hash, reason=reason)
        with self._database.write() as connection:
            outcome = self._try_alias(connection, wanted)
            found = _alias(connection, system, alias)
            found_revision = expected_revision if outcome == WON else found.revision if found else 0
            attempt = AliasAttempt(
                system, alias, version, content_hash, as_of, expected_revision, found_revision, outcome, reason,
                self._clock(),
            )  # fmt: skip
            connection.execute(sa.insert(ALIAS_ATTEMPTS).values(**_values(attempt)))
        if outcome == WON:
            return wanted
        raise _refusal(wanted, found, outcome)  # after the commit: the lost attempt is on record too

    def attempts(self, system: str, alias: str | None = None) -> tuple[AliasAttempt, ...]:
        """Return every try to move an alias of a system, in the order they were made."""
        conditions = [ALIAS_ATTEMPTS.c.system == identifier(system)]
        if alias is not None:
            conditions.append(ALIAS_ATTEMPTS.c.alias == identifier(alias))
        return tuple(
            _row(AliasAttempt, row) for row in self._rows(ALIAS_ATTEMPTS, *conditions, order=ALIAS_ATTEMPTS.c.id)
        )

    def _try_alias(self, connection: sa.Connection, wanted: Alias) -> str:
        known = sa.select(MODELS.c.content_hash).where(
            MODELS.c.system == wanted.system, MODELS.c.version == wanted.version
        )
        if connection.execute(known).scalar() != wanted.content_hash:
            return REFUSED
        if wanted.revision == 1:
            return WON if self._database.insert_if_absent(connection, ALIASES, _values(wanted)) else LOST
        move = (
            sa.update(ALIASES)
            .where(ALIASES.c.system == wanted.system, ALIASES.c.alias == wanted.alias)
            .where(ALIASES.c.revision == wanted.revision - 1, ALIASES.c.as_of <= wanted.as_of)
            .values(**_values(wanted))
        )
        return WON if connection.execute(move).rowcount == 1 else LOST

    # -- decisions ------------------------------------------------------------------------------

    def record(self, decision: Decision) -> bool:
        """Append a decision; return False if the identical one is on record.

        Raises Conflict if a different one has the same system, as-of, kind and name.
        """
        identifier(decision.system)
        check_text(LONGEST_NAME, kind=decision.kind, name=decision.name, verdict=decision.verdict)
        check_text(LONGEST_TEXT, reason=decision.reason)
        evidence, context = canonical_json(dict(decision.evidence)), canonical_json(dict(decision.context))
        row = _values(decision, evidence=evidence, context=context, recorded_at=self._clock())
        row["content_hash"] = decision.content_hash
        with self._database.write() as connection:
            if self._database.insert_if_absent(connection, DECISIONS, row):
                return True
            key = [DECISIONS.c[name] == row[name] for name in ("system", "as_of", "kind", "name")]
            standing = connection.execute(sa.select(DECISIONS.c.content_hash).where(*key)).scalar_one()
        if standing == decision.content_hash:
            return False
        raise Conflict(
            f"{decision.system} has another {decision.kind} {decision.name!r} as of {decision.as_of.isoformat()} on"
            f" record: found {standing}, expected {decision.content_hash}; a decision is never rewritten, so look"
            " for what made two runs of the same step differ"
        )

    def decisions(
        self,
        system: str,
        kind: str | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> tuple[Decision, ...]:
        """Return a system's decisions as of ``since`` to ``until``, both included, by as-of, kind and name."""
        conditions = [DECISIONS.c.system == identifier(system)]
        if kind is not None:
            conditions.append(DECISIONS.c.kind == kind)
        if since is not None:
            conditions.append(DECISIONS.c.as_of >= since)
        if until is not None:
            conditions.append(DECISIONS.c.as_of <= until)
        found = [_decision(row) for row in self._rows(DECISIONS, *conditions)]
        # Sorted here: databases order text by their own collations.
        return tuple(sorted(found, key=lambda decision: (decision.as_of, decision.kind, decision.name)))

    def decision(
        self, system: str, kind: str, name: str, *, until: datetime | None = None, verdict: str | None = None
    ) -> Decision | None:
        """Return the last decision of that kind and name, as of ``until`` or before; None if there is none.

        ``verdict``: the last that said so.
        """
        query = (
            sa.select(DECISIONS)
            .where(DECISIONS.c.system == identifier(system), DECISIONS.c.kind == kind, DECISIONS.c.name == name)
            .order_by(DECISIONS.c.as_of.desc())
            .limit(1)
        )
        if until is not None:
            query = query.where(DECISIONS.c.as_of <= until)
        if verdict is not None:
            query = query.where(DECISIONS.c.verdict == verdict)
        with self._database.read() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else _decision(row)

    def ledger_hash(self, system: str) -> str:
        """Return one hash over all decisions of a system, recomputed from what they say."""
        return hash_of([decision.content_hash for decision in self.decisions(system)])

    # -- reads of sealed tests ------------------------------------------------------------------

    def record_test_read(self, read: TestRead) -> bool:
        """Append one opening of a sealed test; return False if the identical one is on record."""
        identifier(read.system)
        check_text(LONGEST_TEXT, split=read.split, content_hash=read.content_hash)
        check_text(LONGEST_TEXT, models=read.models, reason=read.reason)
        row = _values(read, key=read.key, at=self._clock())
        with self._database.write() as connection:
            return self._database.insert_if_absent(connection, TEST_READS, row)

    def test_reads(self, system: str, *, content_hash: str | None = None) -> tuple[TestRead, ...]:
        """Return the openings of a system's sealed tests, or of the one with that hash, oldest as-of first."""
        conditions = [TEST_READS.c.system == identifier(system)]
        if content_hash is not None:
            conditions.append(TEST_READS.c.content_hash == content_hash)
        found = [_row(TestRead, row) for row in self._rows(TEST_READS, *conditions)]
        return tuple(sorted(found, key=lambda read: (read.as_of, read.split, read.key)))

    # -- simulated clocks -----------------------------------------------------------------------

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

    # -------------------------------------------------------------------------------------------

    def _rows(
        self, table: sa.Table, *conditions: sa.ColumnElement[bool], order: sa.ColumnElement[Any] | None = None
    ) -> list[Any]:
        with self._database.read() as connection:
            return list(connection.execute(sa.select(table).where(*conditions).order_by(order)).mappings())


def _alias(connection: sa.Connection, system: str, alias: str) -> Alias | None:
    query = sa.select(ALIASES).where(ALIASES.c.system == system, ALIASES.c.alias == alias)
    found = connection.execute(query).mappings().first()
    return None if found is None else _row(Alias, found)


def _row(kind: type[Row], values: Any) -> Row:
    return kind(**{field.name: values[field.name] for field in fields(kind)})


def _values(row: Row, **more: object) -> dict[str, Any]:
    return {field.name: getattr(row, field.name) for field in fields(row)} | more


def _decision(values: Any) -> Decision:
    return _row(Decision, dict(values) | {name: json.loads(values[name]) for name in ("evidence", "context")})


def _refusal(wanted: Alias, found: Alias | None, outcome: str) -> Exception:
    what = f"{wanted.system}@{wanted.alias} was not moved to version {wanted.version} ({wanted.content_hash})"
    if outcome == REFUSED:
        return UnknownModel(f"{what}: no trusted record says that this version has this content; register it first")
    stands = (
        f"version {found.version} as of {found.as_of.isoformat()}, revision {found.revision}"
        if found
        else "nothing, revision 0"
    )
    if found and found.revision == wanted.revision - 1:
        return Conflict(
            f"{what}: it stands at {stands}, and a decision as of {wanted.as_of.isoformat()} comes too late for it;"
            " decide again as of now"
        )
    return Conflict(
        f"{what}: expected revision {wanted.revision - 1}, found {stands}; another promotion came first: read the"
        " alias again, compare with what stands there now, and only then try again"
    )
