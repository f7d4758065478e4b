"""The tests that a system declares of its models, tried on a challenger, put on record and read again."""

from dataclasses import replace

from mlsys_assets.data_sampling.views import OpenedTest
from mlsys_assets.decision_step import DecisionStep
from mlsys_assets.ledger import BEHAVIOR, FAIL, PASS
from mlsys_assets.measures.intervals import bootstrap, day_blocks
from mlsys_assets.models.predictor import Predictor
from mlsys_assets.offline_evaluation.behavior.behavioral_tests import Probe, run_behavior
from mlsys_assets.offline_evaluation.slicing.decision_rates import decisions
from mlsys_assets.offline_evaluation.studies.budgets import COMPARABLE, Budget, BudgetLedger, comparable
from mlsys_assets.system import MLSystem
from mlsys_assets.types import Finding, Severity


def declared_checks(system: MLSystem) -> dict[str, tuple[str, bool]]:
    """Return the checks of declared behavior and fairness; that a failed one holds the challenger is for the gate."""
    told = {test.name: f"The challenger, tried as declared: {test.name}." for test in system.behavior}
    told |= {rule.name: f"Groups of {rule.slicing.name} are not surely apart by more than {rule.at_most:g}."
             for rule in system.fairness}  # fmt: skip
    told[COMPARABLE] = "Every candidate was given the same trials, rows and features."
    return {name: (text, False) for name, text in told.items()}


def tried_as_declared(step: DecisionStep, view: OpenedTest, predictor: Predictor, *, threshold: float) -> list[Finding]:
    """Return what the declared tests found of the challenger on recent rows, and put it on record."""
    system = step.system
    probe = Probe(predictor, view, threshold=threshold, seed=system.seed, threads=system.threads)
    severity = Severity.ERROR if system.gates.behavior == "hold" else Severity.WARN
    found = [result.finding for result in run_behavior(system.behavior, probe)]
    if system.fairness:
        decided = decisions(view.label, predictor.predict(view.features, threads=system.threads), threshold=threshold)
        weights = bootstrap(day_blocks(view.at, length=system.gates.support.block), seed=system.seed)
        found += [rule.measure(view.features, decided, weights).finding for rule in system.fairness]
    found = [replace(one, severity=severity) for one in found]
    for one in found:
        evidence = {k: None if v != v else v for k, v in one.evidence.items()}  # noqa: PLR0124 - NaN differs from itself
        step.record(
            BEHAVIOR, one.name, verdict=PASS if one.passed else FAIL, reason=one.summary,
            evidence={"severity": one.severity.value, **evidence},
        )  # fmt: skip
    return found


def budgets(step: DecisionStep) -> Finding:
    """Return whether every candidate was given the same trials, rows and features."""
    spent = BudgetLedger()
    for d in step.fitted():
        told = d.evidence
        spent = spent.spend(
            Budget(d.name, told["trials"], d.context["cpu_s"], told["rows"], told["features"], d.name in step.baselines)
        )
    return comparable(spent.budgets, declared=step.system.unequal)


def tested(step: DecisionStep) -> list[Finding]:
    """Return what the declared tests found, as it is on record, and whether budgets were equal."""
    tried = [
        Finding(d.name, d.verdict == PASS, d.reason, Severity(d.evidence["severity"]), d.evidence)
        for d in step.standing(BEHAVIOR)
    ]
    return [*tried, budgets(step)]
