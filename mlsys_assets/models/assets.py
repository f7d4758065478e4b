"""Candidates fitted on train, and the winner's recipe refitted on all that is known."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.data_sampling.views import Train
from mlsys_assets.decision_step import DecisionStep
from mlsys_assets.features.profile import PROFILE_MEANS, PROFILE_SCHEMA, TRAINING_PROFILE, profile
from mlsys_assets.ledger import CANDIDATE, GATE, PASS, REFIT, TRAINING_SET
from mlsys_assets.measures.intervals import attempt
from mlsys_assets.models.bundle import to_files
from mlsys_assets.models.candidate import FitError, Fitted
from mlsys_assets.models.passport import Context, Environment, Passport
from mlsys_assets.system import MLSystem
from mlsys_assets.types import Finding
from mlsys_resources.manifest import Manifest
from mlsys_resources.operations_rows import Decision
from mlsys_resources.resources import Resources
from mlsys_resources.run_log import DatasetVersion, RunLog

STAGE = "models"
CANDIDATES = "candidates"
REFITTED = "refitted_model"
PASSPORT = "passport.json"


def build_assets(system: MLSystem) -> list[dg.AssetsDefinition]:
    """Return the fitted candidates, the refitted winner, and what the rows looked like that it learned from."""
    return [_candidates(system), _refitted(system), _profile(system)]


def _candidates(system: MLSystem) -> dg.AssetsDefinition:
    asset = adapter.key(system, CANDIDATES)
    names = ", ".join(c.name for c in system.candidates)

    @dg.asset(
        key=asset,
        deps=[adapter.key(system, TRAINING_SET)],
        partitions_def=adapter.as_ofs(system),
        check_specs=adapter.check_specs(
            asset, {"every_candidate_fitted": ("Every declared candidate could be fitted.", False)}
        ),
        description=f"{names}: fitted on train, chosen on validation, each an MLflow run.",
        **adapter.common(system, STAGE, kinds=("lightgbm", "scikitlearn", "mlflow")),
    )
    def candidates(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Resources]) -> dg.MaterializeResult:
        step = DecisionStep(context, system, stores)
        logbook = _Logbook(step)
        parent = logbook.begin()
        split = step.split(step.training_rows())
        table, failed = [], []
        for candidate in system.candidates:
            try:
                fitted = candidate.fit(split.train, split.validation, seed=system.seed, threads=system.threads)
            except FitError as error:
                failed.append(f"{candidate.name}: {error}")
                continue
            scores = fitted.predict(split.validation.features, threads=system.threads)
            validation = {f"validation {m.name}": attempt(m, split.validation.label, scores) for m in system.metrics}
            run_id = logbook.log(fitted, split.train, metrics=validation, parent=parent)
            table.append((candidate.name, *validation.values(), f"[run]({stores.models.run_url(run_id)})"))
        all_fitted = Finding(
            "every_candidate_fitted", not failed, "; ".join(failed) or "every candidate could be fitted"
        )
        header = ("candidate", *(f"validation {m.name}" for m in system.metrics), "MLflow")
        return dg.MaterializeResult(
            metadata={
                "candidates": adapter.markdown_table(header, table),
                "MLflow run": dg.MetadataValue.url(stores.models.run_url(parent)),
            },
            check_results=[adapter.check_result(all_fitted, asset)],
        )

    return candidates


def _refitted(system: MLSystem) -> dg.AssetsDefinition:
    asset = adapter.key(system, REFITTED)

    @dg.asset(
        key=asset,
        deps=[adapter.key(system, name) for name in ("champion_decision", CANDIDATES, TRAINING_SET)],
        partitions_def=adapter.as_ofs(system),
        description="The recipe that passed the gate, refitted on all known rows but the static test, and registered.",
        **adapter.common(system, STAGE, kinds=("lightgbm", "mlflow")),
    )
    def refitted_model(context: dg.AssetExecutionContext, stores: dg.ResourceParam[Resources]) -> dg.MaterializeResult:
        step = DecisionStep(context, system, stores)
        (gate,) = step.decisions(GATE)
        if gate.verdict != PASS:
            return dg.MaterializeResult(metadata={"refitted": "no", "why": gate.reason})
        name = gate.evidence["challenger"]
        (chosen,) = [c for c in system.candidates if c.name == name]
        (fit,) = [d for d in step.fitted() if d.name == name]
        train = step.refit_view(step.training_rows())
        fitted = chosen.refit(train, recipe=fit.evidence["recipe"], seed=system.seed, threads=system.threads)
        version = _Logbook(step).register(fitted, train, gate, parent=step.mlflow_parent)
        return dg.MaterializeResult(
            metadata={
                "candidate": chosen.name,
                "version": version.version,
                "content hash": version.content_hash,
                "rows": len(train),
                "MLflow run": dg.MetadataValue.url(stores.models.run_url(version.run_id)),
            }
        )

    return refitted_model


def _profile(system: MLSystem) -> dg.AssetsDefinition:
    @dg.asset(
        key=adapter.key(system, TRAINING_PROFILE),
        deps=[adapter.key(system, name) for name in (REFITTED, TRAINING_SET)],
        partitions_def=adapter.as_ofs(system),
        description="How each feature was distributed in the rows that the refitted model learned from.",
        metadata={"dagster/column_schema": adapter.arrow_schema(PROFILE_SCHEMA, PROFILE_MEANS)},
        **adapter.common(system, STAGE, kinds=("numpy", "deltalake")),
    )
    def training_profile(
        context: dg.AssetExecutionContext, stores: dg.ResourceParam[Resources]
    ) -> dg.MaterializeResult:
        step = DecisionStep(context, system, stores)
        (gate,) = step.decisions(GATE)
        if gate.verdict != PASS:
            return dg.MaterializeResult(metadata={"profile": "none", "why": gate.reason})
        train = step.refit_view(step.training_rows())
        rows = adapter.in_tick(profile(train.features), step.as_of)
        written = stores.lake.write_ticks(
            system.name, TRAINING_PROFILE, rows, schema=PROFILE_SCHEMA, ticks=[step.as_of], run_id=context.run.run_id
        )
        return dg.MaterializeResult(metadata={"dagster/row_count": rows.num_rows, "lake_version": written.version})

    return training_profile


class _Logbook:
    """Writes what was fitted to MLflow and to the ledger, each naming the other."""

    def __init__(self, step: DecisionStep) -> None:
        self.step, self.models, self.system = step, step.stores.models, step.system
        (self.training_set,) = step.decisions(TRAINING_SET)
        self.environment = Environment.observed(*adapter.PACKAGES, declaration=self.system)

    def begin(self) -> str:
        """Log the training itself, which the runs of its candidates belong to, once; return the run's id."""
        if standing := self.step.standing(CANDIDATE):
            return str(standing[0].context["mlflow_parent"])
        declared = {"seed": self.system.seed, "threads": self.system.threads}
        tags, name = self._tags("training"), f"{self._day} training"
        return self.models.log_run(RunLog(self.system.name, name, params=declared, tags=tags, datasets=self._datasets))

    def log(self, fitted: Fitted, train: Train, *, metrics: Mapping[str, float | None], parent: str) -> str:
        """Log a fitted candidate as a run with its bundle, and record it; return the run's id."""
        name = f"{self._day} {fitted.candidate}"
        run_id = self.models.log_run(self._run(fitted, name, metrics, stage="candidate", parent=parent))
        content = to_files(fitted.predictor)
        passport = self._passport(fitted, train, Manifest.of(content, {}).content_hash, run_id)
        saved = self.models.save(run_id, content=content, record={PASSPORT: passport})
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
                **adapter.numbers(metrics),
            },
            context={
                "mlflow_run": run_id,
                "mlflow_parent": parent,
                "source": saved.source,
                "manifest_sha256": saved.manifest_sha256,
            },
        )
        return run_id

    def register(self, fitted: Fitted, train: Train, gate: Decision, *, parent: str) -> Any:
        """Log and register a refitted model, and record it; return its version."""
        name = f"{self._day} refit {fitted.candidate}"
        run_id = self.models.log_run(self._run(fitted, name, {}, stage="refit", parent=parent))
        content = to_files(fitted.predictor)
        passport = self._passport(fitted, train, Manifest.of(content, {}).content_hash, run_id)
        version = self.models.register(
            self.system.name,
            fitted.candidate,
            run_id=run_id,
            content=content,
            record={PASSPORT: passport},
            as_of=self.step.as_of,
            tags={"owner": self.system.owner, "task": self.system.label.name, "gate": gate.content_hash},
        )
        self.step.record(
            REFIT,
            fitted.candidate,
            verdict="refitted",
            reason=f"refitted on {len(train)} rows with {dict(fitted.recipe)}",
            evidence={"model": version.content_hash, "gate": gate.content_hash, "rows": len(train)},
            context={"mlflow_run": version.run_id, "version": version.version},
        )
        return version

    @property
    def _day(self) -> str:
        return self.system.calendar.key(self.step.as_of)

    def _run(
        self, fitted: Fitted, name: str, metrics: Mapping[str, float | None], *, stage: str, parent: str
    ) -> RunLog:
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
            parent_run_id=parent,
        )

    def _tags(self, stage: str) -> dict[str, str]:
        return {
            "as_of": self.step.as_of.isoformat(),
            "stage": stage,
            "owner": self.system.owner,
            "task": self.system.label.name,
            "dagster_run": self.step.context.run.run_id,
            "dagster_asset": "/".join(self.step.context.asset_key.path),
            "training_set": str(self.training_set.evidence["rows"]),
        }

    @property
    def _datasets(self) -> list[DatasetVersion]:
        root, versions = self.step.stores.lake.root, self.training_set.context["versions"]
        return [
            DatasetVersion(table, str(version), f"{root}/{self.system.home(table)}/{table}", "training")
            for table, version in versions.items()
        ]

    def _passport(self, fitted: Fitted, train: Train, model_hash: str, run_id: str) -> bytes:
        evidence = self.training_set.evidence
        passport = Passport(
            system=self.system.name,
            candidate=fitted.candidate,
            as_of=self.step.as_of.isoformat(),
            tables={"features and labels": str(evidence["rows"])},
            environment=self.environment,
            seed=self.system.seed,
            threads=self.system.threads,
            params=fitted.params,
            recipe=fitted.recipe,
            windows={"fitted on": str(train.window)},
            training_rows=len(train),
            training_hash=train.content_hash,
            model_hash=model_hash,
            context=Context(
                table_versions=self.training_set.context["versions"],
                dagster_run=self.step.context.run.run_id,
                mlflow_run=run_id,
            ),
        )
        return passport.to_json()
