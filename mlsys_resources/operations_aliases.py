"""Aliases of models, such as the champion's: moved by compare-and-set, with every attempt on record."""

from datetime import datetime

import sqlalchemy as sa

from mlsys_resources.names import identifier
from mlsys_resources.operations_checks import LONGEST_TEXT, check_count, check_text
from mlsys_resources.operations_records import Conflict, Records, row_of, values_of
from mlsys_resources.operations_rows import LOST, REFUSED, WON, Alias, AliasAttempt
from mlsys_resources.operations_tables import ALIAS_ATTEMPTS, ALIASES, MODELS, RETIREMENTS


class UnknownModel(LookupError):
    """No trusted record says that this version is this model."""


class RetiredModel(LookupError):
    """A version serves no more: rows that it learned from were erased."""

    def __init__(self, system: str, version: int) -> None:
        super().__init__(
            f"{system} version {version} is retired: rows that it learned from were erased, so that it serves no more; "
            "name another version, or train anew"
        )


class Aliases(Records):
    """Which version an alias stands for, now and at any time, and who tried to move it."""

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
        last = row_of(AliasAttempt, found[-1])
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
        as-of; UnknownModel if no trusted record says that this version has this content; RetiredModel if
        it serves no more.
        """
        check_count(version=version, expected_revision=expected_revision)
        wanted = Alias(identifier(system), identifier(alias), version, content_hash, as_of, expected_revision + 1)
        check_text(LONGEST_TEXT, content_hash=content_hash, reason=reason)
        with self._database.write() as connection:
            gone = _is_retired(connection, wanted)
            outcome = REFUSED if gone else self._try_alias(connection, wanted)
            found = _alias(connection, system, alias)
            found_revision = expected_revision if outcome == WON else found.revision if found else 0
            attempt = AliasAttempt(
                system, alias, version, content_hash, as_of, expected_revision, found_revision, outcome, reason,
                self._clock(),
            )  # fmt: skip
            connection.execute(sa.insert(ALIAS_ATTEMPTS).values(**values_of(attempt)))
        if outcome == WON:
            return wanted
        # After the commit: the lost attempt is on record too.
        raise RetiredModel(system, version) if gone else _refusal(wanted, found, outcome)

    def attempts(self, system: str, alias: str | None = None) -> tuple[AliasAttempt, ...]:
        """Return every try to move an alias of a system, in the order they were made."""
        conditions = [ALIAS_ATTEMPTS.c.system == identifier(system)]
        if alias is not None:
            conditions.append(ALIAS_ATTEMPTS.c.alias == identifier(alias))
        return tuple(
            row_of(AliasAttempt, row) for row in self._rows(ALIAS_ATTEMPTS, *conditions, order=ALIAS_ATTEMPTS.c.id)
        )

    def _try_alias(self, connection: sa.Connection, wanted: Alias) -> str:
        known = sa.select(MODELS.c.content_hash).where(
            MODELS.c.system == wanted.system, MODELS.c.version == wanted.version
        )
        if connection.execute(known).scalar() != wanted.content_hash:
            return REFUSED
        if wanted.revision == 1:
            return WON if self._database.insert_if_absent(connection, ALIASES, values_of(wanted)) else LOST
        move = (
            sa.update(ALIASES)
            .where(ALIASES.c.system == wanted.system, ALIASES.c.alias == wanted.alias)
            .where(ALIASES.c.revision == wanted.revision - 1, ALIASES.c.as_of <= wanted.as_of)
            .values(**values_of(wanted))
        )
        return WON if connection.execute(move).rowcount == 1 else LOST


def _alias(connection: sa.Connection, system: str, alias: str) -> Alias | None:
    query = sa.select(ALIASES).where(ALIASES.c.system == system, ALIASES.c.alias == alias)
    found = connection.execute(query).mappings().first()
    return None if found is None else row_of(Alias, found)


def _is_retired(connection: sa.Connection, wanted: Alias) -> bool:
    here = (RETIREMENTS.c.system == wanted.system) & (RETIREMENTS.c.version == wanted.version)
    return connection.execute(sa.select(RETIREMENTS.c.version).where(here)).first() is not None


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
