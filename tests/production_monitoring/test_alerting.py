"""Whose a fault is, and what a declaration of alerts can get wrong."""

import pytest

from mlsys_assets.production_monitoring.alerting import Alert, Alerting, Fault, Hold, Route, Watch, printable
from mlsys_assets.types import Severity, TimeWindow, days

FAULT = Fault(
    Watch.DIAGNOSIS, "label shift", "labels", Severity.WARN, "the rate rose", 3.0, 1200.0, "correct the prior"
)


def test_the_first_route_that_fits_says_whose_a_fault_is() -> None:
    declared = Alerting(
        "ops",
        routes=(
            Route("data@example.org", ("email",), cause="pipeline bug"),
            Route("oncall", ("webhook",), severity=Severity.ERROR),
            Route("modelling", ("log",), severity=Severity.WARN, cause="label shift"),
        ),
    )
    error = Fault(Watch.RUNS, "failed run", "job", Severity.ERROR, "it failed")
    bug = Fault(Watch.DIAGNOSIS, "pipeline bug", "temp", Severity.ERROR, "in °C")
    other = Fault(Watch.DIAGNOSIS, "concept shift", "scores", Severity.WARN, "moved")
    assert [declared.of(one) for one in (bug, error, FAULT, other)] == [
        ("data@example.org", ("email",)), ("oncall", ("webhook",)), ("modelling", ("log",)), ("ops", ("log", "file")),
    ]  # fmt: skip
    assert declared.mistakes() == []


def test_a_hold_ends_when_its_window_does() -> None:
    window = TimeWindow.of("2013-07-01", "2013-07-08")
    declared = Alerting("ops", holds=(Hold(window, "the warehouse moves"),))
    assert declared.held(window.start) == "the warehouse moves"
    assert declared.held(window.end) == ""


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        (Alerting(""), "owner is ''; name in one line"),
        (Alerting("ops\r\nBcc: x@y.z"), "name in one line"),
        (Alerting("ops", ("sms",)), "channels has 'sms'; allowed: log, file, webhook, email"),
        (Alerting("ops", ()), "channels is empty"),
        (Alerting("ops", ["log"]), "must be a tuple"),
        (Alerting("ops", at_most=-1), "at_most is -1"),
        (Alerting("ops", worse_by=1.0), "above 1.0"),
        (Alerting("ops", remind_after=days(0)), "remind_after must be longer than nothing"),
        (Alerting("ops", routes=(Route("", ("log",)),)), "routes[0]: owner is ''"),
        (Alerting("ops", routes=(Route("a", ("log",), severity="error!"),)), "routes[0]: severity"),
        (Alerting("ops", holds=(Hold(TimeWindow.of("2013-01-01", "2013-01-02"), ""),)), "has no reason"),
        (Alerting("ops", check_warnings="yes"), "check_warnings"),
        (Alerting("ops", at_most=1_001), "at_most is 1001"),
    ],
)
def test_every_mistake_is_named(declared: Alerting, words: str) -> None:
    (told,) = declared.mistakes()
    assert words in told


def test_an_owner_is_one_line_that_every_store_holds() -> None:
    for owner in ("a\nb", "x" * 201, "ops\u202egpj"):
        (told,) = Alerting(owner).mistakes()
        assert "owner is" in told
        assert len(told) < 350
    assert Alerting("x" * 200).mistakes() == []


def test_what_is_told_is_of_bounded_length_and_read_from_left_to_right() -> None:
    fault = Fault(Watch.CHECKS, "failed check", "a\u202eb" * 900, Severity.ERROR, "x" * 20_000, remedy="y" * 20_000)
    alert = Alert.of(fault, Alerting("ops"), opened="now")
    assert [len(text) for text in (alert.where, alert.told, alert.remedy)] == [1_000] * 3
    assert alert.told.endswith("x…")
    assert fault.name.startswith(r"failed check: a\u202eb")
    assert len(alert.body) < 10_000


def test_names_from_data_stay_in_one_line_of_bounded_length() -> None:
    evil = Fault(Watch.DIAGNOSIS, "schema change", "a\r\nBcc: all\x00\u2028\ud800", Severity.ERROR, "new\r\n\r\ncolumn")
    assert evil.name == r"schema change: a\r\nBcc: all\x00\u2028\ud800"
    alert = Alert.of(evil, Alerting("ops"), opened="now")
    assert (alert.where, alert.told) == (r"a\r\nBcc: all\x00\u2028\ud800", r"new\r\n\r\ncolumn")
    long = [Fault(Watch.DIAGNOSIS, "schema change", "x" * 5000 + end, Severity.ERROR, "") for end in "ab"]
    assert len({one.name for one in long}) == 2
    assert max(len(one.name) for one in long) < 200
    assert printable("Zürich → 5 °C") == "Zürich → 5 °C"


def test_an_alert_is_read_back_as_it_was_and_says_what_it_costs() -> None:
    alert = Alert.of(FAULT, Alerting("ops"), opened="2013-07-01T00:00:00+00:00")
    assert Alert.read(alert.values) == alert
    assert alert.body.splitlines() == [
        "the rate rose", "What to do: correct the prior", "Estimated to cost: 1,200 over the window that was looked at",
        "Seen first as of: 2013-07-01T00:00:00+00:00", "Owner: ops",
    ]  # fmt: skip
