"""A system's past lived under several policies side by side, so that what two of them need is done once."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from mlsys_assets.data_labeling.label import settled
from mlsys_assets.data_sampling.rows import moments
from mlsys_assets.ledger import ARBITER, MONITORING, RETRAINING
from mlsys_assets.policy_replay.journal import Journal
from mlsys_assets.policy_replay.kept_models import KeptModels, LifesModels
from mlsys_assets.policy_replay.life import OF_TICKS, Life, under
from mlsys_assets.policy_replay.memory_operations import MemoryOperations
from mlsys_assets.policy_replay.patience import Patience
from mlsys_assets.policy_replay.replayed_lake import ReplayedLake, SharedTables
from mlsys_assets.policy_replay.stand_in import ReplayedStores
from mlsys_assets.policy_replay.workshop import Workshop
from mlsys_assets.production_monitoring.diagnosing.history import RECENT_DRIFT, RECENT_DRIFT_SCHEMA
from mlsys_assets.retraining.policy import Policy, policies_mistakes
from mlsys_assets.retraining.policy_replay.lived import Lived
from mlsys_assets.system import MLSystem
from mlsys_assets.tables import KNOWN_AT, LABEL, LABELS, PREDICT_AT, PREDICTIONS, SCORE, SERVED, TICK
from mlsys_assets.types import DeclarationError, TimeWindow
from mlsys_resources.operations_rows import Decision
from mlsys_resources.tick_rows import TICK_FIELD

Told = Callable[[datetime], None]
"""Told of each as-of when all lives have come so far."""


@dataclass(frozen=True, eq=False)
class Lives:
    """What came of living several policies.

    Parameters
    ----------
    lived
        One for each policy, in the order given.
    cpu_s
        The processor seconds that were really spent, on all of it.
    spent
        Those of each kind of work that is shared.
    done
        How many distinct pieces of work were done, by kind.
    """

    lived: tuple[Lived, ...]
    cpu_s: float
    spent: Mapping[str, float]
    done: Mapping[str, int]

    @property
    def trainings_s(self) -> float:
        """The processor seconds of all distinct trainings together: what no replay of these policies can save."""
        return sum(seconds for kind, seconds in self.spent.items() if kind not in OF_TICKS)


def live(
    system: MLSystem,
    stores: Any,
    policies: Sequence[Policy],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    told: Told = lambda _as_of: None,
) -> Lives:
    """Live a system's past under each policy, without a run and without a copy of its data.

    All of it is decided as it would have been then: of each moment no more is read than was there. No store is
    written to.

    Parameters
    ----------
    system
        The system, whose own policy may be among those that are tried (``Policy.of``).
    stores
        Its stores, with a lake and a ledger as `mlsys run` leaves them.
    policies
        Each with a name of its own.
    since
        As of when the first champion is trained; not after the system's own. That, if not given.
    until
        The last as-of; that of the last decision on record, if not given.
    told
        Called with each as-of.

    Raises DeclarationError for policies that the system could not declare, ValueError for a period that was not lived.
    """
    if mistakes := policies_mistakes(tuple(policies)):
        raise DeclarationError(f"the policies of {system.name!r}", mistakes)
    since, until = _period(system, stores, since, until)
    began = time.process_time()
    workshop, kept, shared = Workshop(), KeptModels(), SharedTables(stores.lake, system, since)
    patience = Patience()
    with _folder() as home:
        lives = [_born(system, policy, shared, stores, (workshop, patience, kept, home)) for policy in policies]
        for as_of in _as_ofs(system, since, until):
            shared.now = as_of
            workshop.clear()
            for life in lives:
                if as_of > since:
                    life.live(TimeWindow(as_of - system.calendar.step, as_of))
                else:
                    life.decide(as_of)
            kept.forget_but({wanted for life in lives for wanted in life.forget()})
            told(as_of)
    lived = tuple(_lived(life, since, until) for life in lives)
    return Lives(lived, time.process_time() - began, dict(workshop.spent), dict(workshop.done))


def _period(system: MLSystem, stores: Any, since: datetime | None, until: datetime | None) -> tuple[datetime, datetime]:
    """Return the first and the last as-of; raises ValueError for one that was not lived."""
    decided = [d.as_of for d in stores.operations.decisions(system.name, RETRAINING) if d.name == ARBITER]
    run = f"run `mlsys run {system.name}`"
    if not decided:
        raise ValueError(f"{system.name} has not been lived yet: no decision is on record; {run} first")
    calendar, first, last = system.calendar, decided[0], decided[-1]
    since, until = since or first, until or last
    for what, moment in (("since", since), ("until", until)):
        if moment < calendar.start or calendar.tick_of(moment).start != moment:
            start = calendar.tick_of(max(moment, calendar.start)).start
            raise ValueError(f"{what} is {moment}; it must be the start of a tick, as {start} is")
    if not calendar.start < since <= first:
        raise ValueError(
            f"since is {since}; it must lie after {calendar.start}, and at {first} at the latest: from then on what "
            "monitoring found is of the system's own champions"
        )
    if not since <= until <= last:
        raise ValueError(
            f"until is {until}; {system.name} has been lived from {first} to {last}: {run} --until … first"
        )
    return since, until


def _as_ofs(system: MLSystem, since: datetime, until: datetime) -> Iterator[datetime]:
    as_of = since
    while as_of <= until:
        yield as_of
        as_of = system.calendar.tick_of(as_of).end


def _born(
    system: MLSystem,
    policy: Policy,
    shared: SharedTables,
    stores: Any,
    common: tuple[Workshop, Patience, KeptModels, Path],
) -> Life:
    """Return a life as of its first decision: what monitoring found of the ticks before is on record."""
    (workshop, patience, kept, home), journal = common, Journal()
    standing = stores.operations.decisions(system.name, MONITORING, until=shared.since)
    lake, operations = ReplayedLake(shared, journal), MemoryOperations(journal, standing)
    before = _drift_before(system, stores, shared.since)
    lake.own[RECENT_DRIFT].write(before, RECENT_DRIFT_SCHEMA, sorted(set(before[TICK].to_pylist())))
    own = ReplayedStores(lake, operations, LifesModels(kept, operations), home / policy.name)
    return Life(policy, under(system, policy, shared.since), journal, own, workshop, patience)


def _drift_before(system: MLSystem, stores: Any, since: datetime) -> pa.Table:
    columns = [*RECENT_DRIFT_SCHEMA.names, TICK]
    if not stores.lake.has(system.name, RECENT_DRIFT):
        return RECENT_DRIFT_SCHEMA.append(TICK_FIELD).empty_table()
    return stores.lake.read(system.name, RECENT_DRIFT, columns=columns, window=(TICK, system.calendar.start, since))


def _lived(life: Life, since: datetime, until: datetime) -> Lived:
    system, lake, key = life.system, life.stores.lake, life.system.requests.key
    asked = lake.read(system.name, SERVED, columns=[key, PREDICT_AT], window=(PREDICT_AT, since, until))
    made = lake.read(system.name, PREDICTIONS, window=(PREDICT_AT, since, until))
    labels = lake.read(system.name, LABELS, window=(KNOWN_AT, system.calendar.start, until))
    labels = settled(labels, key=key, corrections=system.label.corrections)
    return Lived(
        life.policy,
        since,
        until,
        life.trainings,
        life.promotions,
        life.cpu_s,
        moments(asked[PREDICT_AT]),
        _beside(asked[key], (made[key], made[SCORE])),
        _beside(asked[key], (labels[key], labels[LABEL])),
        tuple(_decisions(life, since)),
    )


def _beside(keys: pa.ChunkedArray, told: tuple[pa.ChunkedArray, pa.ChunkedArray]) -> NDArray[np.float64]:
    """Return (n,) of n keys what stands beside each of them; NaN where nothing does."""
    known, values = told
    place = pc.index_in(keys, value_set=known.combine_chunks())
    found = values.combine_chunks().cast(pa.float64()).take(place.combine_chunks())
    return np.asarray(found.to_numpy(zero_copy_only=False), dtype=np.float64)


def _decisions(life: Life, since: datetime) -> Iterator[Decision]:
    for decision in life.stores.operations.decisions(life.system.name, since=since):
        if decision.as_of > since or decision.kind != MONITORING:
            yield decision


@contextmanager
def _folder() -> Iterator[Path]:
    with TemporaryDirectory(prefix="mlsys_replay_") as folder:
        yield Path(folder)
