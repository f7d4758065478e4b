"""The models of a training, on the rows of its tests, and what is on record of them."""

from dataclasses import dataclass

from mlsys_assets.data_sampling.views import OpenedTest, Test
from mlsys_assets.decision_step import DecisionStep
from mlsys_assets.declared_tests import tested
from mlsys_assets.ledger import COMPARISON, EVALUATION
from mlsys_assets.models.bundle import from_files
from mlsys_assets.models.predictor import Predictor
from mlsys_assets.offline_evaluation.comparison import Comparison, Scored
from mlsys_assets.offline_evaluation.evaluation import Evaluation, groups_of
from mlsys_assets.offline_evaluation.verdict import NO_CHAMPION, Case
from mlsys_assets.system import MLSystem
from mlsys_assets.types import CHAMPION
from mlsys_resources.artifact_files import SavedArtifacts


@dataclass(frozen=True)
class Model:
    """A model to be scored: what it is called, its content, and its run in MLflow."""

    name: str
    content_hash: str
    predictor: Predictor
    run_id: str


def fitted_models(step: DecisionStep) -> list[Model]:
    """Return the candidates that could be fitted as of then, as they were stored."""
    found = []
    for d in step.fitted():
        saved = SavedArtifacts(d.context["source"], d.context["manifest_sha256"], d.evidence["model"])
        found.append(
            Model(d.name, saved.content_hash, from_files(step.stores.models.read(saved)), d.context["mlflow_run"])
        )
    return found


def standing_champion(step: DecisionStep) -> list[Model]:
    """Return the champion that stood before, if there was one and it is to be compared with."""
    champion = step.champion_to_beat()
    if champion is None:
        return []
    loaded = step.stores.models.load(step.system.name, champion.version)
    return [Model(CHAMPION, champion.content_hash, from_files(loaded.content), loaded.version.run_id)]


def open_test(step: DecisionStep, test: Test, scored: list[Model], reason: str) -> OpenedTest:
    """Open a sealed test, which is recorded, for models to be scored on."""
    models = " ".join(sorted(m.content_hash for m in scored))
    return test.open(step.record_read, models=models, reason=reason)


def score_models(system: MLSystem, test: Test, view: OpenedTest, models: list[Model]) -> Scored:
    """Return the models' scores on a test's rows, which are cut into the system's slices."""
    scores = {m.name: m.predictor.predict(view.features, threads=system.threads) for m in models}
    hashes, groups = {m.name: m.content_hash for m in models}, groups_of(system.slices, view.features)
    return Scored(test.name, test.content_hash, view.at, view.label, scores, hashes, groups)


def case_on_record(step: DecisionStep, challenger: str) -> Case:
    """Return what is on record of a challenger as of then, of what is still declared."""
    declared = {CHAMPION, *(d.name for d in step.fitted())}
    records = [d for d in step.decisions(EVALUATION) if d.name in declared]
    evaluations = [Evaluation.from_dict(d.name, s, found) for d in records for s, found in d.evidence.items()]
    compared = [
        Comparison.from_dict(d.name, s, found) for d in step.decisions(COMPARISON) for s, found in d.evidence.items()
    ]
    baselines = [c for c in compared if c.other in step.baselines]
    champion = [c for c in compared if c.other == CHAMPION]
    stood = step.champion_before()
    apart = "" if stood is None else step.not_to_beat(stood)
    without = f"the champion is none to compare with: {apart}" if apart else NO_CHAMPION
    return Case(challenger, evaluations, baselines, champion, tested(step), step.baselines, without)
