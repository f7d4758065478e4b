"""Sealed tests opened once, every model on the same rows, and a verdict."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial

import dagster as dg
import pyarrow as pa

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.compared_models import (
    Model,
    case_on_record,
    fitted_models,
    open_test,
    score_models,
    standing_champion,
)
from mlsys_assets.data_sampling.views import OpenedTest, Validation
from mlsys_assets.decision_step import DecisionStep
from mlsys_assets.declared_tests import budgets, declared_checks, tried_as_declared
from mlsys_assets.ledger import (
    CHALLENGER,
    COMPARISON,
    EVALUATION as EVALUATED,
    GATE,
    TRAINING_SET,
)
from mlsys_assets.offline_evaluation import shown
from mlsys_assets.offline_evaluation.champion_gate import RECENT
from mlsys_assets.offline_evaluation.comparison import Comparison, Scored, compare
from mlsys_assets.offline_evaluation.evaluation import Evaluation, Evaluator, score_schema
from mlsys_assets.offline_evaluation.findings import CHECKS, SCHEDULED, accuracy_misleads, read_once
from mlsys_assets.offline_evaluation.report import assets as report
from mlsys_assets.offline_evaluation.verdict import decide
from mlsys_assets.system import MLSystem
from mlsys_assets.tables import PREDICT_AT, TIMESTAMP
from mlsys_assets.types import CHAMPION
from mlsys_resources.operations_rows import Alias
from mlsys_resources.resources import Resources

STAGE = "offline_evaluation"
EVALUATION, DECISION, SCORES = "evaluation", "champion_decision", "test_scores"


class EvaluationConfig(dg.Config):
    """Why a sealed test is opened again as of the same time, if it is."""

    reason: str = ""


def build_assets(system: MLSystem) -> list[dg.AssetsDefinition]:
    """Return the evaluation, the decision that rests on it, and the report on both."""
    return [_evaluation(system), _decision(system), *report.build_assets(system)]


def _evaluation(system: MLSystem) -> dg.AssetsDefinition:
    asset = adapter.key(system, EVALUATION)

    @dg.asset(
        key=asset,
        deps=[adapter.key(system, "candidates"), adapter.key(system, TRAINING_SET)],
        partitions_def=adapter.as_ofs(system),
        check_specs=adapter.check_specs(asset, CHECKS | declared_checks(system)),
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
        models = [*fitted_models(step), *standing_champion(step)]
        chosen = _choose(step, split.validation, models)
        tests = [split.recent_test, *([split.static_test] if system.split.static_test else [])]
        opened = {test.name: open_test(step, test, models, config.reason or SCHEDULED) for test in tests}
        scored = {test.name: score_models(system, test, opened[test.name], models) for test in tests}
        evaluator = Evaluator(system.metrics, system.slices, seed=system.seed, support=system.gates.support)
        found = [
            evaluator.evaluate(
                opened[name], one.scores[m.name], model=m.name, hashes=(m.content_hash, one.data_hash), split=name
            )
            for name, one in scored.items()
            for m in models
        ]
        compared = _compared(step, scored, chosen.name)
        (predictor,) = [m.predictor for m in models if m.name == chosen.name]
        tested = [*tried_as_declared(step, opened[RECENT], predictor, threshold=chosen.threshold), budgets(step)]
        plots, curves = shown.curves(scored, best=chosen.name, as_of=step.as_of)
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
            *tested,
        ]
        return dg.MaterializeResult(
            metadata={
                **curves,
                **{f"{name} metrics": shown.metric_table(system, found, name) for name in plots},
                **shown.slices(system, found, chosen.name),
                "slices in numbers": shown.slice_table(system, found),
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
        name, case = choice.evidence["challenger"], case_on_record(step, choice.evidence["challenger"])
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
        role = {
            "role": "challenger", "gate": verdict.verdict.value, "threshold": f"{choice.evidence['threshold']:.6g}",
        }  # fmt: skip
        stores.models.add_to_run(fit.context["mlflow_run"], tags=role)
        stores.models.add_to_run(step.mlflow_parent, tags={"gate": verdict.verdict.value, "challenger": name})
        return dg.MaterializeResult(
            metadata={
                "verdict": verdict.verdict.value,
                "why": verdict.reason,
                "challenger": name,
                "MLflow run": dg.MetadataValue.url(stores.models.run_url(fit.context["mlflow_run"])),
                "differences": shown.difference_table(case),
            }
        )

    return champion_decision


@dataclass(frozen=True)
class _Challenger:
    """The candidate that is held against the champion, and the score from which on one acts by it."""

    name: str
    threshold: float


def _choose(step: DecisionStep, validation: Validation, models: list[Model]) -> _Challenger:
    """Return the challenger and its threshold, both chosen on validation and put on record."""
    system = step.system
    own = [m for m in models if m.name not in (CHAMPION, *step.baselines)]
    if not own:
        raise dg.Failure(
            f"no model candidate could be fitted as of {step.as_of:%Y-%m-%d}: {'; '.join(step.failures())}"
        )
    scores = {m.name: m.predictor.predict(validation.features, threads=system.threads) for m in own}
    hashes = {m.name: m.content_hash for m in own}
    rows = Scored("validation", validation.content_hash, validation.at, validation.label, scores, hashes)
    choice = system.gates.choice.choose(rows, system.metrics[0], seed=system.seed, support=system.gates.support)
    told: dict[str, object] = {"challenger": choice.name, "rows": rows.data_hash}
    found = None
    if system.threshold is not None:
        found = system.threshold.choose(validation, scores[choice.name], support=system.gates.support)
        told |= {f"threshold {name}": value for name, value in found.as_dict().items()}
    threshold = system.acts_from(found.threshold if found is not None else None)
    reason = f"{choice.reason}; acts from {threshold:.4f} on" + (f": {found.reason}" if found is not None else "")
    evidence = {**told, "threshold": threshold}
    # What the others did stands beside the record: one more of them that is not chosen changes no decision.
    others = {"compared": adapter.numbers(choice.evidence)}
    step.record(CHALLENGER, CHALLENGER, verdict=choice.name, reason=reason, evidence=evidence, context=others)
    return _Challenger(choice.name, threshold)


def _compared(step: DecisionStep, scored: Mapping[str, Scored], challenger: str) -> list[Comparison]:
    """Return the challenger against each baseline, and against the champion on what that one has not seen."""
    gates, champion = step.system.gates, _trained(step, step.champion_to_beat())
    metrics = {m.name: m for m in (step.system.metrics[0], *gates.compared)}
    against = partial(compare, metrics=list(metrics.values()), seed=step.system.seed, support=gates.support)
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


def _tell_mlflow(stores: Resources, models: list[Model], found: list[Evaluation], plots: Mapping[str, bytes]) -> None:
    pictures = {f"plots/{name}.png": png for name, png in plots.items()}
    for model in models:
        if model.name == CHAMPION:
            continue  # its run tells how it was made; how it does later stands in the later runs
        metrics = {k: v for e in found if e.model == model.name for k, v in e.metrics().items()}
        stores.models.add_to_run(model.run_id, metrics=metrics, artifacts=pictures)


def _trained(step: DecisionStep, champion: Alias | None) -> datetime | None:
    """Return as of when the champion was trained: after a rollback that is not when it became champion."""
    if champion is None:
        return None
    model = step.stores.operations.model(step.system.name, champion.version)
    if model is None:
        raise RuntimeError(f"the champion, version {champion.version}, is not on record; see `mlsys doctor`")
    return model.as_of
