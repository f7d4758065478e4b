"""Sealed tests opened once, every model on the same rows, and a verdict."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import dagster as dg
import pyarrow as pa

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.data_sampling.views import OpenedTest, Test, Validation
from mlsys_assets.decision_step import DecisionStep
from mlsys_assets.ledger import CHALLENGER, COMPARISON, EVALUATION as EVALUATED, GATE, TRAINING_SET
from mlsys_assets.models.bundle import from_files
from mlsys_assets.models.predictor import Predictor
from mlsys_assets.offline_evaluation.champion_gate import RECENT
from mlsys_assets.offline_evaluation.comparison import Comparison, Scored, compare
from mlsys_assets.offline_evaluation.curves import curves_plot, thumbnail_of_curves
from mlsys_assets.offline_evaluation.evaluation import Evaluation, Evaluator, groups_of, score_schema
from mlsys_assets.offline_evaluation.findings import CHECKS, SCHEDULED, accuracy_misleads, read_once
from mlsys_assets.offline_evaluation.slicing.slice_plot import slice_plot, thumbnail_of_slices
from mlsys_assets.offline_evaluation.verdict import Case, decide
from mlsys_assets.system import MLSystem
from mlsys_assets.tables import PREDICT_AT, TIMESTAMP
from mlsys_assets.types import CHAMPION
from mlsys_resources.artifact_files import SavedArtifacts
from mlsys_resources.operations_rows import Alias
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
        models = [*_candidates(step), *_champion(step)]
        chosen = _choose(step, split.validation, models)
        tests = [split.recent_test, *([split.static_test] if system.split.static_test else [])]
        opened = {test.name: _opened(step, test, models, config.reason or SCHEDULED) for test in tests}
        scored = {test.name: _scored(system, test, opened[test.name], models) for test in tests}
        evaluator = Evaluator(system.metrics, system.slices, seed=system.seed, support=system.gates.support)
        found = [
            evaluator.evaluate(
                opened[name], one.scores[m.name], model=m.name, hashes=(m.content_hash, one.data_hash), split=name
            )
            for name, one in scored.items()
            for m in models
        ]
        compared = _compared(step, scored, chosen)
        plots, curves = _curves(step, scored, best=chosen)
        written = stores.lake.write_ticks(
            system.name,
            SCORES,
            adapter.in_tick(pa.concat_tables(_score_rows(system, opened, scored)), step.as_of),
            schema=score_schema(system.requests.key, PREDICT_AT),
            ticks=[step.as_of],
            run_id=context.run.run_id,
        )
        _record(step, found, compared, {"scores_version": written.version, "scores_hash": written.content_hash})
        _tell_mlflow(stores, models, found, plots)
        reads = stores.operations.test_reads(system.name)
        findings = [
            read_once(reads, step.as_of),
            accuracy_misleads(found, baselines=step.baselines, decides=system.metrics[0].name),
        ]
        return dg.MaterializeResult(
            metadata={
                **curves,
                **{f"{name} metrics": _metric_table(system, found, name) for name in plots},
                **_slices(system, found, chosen),
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
        (choice,) = step.decisions(CHALLENGER)
        name, case = choice.evidence["challenger"], _case(step, choice.evidence["challenger"])
        (mine,) = [d for d in step.decisions(EVALUATED) if d.name == name]
        rows = {split: one["data_hash"] for split, one in mine.evidence.items()}
        verdict = decide(system.gates, case, model_hash=mine.evidence[RECENT]["model_hash"], data_hashes=rows)
        champion = step.champion_before()
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


def _choose(step: DecisionStep, validation: Validation, models: list[_Model]) -> str:
    """Return the candidate that is held against the champion, chosen on validation and put on record."""
    system = step.system
    own = [m for m in models if m.name not in (CHAMPION, *step.baselines)]
    if not own:
        raise dg.Failure(f"no model candidate could be fitted as of {step.as_of:%Y-%m-%d}; see the asset candidates")
    scores = {m.name: m.predictor.predict(validation.features, threads=system.threads) for m in own}
    hashes = {m.name: m.content_hash for m in own}
    rows = Scored("validation", validation.content_hash, validation.at, validation.label, scores, hashes)
    choice = system.gates.choice.choose(rows, system.metrics[0], seed=system.seed, support=system.gates.support)
    evidence = {"challenger": choice.name, "rows": rows.data_hash, **adapter.numbers(choice.evidence)}
    step.record(CHALLENGER, CHALLENGER, verdict=choice.name, reason=choice.reason, evidence=evidence)
    return choice.name


def _scored(system: MLSystem, test: Test, view: OpenedTest, models: list[_Model]) -> Scored:
    scores = {m.name: m.predictor.predict(view.features, threads=system.threads) for m in models}
    hashes, groups = {m.name: m.content_hash for m in models}, groups_of(system.slices, view.features)
    return Scored(test.name, test.content_hash, view.at, view.label, scores, hashes, groups)


def _compared(step: DecisionStep, scored: Mapping[str, Scored], challenger: str) -> list[Comparison]:
    """Return the challenger against each baseline, and against the champion on what that one has not seen."""
    gates, champion = step.system.gates, _trained(step, step.champion_before())
    against = partial(compare, metrics=gates.compared, seed=step.system.seed, support=gates.support)
    fitted = [name for name in step.baselines if name in scored[RECENT].scores]
    found = [against(one, (challenger, b)) for one in scored.values() for b in fitted]
    if champion is not None:
        unseen = {**scored, RECENT: scored[RECENT].unseen_since(champion)}
        by = gates.champion.metric
        found += [against(one, (challenger, CHAMPION), by_slice=by) for one in unseen.values()]
    return found


def _score_rows(system: MLSystem, opened: Mapping[str, OpenedTest], scored: Mapping[str, Scored]) -> Iterator[pa.Table]:
    schema = score_schema(system.requests.key, PREDICT_AT)
    for name, one in scored.items():
        view = opened[name]
        at = pa.array(view.at, pa.timestamp("us")).cast(TIMESTAMP)
        for model, score in one.scores.items():
            columns = [pa.repeat(v, len(view)) for v in (model, one.hashes[model], name, one.data_hash)]
            yield pa.table([*columns, view.ids, at, pa.array(view.label), pa.array(score)], schema=schema)


def _curves(
    step: DecisionStep, scored: Mapping[str, Scored], *, best: str
) -> tuple[dict[str, bytes], dict[str, dg.MarkdownMetadataValue]]:
    """Return each test's curves as a picture, and as metadata that is seen at once."""
    plots, shown = dict[str, bytes](), dict[str, dg.MarkdownMetadataValue]()
    for name, one in scored.items():
        if len(one.label):
            plots[name] = curves_plot(one.scores, one.label, title=f"{name} as of {step.as_of:%Y-%m-%d}")
            first = {model: one.scores[model] for model in (best, CHAMPION) if model in one.scores}
            small = thumbnail_of_curves(first, one.label, title=f"{name} curves")
            shown |= adapter.pictures(f"{name} curves", small, plots[name])
    return plots, shown


def _record(
    step: DecisionStep, found: list[Evaluation], compared: list[Comparison], context: Mapping[str, object]
) -> None:
    first = step.system.metrics[0].name
    for model in dict.fromkeys(e.model for e in found):
        mine = [e for e in found if e.model == model]
        told = ", ".join(f"{first} on {e.split} {e.whole[first]}" for e in mine)
        evidence = {e.split: e.as_dict() for e in mine}
        step.record(EVALUATED, model, verdict="evaluated", reason=told, evidence=evidence, context=context)
    for other in dict.fromkeys(c.other for c in compared):
        told = "; ".join(
            f"{name} on {c.split}: {e}" for c in compared if c.other == other for name, e in c.differences.items()
        )
        evidence = {c.split: c.as_dict() for c in compared if c.other == other}
        step.record(COMPARISON, other, verdict="compared", reason=told, evidence=evidence, context=context)


def _tell_mlflow(stores: Resources, models: list[_Model], found: list[Evaluation], plots: Mapping[str, bytes]) -> None:
    pictures = {f"plots/{name}.png": png for name, png in plots.items()}
    for model in models:
        if model.name == CHAMPION:
            continue  # its run tells how it was made; how it does later stands in the later runs
        metrics = {k: v for e in found if e.model == model.name for k, v in e.metrics().items()}
        stores.models.add_to_run(model.run_id, metrics=metrics, artifacts=pictures)


def _case(step: DecisionStep, challenger: str) -> Case:
    """Return what is on record of a challenger as of then, of what is still declared."""
    declared = {CHAMPION, *(d.name for d in step.fitted())}
    records = [d for d in step.decisions(EVALUATED) if d.name in declared]
    evaluations = [Evaluation.from_dict(d.name, s, found) for d in records for s, found in d.evidence.items()]
    compared = [
        Comparison.from_dict(d.name, s, found) for d in step.decisions(COMPARISON) for s, found in d.evidence.items()
    ]
    baselines = [c for c in compared if c.other in step.baselines]
    return Case(challenger, evaluations, baselines, [c for c in compared if c.other == CHAMPION])


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


def _slices(system: MLSystem, found: list[Evaluation], model: str) -> dict[str, dg.MarkdownMetadataValue]:
    metric = system.metrics[0].name
    small = thumbnail_of_slices(found, metric, split=RECENT, model=model)
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
