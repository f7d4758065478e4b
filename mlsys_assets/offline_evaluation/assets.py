"""Sealed tests opened once, every model on the same rows, and a verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.data_sampling.rows import moments
from mlsys_assets.data_sampling.views import OpenedTest, Test
from mlsys_assets.decision_step import DecisionStep
from mlsys_assets.ledger import EVALUATION as EVALUATED, GATE, TRAINING_SET
from mlsys_assets.measures.metrics import Floats
from mlsys_assets.models.bundle import from_files
from mlsys_assets.models.predictor import Predictor
from mlsys_assets.offline_evaluation.challenger import challenger
from mlsys_assets.offline_evaluation.comparison import Comparison, Scored, compare
from mlsys_assets.offline_evaluation.curves import curves_plot, thumbnail_of_curves
from mlsys_assets.offline_evaluation.evaluation import Evaluation, Evaluator, score_schema
from mlsys_assets.offline_evaluation.findings import CHECKS, SCHEDULED, accuracy_misleads, read_once
from mlsys_assets.offline_evaluation.gates import RECENT, Case, decide
from mlsys_assets.offline_evaluation.slice_plot import slice_plot, thumbnail_of_slices
from mlsys_assets.system import MLSystem
from mlsys_assets.tables import PREDICT_AT, TIMESTAMP
from mlsys_assets.types import CHAMPION
from mlsys_resources.artifact_files import SavedArtifacts
from mlsys_resources.operations_rows import Alias, Decision
from mlsys_resources.resources import Resources

STAGE = "offline_evaluation"
EVALUATION, DECISION, SCORES = "evaluation", "champion_decision", "test_scores"


class EvaluationConfig(dg.Config):
    """Why a sealed test is opened again as of the same time, if it is."""

    reason: str = ""


def build_assets(system: MLSystem) -> list[dg.AssetsDefinition]:
    """Return the evaluation and the decision that rests on it."""
    return [_evaluation(system), _decision(system)]


@dataclass(frozen=True)
class _Model:
    """A model to be scored: what it is called, its content, and its run in MLflow."""

    name: str
    content_hash: str
    predictor: Predictor
    run_id: str


def _evaluation(system: MLSystem) -> dg.AssetsDefinition:
    asset = adapter.key(system, EVALUATION)

    @dg.asset(
        key=asset,
        deps=[adapter.key(system, "candidates"), adapter.key(system, TRAINING_SET)],
        partitions_def=adapter.as_ofs(system),
        check_specs=adapter.check_specs(asset, CHECKS),
        description="Every candidate and the champion on the recent test and on the static test, with intervals.",
        **adapter.common(system, STAGE, kinds=("numpy", "mlflow")),
    )
    def evaluation(
        context: dg.AssetExecutionContext,
        config: EvaluationConfig,
        stores: dg.ResourceParam[Resources],
    ) -> dg.MaterializeResult:
        step = DecisionStep(context, system, stores)
        split = step.split(step.training_rows())
        scored = [*_candidates(step), *_champion(step)]
        evaluator = Evaluator(system.metrics, system.slices, seed=system.seed, support=system.gates.support)
        found, plots, tables, best = [], {}, [], _best(step)
        curves: dict[str, dg.MarkdownMetadataValue] = {}
        for test in [split.recent_test, *([split.static_test] if system.split.static_test else [])]:
            view = _opened(step, test, scored, config.reason or SCHEDULED)
            scores = {m.name: m.predictor.predict(view.features, threads=system.threads) for m in scored}
            found += [
                evaluator.evaluate(
                    view, scores[m.name], model=m.name, hashes=(m.content_hash, test.content_hash), split=test.name
                )
                for m in scored
            ]
            if len(view):
                plots[test.name] = curves_plot(scores, view.label, title=f"{test.name} as of {step.as_of:%Y-%m-%d}")
                first = {name: scores[name] for name in (best, CHAMPION) if name in scores}
                small = thumbnail_of_curves(first, view.label, title=f"{test.name} curves")
                curves |= adapter.pictures(f"{test.name} curves", small, plots[test.name])
            tables += [_score_rows(system, view, m, test, scores[m.name]) for m in scored]
        written = stores.lake.write_ticks(
            system.name,
            SCORES,
            adapter.in_tick(pa.concat_tables(tables), step.as_of),
            schema=score_schema(system.requests.key, PREDICT_AT),
            ticks=[step.as_of],
            run_id=context.run.run_id,
        )
        _record(step, found, {"scores_version": written.version, "scores_hash": written.content_hash})
        _tell_mlflow(stores, scored, found, plots)
        reads = stores.operations.test_reads(system.name)
        findings = [
            read_once(reads, step.as_of),
            accuracy_misleads(found, baselines=step.baselines, decides=system.metrics[0].name),
        ]
        return dg.MaterializeResult(
            metadata={
                **curves,
                **{f"{name} metrics": _metric_table(system, found, name) for name in plots},
                **_slices(system, found, best),
                "slices in numbers": _slice_table(system, found),
            },
            check_results=[adapter.check_result(f, asset) for f in findings],
        )

    return evaluation


def _decision(system: MLSystem) -> dg.AssetsDefinition:
    asset = adapter.key(system, DECISION)

    @dg.asset(
        key=asset,
        deps=[adapter.key(system, EVALUATION)],
        partitions_def=adapter.as_ofs(system),
        description="Whether the best model candidate may become champion, and if not, what it did not show.",
        **adapter.common(system, STAGE, kinds=("python",)),
    )
    def champion_decision(
        context: dg.AssetExecutionContext, stores: dg.ResourceParam[Resources]
    ) -> dg.MaterializeResult:
        step = DecisionStep(context, system, stores)
        declared = {CHAMPION, *(d.name for d in step.fitted())}
        records = [d for d in step.decisions(EVALUATED) if d.name in declared]
        evaluations = [Evaluation.from_dict(d.name, s, found) for d in records for s, found in d.evidence.items()]
        tests = {split: _scored(step, split, records) for split in records[0].evidence}
        name = _challenger(step)
        champion = step.champion_before()
        case = Case(
            name,
            evaluations,
            [_compare(system, tests[s], name, b) for s in tests for b in step.baselines],
            _against_champion(system, tests, name, _trained(step, champion)),
        )
        hashes = {split: scored.data_hash for split, scored in tests.items()}
        verdict = decide(system.gates, case, model_hash=tests[RECENT].hashes[name], data_hashes=hashes)
        step.record(
            GATE,
            CHAMPION,
            verdict=verdict.verdict.value,
            reason=verdict.reason,
            evidence={"challenger": name, **verdict.evidence},
            context={"champion_revision": champion.revision if champion else 0},
        )
        (fit,) = [d for d in step.fitted() if d.name == name]
        role = {"role": "challenger", "gate": verdict.verdict.value}
        stores.models.add_to_run(fit.context["mlflow_run"], tags=role)
        stores.models.add_to_run(step.mlflow_parent, tags={"gate": verdict.verdict.value, "challenger": name})
        return dg.MaterializeResult(
            metadata={
                "verdict": verdict.verdict.value,
                "why": verdict.reason,
                "challenger": name,
                "MLflow run": dg.MetadataValue.url(stores.models.run_url(fit.context["mlflow_run"])),
                "differences": _difference_table(case),
            }
        )

    return champion_decision


def _candidates(step: DecisionStep) -> list[_Model]:
    found = []
    for d in step.fitted():
        saved = SavedArtifacts(d.context["source"], d.context["manifest_sha256"], d.evidence["model"])
        found.append(
            _Model(d.name, saved.content_hash, from_files(step.stores.models.read(saved)), d.context["mlflow_run"])
        )
    return found


def _champion(step: DecisionStep) -> list[_Model]:
    champion = step.champion_before()
    if champion is None:
        return []
    loaded = step.stores.models.load(step.system.name, champion.version)
    return [_Model(CHAMPION, champion.content_hash, from_files(loaded.content), loaded.version.run_id)]


def _opened(step: DecisionStep, test: Test, scored: list[_Model], reason: str) -> OpenedTest:
    models = " ".join(sorted(m.content_hash for m in scored))
    return test.open(step.record_read, models=models, reason=reason)


def _score_rows(system: MLSystem, view: OpenedTest, model: _Model, test: Test, scores: Floats) -> pa.Table:
    n = len(view)
    columns = [pa.repeat(v, n) for v in (model.name, model.content_hash, test.name, test.content_hash)]
    at = pa.array(view.at, pa.timestamp("us")).cast(TIMESTAMP)
    values = [*columns, view.ids, at, pa.array(view.label), pa.array(scores)]
    return pa.table(values, schema=score_schema(system.requests.key, PREDICT_AT))


def _record(step: DecisionStep, found: list[Evaluation], context: Mapping[str, object]) -> None:
    for model in dict.fromkeys(e.model for e in found):
        mine = [e for e in found if e.model == model]
        first = step.system.metrics[0].name
        told = ", ".join(f"{first} on {e.split} {e.whole[first]}" for e in mine)
        step.record(
            EVALUATED, model, verdict="evaluated", reason=told, evidence={e.split: e.as_dict() for e in mine},
            context=context,
        )  # fmt: skip


def _tell_mlflow(stores: Resources, scored: list[_Model], found: list[Evaluation], plots: Mapping[str, bytes]) -> None:
    pictures = {f"plots/{name}.png": png for name, png in plots.items()}
    for model in scored:
        if model.name == CHAMPION:
            continue  # its run tells how it was made; how it does later stands in the later runs
        metrics = {k: v for e in found if e.model == model.name for k, v in e.metrics().items()}
        stores.models.add_to_run(model.run_id, metrics=metrics, artifacts=pictures)


def _scored(step: DecisionStep, split: str, records: Sequence[Decision]) -> Scored:
    """Return a test's rows with the scores of every model that the records are about."""
    version = records[0].context["scores_version"]
    rows = step.stores.lake.read(step.system.name, SCORES, ticks=[step.as_of], version=version)
    rows = rows.filter(pc.equal(rows["split"], split))
    by_model = {d.name: rows.filter(pc.equal(rows["model"], d.name)) for d in records}
    found, mine = records[0].evidence[split], by_model[records[0].name]
    scores = {name: part["score"].to_numpy() for name, part in by_model.items()}
    hashes = {d.name: d.evidence[split]["model_hash"] for d in records}
    return Scored(split, found["data_hash"], moments(mine[PREDICT_AT]), mine["label"].to_numpy(), scores, hashes)


def _best(step: DecisionStep) -> str | None:
    """Return the model candidate that did best on validation."""
    metric = step.system.metrics[0]
    fitted = {d.name: d.evidence.get(f"validation {metric.name}") for d in step.fitted()}
    return challenger({k: v for k, v in fitted.items() if k not in step.baselines}, metric)


def _challenger(step: DecisionStep) -> str:
    found = _best(step)
    if found is None:
        raise dg.Failure(f"no model candidate could be fitted as of {step.as_of:%Y-%m-%d}; see the asset candidates")
    return found


def _compare(system: MLSystem, scored: Scored, challenger: str, other: str) -> Comparison:
    metrics = {m.name: m for m in (*system.gates.beats_baselines, system.gates.champion_metric)}
    return compare(scored, (challenger, other), list(metrics.values()), seed=system.seed, support=system.gates.support)


def _against_champion(
    system: MLSystem, tests: Mapping[str, Scored], challenger: str, champion: datetime | None
) -> list[Comparison]:
    if champion is None:
        return []
    unseen = {**tests, RECENT: tests[RECENT].unseen_since(champion)}
    return [_compare(system, scored, challenger, CHAMPION) for scored in unseen.values()]


def _trained(step: DecisionStep, champion: Alias | None) -> datetime | None:
    """Return as of when the champion was trained: after a rollback that is not when it became champion."""
    if champion is None:
        return None
    model = step.stores.operations.model(step.system.name, champion.version)
    if model is None:
        raise RuntimeError(f"the champion, version {champion.version}, is not on record; see `mlsys doctor`")
    return model.as_of


def _metric_table(system: MLSystem, found: list[Evaluation], split: str) -> dg.MarkdownMetadataValue:
    names = [m.name for m in system.metrics]
    rows = [(e.model, *(str(e.whole[n]) for n in names)) for e in found if e.split == split]
    return adapter.markdown_table(("model", *names), rows)


def _slices(system: MLSystem, found: list[Evaluation], model: str | None) -> dict[str, dg.MarkdownMetadataValue]:
    metric = system.metrics[0].name
    small = thumbnail_of_slices(found, metric, split=RECENT, model=model or CHAMPION)
    return adapter.pictures("slices", small, slice_plot(found, metric, split=RECENT))


def _slice_table(system: MLSystem, found: list[Evaluation]) -> dg.MarkdownMetadataValue:
    name = system.metrics[0].name
    recent = [e for e in found if e.split == RECENT]
    groups = sorted({g for e in recent for g in e.slices})
    rows = [(g, *(str(e.slices[g][name]) for e in recent)) for g in groups]
    return adapter.markdown_table((f"{name} on {RECENT}", *(e.model for e in recent)), rows)


def _difference_table(case: Case) -> dg.MarkdownMetadataValue:
    rows = [
        (c.split, c.other, name, str(e)) for c in (*case.baselines, *case.champion) for name, e in c.differences.items()
    ]
    return adapter.markdown_table(("test", f"{case.challenger} minus", "metric", "difference"), rows)
