"""A replay that decides otherwise than the ledger says is not believed."""

from dataclasses import replace

import numpy as np

from mlsys_assets.retraining.policy import Policy
from mlsys_assets.retraining.policy_replay.fidelity import fidelity, in_words, untold
from mlsys_assets.retraining.policy_replay.lived import Lived
from mlsys_assets.types import Severity, days, utc
from mlsys_resources.operations_rows import Decision

SINCE, LAST, NONE = utc("2013-07-01"), utc("2013-07-22"), np.empty(0)
RECORDS = tuple(
    Decision("it", SINCE + days(7 * week), kind, name, "no", "because", {"week": week})
    for week in range(4)
    for kind, name in (("trigger", "every"), ("retraining", "arbiter"), ("monitoring", "drift"))
)


def lived(decisions, until=LAST):
    return Lived(
        Policy("declared", ()), SINCE, until, (), (), 0.0, NONE.astype("datetime64[us]"), NONE, NONE, decisions
    )  # fmt: skip


def test_the_same_decisions_are_believed() -> None:
    found = fidelity(lived(RECORDS), RECORDS)
    assert found.passed
    assert found.evidence == {"compared": 8, "unlike": 0}


def test_what_lies_outside_of_the_period_or_is_no_decision_does_not_count() -> None:
    other = replace(RECORDS[2], verdict="shifted")
    assert fidelity(lived(RECORDS[:6], until=SINCE + days(7)), (*RECORDS[:2], other, *RECORDS[3:])).passed


def test_each_difference_is_named() -> None:
    changed = replace(RECORDS[4], reason="another")
    found = fidelity(lived((*RECORDS[:4], changed, *RECORDS[5:])), RECORDS)
    assert not found.passed
    assert "1 of 8" in found.summary
    assert "retraining arbiter as of 2013-07-08" in found.summary
    lost = (*RECORDS[:3], RECORDS[4], *RECORDS[7:])
    assert "2 of 6" in fidelity(lived(RECORDS), lost).summary
    by_hand = Decision("it", SINCE, "retraining", "manual", "train", "started by hand")
    assert "a training that a person started" in fidelity(lived(RECORDS), (*RECORDS, by_hand)).summary


def test_what_a_training_under_way_has_not_put_on_record_yet_is_no_difference() -> None:
    gates = tuple(
        Decision("it", at, kind, "champion", "pass", "better") for at in (SINCE, LAST) for kind in ("gate", "promotion")
    )
    whole = (*RECORDS, *gates)
    assert fidelity(lived(whole), whole[:-2]).passed
    assert not fidelity(lived(whole), (*RECORDS, *gates[2:])).passed  # one that has ended
    assert not fidelity(lived(whole[:-2]), whole).passed
    assert not fidelity(lived(whole), (*whole[:-1], replace(gates[-1], verdict="held"))).passed
    assert not fidelity(lived(whole), [d for d in whole if d.as_of < LAST or d.kind != "trigger"]).passed


def test_a_champion_that_another_was_promoted_to_is_seen() -> None:
    promoted = Decision("it", LAST, "promotion", "champion", "promoted", "better", {"model": "abc"})
    other = replace(promoted, evidence={"model": "abd"})
    assert "promotion champion as of 2013-07-22" in fidelity(lived((*RECORDS, other)), (*RECORDS, promoted)).summary


def test_it_is_told_in_a_sentence() -> None:
    believed, doubted = fidelity(lived(RECORDS), RECORDS), fidelity(lived(RECORDS[:-3]), RECORDS)
    said = "replayed decision for decision as it was lived: "
    assert in_words(believed).startswith(f"{said}yes, all 8 verdicts and decisions")
    assert in_words(doubted).startswith(f"{said}no, 2 of 8")
    assert in_words(untold("declared")).startswith(f"{said}cannot be told")
    assert (believed.passed, untold("declared").passed) == (True, False)
    assert untold("declared").severity is Severity.WARN


def test_nothing_on_record_is_nothing_to_believe() -> None:
    assert not fidelity(lived(()), ()).passed
