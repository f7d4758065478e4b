"""The logbook of a step that fits models: what it writes to MLflow, to the model store and to the ledger."""

from collections.abc import Mapping
from functools import cached_property

import pyarrow as pa

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.data_sampling.views import Train
from mlsys_assets.decision_step import DecisionStep
from mlsys_assets.ledger import AS_EVALUATED, CANDIDATE, FAILED, FITTED, REFIT, REFITTED
from mlsys_assets.models.bundle import from_files, to_files
from mlsys_assets.models.candidate import Fitted
from mlsys_assets.models.passport.complete import CompletePassport
from mlsys_assets.models.passport.parts import Parameters, part_of
from mlsys_assets.models.passport_writer import PassportWriter
from mlsys_assets.models.predictor import Predictor
from mlsys_assets.models.stateful.start import Start
from mlsys_assets.models.tracking import VALIDATION_LOSS, Tracked
from mlsys_assets.models.tuning.trial import Progress
from mlsys_resources.artifact_files import SavedArtifacts
from mlsys_resources.manifest import Manifest
from mlsys_resources.mlmodel import MLMODEL, ColumnType, mlmodel
from mlsys_resources.operations_rows import Decision, ModelVersion
from mlsys_resources.run_log import DatasetVersion, RunLog


class Logbook:
    """Writes what was fitted to MLflow and to the ledger, each naming the other."""

    def __init__(self, step: DecisionStep) -> None:
        self.step, self.models, self.system = step, step.stores.models, step.system
        self.writer = PassportWriter(step)

    @cached_property
    def parent(self) -> str:
        """The run of the training itself, which the runs of its candidates belong to; logged once."""
        if standing := self.step.standing(CANDIDATE):
            return str(standing[0].context["mlflow_parent"])
        declared = {"seed": self.system.seed, "threads": self.system.threads}
        tags, name = self._tags("training"), f"{self._day} training"
        return self.models.log_run(RunLog(self.system.name, name, params=declared, tags=tags, datasets=self._datasets))

    def log(
        self,
        tracked: Tracked,
        rows: LabelledRows,
        train: Train,
        *,
        metrics: Mapping[str, float | None],
        start: Start | None = None,
    ) -> str:
        """Log a fitted candidate as a run with its bundle, and record it; return the run's id."""
        fitted, told = tracked.fitted, adapter.numbers(metrics)
        run_id = self.models.log_run(self._run(tracked, f"{self._day} {fitted.candidate}", told, stage="candidate"))
        content = to_files(fitted.predictor)
        record = self.writer.of_candidate(
            fitted, rows, train, manifest=Manifest.of(content, {}), run_id=run_id, validation=told
        )
        saved = self.models.save(run_id, content=content, record=record | self._shown(fitted.predictor, train))
        self.step.record(
            CANDIDATE,
            fitted.candidate,
            verdict=FITTED,
            reason=f"fitted on {len(train)} rows",
            evidence={
                "model": saved.content_hash,
                "recipe": dict(fitted.recipe),
                "trials": int(fitted.recipe.get("trials") or 1),
                "rows": len(train),
                "features": train.features.num_columns,
                **told,
                **({} if start is None else {"start": start.evidence}),
            },
            context={
                "mlflow_run": run_id,
                "mlflow_parent": self.parent,
                "source": saved.source,
                "manifest_sha256": saved.manifest_sha256,
            },
        )
        return run_id

    def failed(self, candidate: str, reason: str) -> str:
        """Log a candidate that could not be fitted as a run that says why, and record it; return the run's id."""
        run_id = self.models.log_run(
            RunLog(
                experiment=self.system.name,
                name=f"{self._day} {candidate} failed",
                tags=self._tags("candidate") | {"candidate": candidate, "failed": reason},
                datasets=self._datasets,
                parent_run_id=self.parent,
            )
        )
        context = {"mlflow_run": run_id, "mlflow_parent": self.parent}
        self.step.record(CANDIDATE, candidate, verdict=FAILED, reason=reason, evidence={}, context=context)
        return run_id

    def trial(self, progress: Progress) -> None:
        """Log one setting that was tried as a run of its own, once, though a search that was killed tells it again."""
        trial = progress.trial
        tags = self._tags("trial") | {"candidate": progress.search, "trial": str(trial.number), "state": trial.state}
        known = {name: tags[name] for name in ("stage", "as_of", "candidate", "trial")}
        if progress.resumed and self.models.has_run(self.system.name, known):
            return
        if trial.reason:
            tags["failed"] = trial.reason
        value = {} if trial.value is None else {"value": trial.value}
        self.models.log_run(
            RunLog(
                experiment=self.system.name,
                name=f"{self._day} {progress.search} trial {trial.number + 1}",
                params=trial.params,
                metrics={**value, "seconds": trial.seconds},
                curves={VALIDATION_LOSS: trial.losses} if trial.losses else {},
                tags=tags,
                parent_run_id=self.parent,
            )
        )

    def register(
        self, tracked: Tracked, rows: LabelledRows, train: Train, *, gate: Decision, start: Start | None = None
    ) -> ModelVersion:
        """Log and register a refitted model, and record it; return its version.

        Raises PassportError, with nothing registered, if anything is missing in its passport.
        """
        fitted = tracked.fitted
        run_id = self.models.log_run(self._run(tracked, f"{self._day} refit {fitted.candidate}", {}, stage="refit"))
        content = to_files(fitted.predictor)
        passport = self.writer.complete(
            fitted, rows, train, manifest=Manifest.of(content, {}), run_id=run_id, gate=gate
        )
        version = self._registered(passport, content, self._shown(fitted.predictor, train), run_id=run_id)
        evidence = {"rows": len(train), **({} if start is None else {"start": start.evidence})}
        told = refitted_words(fitted, train, start)
        self._record_version(version, passport, gate, REFITTED, reason=told, evidence=evidence)
        return version

    def register_evaluated(self, fit: Decision, rows: LabelledRows, train: Train, *, gate: Decision) -> ModelVersion:
        """Register the very model that was evaluated, byte for byte as it was saved; record it and return its version.

        ``fit`` is the candidate's record, ``train`` what it learned from. Raises what ``register`` raises, and
        TamperedArtifact if the saved files are not those on record.
        """
        saved = SavedArtifacts(fit.context["source"], fit.context["manifest_sha256"], fit.evidence["model"])
        content, own = self.models.read(saved), part_of(self.models.read_record(saved), Parameters)
        fitted = Fitted(fit.name, from_files(content), own.params, own.recipe)
        run_id = self.models.log_run(
            RunLog(
                experiment=self.system.name,
                name=f"{self._day} as evaluated {fit.name}",
                params={**own.params, **{f"recipe {k}": v for k, v in own.recipe.items()}},
                tags=self._tags("refit") | {"candidate": fit.name, "evaluated_run": fit.context["mlflow_run"]},
                datasets=self._datasets,
                parent_run_id=self.parent,
            )
        )
        passport = self.writer.complete(
            fitted, rows, train, manifest=Manifest.of(content, {}), run_id=run_id, gate=gate
        )
        version = self._registered(passport, content, self._shown(fitted.predictor, train), run_id=run_id)
        self._record_version(
            version, passport, gate, AS_EVALUATED, reason="not refitted: the evaluated model is promoted",
            evidence={"rows": len(train), "evaluated": saved.content_hash},
        )  # fmt: skip
        return version

    def _record_version(
        self, version: ModelVersion, passport: CompletePassport, gate: Decision, verdict: str, *, reason: str,
        evidence: Mapping[str, object],
    ) -> None:  # fmt: skip
        self.step.record(
            REFIT,
            passport.definition.candidate,
            verdict=verdict,
            reason=reason,
            evidence={"model": version.content_hash, "gate": gate.content_hash, **evidence},
            context={
                "mlflow_run": version.run_id, "version": version.version, "passport": passport.content_hash,
            },
        )  # fmt: skip

    def _registered(
        self, passport: CompletePassport, content: Mapping[str, bytes], shown: Mapping[str, bytes], *, run_id: str
    ) -> ModelVersion:
        """Register a model with its passport: the one place where a model becomes a version."""
        tags = {"owner": passport.tags.owner, "task": passport.tags.task, "gate": passport.decision.gate.content_hash}
        return self.models.register(
            self.system.name,
            passport.definition.candidate,
            run_id=run_id,
            content=content,
            record={**passport.files, **shown},
            as_of=self.step.as_of,
            tags=tags,
        )

    @property
    def _day(self) -> str:
        return self.system.calendar.key(self.step.as_of)

    def _run(self, tracked: Tracked, name: str, metrics: Mapping[str, float], *, stage: str) -> RunLog:
        fitted = tracked.fitted
        return RunLog(
            experiment=self.system.name,
            name=name,
            params={**fitted.params, **{f"recipe {k}": v for k, v in fitted.recipe.items()}},
            metrics={**metrics, **tracked.metrics},
            curves=tracked.curves,
            tags=self._tags(stage) | {"candidate": fitted.candidate},
            datasets=self._datasets,
            artifacts=tracked.artifacts,
            parent_run_id=self.parent,
        )

    def _shown(self, predictor: Predictor, train: Train) -> dict[str, bytes]:
        """Return what MLflow's pages show of the model: its columns, by name and type."""
        types = {field.name: field.type for field in train.features.schema}
        columns: dict[str, ColumnType] = {
            name: "string" if pa.types.is_string(types[name]) else "double" for name in predictor.columns
        }
        return {MLMODEL: mlmodel(predictor.kind, columns, outputs={"probability": "double"})}

    def _tags(self, stage: str) -> dict[str, str]:
        return {
            "as_of": self.step.as_of.isoformat(),
            "stage": stage,
            "owner": self.system.owner,
            "task": self.system.label.name,
            "dagster_run": self.step.context.run.run_id,
            "dagster_asset": "/".join(self.step.context.asset_key.path),
            "training_set": str(self.writer.training_set.evidence["rows"]),
        }

    @property
    def _datasets(self) -> list[DatasetVersion]:
        root, versions = self.step.stores.lake.root, self.writer.training_set.context["versions"]
        return [
            DatasetVersion(table, str(version), f"{root}/{self.system.home(table)}/{table}", "training")
            for table, version in versions.items()
        ]


def refitted_words(fitted: Fitted, train: Train, start: Start | None) -> str:
    """Return what a refit was in words."""
    how = f"refitted on {len(train)} rows with {dict(fitted.recipe)}"
    if start is None:
        return how
    return f"gone on over {start.reason}" if start.checkpoint is not None else f"{how}: {start.reason}"
