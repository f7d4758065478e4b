"""What was known as of a time about trainings, data and performance: all that a trigger may look at."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from mlsys_assets.ledger import ADEQUATE, DIAGNOSIS, DRIFT, PERFORMANCE, Record
from mlsys_assets.offline_evaluation.champion_gate import RECENT
from mlsys_assets.production_monitoring.diagnosis import Diagnosis, diagnosed
from mlsys_assets.types import CHAMPION, utc

REMEMBERED = 26
"""Ticks whose monitoring a trigger can look back on."""


@dataclass(frozen=True)
class Change:
    """How much a training changed a metric: its challenger minus the champion, with the ends of the 95% interval."""

    value: float
    low: float
    high: float


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
    changes
        What it changed against the champion that it challenged, by metric, on the part of the recent test that neither
        had seen; nothing where there was no champion, or too few rows.
    ahead
        How much later what its challenger had learned from ended than what that champion had; less than nothing where
        it ended earlier, as what is compared leaves validation and test out. None where it is not known.
    """

    as_of: datetime
    labelled: int
    reference: Mapping[str, float] = field(default_factory=dict)
    changes: Mapping[str, Change] = field(default_factory=dict)
    ahead: timedelta | None = None

    def __post_init__(self) -> None:
        _make_read_only(self, "reference", "changes")


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

    def __post_init__(self) -> None:
        _make_read_only(self, "metrics")


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

    def __post_init__(self) -> None:
        _make_read_only(self, "drift")


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
    champion
        As of when the champion was trained; None where it is not known, or nobody asks.

    Raises ValueError if anything in it is later than ``as_of``.
    """

    as_of: datetime
    trainings: tuple[Training, ...] = ()
    attempts: tuple[datetime, ...] = ()
    monitored: tuple[Monitored, ...] = ()
    promoted: bool = True
    champion: datetime | None = None

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


@dataclass(frozen=True)
class Champions:
    """Which champion stood when.

    Parameters
    ----------
    stood
        From when on a model stood, and as of when it was trained, in the order of the moves: after a rollback an
        earlier one stands again.
    held_out
        How much of what is known a challenger leaves out, and a champion does not, as it is refitted.
    """

    stood: tuple[tuple[datetime, datetime], ...]
    held_out: timedelta

    def before(self, at: datetime) -> datetime | None:
        """Return as of when the champion was trained that stood before any decision as of then."""
        return next((trained for since, trained in reversed(self.stood) if since < at), None)

    def ahead(self, at: datetime) -> timedelta | None:
        """Return how much later what a challenger as of then had learned from ended than what the champion had."""
        trained = self.before(at)
        return None if trained is None else at - self.held_out - trained


def history(
    as_of: datetime,
    *,
    training_sets: Iterable[Record],
    gates: Sequence[Record],
    monitoring: Iterable[Record],
    promoted: bool,
    champions: Champions | None = None,
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
    champions
        Which stood when, where what trainings gained is asked for.
    """
    before = sorted((r for r in training_sets if r.as_of < as_of), key=lambda r: r.as_of)
    adequate = [r for r in before if r.verdict == ADEQUATE]
    found: dict[datetime, dict[str, Mapping[str, Any]]] = {}
    for record in monitoring:
        if record.as_of <= as_of:
            found.setdefault(record.as_of, {})[record.name] = record.evidence
    return History(
        as_of,
        tuple(_training(r, gates, champions) for r in adequate),
        tuple(r.as_of for r in before),
        tuple(_monitored(at, found[at]) for at in sorted(found) if PERFORMANCE in found[at]),
        promoted,
        None if champions is None else champions.before(as_of),
    )


def _training(adequate: Record, gates: Sequence[Record], champions: Champions | None) -> Training:
    at, labelled = adequate.as_of, int(adequate.evidence["labelled"])
    told: Mapping[str, Any] = next((gate.evidence for gate in gates if gate.as_of == at), {})
    return Training(at, labelled, _reference(told), _changes(told), None if champions is None else champions.ahead(at))


def _reference(gate: Mapping[str, Any]) -> dict[str, float]:
    head = f"{RECENT} {gate.get('challenger')} "
    return {k.removeprefix(head): v for k, v in gate.items() if k.startswith(head) and isinstance(v, float)}


def _changes(gate: Mapping[str, Any]) -> dict[str, Change]:
    """Return the differences to the champion that a gate rests on."""
    head, tail = f"{RECENT} ", f" minus {CHAMPION} value"
    names = [k.removeprefix(head).removesuffix(tail) for k in gate if k.startswith(head) and k.endswith(tail)]
    found: dict[str, Change] = {}
    for name in names:
        value, low, high = (gate.get(f"{head}{name} minus {CHAMPION} {end}") for end in ("value", "low", "high"))
        if value is not None and low is not None and high is not None:
            found[name] = Change(value, low, high)
    return found


def _make_read_only(holder: object, *names: str) -> None:
    """Let nobody who is given a history change it for who comes after."""
    for name in names:
        object.__setattr__(holder, name, MappingProxyType(dict(getattr(holder, name))))


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
