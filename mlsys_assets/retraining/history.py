"""What was known as of a time about trainings, data and performance: all that a trigger may look at."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mlsys_assets.ledger import ADEQUATE, DIAGNOSIS, DRIFT, PERFORMANCE, Record
from mlsys_assets.production_monitoring.diagnosis import Diagnosis, diagnosed
from mlsys_assets.types import utc

REMEMBERED = 26
"""Ticks whose monitoring a trigger can look back on."""


@dataclass(frozen=True)
class Training:
    """One training that had enough data.

    Parameters
    ----------
    as_of
        What was known by then could be trained on.
    labelled
        The entities whose label was known by then.
    reference
        How its model did on the recent test, by metric; nothing where it could not be told.
    """

    as_of: datetime
    labelled: int
    reference: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Served:
    """How the predictions of one tick did, as far as their labels were known.

    Parameters
    ----------
    tick
        The start of the tick that was predicted.
    labelled
        The predictions whose label was known.
    metrics
        By name; a metric that could not be told is not there.
    """

    tick: datetime
    labelled: int
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class Monitored:
    """What monitoring found as of a tick's end.

    Parameters
    ----------
    as_of
        The tick's end.
    labelled
        The entities whose label was known by then.
    served
        Ticks that were predicted, with what was newly known of them; a later finding replaces an earlier one.
    drift
        Population stability index of each feature column against the champion's training window; empty where
        there was no champion.
    score_drift
        That of the scores against the days before; None where there were none.
    diagnosis
        What changed, what it costs and what to do; None where nobody looked.
    """

    as_of: datetime
    labelled: int
    served: tuple[Served, ...] = ()
    drift: Mapping[str, float] = field(default_factory=dict)
    score_drift: float | None = None
    diagnosis: Diagnosis | None = None


@dataclass(frozen=True)
class History:
    """What was known as of a tick's end, and nothing later.

    Parameters
    ----------
    as_of
        The time of the verdict.
    trainings
        Those before it that had enough data, oldest first: the last one, and those as far back as monitoring is
        remembered and the arbiter's limits count.
    attempts
        The as-ofs of the trainings as far back, also of those without enough data, oldest first.
    monitored
        One for each of the last ticks, oldest first; the last of them as of now.
    promoted
        Whether any of the trainings before it led to a champion.

    Raises ValueError if anything in it is later than ``as_of``.
    """

    as_of: datetime
    trainings: tuple[Training, ...] = ()
    attempts: tuple[datetime, ...] = ()
    monitored: tuple[Monitored, ...] = ()
    promoted: bool = True

    def __post_init__(self) -> None:
        later = [t.as_of for t in self.trainings if t.as_of >= self.as_of]
        later += [at for at in self.attempts if at >= self.as_of]
        later += [m.as_of for m in self.monitored if m.as_of > self.as_of]
        if later:
            raise ValueError(f"a history as of {self.as_of} holds what was known at {min(later)}; leave it out")

    @property
    def trained(self) -> Training | None:
        """The last training that had enough data."""
        return self.trainings[-1] if self.trainings else None

    @property
    def now(self) -> Monitored | None:
        """What monitoring found as of now."""
        return self.monitored[-1] if self.monitored and self.monitored[-1].as_of == self.as_of else None

    def served(self, last: int, *, metric: str) -> tuple[Served, ...]:
        """Return the last ``last`` predicted ticks that have labels enough for a metric, each as it is known now."""
        latest = {s.tick: s for m in self.monitored for s in m.served if s.labelled and metric in s.metrics}
        return tuple(latest[tick] for tick in sorted(latest)[-last:])


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
    told = found.get(DIAGNOSIS)
    return Monitored(
        at,
        int(performance["labelled"]),
        served,
        drift.get("columns", {}),
        drift.get("scores"),
        None if told is None else diagnosed(told),
    )
