"""What is put on record of a model that a step fitted: gathered from the step, the ledger and the process."""

from collections.abc import Mapping
from functools import cached_property

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.data_labeling.natural_labels import NaturalLabel
from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.data_sampling.splits import PARTS as SPLIT_PARTS
from mlsys_assets.data_sampling.training_window import EXPANDING
from mlsys_assets.data_sampling.views import Train
from mlsys_assets.decision_step import DecisionStep
from mlsys_assets.features.catalogue import catalogue
from mlsys_assets.features.feature_hash import feature_hashes
from mlsys_assets.known import LabelledReading
from mlsys_assets.ledger import BEHAVIOR, COMPARISON, EVALUATION, RETRAINING, TRAINING_SET, TRIGGER
from mlsys_assets.models.candidate import Fitted
from mlsys_assets.models.passport.code import SourceArchive
from mlsys_assets.models.passport.complete import CompletePassport
from mlsys_assets.models.passport.declared import declared
from mlsys_assets.models.passport.drift import libraries
from mlsys_assets.models.passport.environment import Dependencies, python_series, versions
from mlsys_assets.models.passport.parts import (
    CODE,
    NONE_DECLARED,
    Asked,
    Attempt,
    ColumnTold,
    Context,
    Data,
    Definition,
    Experiment,
    FeatureTold,
    FeaturizeAndPredict,
    Generation,
    Parameters,
    Tags,
    Verdict,
    files_of,
    part_of,
)
from mlsys_resources.artifact_files import SavedArtifacts
from mlsys_resources.manifest import Manifest
from mlsys_resources.operations_rows import Decision

PICTURES = "plots"
"""The folder of a candidate's run that holds the pictures of its evaluation."""


class PassportWriter:
    """Writes the records of what one step fitted."""

    def __init__(self, step: DecisionStep) -> None:
        self.step, self.system = step, step.system
        (self.training_set,) = step.decisions(TRAINING_SET)
        self.source = SourceArchive.of(*adapter.PACKAGES, declaration=self.system)
        self.dependencies = Dependencies.observed()

    def of_candidate(
        self,
        fitted: Fitted,
        rows: LabelledRows,
        train: Train,
        *,
        manifest: Manifest,
        run_id: str,
        validation: Mapping[str, float],
    ) -> dict[str, bytes]:
        """Return the record of a candidate that is only saved: without the code, and without a decision."""
        curve = {"train": fitted.loss_curve.train, "validation": fitted.loss_curve.validation}
        found = Experiment(validation, {part: losses for part, losses in curve.items() if losses})
        return files_of(*self._parts(fitted, rows, train, manifest, run_id), self._generation(rows, train, {}), found)

    def complete(
        self, fitted: Fitted, rows: LabelledRows, train: Train, *, manifest: Manifest, run_id: str, gate: Decision
    ) -> CompletePassport:
        """Return the record of a model that is to be registered; raises PassportError if anything is missing."""
        (fit,) = [d for d in self.step.fitted() if d.name == fitted.candidate]
        parts = self._parts(fitted, rows, train, manifest, run_id)
        more = (self._generation(rows, train, self._attempts), self._experiment(fit), self._asked(gate))
        files = files_of(*parts, *more) | {CODE: self.source.to_json()}
        return CompletePassport.of(files, content_hash=manifest.content_hash)

    def _parts(
        self, fitted: Fitted, rows: LabelledRows, train: Train, manifest: Manifest, run_id: str
    ) -> tuple[Definition | Parameters | FeaturizeAndPredict | Dependencies | Data | Tags | Context, ...]:
        """Return what can be told of any fitted candidate."""
        system, as_of = self.system, self.step.as_of.isoformat()
        return (
            self._definition(fitted),
            Parameters(fitted.params, fitted.recipe, system.seed, system.threads),
            self._featurize_and_predict(fitted, manifest),
            self.dependencies,
            Data(
                as_of, declared(LabelledReading.of(system)), rows.table_hashes, len(rows), rows.content_hash,
                len(train), train.content_hash,
            ),
            Tags(system.owner or NONE_DECLARED, system.label.name, as_of, fitted.candidate),
            Context(self.training_set.context["versions"], self.step.context.run.run_id, run_id),
        )  # fmt: skip

    def _definition(self, fitted: Fitted) -> Definition:
        told = label_told(self.system.label)
        columns = tuple(ColumnTold(c.name, c.type, c.unit) for c in self.system.feature_columns)
        task = {"output": str(said)} if (said := fitted.params.get("task output")) else {}
        return Definition(
            self.system.name, fitted.candidate, self._declarations[fitted.candidate], told, columns, **task
        )

    @cached_property
    def _declarations(self) -> dict[str, object]:
        return {candidate.name: declared(candidate) for candidate in self.system.candidates}

    def _featurize_and_predict(self, fitted: Fitted, manifest: Manifest) -> FeaturizeAndPredict:
        used = versions(libraries(manifest.content), self.dependencies.distributions) | {"python": python_series()}
        return FeaturizeAndPredict(
            self._features, fitted.predictor.columns, str(fitted.params.get("preprocessor") or NONE_DECLARED),
            fitted.predictor.kind, manifest.content_hash, {n: f.sha256 for n, f in manifest.content.items()}, used,
        )  # fmt: skip

    @cached_property
    def _features(self) -> dict[str, FeatureTold]:
        system = self.system
        hashes = feature_hashes(system.features, system.requests.columns)
        entries = catalogue(system.features, system.requests.source, sources=system.sources, owner=system.owner)
        return {entry.name: FeatureTold(entry.definition, hashes[entry.name]) for entry in entries}

    def _generation(self, rows: LabelledRows, train: Train, attempts: Mapping[str, Attempt]) -> Generation:
        split = self.step.split(rows)
        windows = {"fitted on": train.window} | {name: getattr(split, name).window for name in SPLIT_PARTS}
        told = {name: str(window) for name, window in windows.items()}
        learning, changes = self.system.learning, tuple(at.isoformat() for at in self.step.changes)
        window = None if learning.window == EXPANDING else declared(learning.window)
        return Generation(
            self.source.hash, declared(self.system.time_split), told, attempts, window, changes, learning.refit
        )

    @property
    def _attempts(self) -> dict[str, Attempt]:
        """What each candidate of this decision was, and was given."""
        return {
            d.name: Attempt(
                self._declarations[d.name], d.evidence["trials"], d.evidence["rows"], d.evidence["features"]
            )
            for d in self.step.fitted()
        }

    def _experiment(self, fit: Decision) -> Experiment:
        """Return how the candidate that was chosen did, by its own record and the ledger."""
        step, models = self.step, self.step.stores.models
        saved = SavedArtifacts(fit.context["source"], fit.context["manifest_sha256"], fit.evidence["model"])
        own = part_of(models.read_record(saved), Experiment)
        behavior = {d.name: {"verdict": d.verdict, "reason": d.reason} for d in step.standing(BEHAVIOR)}
        return Experiment(
            own.validation,
            own.loss_curve,
            {d.name: d.evidence for d in step.decisions(EVALUATION)},
            {d.name: d.evidence for d in step.decisions(COMPARISON)},
            behavior,
            models.run_hashes(fit.context["mlflow_run"], PICTURES),
        )

    def _asked(self, gate: Decision) -> Asked:
        retraining, triggers = (tuple(map(_verdict, self.step.standing(kind))) for kind in (RETRAINING, TRIGGER))
        return Asked(retraining, triggers, _verdict(gate))


def label_told(label: NaturalLabel) -> dict[str, str | float]:
    """Return what is on record of a label's declaration."""
    return {
        "name": label.name,
        "source": label.source.name,
        "computed by": getattr(label.compute, "__qualname__", type(label.compute).__qualname__),
        "delay [s]": label.delay.total_seconds(),
        "window [s]": label.window.total_seconds(),
        "never": ", ".join(f"{state}: {source.name}" for state, source in label.never.items()),
    }


def _verdict(decision: Decision) -> Verdict:
    return Verdict(
        decision.kind, decision.name, decision.verdict, decision.reason, decision.content_hash, decision.evidence
    )
