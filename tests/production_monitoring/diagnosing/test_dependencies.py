"""Sources that stopped and models that are too old become a check, a record and faults, each with its kind."""

import numpy as np
import pytest
from diagnosing_worlds import MONTH, WEEK, moments, normal, pair

from mlsys_assets.production_monitoring.alerting import Alert, Alerting, Watch
from mlsys_assets.production_monitoring.diagnosing.dependencies import (
    FAILURES,
    KINDS,
    alive,
    arrivals,
    faults_on_record,
    on_record,
)
from mlsys_assets.production_monitoring.diagnosis import Cause, Symptom
from mlsys_assets.production_monitoring.failures import Failure, FailureClass, stale_model, stopped_sources
from mlsys_assets.types import Severity, days, utc

STOPPED = Failure(FailureClass.DEPENDENCY, "weather", "weather sent nothing for 70 h")
SHIFTED = Symptom(Cause.COVARIATE, "psi", "temp", "temp moved", 0.5, 0.1)


def test_arrivals_are_the_last_row_and_the_longest_silence_within_a_reference_time() -> None:
    early = moments(MONTH, 4)  # a week apart each
    late = np.sort(moments(MONTH, 28))[14:]
    week = pair(normal(0, 4), normal(1, 7), before_at=(early[:2], np.random.default_rng(0).permutation(late)))
    found = arrivals("weather", week)
    assert found.longest_gap == days(7)
    assert found.last == WEEK.end - days(1)
    assert arrivals("weather", pair(normal(0, 4), normal(1, 7), before_at=(early[:1], late))).longest_gap == days(1)


def test_a_source_that_is_silent_all_week_has_stopped_and_one_that_never_sent_has_not() -> None:
    silent = pair(normal(0, 28 * 24), normal(1, 0))
    (one,) = stopped_sources([arrivals("weather", silent)], as_of=WEEK.end)
    assert one.where == "weather"
    assert "169.0 h" in one.told
    never = arrivals("gauges", pair(normal(0, 0), normal(1, 0)))
    assert (never.last, never.longest_gap) == (None, None)
    assert stopped_sources([never], as_of=WEEK.end) == []


def test_the_check_passes_while_all_send_and_names_each_kind_otherwise() -> None:
    assert alive([], sources=3).summary == "all 3 sources send"
    old = stale_model("version 2", learnt_until=utc("2013-01-07"), as_of=WEEK.end, oldest=days(28))
    found = alive([STOPPED, *old], sources=3)
    assert not found.passed
    assert found.severity is Severity.WARN
    assert found.evidence["dependency"] == "weather"
    assert found.evidence["stale model"] == "version 2"
    assert "weather sent nothing" in found.summary


def test_the_record_holds_every_tag_and_gives_faults_for_what_is_no_symptom() -> None:
    record = on_record([STOPPED], [SHIFTED, SHIFTED])
    assert record[KINDS] == {"dependency": 1, "data shift": 2}
    (kept,) = record[FAILURES]
    assert kept == {
        "kind": "dependency", "where": "weather", "told": STOPPED.told,
        "failure": "dependency", "failure_of": "software", "silent": "false",
    }  # fmt: skip
    (fault,) = faults_on_record(record)
    assert (fault.watch, fault.name, fault.severity) == (Watch.DEPENDENCIES, "dependency: weather", Severity.ERROR)
    body = Alert.of(fault, Alerting("ops"), opened="now").body
    assert "Kind of failure: dependency (of software)" in body
    assert faults_on_record({}) == ()


@pytest.mark.parametrize("kind", [FailureClass.STALE_MODEL, FailureClass.FEEDBACK_LOOP])
def test_failures_of_learning_are_warnings_with_a_remedy(kind: FailureClass) -> None:
    (fault,) = faults_on_record(on_record([Failure(kind, "here", "so")], ()))
    assert fault.severity is Severity.WARN
    assert fault.remedy
    assert fault.failure is kind
