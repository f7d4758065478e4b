"""The ledger: every decision once, never rewritten, with one hash over all."""

import json
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from mlsys_resources.canonical import canonical_json, json_hash
from mlsys_resources.names import identifier
from mlsys_resources.operations_checks import LONGEST_NAME, LONGEST_TEXT, check_text
from mlsys_resources.operations_records import Conflict, Records, row_of, values_of
from mlsys_resources.operations_rows import Decision
from mlsys_resources.operations_tables import DECISIONS


class Ledger(Records):
    """What was decided, as of when, and what it rested on."""

    def record(self, decision: Decision) -> bool:
        """Append a decision; return False if the identical one is on record.

        Raises Conflict if a different one has the same system, as-of, kind and name.
        """
        identifier(decision.system)
        check_text(LONGEST_NAME, kind=decision.kind, name=decision.name, verdict=decision.verdict)
        check_text(LONGEST_TEXT, reason=decision.reason)
        evidence, context = canonical_json(dict(decision.evidence)), canonical_json(dict(decision.context))
        row = values_of(decision, evidence=evidence, context=context, recorded_at=self._clock())
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
        return json_hash([decision.content_hash for decision in self.decisions(system)])


def _decision(values: Any) -> Decision:
    return row_of(Decision, dict(values) | {name: json.loads(values[name]) for name in ("evidence", "context")})
