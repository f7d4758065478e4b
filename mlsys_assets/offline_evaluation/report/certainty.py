"""How sure are we: calibration, coverage, dependence, and whether more data would help."""

from mlsys_assets.features.leakage.told_apart import adversarial_validation
from mlsys_assets.measures.intervals import Support, day_blocks
from mlsys_assets.measures.metrics import log_losses
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.offline_evaluation.assumptions.independence import dependence
from mlsys_assets.offline_evaluation.assumptions.normality import normality
from mlsys_assets.offline_evaluation.behavior.sensor_noise import Readings
from mlsys_assets.offline_evaluation.champion_gate import RECENT
from mlsys_assets.offline_evaluation.confidence.calibration import calibration_report, residual_miscalibration
from mlsys_assets.offline_evaluation.confidence.conformal import coverage_holds, coverage_report, prediction_sets
from mlsys_assets.offline_evaluation.report.exhibit import MORE, SURE, Exhibit, findings_table, sentence, table
from mlsys_assets.offline_evaluation.report.quality import curves
from mlsys_assets.offline_evaluation.report.subject import Asked, Subject
from mlsys_assets.offline_evaluation.slicing.slices import Slice
from mlsys_assets.offline_evaluation.studies.extrapolation import extrapolate
from mlsys_assets.offline_evaluation.studies.learning_curve import LearningCurveStudy
from mlsys_assets.types import Finding, Severity

COUNTS = 0.001
"""A gain of the deciding metric by more data that is worth waiting for."""
ADVERSARY = LightGBM(rounds=30, leaves=15, column_share=0.3)
"""Tells rows apart, if they can be."""
FIRST = 3
"""So many findings are the answer; the others are in the table."""
HALF = Support(least_blocks=5)
"""What half of the recent days must hold."""
COVERAGE = "conformal_coverage_holds"


def how_sure(subject: Subject, asked: Asked) -> Exhibit:
    """Return the calibration, the coverage of conformal sets, and how far rows depend on each other."""
    rows, score = subject.recent, subject.score()
    report = calibration_report(rows.label, score, rows.at, seed=asked.seed, support=asked.support)
    columns = [one.columns[0] for one in asked.slices if isinstance(one, Slice) and len(one.columns) == 1]
    errors = dependence(rows, score, readings=Readings(columns[0] if columns else None))
    findings = [
        residual_miscalibration(report), _coverage(subject, asked), errors.finding, *_assumed(subject, asked)
    ]  # fmt: skip
    bins = table(("foretold", "happened"), [(b.predicted, b.observed) for b in report.bins])
    answer = " ".join(sentence(f.summary) for f in findings[:FIRST])
    return Exhibit(SURE, answer, (*curves(subject), bins, findings_table(findings)), findings)


def _assumed(subject: Subject, asked: Asked) -> list[Finding]:
    """Return whether recent rows are like those trained on, and whether sums of days are as the intervals take them."""
    told = adversarial_validation((subject.train, subject.recent), ADVERSARY, seed=asked.seed, threads=asked.threads)
    found = [told.finding]
    rival = subject.rival(asked)
    if rival is not None:
        label = subject.recent.label
        apart = log_losses(label, subject.score()) - log_losses(label, subject.score(model=rival))
        found.append(normality(apart, day_blocks(subject.recent.at)).finding)
    return found


def _coverage(subject: Subject, asked: Asked) -> Finding:
    """Return whether sets learned on the first half of the recent days hold the label as often as they say on the rest.

    Of validation the model may have seen: it was stopped there, or calibrated.
    """
    rows, score, day = subject.recent, subject.score(), day_blocks(subject.recent.at)
    later = day > day.max() // 2
    try:
        sets = prediction_sets(rows.label[~later], score[~later], score[later])
    except ValueError as error:  # too few rows to promise anything by, or one class: told, not hidden
        return Finding(COVERAGE, True, f"insufficient data: {error}", Severity.WARN)
    groups = {name: inside[later] for name, inside in subject.scored[RECENT].groups.items()}
    return coverage_holds(
        coverage_report(rows.label[later], sets, rows.at[later], groups=groups, seed=asked.seed, support=HALF)
    )


def would_more_data_help(subject: Subject, asked: Asked) -> Exhibit:
    """Return the learning curve of the challenger's recipe, drawn on to twice the rows."""
    study = LearningCurveStudy.quick(asked.metric, seed=asked.seed, support=asked.support)
    try:
        curve = study.measure(
            subject.candidate, subject.train, subject.validation, test=subject.recent, full=subject.score()
        )
    except (FitError, ValueError) as error:  # too few rows to take any away
        return Exhibit(MORE, f"insufficient data: a part of it cannot be fitted on: {error}")
    found = extrapolate(curve).worth_waiting(least=COUNTS)
    return Exhibit(MORE, sentence(found.summary), (curve.plot(), findings_table([found])), (found,),
                   {"learning curve": curve.thumbnail()})  # fmt: skip
