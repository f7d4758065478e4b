"""An examination tells the gravest first; what is accepted is told with its reason, and stops nothing."""

import pytest

from mlsys_assets import Accepted
from mlsys_assets.features.leakage.examination import Examination
from mlsys_assets.features.leakage.suspicion import NAMED, Suspicion
from mlsys_assets.types import Severity


def suspicion(*columns: str, severity: Severity = Severity.ERROR, **numbers: float) -> Suspicion:
    return Suspicion(columns, severity, "tells all", "Nothing honest does.", "Drop it.", numbers)


def examination(*found: Suspicion) -> Examination:
    return Examination("no_leak", found, "nothing was seen", {"rows": 10})


def test_without_a_suspicion_it_passes_and_says_what_was_looked_at() -> None:
    finding = examination().finding
    assert (finding.passed, finding.summary, finding.severity) == (True, "nothing was seen", Severity.WARN)
    assert dict(finding.evidence) == {"rows": 10}


def test_the_gravest_is_told_first_and_every_column_named() -> None:
    finding = examination(suspicion("a", severity=Severity.WARN, auc=0.8), suspicion("b", "c", auc=0.9)).finding
    assert (finding.passed, finding.severity) == (False, Severity.ERROR)
    assert finding.summary.startswith("b with c tells all. Nothing honest does. Drop it.")
    assert dict(finding.evidence) == {"rows": 10, "auc": 0.9, "columns": "b, c, a"}


def test_of_many_the_first_are_told_and_the_others_counted() -> None:
    finding = examination(*(suspicion(f"c{n}") for n in range(NAMED + 2))).finding
    assert finding.summary.endswith("And 2 more.")
    assert finding.evidence["columns"] == "c0, c1, c2, c3, c4, c5, c6"


def test_an_accepted_column_is_told_with_its_reason_and_stops_nothing() -> None:
    accepted = examination(suspicion("a")).accepting([Accepted("a", because="it is read off a radar")])
    assert (accepted.finding.passed, accepted.finding.severity) == (False, Severity.WARN)
    assert accepted.finding.summary == "a tells all. Nothing honest does. Accepted: it is read off a radar."


@pytest.mark.parametrize(("accepted", "severity"), [(("a",), "error"), (("a", "b"), "warn"), (("x",), "error")])
def test_a_pair_is_accepted_only_where_both_are(accepted, severity) -> None:
    found = examination(suspicion("a", "b")).accepting([Accepted(name, because="so") for name in accepted])
    assert found.finding.severity == severity
