"""Sealed tests opened once, every model on the same rows, and a verdict."""

from collections.abc import Mapping

import dagster as dg

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.compared_models import (
    Model,
)
from mlsys_assets.decision_step import DecisionStep
from mlsys_assets.declared_tests import declared_checks
from mlsys_assets.evaluated_models import evaluate, gate
from mlsys_assets.ledger import (
    CHALLENGER,
    TRAINING_SET,
)
from mlsys_assets.offline_evaluation import shown
from mlsys_assets.offline_evaluation.evaluation import Evaluation
from mlsys_assets.offline_evaluation.findings import CHECKS, SCHEDULED, accuracy_misleads, read_once
from mlsys_assets.offline_evaluation.report import assets as report
from mlsys_assets.system import MLSystem
from mlsys_assets.types import CHAMPION
from mlsys_resources.resources import Resources

STAGE = "offline_evaluation"
EVALUATION, DECISION = "evaluation", "champion_decision"


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
        evaluated = evaluate(step, split, reason=config.reason or SCHEDULED)
        found = evaluated.found
        plots, curves = shown.curves(evaluated.scored, best=evaluated.challenger, as_of=step.as_of)
        _tell_mlflow(stores, evaluated.models, found, plots)
        reads = stores.operations.test_reads(system.name)
        findings = [
            read_once(reads, step.as_of),
            accuracy_misleads(found, baselines=step.baselines, decides=system.metrics[0].name),
            *evaluated.tested,
        ]
        return dg.MaterializeResult(
            metadata={
                **curves,
                **{f"{name} metrics": shown.metric_table(system, found, name) for name in plots},
                **shown.slices(system, found, evaluated.challenger),
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
        case, verdict = gate(step)
        name, (choice,) = case.challenger, step.decisions(CHALLENGER)
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


def _tell_mlflow(stores: Resources, models: list[Model], found: list[Evaluation], plots: Mapping[str, str]) -> None:
    pictures = {f"plots/{name}.svg": plot.encode() for name, plot in plots.items()}
    for model in models:
        if model.name == CHAMPION:
            continue  # its run tells how it was made; how it does later stands in the later runs
        metrics = {k: v for e in found if e.model == model.name for k, v in e.metrics().items()}
        stores.models.add_to_run(model.run_id, metrics=metrics, artifacts=pictures)
