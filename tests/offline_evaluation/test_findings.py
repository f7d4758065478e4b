"""A second look at a sealed test is found unless somebody said why; what only tells is no look."""

from dataclasses import dataclass
from datetime import datetime

from hypothesis import given, strategies as st

from mlsys_assets.offline_evaluation.findings import REPORTED, SCHEDULED, STUDIED, read_once
from mlsys_assets.types import Severity, utc

NOW, BEFORE = utc("2013-10-01"), utc("2013-09-01")
TESTS = ("recent_test", "static_test")


@dataclass(frozen=True)
class Look:
    split: str
    reason: str
    as_of: datetime = NOW


looks = st.lists(
    st.builds(
        Look,
        st.sampled_from(TESTS),
        st.sampled_from([SCHEDULED, "a stump was added", "another seed", REPORTED, STUDIED]),
        st.sampled_from([NOW, BEFORE]),
    ),
    max_size=12,
)


@given(looks)
def test_each_look_after_the_first_needs_a_reason_of_its_own(found):
    silent, forgiven = dict.fromkeys(TESTS, 0), dict.fromkeys(TESTS, 0)
    for look in found:
        if look.as_of == NOW and look.reason == SCHEDULED:
            silent[look.split] += 1
        elif look.as_of == NOW and look.reason not in (REPORTED, STUDIED):
            forgiven[look.split] += 1
    finding = read_once(found, NOW)
    assert finding.passed == all(silent[test] <= 1 + forgiven[test] for test in TESTS)
    assert dict(finding.evidence) == {f"{test} silent reads": n for test, n in silent.items()}


def test_a_second_silent_look_is_an_error_that_says_which_and_what_to_do():
    finding = read_once([Look("recent_test", SCHEDULED)] * 2 + [Look("static_test", SCHEDULED)], NOW)
    assert (finding.passed, finding.severity) == (False, Severity.ERROR)
    assert "as of 2013-10-01: recent_test 2 times; once is allowed" in finding.summary
    assert "static_test" not in finding.summary
    assert "give `reason`" in finding.summary


def test_reports_studies_and_earlier_times_are_no_second_look():
    others = [Look("recent_test", why) for why in (REPORTED, STUDIED) for _ in range(5)]
    assert read_once([Look("recent_test", SCHEDULED), *others, Look("recent_test", SCHEDULED, BEFORE)], NOW).passed
    assert read_once([], NOW).passed
    for why in (REPORTED, STUDIED):
        assert not read_once([Look("recent_test", SCHEDULED)] * 2 + [Look("recent_test", why)], NOW).passed


def test_one_reason_forgives_one_look_at_the_same_test():
    silent, told = Look("recent_test", SCHEDULED), Look("recent_test", "a stump was added")
    assert read_once([silent, silent, told], NOW).passed
    assert not read_once([silent, silent, silent, told], NOW).passed
    assert not read_once([silent, silent, Look("static_test", "a stump was added")], NOW).passed
