"""Whether the operational record still says what was recorded."""

import json
from dataclasses import dataclass, fields
from typing import Any

import sqlalchemy as sa

from mlsys_resources.database import Database
from mlsys_resources.operations_rows import WON, Alias, Decision
from mlsys_resources.operations_store import OperationsStore
from mlsys_resources.operations_tables import ALIASES, DECISIONS, MODELS


@dataclass(frozen=True, slots=True)
class Altered:
    """A record that is not what it was: what it is about, what was recorded, what stands there now."""

    what: str
    recorded: str
    found: str


def systems(database: Database) -> tuple[str, ...]:
    """Return the names of all systems that have a record, sorted."""
    with database.read() as connection:
        found = {
            name
            for table in (DECISIONS, MODELS, ALIASES)
            for name in connection.execute(sa.select(table.c.system)).scalars()
        }
    return tuple(sorted(found))


def altered_decisions(database: Database, system: str) -> tuple[int, list[Altered]]:
    """Return how many decisions a system has, and those whose content no longer has the hash it had when recorded."""
    with database.read() as connection:
        rows = connection.execute(sa.select(DECISIONS).where(DECISIONS.c.system == system)).mappings().all()
    found = [(row, _hash_now(row)) for row in rows]
    return len(rows), [
        Altered(f"{row['kind']} {row['name']} as of {row['as_of']:%Y-%m-%d %H:%M}", row["content_hash"], now)
        for row, now in found
        if now != row["content_hash"]
    ]


def named_models(store: OperationsStore, system: str) -> dict[int, str]:
    """Return every version that an alias of a system names or named, with the content that was decided for."""
    won = [attempt for attempt in store.attempts(system) if attempt.outcome == WON]
    return {attempt.version: attempt.content_hash for attempt in won}


def strayed_aliases(store: OperationsStore, system: str) -> list[Altered]:
    """Return the aliases that do not stand where the last move on record put them."""
    last = {attempt.alias: attempt for attempt in store.attempts(system) if attempt.outcome == WON}
    found = []
    for name, move in sorted(last.items()):
        put = Alias(system, name, move.version, move.content_hash, move.as_of, move.expected_revision + 1)
        stands = store.alias(system, name)
        if stands != put:
            found.append(Altered(f"{system}@{name}", _said(put), _said(stands)))
    return found


def _hash_now(row: Any) -> str:
    try:
        values = {field.name: row[field.name] for field in fields(Decision)}
        values |= {name: json.loads(row[name]) for name in ("evidence", "context")}
        return Decision(**values).content_hash
    except (TypeError, ValueError) as error:
        return f"nothing that could be read ({error})"


def _said(alias: Alias | None) -> str:
    if alias is None:
        return "nothing"
    when = f"as of {alias.as_of:%Y-%m-%d %H:%M}, revision {alias.revision}"
    return f"version {alias.version}, {alias.content_hash}, {when}"
