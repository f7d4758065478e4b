"""What is a fault, of a diagnosis, of checks and of runs."""

import pytest

from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.production_monitoring.alerting import Alert, Alerting
from mlsys_assets.production_monitoring.diagnosis import Cause, Diagnosis, Price, Remedy, Symptom
from mlsys_assets.production_monitoring.failures import FailureClass
from mlsys_assets.production_monitoring.faults import LastRun, of_diagnosis, of_findings, of_runs
from mlsys_assets.types import Finding, Severity, TimeWindow, utc

WEEK = TimeWindow.of("2013-07-01", "2013-07-08")


def symptom(cause: Cause, where: str, size: float = 3.0, limit: float = 1.5) -> Symptom:
    return Symptom(cause, "psi", where, f"{where} moved", size, limit)


def diagnosis(
    cause: Cause, *symptoms: Symptom, price: Price | None = None, remedy: Remedy = Remedy.RETRAIN
) -> Diagnosis:
    return Diagnosis(WEEK, cause, symptoms, price, remedy, None, "so")


def price(low: float, *, sufficient: bool = True) -> Price:
    money = Estimate(2.0, low, 4.0, 1000, 300, 7, sufficient=sufficient)
    return Price(money, money, 1000, "estimated")


def test_each_place_of_the_first_cause_is_a_fault_and_what_it_explains_is_none() -> None:
    bug = [symptom(Cause.PIPELINE, "temp", 3.0), symptom(Cause.PIPELINE, "temp", 2.0), symptom(Cause.PIPELINE, "wind")]
    found = of_diagnosis(
        diagnosis(Cause.PIPELINE, *bug, symptom(Cause.COVARIATE, "temp"), price=price(1.0), remedy=Remedy.FIX_DATA)
    )
    assert [(f.name, f.severity, f.size, f.loss, f.remedy) for f in found] == [
        ("pipeline bug: temp", Severity.ERROR, 2.0, 2000.0, "fix the data"),
        ("pipeline bug: wind", Severity.ERROR, 2.0, 2000.0, "fix the data"),
    ]
    assert {f.failure for f in found} == {FailureClass.DATA_PROCESSING}
    body = Alert.of(found[0], Alerting("ops"), opened="now").body
    assert "Kind of failure: data processing (of machine learning, silent)" in body.splitlines()


def test_a_shift_is_one_fault_where_it_is_known_to_cost_and_a_broken_input_always_is_one() -> None:
    shift = [symptom(Cause.COVARIATE, "temp"), symptom(Cause.COVARIATE, "wind", 4.0)]
    (warned,) = of_diagnosis(diagnosis(Cause.COVARIATE, *shift, price=price(0.1)))
    assert (warned.name, warned.severity, warned.size) == ("covariate shift: requests", Severity.WARN, 4.0 / 1.5)
    assert of_diagnosis(diagnosis(Cause.COVARIATE, *shift, price=price(-0.1))) == ()
    assert of_diagnosis(diagnosis(Cause.COVARIATE, *shift)) == ()
    assert of_diagnosis(diagnosis(Cause.COVARIATE, *shift, price=price(0.1, sufficient=False))) == ()
    for of_bug in (price(-0.1), None):
        assert len(of_diagnosis(diagnosis(Cause.SCHEMA, symptom(Cause.SCHEMA, "temp"), price=of_bug))) == 1


def test_who_could_not_look_says_neither_that_there_is_a_fault_nor_that_there_is_none() -> None:
    assert of_diagnosis(diagnosis(Cause.UNTOLD)) is None
    assert of_diagnosis(diagnosis(Cause.NOTHING)) == ()


def test_a_symptom_without_a_limit_has_no_size() -> None:
    (found,) = of_diagnosis(diagnosis(Cause.SCHEMA, symptom(Cause.SCHEMA, "temp", 1.0, 0.0)))
    assert found.size is None


@pytest.mark.parametrize(("warnings", "names"), [(False, ["t: broken"]), (True, ["t: broken", "u: odd"])])
def test_checks_that_failed_are_faults_warnings_by_declaration(warnings: bool, names: list[str]) -> None:
    found = {
        "t": [Finding("fine", True, "ok"), Finding("broken", False, "9 of 10 rows", Severity.ERROR)],
        "u": [Finding("odd", False, "a bit", Severity.WARN)],
    }
    assert [f.where for f in of_findings(found, warnings=warnings)] == names


def test_a_job_whose_last_run_failed_is_a_fault() -> None:
    ended = utc("2013-07-01")
    (found,) = of_runs([LastRun("tick", "r1", ended, True, "labels by KeyError"), LastRun("train", "r2", ended, False)])
    assert (found.name, found.severity, found.told) == (
        "failed run: tick", Severity.ERROR, "run r1 failed: labels by KeyError",
    )  # fmt: skip
