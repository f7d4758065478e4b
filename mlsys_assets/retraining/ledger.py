"""The ledger's records as a trigger's history: what was known as of a time, and only that."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from mlsys_assets.retraining.history import History, Monitored, Served, Training
from mlsys_assets.types import utc

TRIGGER, RETRAINING = "trigger", "retraining"
"""The kinds of a trigger's verdict and of the decision to train, or not."""
ARBITER, MANUAL, GIVEN_UP = "arbiter", "manual", "given_up"
"""The names under which the arbiter decides, and a person, and under which a training that always fails is left."""
FAILED = "failed"
MONITORING, PERFORMANCE, DRIFT = "monitoring", "performance", "drift"
"""The kind of what monitoring found, and the names of its two records."""
TRAINING_SET, GATE, PROMOTION = "training_set", "gate", "promotion"
"""The kinds of a training's first record, whose only name is the same, of its gate, and of its last record."""
ADEQUATE = "adequate"
PROMOTED = "promoted"


class Record(Protocol):
    """A decision as the ledger holds it."""

    @property
    def as_of(self) -> datetime:
        """What was known by then was decided on."""
        ...

    @property
    def kind(self) -> str:
        """What sort of decision it is."""
        ...

    @property
    def name(self) -> str:
        """What it is about."""
        ...

    @property
    def verdict(self) -> str:
        """The decision in a word."""
        ...

    @property
    def evidence(self) -> Mapping[str, Any]:
        """What it rests on."""
        ...


def history(
    as_of: datetime,
    *,
    training_sets: Iterable[Record],
    gates: Sequence[Record],
    monitoring: Iterable[Record],
    promoted: bool,
) -> History:
    """Return the history that the records tell.

    Parameters
    ----------
    as_of
        Records of trainings as of then or later, and of monitoring as of later, are left out.
    training_sets, gates, monitoring
        The records of those kinds; gates may be those of the last training alone.
    promoted
        Whether any training before then led to a champion.
    """
    before = sorted((r for r in training_sets if r.as_of < as_of), key=lambda r: r.as_of)
    adequate = [r for r in before if r.verdict == ADEQUATE]
    found: dict[datetime, dict[str, Mapping[str, Any]]] = {}
    for record in monitoring:
        if record.as_of <= as_of:
            found.setdefault(record.as_of, {})[record.name] = record.evidence
    return History(
        as_of,
        tuple(Training(r.as_of, int(r.evidence["labelled"]), _reference(r.as_of, gates)) for r in adequate),
        tuple(r.as_of for r in before),
        tuple(_monitored(at, found[at]) for at in sorted(found) if PERFORMANCE in found[at]),
        promoted,
    )


def _reference(as_of: datetime, gates: Sequence[Record]) -> dict[str, float]:
    for gate in gates:
        if gate.as_of == as_of:
            head = f"recent_test {gate.evidence['challenger']} "
            return {
                name.removeprefix(head): value
                for name, value in gate.evidence.items()
                if name.startswith(head) and isinstance(value, float)
            }
    return {}


def _monitored(at: datetime, found: Mapping[str, Mapping[str, Any]]) -> Monitored:
    performance, drift = found[PERFORMANCE], found.get(DRIFT, {})
    served = tuple(
        Served(utc(tick), int(told["labelled"]), {k: v for k, v in told["metrics"].items() if v is not None})
        for tick, told in sorted(performance["served"].items())
    )
    return Monitored(at, int(performance["labelled"]), served, drift.get("columns", {}), drift.get("scores"))
