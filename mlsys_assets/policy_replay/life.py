"""One policy's life, tick after tick: predicted, monitored, asked, decided and, where it says so, trained."""

from collections.abc import Hashable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, partial
from typing import Any

import pyarrow as pa

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.diagnosed_tick import DiagnosedTick
from mlsys_assets.held_out import Predicted, held_out
from mlsys_assets.ledger import CANDIDATE, FAILED, FITTED, GIVEN_UP, RETRAINING
from mlsys_assets.monitored_tick import LabelCounts, drifted, performed, said_before
from mlsys_assets.monitoring_step import MonitoringStep
from mlsys_assets.policy_replay.journal import Deed, Journal
from mlsys_assets.policy_replay.patience import Patience
from mlsys_assets.policy_replay.stand_in import NoRun, ReplayedStores
from mlsys_assets.policy_replay.training import ReplayedStep, ReplayedTraining, looks_at_changes
from mlsys_assets.policy_replay.workshop import Workshop
from mlsys_assets.prediction.batch import predict_batch
from mlsys_assets.production_monitoring.diagnosing.odd_requests import Ordinary
from mlsys_assets.retraining.controller import ATTEMPTS, Controller
from mlsys_assets.retraining.policy import Policy
from mlsys_assets.retraining.trigger import looks_at_diagnosis
from mlsys_assets.system import MLSystem
from mlsys_assets.tables import FEATURES, PREDICT_AT, PREDICTIONS, SERVED
from mlsys_assets.types import CHAMPION, TimeWindow
from mlsys_resources.operations_rows import Decision

OF_TICKS = ("tick", "predictions", "features", "held out", "ordinary", "diagnosis")
"""The kinds of work that a tick takes; all others are of trainings."""
NO_INSTANCE: Any = None
"""In the place of Dagster's instance: no run is asked for."""


@dataclass(eq=False)
class Life:
    """A policy that is lived.

    Parameters
    ----------
    policy
        What it is lived under.
    system
        The system that declares this policy.
    journal, stores
        Its own.
    workshop, patience
        Shared by all lives.

    Attributes
    ----------
    cpu_s
        The price of its trainings so far, in seconds of a processor.
    trainings
        The as-ofs of its trainings.
    """

    policy: Policy
    system: MLSystem
    journal: Journal
    stores: ReplayedStores
    workshop: Workshop
    patience: Patience
    cpu_s: float = 0.0
    trainings: tuple[datetime, ...] = ()

    def live(self, tick: TimeWindow) -> None:
        """Live through a tick that begins after the first decision, and decide as of its end."""
        self._done("tick", (tick.start, self._diagnoses, self._past), partial(self._monitor, tick))
        self.decide(tick.end)

    def decide(self, as_of: datetime) -> None:
        """Ask the triggers, decide, and train if that is the decision."""
        for trigger in self.system.triggers:
            self._controller.ask(trigger, as_of)
        self._controller.decide(as_of)
        if self._controller.training_wanted():
            self.trainings += (as_of,)
            key = (as_of, self._past)
            self.cpu_s += self._done("training", key, partial(self._train, as_of))

    @property
    def promotions(self) -> tuple[datetime, ...]:
        """As of when its champions were made."""
        return tuple(move.as_of for move in self.stores.operations.attempts(self.system.name, CHAMPION))

    def forget(self) -> set[str]:
        """Forget what was of champions before the last; return the content hashes of that one, and of what it was.

        What it was when it was evaluated may be gone on from.
        """
        operations, name = self.stores.operations, self.system.name
        found = operations.alias(name, CHAMPION)
        if found is None:
            return set()
        self.stores.lake.forget_before(found.as_of)
        fits = operations.decisions(name, CANDIDATE, since=found.as_of, until=found.as_of)
        return {found.content_hash, *(fit.evidence["model"] for fit in fits if fit.verdict == FITTED)}

    @cached_property
    def _controller(self) -> Controller:
        stores: Any = self.stores
        return Controller(self.system, stores, NO_INSTANCE, self.patience.ask)

    @cached_property
    def _diagnoses(self) -> bool:
        """Whether anybody looks at a diagnosis: a trigger, or a window that begins where something changed."""
        return looks_at_changes(self.policy.learning.window) or any(map(looks_at_diagnosis, self.policy.triggers))

    @property
    def _past(self) -> Hashable:
        """What tells this life from others: two with the same champions at the same times have the same past.

        All that monitoring finds follows from the world, which they share, and from the champions.
        """
        operations, name = self.stores.operations, self.system.name
        models = tuple((m.version, m.as_of, m.content_hash) for m in operations.models(name))
        moves = tuple((move.version, move.as_of) for move in operations.attempts(name, CHAMPION))
        return (self.system.learns, models, moves)

    def _done(self, kind: str, key: Hashable, act: Any) -> float:
        """Act on the stores, or do to them what the same act did to those of another life; return its price."""
        mine = False

        def make() -> list[Deed]:
            nonlocal mine
            mine = True
            with self.journal.listen() as deeds:
                act()
            return deeds

        piece = self.workshop.once(kind, key, make)
        if not mine:
            for deed in piece.value:
                deed(self.stores)
        return piece.cpu_s

    def _train(self, as_of: datetime) -> None:
        step = ReplayedStep(as_of, self.system, self.stores, self.workshop)
        try:
            ReplayedTraining(step, self.workshop, self._past).run()
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever would fail a run: it is given up, as a run would be
            job, key = adapter.training_job(self.system), self.system.calendar.key(as_of)
            told = f"{job} as of {key} failed {ATTEMPTS} times; the champion stays"
            why = {"error": f"{type(error).__name__}: {error}"}
            self.stores.operations.record(
                Decision(self.system.name, as_of, RETRAINING, GIVEN_UP, FAILED, told, {}, why)
            )

    def _monitor(self, tick: TimeWindow) -> None:
        stores: Any = self.stores
        self._predict(tick)
        step = ReplayedTick(NoRun.of(tick.start, tick.length), self.system, stores, tick)
        step.workshop = self.workshop
        performed(step, said_before(self.system, stores, tick.start), LabelCounts(self.system, stores))
        drifted(step)
        if self._diagnoses:
            self.workshop.once("diagnosis", (tick.start, self._past), lambda: DiagnosedTick(step).write())

    def _predict(self, tick: TimeWindow) -> None:
        """Let the champion of the tick's start predict what it would have been asked."""
        operations, system = self.stores.operations, self.system
        champion = operations.alias_at(system.name, CHAMPION, tick.start)
        if champion is None:
            return

        def make() -> pa.Table:
            asked = self.stores.lake.read(system.name, SERVED, window=(PREDICT_AT, tick.start, tick.end))
            predictor = self.stores.models.kept.predictor(champion.content_hash)
            return predict_batch(
                asked, predictor.predict, key=system.requests.key, at=PREDICT_AT, model_hash=champion.content_hash
            )

        made = self.workshop.once("predictions", (tick.start, champion.content_hash), make).value
        self.stores.lake.write_ticks(
            system.name, PREDICTIONS, adapter.in_tick(made, tick.start), schema=made.schema, ticks=[tick.start],
            run_id="",
        )  # fmt: skip


class ReplayedTick(MonitoringStep):
    """A tick that is monitored once more; what its champion is held against is prepared once for all lives."""

    workshop: Workshop

    def features(self, window: TimeWindow) -> pa.Table:
        """Return key, prediction time and features of the requests of a window."""
        read = partial(super().features, window)
        return self.workshop.once("features", (FEATURES, window), read).value

    @property
    def held_out(self) -> Predicted | None:
        """What the champion's recipe said of rows that it had not learned from."""
        champion, stores = self.champion, self.stores
        if champion is None:
            return None
        read = partial(held_out.__wrapped__, self.system, stores.lake, stores.operations, champion.as_of)
        return self.workshop.once("held out", self._champion_key, read).value

    @property
    def ordinary(self) -> Ordinary | None:
        """What is ordinary of those rows."""
        found = self.held_out
        if found is None:
            return None
        of = partial(Ordinary.of, found.rows, seed=self.system.seed)
        return self.workshop.once("ordinary", self._champion_key, of).value

    @property
    def _champion_key(self) -> Hashable:
        champion = self.champion
        return (self.system.learns, champion and (champion.as_of, champion.content_hash))


def under(system: MLSystem, policy: Policy, since: datetime) -> MLSystem:
    """Return the system as it would declare a policy, and begin then.

    Raises DeclarationError for a policy that the system could not declare.
    """
    return replace(
        system, triggers=policy.triggers, retraining=policy.retraining, learning=policy.learning, simulated_from=since
    )
