"""A challenger becomes champion only if the gate passed, it is there, it is another, and it is not too late."""

import pytest

from mlsys_assets.rollout.promotion import Promotion, decide_promotion

PASSED = {"gate_passed": True, "gate_reason": "beats all", "challenger": "new", "champion": "old"}


@pytest.mark.parametrize("champion", ["old", None])
def test_what_passed_is_promoted(champion: str | None) -> None:
    assert decide_promotion(**PASSED | {"champion": champion}) == Promotion(True, "promoted", "beats all")


@pytest.mark.parametrize(
    ("changes", "verdict", "words"),
    [
        ({"gate_passed": False, "gate_reason": "pr_auc is low"}, "held", "the gate did not pass: pr_auc is low"),
        ({"gate_passed": False, "champion": None}, "held", "the gate did not pass"),
        ({"challenger": None}, "held", "no refitted model"),
        ({"challenger": "old"}, "unchanged", "byte for byte"),
        ({"later": "version 3"}, "held", "too late: version 3"),
    ],
)
def test_what_else_is_not_and_says_why(changes: dict, verdict: str, words: str) -> None:
    found = decide_promotion(**PASSED | changes)
    assert (found.promote, found.verdict) == (False, verdict)
    assert words in found.reason
