"""One fault is one alert while it stands, whoever asks and however often; nothing severe is kept back for ever."""

import json
from collections import Counter

import pytest
from hypothesis import given, strategies as st

from mlsys_assets.production_monitoring.alert_decision import AlertDecision, Before
from mlsys_assets.production_monitoring.alerting import Alerting, Fault, Hold, Watch
from mlsys_assets.production_monitoring.quiet import Look, decide
from mlsys_assets.types import Severity, TimeWindow, days, utc

START = utc("2013-07-01")
WARN, ERROR = Severity.WARN, Severity.ERROR
DECLARED = Alerting("ops", remind_after=days(28), worse_by=2.0, at_most=2, within=days(28))


def fault(where: str = "temp", severity: Severity = WARN, size: float | None = 1.0, loss: float | None = None) -> Fault:
    return Fault(Watch.DIAGNOSIS, "covariate shift", where, severity, f"{where} moved", size, loss)


class Life:
    """Asks week after week, and keeps what a ledger would."""

    def __init__(self, declared: Alerting = DECLARED) -> None:
        self.declared, self.records = declared, list[AlertDecision]()

    def ask(self, week: int, *faults: Fault) -> list[tuple[str, str]]:
        found = decide(self.look(week), faults, Before.of(self.records), self.declared)
        self.records += found
        return [(one.name.removeprefix("covariate shift: "), one.verdict) for one in found]

    @staticmethod
    def look(week: int) -> Look:
        return Look("flights", Watch.DIAGNOSIS, START + week * days(7))

    @property
    def told(self) -> list[str]:
        return [one.verdict for one in self.records if one.told]


def test_ten_repeats_of_one_fault_make_one_alert() -> None:
    life = Life(Alerting("ops", remind_after=days(365)))
    for week in range(10):
        life.ask(week, fault())
    assert life.told == ["opened"]
    assert Counter(one.verdict for one in life.records) == {"opened": 1, "repeated": 9}


def test_it_is_told_again_when_it_is_worse_or_old_and_once_more_when_it_is_gone() -> None:
    life = Life(Alerting("ops", remind_after=days(28), at_most=9))
    said = [life.ask(week, fault(size=size)) for week, size in enumerate([1, 1.9, 2, 3, 3, 3, 3])]
    assert [s for ((_, s),) in said] == ["opened", "repeated", "worse", "repeated", "repeated", "repeated", "reminded"]
    assert life.ask(7) == [("temp", "resolved")]
    assert life.ask(8) == []
    assert life.ask(9, fault()) == [("temp", "opened")]
    assert len({one.id for one in life.records if one.told}) == 5


def test_a_warning_that_became_an_error_is_told_again_and_not_back() -> None:
    life = Life()
    assert [life.ask(week, fault(severity=s)) for week, s in enumerate([WARN, ERROR, WARN, ERROR])] == [
        [("temp", verdict)] for verdict in ("opened", "worse", "repeated", "repeated")
    ]


def test_beyond_the_budget_warnings_are_collected_into_one_digest_and_errors_are_told() -> None:
    life = Life()
    many = [fault(where, loss=loss) for where, loss in (("a", 1), ("b", 9), ("c", 5), ("d", None))]
    said = dict(life.ask(0, *many, fault("e", ERROR), fault("f", ERROR)))
    assert said == {
        "e": "opened", "f": "opened", "b": "opened", "c": "opened",  # what costs most comes first
        "a": "over budget", "d": "over budget", "digest of diagnosis": "digest",
    }  # fmt: skip
    digest = life.records[-1]
    assert set(digest.collected) == {"covariate shift: a", "covariate shift: d"}
    assert "the budget of 2 warnings in 28 days is spent" in digest.body
    assert "a moved" in digest.body
    assert {("h", "opened"), ("g", "over budget")} < set(life.ask(1, *many, fault("g"), fault("h", ERROR)))
    assert life.told.count("digest") == 1


def test_the_next_digest_waits_for_the_next_window_and_what_was_listed_counts_as_told() -> None:
    life = Life(Alerting("ops", at_most=0, within=days(28), remind_after=days(365)))
    verdicts = [life.ask(week, *(fault(f"c{n}") for n in range(week + 1))) for week in range(6)]
    digests = [week for week, said in enumerate(verdicts) if ("digest of diagnosis", "digest") in said]
    assert digests == [0, 4]
    listed = [set(one.collected) for one in life.records if one.verdict == "digest"]
    assert listed == [{"covariate shift: c0"}, {f"covariate shift: c{n}" for n in range(1, 5)}]
    gone = life.ask(6, fault("c1"))  # a digest of many is not answered by as many that are resolved
    assert gone == [("c1", "repeated"), *((f"c{n}", "gone") for n in (0, 2, 3, 4, 5))]
    assert "only a digest had told of it" in life.records[-2].reason


def test_what_was_told_alone_and_then_in_a_digest_is_resolved_when_it_is_gone() -> None:
    life = Life(Alerting("ops", at_most=1, within=days(28), remind_after=days(365)))
    assert life.ask(0, fault("a")) == [("a", "opened")]
    assert life.ask(1, fault("a", size=5))[-1] == ("digest of diagnosis", "digest")
    assert life.ask(2) == [("a", "resolved")]


def test_a_digest_of_very_many_names_errors_first_and_stays_short() -> None:
    hold = Hold(TimeWindow(START, START + days(7)), "maintenance")
    life = Life(Alerting("ops", at_most=0, holds=(hold,)))
    life.ask(0, *(Fault(Watch.DIAGNOSIS, "covariate shift", f"c{n:03}", WARN, "x" * 9_000) for n in range(300)),
             fault("z", ERROR))  # fmt: skip
    assert life.ask(1)[-1] == ("digest of diagnosis", "digest")
    digest = life.records[-1]
    assert len(digest.body) < 10_000
    assert digest.alert.told.startswith("covariate shift: z: z moved; covariate shift: c000: xxx")
    assert digest.alert.told.endswith("; and 281 more")
    assert len(digest.collected) == 301


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), -float("inf")])
def test_a_size_or_loss_that_is_no_number_is_none(odd: float) -> None:
    life = Life()
    assert life.ask(0, fault(size=odd, loss=odd), fault(size=2.0, loss=1.0)) == [("temp", "opened")]
    assert (life.records[0].alert.size, life.records[0].alert.loss) == (2.0, 1.0)
    life.ask(1, fault("x", size=odd, loss=odd))
    assert (life.records[-2].alert.size, life.records[-2].alert.loss) == (None, None)


def test_the_budget_is_free_again_when_the_window_has_passed() -> None:
    life = Life(Alerting("ops", at_most=1, within=days(14), remind_after=days(365)))
    assert life.ask(0, fault("a")) == [("a", "opened")]
    assert ("b", "over budget") in life.ask(1, fault("a"), fault("b"))
    assert life.ask(2, fault("a"), fault("b"), fault("c"))[-1] == ("c", "opened")


@pytest.mark.parametrize("severity", [WARN, ERROR])
def test_in_a_hold_nobody_is_told_and_after_it_what_stands_and_what_was_severe(severity: Severity) -> None:
    hold = Hold(TimeWindow(START + days(7), START + days(21)), "maintenance")
    life = Life(Alerting("ops", holds=(hold,)))
    assert life.ask(0, fault("old")) == [("old", "opened")]
    assert life.ask(1, fault("new", severity), fault("brief", severity)) == [("brief", "held"), ("new", "held")]
    assert life.ask(2, fault("new", severity)) == [("new", "repeated")]
    after = life.ask(3, fault("new", severity))
    assert ("new", "opened") in after
    assert ("old", "resolved") in after
    assert ("brief", "gone") in after
    assert set(life.records[-1].collected) == {"covariate shift: brief"}


def test_what_was_collected_and_is_gone_is_in_the_next_digest() -> None:
    life = Life(Alerting("ops", at_most=0, within=days(28)))
    assert ("digest of diagnosis", "digest") in life.ask(0, fault("a"))
    assert life.ask(1, fault("a"), fault("brief")) == [("a", "repeated"), ("brief", "over budget")]
    assert life.ask(2, fault("a")) == [("a", "repeated"), ("brief", "gone")]
    life.ask(3, fault("a"))
    assert ("digest of diagnosis", "digest") in life.ask(4, fault("a"))
    assert "covariate shift: brief" in life.records[-1].collected


def test_an_error_that_came_and_went_in_a_hold_waits_for_no_window() -> None:
    hold = Hold(TimeWindow(START + days(7), START + days(14)), "maintenance")
    life = Life(Alerting("ops", at_most=0, within=days(365), holds=(hold,)))
    assert ("digest of diagnosis", "digest") in life.ask(0, fault("a"))
    life.ask(1, fault("a"), fault("brief", ERROR))
    assert life.ask(2, fault("a"))[-1] == ("digest of diagnosis", "digest")
    assert set(life.records[-1].collected) == {"covariate shift: brief"}


def test_of_two_faults_of_one_name_the_worse_stands() -> None:
    life = Life()
    assert life.ask(0, fault(size=1), fault(size=9), fault(severity=ERROR, size=2)) == [("temp", "opened")]
    assert (life.records[0].alert.severity, life.records[0].alert.size) == ("error", 2)


def test_a_watch_decides_on_what_it_found_alone() -> None:
    with pytest.raises(ValueError, match="was found by diagnosis, and checks decides"):
        decide(Look("flights", Watch.CHECKS, START), [fault()], Before(), DECLARED)


faults = st.lists(
    st.builds(
        fault,
        st.sampled_from("abcd"),
        st.sampled_from([WARN, ERROR]),
        st.one_of(st.none(), st.floats(0, 100)),
        st.one_of(st.none(), st.floats(0, 1e6)),
    ),
    max_size=5,
)
declarations = st.builds(
    Alerting,
    st.just("ops"),
    remind_after=st.sampled_from([days(7), days(28)]),
    at_most=st.integers(0, 3),
    within=st.sampled_from([days(7), days(21)]),
    holds=st.sampled_from([(), (Hold(TimeWindow(START + days(14), START + days(28)), "moving"),)]),
)


@given(st.lists(faults, max_size=12), declarations)
def test_asked_again_nothing_is_told_and_from_the_records_the_same_is_decided(weeks, declared: Alerting) -> None:
    life = Life(declared)
    for week, found in enumerate(weeks):
        life.ask(week, *found)
        again = decide(life.look(week), found, Before.of(life.records), declared)
        assert not [one for one in again if one.changes]
        kept = [one for one in life.records if one.changes]  # repeats need not be kept
        assert Before.of(kept) == Before.of(life.records)
    ids = [one.id for one in life.records if one.changes]
    assert len(set(ids)) == len(ids)


@given(st.lists(faults, max_size=12), declarations, st.integers(0, 60))
def test_what_was_kept_and_what_followed_is_as_all_of_it(weeks, declared: Alerting, cut: int) -> None:
    life = Life(declared)
    for week, found in enumerate(weeks):
        life.ask(week, *found)
    kept = json.loads(json.dumps(Before.of(life.records[:cut]).values, allow_nan=False))
    assert Before.read(kept).after(life.records[cut:]) == Before.of(life.records)


@given(st.lists(faults, max_size=12), declarations)
def test_no_more_warnings_than_the_budget_and_no_error_without_a_word(weeks, declared: Alerting) -> None:
    life = Life(declared)
    for week, found in enumerate(weeks):
        life.ask(week, *found)
    life.ask(len(weeks) + 4)  # after every hold
    spent = [o.as_of for o in life.records if o.verdict in ("opened", "worse", "reminded") and o.alert.severity == WARN]
    for at in spent:
        assert sum(at - declared.within < other <= at for other in spent) <= declared.at_most
    errors = {one.name for one in life.records if one.alert.severity == ERROR}
    named = {name for one in life.records if one.told for name in (one.name, *one.collected)}
    assert errors <= named
    stands = last_verdicts(life, named)
    assert all(verdict in ("resolved", "gone", "digest") for verdict in stands.values())


def last_verdicts(life: Life, names: set[str]) -> dict[str, str]:
    """Return the last verdict of each name that changed anything."""
    return {one.name: one.verdict for one in life.records if one.changes and one.name in names}


def test_a_decision_tells_its_system_name_reason_and_id_in_its_text() -> None:
    life = Life()
    life.ask(0, fault(loss=50_000.0))
    (one,) = life.records
    assert one.subject == "[WARN] flights: covariate shift: temp (opened)"
    assert one.body.splitlines()[-2:] == ["Why now: it was not there before", f"Alert: {one.id}"]
