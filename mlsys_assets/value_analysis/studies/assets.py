"""Studies that train again and again, when somebody asks: what more data, other models, fewer features would bring."""

import time
from collections.abc import Callable
from datetime import UTC, timedelta
from hashlib import sha256

import dagster as dg

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.data_sampling.splits import Split
from mlsys_assets.data_sampling.views import OpenedTest
from mlsys_assets.decision_step import DecisionStep
from mlsys_assets.ledger import CHALLENGER, FORCED, RANDOM_SPLIT, TRAINING_SET
from mlsys_assets.models.candidate import Candidate
from mlsys_assets.models.compression.methods import methods_for
from mlsys_assets.models.compression.table import CompressionStudy
from mlsys_assets.offline_evaluation.findings import STUDIED
from mlsys_assets.offline_evaluation.importance.column_drift import PERIOD, ColumnDrift
from mlsys_assets.offline_evaluation.importance.feature_debt import by_tables, needs
from mlsys_assets.offline_evaluation.importance.importance import ImportanceStudy
from mlsys_assets.offline_evaluation.importance.permutation import Permutation
from mlsys_assets.offline_evaluation.importance.rank_stability import RankStabilityStudy
from mlsys_assets.offline_evaluation.importance.removal import ALLOWED, RemovalStudy
from mlsys_assets.offline_evaluation.importance.stability import stability
from mlsys_assets.offline_evaluation.report.certainty import COUNTS
from mlsys_assets.offline_evaluation.studies.extrapolation import extrapolate
from mlsys_assets.offline_evaluation.studies.learning_curve import LearningCurveStudy, thinned
from mlsys_assets.offline_evaluation.studies.random_split import SplitStudy
from mlsys_assets.retraining.freshness import FreshnessStudy, windows_before
from mlsys_assets.system import MLSystem
from mlsys_assets.types import Finding
from mlsys_assets.value_analysis.gain_per_compute import GainStudy, Step
from mlsys_assets.value_analysis.iteration_value import iteration_value
from mlsys_resources.resources import Resources

STAGE = "value_analysis"
CURVE, FRESHNESS, GAIN, IMPORTANCE, REMOVAL, SPLIT, COMPRESSION = STUDIES = (
    "learning_curve",
    "freshness",
    "gain_per_compute",
    "feature_importance",
    "feature_removal",
    "split_gap",
    "compression",
)
WINDOWS, LEAST_WINDOWS, LEAST_FITS = 4, 2, 2


class StudyConfig(dg.Config):
    """What is studied, and how thoroughly."""

    candidate: str = ""
    """The recipe, by its name; that of the challenger of the same as-of, if not given."""
    seeds: int = 3
    window_days: int = 91
    """Of freshness: how long each window of training data is."""
    step_days: int = 30
    """Of freshness: how much earlier each window ends than the one after it."""
    period_days: int = PERIOD.days
    """Of feature importance: how long the periods are whose columns are compared, each with the one before."""
    allowed: float = ALLOWED
    """Of feature removal: how much of the deciding metric may be lost, in its unit."""
    forced: str = ""
    """Of the gap of splits: why rows ordered in time are split at random. Without a reason they are not."""
    split_rows: int = 40_000
    """Of the gap of splits: how many rows each model is fitted on, at most."""


def build_assets(system: MLSystem) -> list[dg.AssetsDefinition]:
    """Return the studies; none of them belongs to a tick or to a training."""
    return [
        _study(system, CURVE, "How a recipe gets better with more data, and what twice as much would bring.", _curve),
        _study(system, FRESHNESS, "Whether the freshest data is the best to train on, or a season's.", _freshness),
        _study(system, GAIN, "What a second of computing buys: of better models, or of more data.", _gain),
        _study(system, IMPORTANCE, "What each feature is worth, how surely, and how steady it is.", _importance),
        _study(
            system, REMOVAL, "Which features can go, what that loses and saves, and what is unneeded then.", _removal
        ),
        _study(system, COMPRESSION, "What smaller and faster models lose, and whether it pays.", _compression),
        _study(system, SPLIT, "What a split at random would promise, held against the split by time.", _split_gap),
    ]


Shown = dict[str, object]
Study = Callable[["_Rows"], Shown]


class _Rows:
    """What a study stands on: the parts of a training's rows, with the recent test opened."""

    def __init__(self, step: DecisionStep, config: StudyConfig) -> None:
        self.system, self.config = step.system, config
        wrong = [name for name in ("seeds", "window_days", "step_days", "period_days") if getattr(config, name) < 1]
        if wrong:
            raise dg.Failure(f"{', '.join(wrong)} must be at least 1")
        chosen = config.candidate or next(iter(d.evidence["challenger"] for d in step.standing(CHALLENGER)), "")
        own = [c for c in step.system.candidates if c.name == chosen or (not chosen and not c.baseline)]
        if not own:
            named = ", ".join(c.name for c in step.system.candidates)
            raise dg.Failure(f"no candidate is named {chosen!r}; there are {named}")
        self.candidate: Candidate = own[-1]
        self.step, self.rows = step, step.training_rows()
        self.split: Split = step.split(self.rows)
        self.test: OpenedTest = self.split.recent_test.open(step.record_read, models="", reason=STUDIED)
        self.seeds = tuple(range(step.system.seed, step.system.seed + config.seeds))


def _study(system: MLSystem, name: str, description: str, measure: Study) -> dg.AssetsDefinition:
    @dg.asset(
        key=adapter.key(system, name),
        deps=[adapter.key(system, TRAINING_SET)],
        partitions_def=adapter.as_ofs(system),
        description=f"{description} Asked for by hand: it trains many times.",
        **adapter.common(system, STAGE, kinds=("lightgbm", "numpy")),
    )
    def study(
        context: dg.AssetExecutionContext, config: StudyConfig, stores: dg.ResourceParam[Resources]
    ) -> dg.MaterializeResult:
        rows = _Rows(DecisionStep(context, system, stores), config)
        return dg.MaterializeResult(metadata=measure(rows))

    return study


def _curve(rows: _Rows) -> Shown:
    study = LearningCurveStudy(rows.system.metrics[0], seeds=rows.seeds, support=rows.system.gates.support)
    curve = study.measure(rows.candidate, rows.split.train, rows.split.validation, test=rows.test)
    told = extrapolate(curve).worth_waiting(least=COUNTS)
    sizes = [(point.rows, point.days, str(point.estimate)) for point in curve.points]
    return {
        "what more would bring": told.summary,
        **adapter.pictures("learning curve", curve.thumbnail(), curve.plot()),
        "sizes": adapter.markdown_table(("rows", "days", curve.metric.name), sizes),
    }


def _freshness(rows: _Rows) -> Shown:
    length, step = timedelta(days=rows.config.window_days), timedelta(days=rows.config.step_days)
    train = rows.split.train
    end = train.window.end
    start = train.at.min().astype("datetime64[s]").item().replace(tzinfo=UTC) if len(train) else end
    count = max(min(WINDOWS, 1 + (end - start - length) // step), 0)
    if count < LEAST_WINDOWS:
        told = f"insufficient data: {(end - start).days} days of training data hold no two windows of {length.days}"
        return {"freshness": told}
    windows = windows_before(end, length=length, step=step, count=count)
    study = FreshnessStudy(windows, rows.system.metrics[0], rows.seeds, support=rows.system.gates.support)
    found = study.measure(rows.candidate, train, rows.split.validation, test=rows.test)
    return {
        "freshness": found.conclusion(),
        **adapter.pictures("windows", found.thumbnail(), found.plot()),
        "in numbers": dg.MetadataValue.md(found.text()),
    }


def _gain(rows: _Rows) -> Shown:
    train, steps, before = rows.split.train, list[Step](), ""
    for candidate in rows.system.candidates:
        if not candidate.baseline or not steps:
            steps.append(Step(candidate.name, "model", candidate, train, after=before))
            before = candidate.name
    half = thinned(train, len(train) // 2, seed=rows.system.seed)
    steps += [
        Step("half of the days", "data", rows.candidate, half, after=""),
        Step("all of the days", "data", rows.candidate, train, after="half of the days"),
    ]
    study = GainStudy(rows.system.metrics[0], time.process_time, rows.seeds, support=rows.system.gates.support)
    found = study.measure(steps, rows.split.validation, test=rows.test)
    ledger = rows.step.stores.operations.decisions(rows.system.name, until=rows.step.as_of)
    lived = iteration_value(ledger, rows.system.metrics[0])
    return {
        "so far, by the ledger": str(lived),
        "iterations on record": dg.MetadataValue.md(lived.table()),
        "the better buy": found.text(),
        "gains": dg.MetadataValue.md(found.thumbnail()),
        "in numbers": dg.MetadataValue.md(found.table()),
    }


def _importance(rows: _Rows) -> Shown:
    system, split = rows.system, rows.split
    permutation = Permutation(system.metrics[0], rows.seeds, support=system.gates.support)
    columns = set(split.train.features.schema.names)
    tables = by_tables(system.features, system.requests.source)
    groups = {name: own for name, own in tables.items() if columns.issuperset(own)}
    fitted = rows.candidate.fit(split.train, split.validation, seed=system.seed, threads=1)
    found = ImportanceStudy(permutation).measure(fitted.predictor, split.validation, groups=groups)
    seeds = tuple(range(system.seed, system.seed + max(rows.config.seeds, LEAST_FITS)))
    ranks = RankStabilityStudy(permutation, seeds).measure(rows.candidate, split.train, split.validation)
    shown: Shown = {
        "what matters": found.text(),
        **adapter.pictures("importance", found.thumbnail(), found.plot()),
        "importance in numbers": dg.MetadataValue.md(found.table()),
        "rank stability": ranks.text(),
        **adapter.pictures("ranks", ranks.thumbnail(), ranks.plot()),
        "ranks in numbers": dg.MetadataValue.md(ranks.table()),
    }
    if not ranks.ways:
        return shown
    way = ranks.ways[0]
    rates = ColumnDrift(timedelta(days=rows.config.period_days)).rates(split.train)
    placed = stability(ranks.means(way), rates, useful=ranks.floor(way), measure=found.called(way))
    return shown | {
        "stability against performance": placed.text(),
        **adapter.pictures("importance against drift", placed.thumbnail(), placed.plot()),
        "drift in numbers": dg.MetadataValue.md(placed.table()),
    }


def _removal(rows: _Rows) -> Shown:
    system, split = rows.system, rows.split
    study = RemovalStudy(
        time.process_time, system.metrics[0], rows.config.allowed, seeds=rows.seeds, support=system.gates.support
    )
    reads = needs(system.features, system.requests.source)
    found = study.measure(rows.candidate, split.train, split.validation, reads=reads, test=rows.test)
    return {
        "what can go": found.text(),
        **adapter.pictures("columns left", found.thumbnail(), found.plot()),
        "in numbers": dg.MetadataValue.md(found.table()),
        "no longer needed": dg.MetadataValue.json(list(found.unneeded)),
        "removed": dg.MetadataValue.json(list(found.removed)),
    }


def _compression(rows: _Rows) -> Shown:
    system, split = rows.system, rows.split
    fitted = rows.candidate.fit(split.train, split.validation, seed=system.seed, threads=1)
    methods = methods_for(fitted.predictor)
    if not methods:
        return {"does it pay": f"no method applies to a model of kind {fitted.predictor.kind}"}
    study = CompressionStudy(time.process_time, time.perf_counter, system.gates.support)
    made = study.make(fitted.predictor, methods, split.train, seed=system.seed)
    found = study.measure(made, split.validation, seed=system.seed)
    return {
        "does it pay": dg.MetadataValue.md(found.text()),
        **adapter.pictures("size and loss", found.thumbnail(), found.plot()),
        "in numbers": dg.MetadataValue.md(found.table()),
    }


def _split_gap(rows: _Rows) -> Shown:
    config = rows.config
    if not config.forced.strip():
        told = "rows ordered in time are not split at random; give the reason in forced= and it goes on record"
        return {"what a random split would promise": f"not asked: {told}"}

    def record(finding: Finding) -> None:
        reason = sha256(config.forced.encode()).hexdigest()[:8]  # of two reasons each goes on record
        name = f"seed {finding.evidence['seed']}, {reason}"
        rows.step.record(RANDOM_SPLIT, name, verdict=FORCED, reason=finding.summary, evidence=finding.evidence)

    study = SplitStudy(
        config.forced, rows.system.metrics[0], rows=config.split_rows, seeds=rows.seeds,
        threads=rows.system.threads, support=rows.system.gates.support,
    )  # fmt: skip
    found = study.measure(
        rows.candidate, rows.rows, by=rows.system.time_split, as_of=rows.split.as_of, test=rows.test, record=record
    )
    return {
        "what a random split would promise": found.finding().summary,
        **adapter.pictures("both splits", found.thumbnail(), found.plot()),
        "in numbers": dg.MetadataValue.md(f"```\n{found.text()}\n```"),
    }
