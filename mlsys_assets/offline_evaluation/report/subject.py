"""What a report is about: a challenger and the models beside it, and the rows that they are judged by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mlsys_assets.data_sampling.views import OpenedTest, Train, Validation
from mlsys_assets.measures.costs import CostMatrix
from mlsys_assets.measures.intervals import Support, bootstrap, day_blocks
from mlsys_assets.measures.metrics import Floats, Metric, Weights
from mlsys_assets.models.candidate import Candidate
from mlsys_assets.models.predictor import Predictor
from mlsys_assets.offline_evaluation.champion_gate import RECENT
from mlsys_assets.offline_evaluation.choices.worth import Worth
from mlsys_assets.offline_evaluation.comparison import Comparison, Scored
from mlsys_assets.offline_evaluation.confidence.confidence import Abstention
from mlsys_assets.offline_evaluation.evaluation import Evaluation
from mlsys_assets.offline_evaluation.slicing.slice_finder import SliceFinder
from mlsys_assets.offline_evaluation.slicing.slices import Slicing
from mlsys_assets.types import CHAMPION, Finding


@dataclass(frozen=True)
class Asked:
    """What a system wants to know of a challenger.

    Parameters
    ----------
    metrics
        The first decides.
    slices, finder
        Where to look for what is worse.
    compared
        The metric in which slices are held against the champion's.
    costs, worth, abstention
        What decisions cost, what a model must gain to be worth its keep, and what a request costs that is left.
    support
        What must be there before a number is believed.
    seed, threads
        Of what is drawn, and of what is fitted.
    """

    metrics: Sequence[Metric]
    compared: Metric
    slices: Sequence[Slicing] = ()
    finder: SliceFinder | None = None
    costs: CostMatrix | None = None
    worth: Worth | None = None
    abstention: Abstention | None = None
    support: Support = field(default_factory=Support)
    seed: int = 0
    threads: int = 1

    @property
    def metric(self) -> Metric:
        """The one that decides."""
        return self.metrics[0]


@dataclass(frozen=True, eq=False)
class Subject:
    """A challenger with all that is on record of it.

    Parameters
    ----------
    challenger
        Its name.
    candidates
        What was declared and could be fitted, the simplest first.
    predictors
        Each model by name, the champion among them if there is one.
    train, validation, tests
        The rows; tests by name.
    scored
        Every model's scores on each test.
    evaluations, comparisons, findings
        What the evaluation found.
    threshold
        From which score on one acts.
    """

    challenger: str
    candidates: Sequence[Candidate]
    predictors: Mapping[str, Predictor]
    train: Train
    validation: Validation
    tests: Mapping[str, OpenedTest]
    scored: Mapping[str, Scored]
    evaluations: Sequence[Evaluation]
    comparisons: Sequence[Comparison]
    findings: Sequence[Finding]
    threshold: float

    @property
    def candidate(self) -> Candidate:
        """The challenger's declaration."""
        (found,) = [c for c in self.candidates if c.name == self.challenger]
        return found

    @property
    def predictor(self) -> Predictor:
        """The challenger itself."""
        return self.predictors[self.challenger]

    @property
    def baselines(self) -> list[str]:
        """The names of the baselines that could be fitted."""
        return [c.name for c in self.candidates if c.baseline]

    @property
    def recent(self) -> OpenedTest:
        """The rows of the recent test."""
        return self.tests[RECENT]

    def score(self, test: str = RECENT, model: str | None = None) -> Floats:
        """Return (n,) scores on a test, the challenger's if no other is named."""
        return self.scored[test].scores[model or self.challenger]

    def rival(self, asked: "Asked") -> str | None:
        """Return the champion, or before the first the baseline that did best on recent rows; None without either."""
        if CHAMPION in self.predictors:
            return CHAMPION
        sign = -1 if asked.metric.higher_is_better else 1
        found = {e.model: e.whole[asked.metric.name] for e in self.evaluations if e.split == RECENT}
        told = {name: sign * found[name].value for name in self.baselines if name in found and found[name].sufficient}
        return min(told, key=told.__getitem__, default=next(iter(self.baselines), None))

    def weights(self, asked: Asked, *, test: str = RECENT) -> Weights:
        """Return the draws of a test's days."""
        return bootstrap(day_blocks(self.tests[test].at, length=asked.support.block), seed=asked.seed)
