"""The operations store of one life, in memory: the same answers, and no database."""

import json
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from mlsys_assets.policy_replay.journal import Journal
from mlsys_resources.canonical import canonical_json
from mlsys_resources.operations_records import Conflict
from mlsys_resources.operations_rows import WON, Alias, AliasAttempt, Decision, ModelVersion, TestRead


class MemoryOperations:
    """Ledger, trusted records of models, and moves of aliases of one system.

    Parameters
    ----------
    journal
        Is told of every write.
    standing
        Decisions that are on record from the start.
    """

    def __init__(self, journal: Journal, standing: Iterable[Decision] = ()) -> None:
        self.journal = journal
        self._as_ofs: list[datetime] = []
        self._found: dict[datetime, dict[tuple[str, str], Decision]] = {}
        self._models: dict[int, ModelVersion] = {}
        self._moves: list[AliasAttempt] = []
        for decision in standing:
            self._keep(decision)

    # ------------------------------------------------------------------------------------- the ledger

    def record(self, decision: Decision) -> bool:
        """Append a decision; return False if the identical one is on record. Raises Conflict for another one."""
        standing = self._found.get(decision.as_of, {}).get((decision.kind, decision.name))
        if standing is not None:
            if standing.content_hash == decision.content_hash:
                return False
            raise Conflict(f"another {decision.kind} {decision.name!r} stands as of {decision.as_of.isoformat()}")
        evidence = json.loads(canonical_json(dict(decision.evidence)))  # as it is read of a database
        self._keep(kept := replace(decision, evidence=evidence))
        self.journal.note(lambda stores: stores.operations.record_again(kept))
        return True

    def record_again(self, decision: Decision) -> None:
        """Append what another life has put on record: the very same, not a copy."""
        self._keep(decision)
        self.journal.note(lambda stores: stores.operations.record_again(decision))

    def decisions(
        self, system: str, kind: str | None = None, *, since: datetime | None = None, until: datetime | None = None
    ) -> tuple[Decision, ...]:
        """Return the decisions as of ``since`` to ``until``, both included, by as-of, kind and name."""
        first = 0 if since is None else bisect_left(self._as_ofs, since)
        last = len(self._as_ofs) if until is None else bisect_right(self._as_ofs, until)
        return tuple(
            decision
            for at in self._as_ofs[first:last]
            for (of_kind, _), decision in sorted(self._found[at].items())
            if kind in (None, of_kind)
        )

    def decision(
        self, system: str, kind: str, name: str, *, until: datetime | None = None, verdict: str | None = None
    ) -> Decision | None:
        """Return the last decision of that kind and name, as of ``until`` or before, that said ``verdict``."""
        last = len(self._as_ofs) if until is None else bisect_right(self._as_ofs, until)
        for at in reversed(self._as_ofs[:last]):
            found = self._found[at].get((kind, name))
            if found is not None and verdict in (None, found.verdict):
                return found
        return None

    def _keep(self, decision: Decision) -> None:
        if decision.as_of not in self._found:
            insort(self._as_ofs, decision.as_of)
            self._found[decision.as_of] = {}
        self._found[decision.as_of][decision.kind, decision.name] = decision

    def record_test_read(self, read: TestRead) -> None:
        """Do nothing: a test that is opened once more on the past tells nobody who chooses by it."""

    # ------------------------------------------------------------------------------------- models and aliases

    def record_model(self, model: ModelVersion) -> ModelVersion:
        """Keep the record of a version."""
        self._models[model.version] = model
        self.journal.note(lambda stores: stores.operations.record_model(model))
        return model

    def model(self, system: str, version: int) -> ModelVersion | None:
        """Return the record of a version."""
        return self._models.get(version)

    def models(self, system: str) -> tuple[ModelVersion, ...]:
        """Return the records of all versions, in order."""
        return tuple(self._models[version] for version in sorted(self._models))

    def retired(self, system: str) -> frozenset[int]:
        """Return the versions that serve no more: none."""
        return frozenset()

    def alias(self, system: str, alias: str) -> Alias | None:
        """Return what an alias stands for now."""
        return self._last(alias, self._moves)

    def alias_at(self, system: str, alias: str, at: datetime) -> Alias | None:
        """Return what an alias stood for as of a time."""
        return self._last(alias, [move for move in self._moves if move.as_of <= at])

    def attempts(self, system: str, alias: str | None = None) -> tuple[AliasAttempt, ...]:
        """Return every move, in order."""
        return tuple(move for move in self._moves if alias in (None, move.alias))

    def move(self, system: str, alias: str, model: ModelVersion, *, reason: str) -> None:
        """Let an alias stand for another version."""
        n = len(self.attempts(system, alias))
        self._moves.append(
            AliasAttempt(system, alias, model.version, model.content_hash, model.as_of, n, n, WON, reason, model.as_of)
        )
        self.journal.note(lambda stores: stores.operations.move(system, alias, model, reason=reason))

    def _last(self, alias: str, moves: Iterable[AliasAttempt]) -> Alias | None:
        mine = [move for move in moves if move.alias == alias]
        if not mine:
            return None
        last = mine[-1]
        return Alias(last.system, alias, last.version, last.content_hash, last.as_of, last.expected_revision + 1)
