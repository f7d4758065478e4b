"""The logbook of a step that fits models: what it writes to MLflow, to the model store and to the ledger."""

from collections.abc import Mapping
from functools import cached_property

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.data_sampling.views import Train
from mlsys_assets.decision_step import DecisionStep
from mlsys_assets.ledger import CANDIDATE, REFIT
from mlsys_assets.models.bundle import to_files
from mlsys_assets.models.candidate import Fitted
from mlsys_assets.models.passport.complete import CompletePassport
from mlsys_assets.models.passport_writer import PassportWriter
from mlsys_resources.manifest import Manifest
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

    def log(self, fitted: Fitted, rows: LabelledRows, train: Train, *, metrics: Mapping[str, float | None]) -> str:
        """Log a fitted candidate as a run with its bundle, and record it; return the run's id."""
        name, told = f"{self._day} {fitted.candidate}", adapter.numbers(metrics)
        run_id = self.models.log_run(self._run(fitted, name, metrics, stage="candidate"))
        content = to_files(fitted.predictor)
        record = self.writer.of_candidate(
            fitted, rows, train, manifest=Manifest.of(content, {}), run_id=run_id, validation=told
        )
        saved = self.models.save(run_id, content=content, record=record)
        self.step.record(
            CANDIDATE,
            fitted.candidate,
            verdict="fitted",
            reason=f"fitted on {len(train)} rows",
            evidence={
                "model": saved.content_hash,
                "recipe": dict(fitted.recipe),
                "trials": int(fitted.recipe.get("trials") or 1),
                "rows": len(train),
                "features": train.features.num_columns,
                **told,
            },
            context={
                "mlflow_run": run_id,
                "mlflow_parent": self.parent,
                "source": saved.source,
                "manifest_sha256": saved.manifest_sha256,
            },
        )
        return run_id

    def register(self, fitted: Fitted, rows: LabelledRows, train: Train, *, gate: Decision) -> ModelVersion:
        """Log and register a refitted model, and record it; return its version.

        Raises PassportError, with nothing registered, if anything is missing in its passport.
        """
        run_id = self.models.log_run(self._run(fitted, f"{self._day} refit {fitted.candidate}", {}, stage="refit"))
        content = to_files(fitted.predictor)
        passport = self.writer.complete(
            fitted, rows, train, manifest=Manifest.of(content, {}), run_id=run_id, gate=gate
        )
        version = self._registered(passport, content, run_id=run_id)
        self.step.record(
            REFIT,
            fitted.candidate,
            verdict="refitted",
            reason=f"refitted on {len(train)} rows with {dict(fitted.recipe)}",
            evidence={"model": version.content_hash, "gate": gate.content_hash, "rows": len(train)},
            context={
                "mlflow_run": version.run_id, "version": version.version, "passport": passport.content_hash,
            },
        )  # fmt: skip
        return version

    def _registered(self, passport: CompletePassport, content: Mapping[str, bytes], *, run_id: str) -> ModelVersion:
        """Register a model with its passport: the one place where a model becomes a version."""
        tags = {"owner": passport.tags.owner, "task": passport.tags.task, "gate": passport.decision.gate.content_hash}
        return self.models.register(
            self.system.name,
            passport.definition.candidate,
            run_id=run_id,
            content=content,
            record=passport.files,
            as_of=self.step.as_of,
            tags=tags,
        )

    @property
    def _day(self) -> str:
        return self.system.calendar.key(self.step.as_of)

    def _run(self, fitted: Fitted, name: str, metrics: Mapping[str, float | None], *, stage: str) -> RunLog:
        curves = {
            "train log_loss by round": fitted.loss_curve.train,
            "validation log_loss by round": fitted.loss_curve.validation,
        }
        return RunLog(
            experiment=self.system.name,
            name=name,
            params={**fitted.params, **{f"recipe {k}": v for k, v in fitted.recipe.items()}},
            metrics=adapter.numbers(metrics),
            curves={k: v for k, v in curves.items() if v},
            tags=self._tags(stage) | {"candidate": fitted.candidate},
            datasets=self._datasets,
            parent_run_id=self.parent,
        )

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
