"""The report on a training's challenger: one page on whether it is better, where it is worse and how sure that is."""

import time
from collections.abc import Callable

import dagster as dg

from mlsys_assets import dagster_adapter as adapter
from mlsys_assets.compared_models import (
    case_on_record,
    fitted_models,
    open_test,
    score_models,
    standing_champion,
)
from mlsys_assets.decision_step import DecisionStep
from mlsys_assets.ledger import CHALLENGER, GATE
from mlsys_assets.offline_evaluation.choices.worth import WORTH_IT
from mlsys_assets.offline_evaluation.confidence.calibration import RESIDUAL
from mlsys_assets.offline_evaluation.findings import REPORTED
from mlsys_assets.offline_evaluation.report.certainty import COVERAGE, how_sure, would_more_data_help
from mlsys_assets.offline_evaluation.report.exhibit import BEHAVES, BETTER, COSTS, MORE, SURE, WHY, WORSE, Exhibit
from mlsys_assets.offline_evaluation.report.page import evaluation_page
from mlsys_assets.offline_evaluation.report.quality import is_it_better, what_it_costs
from mlsys_assets.offline_evaluation.report.subject import Asked, Subject
from mlsys_assets.offline_evaluation.report.weaknesses import (
    how_does_it_behave,
    where_is_it_worse,
    why_does_it_say_so,
)
from mlsys_assets.offline_evaluation.slicing import found_slices, simpson
from mlsys_assets.offline_evaluation.studies.extrapolation import MORE_DATA
from mlsys_assets.offline_evaluation.studies.ladder import BASELINES
from mlsys_assets.system import MLSystem
from mlsys_assets.types import Finding, Severity
from mlsys_resources.resources import Resources

STAGE, REPORT = "offline_evaluation", "challenger_report"
PAGE = "evaluation.html"
CHECKS = {
    BASELINES: "The challenger stands beside a random, a zero, a heuristic, a human and the existing rule.",
    RESIDUAL: "What is foretold of recent rows happens.",
    COVERAGE: "Sets that are to hold the label nine times of ten do so on recent rows.",
    "errors_are_independent": "Errors of neighbouring hours have nothing to do with each other.",
    "unseen_rows_resemble_training_rows": "Recent rows cannot be told from those that were trained on.",
    "sums_of_days_are_normal": "Differences of a day's losses are near enough to normal for Student's t.",
    MORE_DATA: "Twice the data would surely gain less than counts.",
}
"""What every report finds; none of it stops anything."""


def build_assets(system: MLSystem) -> list[dg.AssetsDefinition]:
    """Return the report."""
    return [_report(system)]


def _checks(system: MLSystem) -> dict[str, str]:
    told = dict(CHECKS)
    if system.slice_finder is not None:
        told[found_slices.FINDING] = "No group of rows loses more than its scores foretell."
    if system.slices:
        told[simpson.FINDING] = "Who is better on the whole is not worse in most groups."
    if system.worth is not None:
        told[WORTH_IT] = "Some model gains as much over the best baseline as was asked."
    return told


def _report(system: MLSystem) -> dg.AssetsDefinition:
    asset = adapter.key(system, REPORT)
    checks = {name: (text, False) for name, text in _checks(system).items()}

    @dg.asset(
        key=asset,
        deps=[adapter.key(system, name) for name in ("evaluation", "champion_decision")],
        partitions_def=adapter.as_ofs(system),
        check_specs=adapter.check_specs(asset, checks),
        description="One page on the challenger, kept with its run in MLflow: whether it is better, where it is "
        "worse, how sure that is, why it says what it says, and what it costs.",
        **adapter.common(system, STAGE, kinds=("numpy", "mlflow")),
    )
    def challenger_report(
        context: dg.AssetExecutionContext, stores: dg.ResourceParam[Resources]
    ) -> dg.MaterializeResult:
        step = DecisionStep(context, system, stores)
        subject = _subject(step)
        if not len(subject.recent):
            told = "insufficient data: the recent test has no rows"
            empty = [Finding(name, True, told, Severity.WARN) for name in checks]
            return dg.MaterializeResult(
                metadata={"report": told}, check_results=[adapter.check_result(f, asset) for f in empty]
            )
        exhibits = exhibits_of(subject, _asked(system), time.process_time)
        (gate,) = step.decisions(GATE)
        (fit,) = [d for d in step.fitted() if d.name == subject.challenger]
        title = f"{system.name}: {subject.challenger} as of {step.as_of:%Y-%m-%d}"
        record = f"model {gate.evidence['model'][:16]}, " + ", ".join(
            f"{name} rows {one.data_hash[:16]}" for name, one in subject.scored.items()
        )
        page = evaluation_page(title, verdict=gate.verdict, reason=gate.reason, exhibits=exhibits, record=record)
        run = fit.context["mlflow_run"]
        stores.models.add_to_run(run, artifacts={PAGE: page.encode()})
        found = {f.name: f for e in exhibits for f in e.findings}
        findings = [found.get(name) or Finding(name, True, "not asked", Severity.WARN) for name in checks]
        return dg.MaterializeResult(
            metadata={
                "report": dg.MetadataValue.url(stores.models.run_url(run, artifact=PAGE)),
                "verdict": gate.verdict,
                **{e.question: e.answer for e in exhibits},
                **{name: dg.MetadataValue.md(small) for e in exhibits for name, small in e.thumbnails.items()},
            },
            check_results=[adapter.check_result(f, asset) for f in findings],
        )

    return challenger_report


def exhibits_of(subject: Subject, asked: Asked, meter: Callable[[], float]) -> list[Exhibit]:
    """Return every part of a report, in the order of reading; ``meter`` tells the processor time used so far."""
    parts: dict[str, Callable[[], Exhibit]] = {
        BETTER: lambda: is_it_better(subject, asked),
        WORSE: lambda: where_is_it_worse(subject, asked),
        SURE: lambda: how_sure(subject, asked),
        WHY: lambda: why_does_it_say_so(subject, asked),
        BEHAVES: lambda: how_does_it_behave(subject, asked),
        MORE: lambda: would_more_data_help(subject, asked),
        COSTS: lambda: what_it_costs(subject, asked, meter),
    }
    return [_made(question, make) for question, make in parts.items()]


def _made(question: str, make: Callable[[], Exhibit]) -> Exhibit:
    """Return an exhibit; one that cannot be made says why, and the others still come."""
    try:
        return make()
    except Exception as error:  # noqa: BLE001 - a report tells and decides nothing: no training fails for it
        return Exhibit(question, f"This cannot be told: {type(error).__name__}: {error}")


def _asked(system: MLSystem) -> Asked:
    return Asked(
        metrics=system.metrics,
        compared=system.gates.champion.metric,
        slices=system.slices,
        finder=system.slice_finder,
        costs=system.costs,
        worth=system.worth,
        abstention=system.abstention,
        support=system.gates.support,
        seed=system.seed,
        threads=system.threads,
    )


def _subject(step: DecisionStep) -> Subject:
    system, split = step.system, step.split(step.training_rows())
    (choice,) = step.decisions(CHALLENGER)
    models = [*fitted_models(step), *standing_champion(step)]
    named = {m.name: m for m in models}
    tests = [split.recent_test, *([split.static_test] if system.split.static_test else [])]
    opened = {test.name: open_test(step, test, models, REPORTED) for test in tests}
    case = case_on_record(step, choice.evidence["challenger"])
    return Subject(
        challenger=case.challenger,
        candidates=[c for c in system.candidates if c.name in named],
        predictors={name: m.predictor for name, m in named.items()},
        train=split.train,
        validation=split.validation,
        tests=opened,
        scored={test.name: score_models(system, test, opened[test.name], models) for test in tests},
        evaluations=case.evaluations,
        comparisons=[*case.baselines, *case.champion],
        findings=case.findings,
        threshold=choice.evidence["threshold"],
    )
