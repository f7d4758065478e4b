"""What a step has to go on from: the champion's checkpoint, and which rows it has learned from."""

from dataclasses import replace
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.data_sampling.splits import Split
from mlsys_assets.data_sampling.views import Train
from mlsys_assets.decision_step import DecisionStep
from mlsys_assets.features.feature_hash import feature_hashes
from mlsys_assets.models.bundle import from_files
from mlsys_assets.models.candidate import Candidate
from mlsys_assets.models.passport.declared import declared
from mlsys_assets.models.passport.error import PassportError
from mlsys_assets.models.passport.parts import Definition, FeaturizeAndPredict, Generation, part_of
from mlsys_assets.models.passport_writer import label_told
from mlsys_assets.models.predictor import BundleError
from mlsys_assets.models.stateful.ancestry import Ancestry
from mlsys_assets.models.stateful.start import Checkpoint, Start, learned_by, places, rest, start
from mlsys_resources.artifact_files import SavedArtifacts
from mlsys_resources.manifest import TamperedArtifact
from mlsys_resources.operations_rows import Decision

UNUSABLE: Final = (TamperedArtifact, BundleError, PassportError)
"""What is raised where a bundle is gone or is not what was stored. A store that does not answer raises otherwise: the
step fails and is done again, since what a model starts from must not depend on that."""
NO_CHAMPION: Final = "there is no champion"


class Lineage:
    """Tells where each candidate of a step starts from, where the system declares that they go on."""

    def __init__(self, step: DecisionStep, rows: LabelledRows) -> None:
        self.step, self.system, self.rows = step, step.system, rows
        self.by, system, stores = self.system.learns.stateful, self.system, step.stores
        self.ancestry = Ancestry(stores.operations, stores.lake, system.name, step.reading, system.time_split)

    def start(self, candidate: Candidate, split: Split) -> Start | None:
        """Return where a candidate starts from as of then; None where nothing is declared to go on."""
        if self.by is None:
            return None
        found = start(candidate, split.train, self.rows, self._checkpoint(candidate), seen=self._seen, by=self.by)
        if found.checkpoint is None or not self.system.label.corrections:
            return found
        moved = self._seen & ~learned_by(self.system.time_split, self.rows, found.checkpoint.as_of)
        return replace(found, corrected=int(moved[places(split.train.ids, self.rows)].sum()))

    def rest(self, candidate: Candidate, fit: Decision, everything: Train) -> Start | None:
        """Return how a candidate goes on that was fitted as of then, and passed; None where nothing is declared to."""
        if self.by is None:
            return None
        try:
            evaluated: Checkpoint | str = self._read(fit)
        except UNUSABLE as error:
            evaluated = f"the checkpoint as of {fit.as_of:%Y-%m-%d} cannot be read: {error}"
        seen = learned_by(self.system.time_split, self.rows, self.step.as_of)
        seen |= self.ancestry.before(fit.name, fit.as_of, self.rows)
        return rest(candidate, everything, self.rows, evaluated, seen=seen, by=self.by)

    def _checkpoint(self, candidate: Candidate) -> Checkpoint | str:
        """Return the state in which the champion was evaluated, or why it is not gone on from."""
        fit = self._champions
        if isinstance(fit, str):
            return fit
        if fit.name != candidate.name:
            return f"the champion is {fit.name}"
        try:
            return self._other(candidate, fit) or self._read(fit)
        except UNUSABLE as error:
            return f"the checkpoint as of {fit.as_of:%Y-%m-%d} cannot be read: {error}"

    @cached_property
    def _champions(self) -> Decision | str:
        """The record of the fit that the champion came of, or why there is none."""
        champion = self.step.champion_before()
        if champion is None:
            return NO_CHAMPION
        model = self.step.stores.operations.model(self.system.name, champion.version)
        if model is None or champion.version in self.step.stores.operations.retired(self.system.name):
            return f"version {champion.version} is retired, or not on record"
        fit = self.ancestry.fit(model.name, model.as_of)
        return fit or f"no fit of version {champion.version} is on record as of {model.as_of:%Y-%m-%d}"

    def _saved(self, fit: Decision) -> SavedArtifacts:
        return SavedArtifacts(fit.context["source"], fit.context["manifest_sha256"], fit.evidence["model"])

    def _read(self, fit: Decision) -> Checkpoint:
        predictor = from_files(self.step.stores.models.read(self._saved(fit)))
        champion = None if fit.as_of == self.step.as_of else self.step.champion_before()
        version = None if champion is None else champion.version
        return Checkpoint(predictor, fit.evidence["model"], fit.as_of, version)

    def _other(self, candidate: Candidate, fit: Decision) -> str:
        """Return what is declared otherwise now than for the checkpoint: it cannot be gone on from."""
        record = self.step.stores.models.read_record(self._saved(fit))
        made = part_of(record, Definition)
        if made.declaration != declared(candidate):
            return f"{candidate.name} is declared otherwise than as of {fit.as_of:%Y-%m-%d}"
        if made.label != label_told(self.system.label):
            return f"the label is declared otherwise than as of {fit.as_of:%Y-%m-%d}"
        if part_of(record, Generation).split != declared(self.system.time_split):
            return f"the time split is declared otherwise than as of {fit.as_of:%Y-%m-%d}"
        was = {name: told.hash for name, told in part_of(record, FeaturizeAndPredict).features.items()}
        now = feature_hashes(self.system.features, self.system.requests.columns)
        changed = sorted(name for name in {*was, *now} if was.get(name) != now.get(name))
        return f"the features changed: {', '.join(changed)}" if changed else ""

    @cached_property
    def _seen(self) -> NDArray[np.bool_]:
        """(n,) which rows the champion's checkpoint, and all it came from, learned from."""
        fit = self._champions
        if isinstance(fit, str):
            return np.zeros(len(self.rows), dtype=bool)
        return self.ancestry.learned(fit.name, fit.as_of, self.rows)
