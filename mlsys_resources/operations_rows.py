"""What the operations store keeps, one frozen dataclass a row."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mlsys_resources.canonical import json_hash
from mlsys_resources.worker import Worker

WON, LOST, REFUSED = "won", "lost", "refused"
"""How a try to move an alias ended."""


@dataclass(frozen=True, slots=True)
class RunLease:
    """Who works at a run.

    ``beats`` counts its signs of life. ``ended_at`` is None as long as it has not come to the end of its
    work, well or not: also for ever, if it was killed. Once ``fenced_at`` is set, the run can write no more.
    """

    run_id: str
    token: int
    host: str | None
    pid: int | None
    born: str | None
    beats: int
    begun_at: datetime
    ended_at: datetime | None
    fenced_at: datetime | None
    reason: str | None

    @property
    def worker(self) -> Worker | None:
        """The process that works at it; None if it never began."""
        if self.host is None or self.pid is None or self.born is None:
            return None
        return Worker(self.host, self.pid, self.born)

    @property
    def was_lost(self) -> bool:
        """Whether somebody worked at it who never came to an end: of a run that has ended, that it was killed."""
        return self.worker is not None and self.ended_at is None


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """The trusted record of one registered model: a version without it does not exist for us.

    ``content_hash`` says what the model is, ``manifest_sha256`` which bytes are to be found at
    ``source``; ``name`` is the candidate that became it.
    """

    system: str
    version: int
    name: str
    content_hash: str
    manifest_sha256: str
    run_id: str
    as_of: datetime
    source: str
    registered_at: datetime | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Alias:
    """Which version an alias stands for; ``revision`` counts its successful moves from 1."""

    system: str
    alias: str
    version: int
    content_hash: str
    as_of: datetime
    revision: int


@dataclass(frozen=True, slots=True)
class AliasAttempt:
    """One try to move an alias. ``outcome``: won, lost (to another move) or refused (no such model)."""

    system: str
    alias: str
    version: int
    content_hash: str
    as_of: datetime
    expected_revision: int
    found_revision: int
    outcome: str
    reason: str
    at: datetime = field(compare=False)


@dataclass(frozen=True, slots=True)
class Decision:
    """One verdict with the evidence it rested on, unique by (system, as_of, kind, name).

    ``context`` holds what a store assigned (versions, run ids); it and ``recorded_at`` stand beside
    the record, outside its hash, so that a replay gives the same one. Evidence is what JSON holds.
    """

    system: str
    as_of: datetime
    kind: str
    name: str
    verdict: str
    reason: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    context: Mapping[str, Any] = field(default_factory=dict, compare=False)
    recorded_at: datetime | None = field(default=None, compare=False)

    @property
    def content_hash(self) -> str:
        """The SHA-256 of everything that was decided; raises ValueError for evidence JSON cannot hold."""
        return json_hash({
            "system": self.system, "as_of": self.as_of.isoformat(), "kind": self.kind, "name": self.name,
            "verdict": self.verdict, "reason": self.reason, "evidence": dict(self.evidence),
        })  # fmt: skip


@dataclass(frozen=True, slots=True)
class TestRead:
    """One opening of a sealed test split: which rows (by hash), by which models, why."""

    system: str
    split: str
    content_hash: str
    models: str
    reason: str
    as_of: datetime
    at: datetime | None = field(default=None, compare=False)

    @property
    def key(self) -> str:
        """The SHA-256 of the read, the same for a step that is run again."""
        return json_hash([self.split, self.content_hash, self.models, self.reason, self.as_of.isoformat()])


@dataclass(frozen=True, slots=True)
class OnlinePosition:
    """As of when a system's stored online features are: all that became known before ``at`` is in them.

    ``signature`` names the declarations and the code that stored them; ``snapshots``, as JSON, the versions of the
    tables that were read whole; ``edition`` counts how often it was stored, so that a state which was built anew is
    told from the one before, though both are as of one moment.
    """

    system: str
    signature: str
    at: datetime
    snapshots: str
    edition: int


@dataclass(frozen=True, slots=True)
class AlertRow:
    """One decision on a fault that changed something: told on some channels, or on none.

    ``id`` follows from the decision before it of the same fault, so that two processes that decide alike record it
    once. Evidence is what JSON holds. ``number`` is its place in the outbox, which the store gives.
    """

    id: str
    system: str
    as_of: datetime
    name: str
    verdict: str
    reason: str
    severity: str
    owner: str
    subject: str
    body: str
    channels: tuple[str, ...] = ()
    evidence: Mapping[str, Any] = field(default_factory=dict)
    recorded_at: datetime | None = field(default=None, compare=False)
    number: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class AlertCheckpoint:
    """What stood after the decisions on record up to a number: whoever decides next reads only those after it.

    ``as_of`` is the latest moment of those decisions; ``state`` is what JSON holds.
    """

    system: str
    watch: str
    number: int
    as_of: datetime
    state: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One alert on its way on one channel: how often it was tried, and what came of the last try."""

    alert: AlertRow
    channel: str
    tries: int
    said: str
    delivered_at: datetime | None


TestRead.__test__ = False  # type: ignore[attr-defined]  # not a pytest class
