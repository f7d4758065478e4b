"""A training lived once more: the same steps as a run takes, with what is shared between lives done once."""

import json
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, cast

import pyarrow as pa

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.data_sampling.identity import data_hash
from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.data_sampling.splits import Split
from mlsys_assets.data_sampling.training_window import TrainingWindow
from mlsys_assets.data_sampling.views import Train, View
from mlsys_assets.decision_step import DecisionStep
from mlsys_assets.evaluated_models import JudgedRefit, evaluate, gate, judge_refit
from mlsys_assets.features.profile import PROFILE_SCHEMA, TRAINING_PROFILE, profile
from mlsys_assets.known import known_rows, known_surroundings
from mlsys_assets.learned_rows import learned_from, window_told
from mlsys_assets.ledger import (
    ADEQUATE,
    AS_EVALUATED,
    CANDIDATE,
    FAILED,
    FITTED,
    GATE,
    PROMOTION,
    REFIT,
    REFITTED,
    TRAINING_SET,
)
from mlsys_assets.measures.intervals import attempt
from mlsys_assets.models.bundle import to_files
from mlsys_assets.models.candidate import Candidate, FitError, Fitted
from mlsys_assets.models.fitting import Fitting, forget_searches
from mlsys_assets.models.logbook import refitted_words
from mlsys_assets.models.stateful.lineage import Lineage
from mlsys_assets.models.stateful.start import Start
from mlsys_assets.offline_evaluation.findings import SCHEDULED
from mlsys_assets.offline_evaluation.verdict import Case
from mlsys_assets.policy_replay.stand_in import NO_RUN, NoLogbook, NoRun, ReplayedStores
from mlsys_assets.policy_replay.workshop import Workshop
from mlsys_assets.rollout.promotion import Promotion, decide_promotion, objection
from mlsys_assets.system import MLSystem
from mlsys_assets.tables import FEATURES, LABELS, SERVED
from mlsys_assets.training_report import TrainingReport, training_report
from mlsys_assets.types import CHAMPION
from mlsys_resources.operations_rows import Decision, ModelVersion
from mlsys_resources.resources import Resources


@dataclass(frozen=True, eq=False)
class _Made:
    """A model that was fitted: its content, and what the ledger says of it."""

    content_hash: str
    fitted: Fitted
    told: Mapping[str, float]


class ReplayedStep(DecisionStep):
    """A step of a training whose price the workshop tells, in which the work that is shared counts in full."""

    def __init__(self, as_of: datetime, system: MLSystem, stores: ReplayedStores, workshop: Workshop) -> None:
        super().__init__(NoRun.of(as_of, system.calendar.step), system, cast(Resources, stores))
        self.replayed = stores
        self.workshop, self._told = workshop, workshop.price()

    def record(self, kind: str, name: str, **said: Any) -> None:
        """Append a decision as of then to the ledger of this life."""
        before, self._told = self._told, self.workshop.price()
        context = {"cpu_s": round(self._told - before, 3), "dagster_run": NO_RUN} | (said.pop("context", None) or {})
        self.replayed.operations.record(Decision(self.system.name, self.as_of, kind, name, context=context, **said))


@dataclass(frozen=True, eq=False)
class ReplayedTraining:
    """One training of one life.

    Parameters
    ----------
    step
        As of when, and with which stores.
    past
        What tells this life from others as far as a window may look at it.
    """

    step: ReplayedStep
    workshop: Workshop
    past: Hashable

    def run(self) -> None:
        """Put on record all that the training comes to; raises what keeps it from coming to an end."""
        step = self.step
        rows = self._once("rows", None, partial(_rows, step))
        split = self._once("split", self._window, lambda: step.split(rows))
        seen = (_digest(split.train), _digest(split.validation), step.system.split)
        learned = learned_from(step, rows, split)
        refit = learned.get(REFIT)
        judged = (seen, None if refit is None else _digest(refit))
        report = self._once("training set", judged, lambda: self._report(rows, split, refit))
        self._record_set(rows, split, report, window_told(step, learned))
        if report.verdict != ADEQUATE:
            return
        lineage = ReplayedLineage(step, rows)
        for candidate in step.system.candidates:
            self._fit(candidate, split, seen, lineage.start(candidate, split))
        forget_searches(step)
        evaluate(step, split, reason=SCHEDULED)
        case, verdict = gate(step)
        self._promote(self._refit(case, rows, split, lineage) if verdict.passed else None, split)

    def _once(self, kind: str, key: Hashable, make: Any) -> Any:
        return self.workshop.once(kind, (self.step.as_of, key), make).value

    @property
    def _window(self) -> Hashable:
        """What the choice of rows depends on: that which looks at diagnoses is of this life alone."""
        return (self.step.system.learning.window, self.step.changes)

    @property
    def _parent(self) -> Hashable:
        """The model that is trained on from where it stands; None where each training starts from scratch."""
        champion = self.step.champion_before()
        stateful = self.step.system.learns.stateful
        return None if stateful is None else (stateful, champion and (champion.content_hash, champion.as_of))

    def _report(self, rows: LabelledRows, split: Split, refit: Train | None) -> TrainingReport:
        step, lake = self.step, self.step.stores.lake
        homes = [(step.system.home(s.name), s.name) for s in step.system.sources] + [(step.system.name, SERVED)]
        against = {table: lake.version(home, table) for home, table in homes if lake.has(home, table)}
        around = partial(known_surroundings, lake, step.system, step.as_of, against)
        return training_report(step.system, rows, split, around=around, refit=refit)

    def _record_set(self, rows: LabelledRows, split: Split, report: TrainingReport, window: Mapping[str, Any]) -> None:
        step, tests = self.step, (split.recent_test, split.static_test)
        step.record(
            TRAINING_SET,
            TRAINING_SET,
            verdict=report.verdict,
            reason=report.reason,
            evidence={
                "rows": rows.content_hash,
                "labelled": step.labels_known(_versions(step)),
                **{f"{test.name} hash": test.content_hash for test in tests},
                **split.fates,
                "checks": report.said,
                **window,
            },
            context={"versions": _versions(step)},
        )

    def _fit(self, candidate: Candidate, split: Split, seen: Hashable, start: Start | None) -> None:
        """Put on record how a candidate was fitted, or why it could not be."""
        step, key = self.step, (candidate.name, seen, self._parent)
        made: _Made | FitError = self._once("fit", key, lambda: self._fitted(candidate, split, start))
        if isinstance(made, FitError):
            step.record(CANDIDATE, candidate.name, verdict=FAILED, reason=str(made), evidence={})
            return
        recipe, train = dict(made.fitted.recipe), split.train if start is None else start.train
        step.record(
            CANDIDATE,
            candidate.name,
            verdict=FITTED,
            reason=f"fitted on {len(train)} rows",
            evidence={
                "model": made.content_hash,
                "recipe": recipe,
                "trials": int(recipe.get("trials") or 1),
                "rows": len(train),
                "features": train.features.num_columns,
                **made.told,
                **({} if start is None else {"start": start.evidence}),
            },
            context={"source": "", "manifest_sha256": "", "mlflow_run": NO_RUN},
        )

    def _fitted(self, candidate: Candidate, split: Split, start: Start | None) -> _Made | FitError:
        try:
            tracked, _ = self._fits.fit(candidate, split, start)
        except FitError as error:
            return error
        measured = {
            f"validation {m.name}": attempt(m, split.validation.label, tracked.scores) for m in self.step.system.metrics
        }
        return self._made(tracked.fitted, adapter.numbers(measured))

    @property
    def _fits(self) -> Fitting:
        nowhere: Any = NoLogbook()
        return Fitting(self.step, nowhere, None)

    def _made(self, fitted: Fitted, told: Mapping[str, float]) -> _Made:
        return _Made(self.step.replayed.models.kept.keep(to_files(fitted.predictor)), fitted, told)

    def _refit(self, case: Case, rows: LabelledRows, split: Split, lineage: Lineage) -> ModelVersion:
        """Put on record the model that is to be promoted, and return its version."""
        step, name = self.step, case.challenger
        (chosen,) = [c for c in step.system.candidates if c.name == name]
        (fit,) = [d for d in step.fitted() if d.name == name]
        if not step.system.learning.refit:
            told = "not refitted: the evaluated model is promoted"
            self._profile(split.train)
            return self._registered(
                fit, AS_EVALUATED, told, {"rows": len(split.train), "evaluated": fit.evidence["model"]}
            )
        everything: Train = self._once("refit view", self._window, lambda: step.refit_view(rows))
        start, recipe = lineage.rest(chosen, fit, everything), fit.evidence["recipe"]
        train = everything if start is None else start.train
        key = (name, _digest(train), json.dumps(recipe, sort_keys=True), self._parent and fit.evidence["model"])
        made = self._once("refit", key, lambda: self._made(self._fits.refit(chosen, train, recipe, start).fitted, {}))
        forget_searches(step)
        self._profile(everything)
        evidence = {"rows": len(train), **({} if start is None else {"start": start.evidence})}
        return self._registered(fit, REFITTED, refitted_words(made.fitted, train, start), evidence, made.content_hash)

    def _registered(
        self, fit: Decision, verdict: str, reason: str, evidence: Mapping[str, Any], content_hash: str | None = None
    ) -> ModelVersion:
        step, content_hash = self.step, content_hash or str(fit.evidence["model"])
        number = len(step.stores.operations.models(step.system.name)) + 1
        version = step.stores.operations.record_model(
            ModelVersion(step.system.name, number, fit.name, content_hash, "", NO_RUN, step.as_of, "")
        )
        gated = step.decisions(GATE)[0].content_hash
        step.record(
            REFIT, fit.name, verdict=verdict, reason=reason,
            evidence={"model": content_hash, "gate": gated, **evidence},
            context={"version": version.version, "mlflow_run": NO_RUN},
        )  # fmt: skip
        return version

    def _profile(self, train: Train) -> None:
        """Keep what the features looked like that the model learned from."""
        step = self.step
        found: pa.Table = self._once("profile", _digest(train), lambda: profile(train.features))
        step.stores.lake.write_ticks(
            step.system.name, TRAINING_PROFILE, adapter.in_tick(found, step.as_of), schema=PROFILE_SCHEMA,
            ticks=[step.as_of], run_id=NO_RUN,
        )  # fmt: skip

    def _promote(self, refit: ModelVersion | None, split: Split) -> None:
        step = self.step
        (gated,) = step.decisions(GATE)
        before, judged = step.champion_to_beat(), JudgedRefit()
        if refit is not None:
            (told,) = step.decisions(REFIT)
            key = (refit.content_hash, None if before is None else before.content_hash)
            judged = self._once("judged refit", key, lambda: judge_refit(step, told, split.static_test))
        outcome: Promotion = decide_promotion(
            gate_passed=refit is not None,
            gate_reason=gated.reason,
            challenger=None if refit is None else refit.content_hash,
            champion=None if before is None else before.content_hash,
            objection=objection(retired=False, lacks=judged.lacks, later=None),
        )
        if outcome.promote and refit is not None:
            step.replayed.operations.move(step.system.name, CHAMPION, refit, reason=gated.reason)
        step.record(
            PROMOTION, CHAMPION, verdict=outcome.verdict, reason=outcome.reason,
            evidence={
                "gate": gated.content_hash, "model": None if refit is None else refit.content_hash, **judged.evidence,
            },
        )  # fmt: skip


class ReplayedLineage(Lineage):
    """Tells where candidates start from in a life whose declarations stay what they are."""

    def _other(self, candidate: Candidate, fit: Decision) -> str:
        return ""


def looks_at_changes(window: TrainingWindow) -> bool:
    """Return whether a window may look at what was diagnosed: unless it says that it does not."""
    return bool(getattr(window, "looks_at_changes", True))


def _versions(step: DecisionStep) -> dict[str, int]:
    return {table: step.stores.lake.version(step.system.home(table), table) for table in (FEATURES, LABELS)}


def _rows(step: DecisionStep) -> LabelledRows:
    return known_rows(step.stores.lake, step.system, step.as_of, _versions(step))


def _digest(view: View) -> str:
    """Return what tells the rows of a view from others as of the same time."""
    return data_hash(pa.table({"id": view.ids, "at": view.at}))
