"""A challenger becomes champion only if the gate passed, it is there, it is another, and it is not too late."""

from dataclasses import replace
from typing import Any

import pytest

from mlsys_assets.rollout.promotion import Promotion, Proof, WrongModel, decide_promotion, objection, require_same

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
        ({"objection": "too late"}, "held", "too late"),
    ],
)
def test_what_else_is_not_and_says_why(changes: dict, verdict: str, words: str) -> None:
    found = decide_promotion(**PASSED | changes)
    assert (found.promote, found.verdict) == (False, verdict)
    assert words in found.reason


@pytest.mark.parametrize(
    ("held", "words"),
    [
        ({"later": "version 3"}, "too late: version 3"),
        ({"lacks": "log_loss may be worse"}, "its refit on the latest rows does not: log_loss may be worse"),
        ({"retired": True, "lacks": "something", "later": "version 3"}, "the challenger is retired"),
        ({}, ""),
    ],
)
def test_what_is_held_against_a_refit_is_told(held: dict, words: str) -> None:
    found = objection(**{"retired": False, "lacks": "", "later": None} | held)
    assert words in found
    assert bool(found) is bool(held)


PROOF = Proof(
    training_set={"rows": "r", "recent_test hash": "d", "static_test hash": "e"},
    candidate={"model": "c"},
    evaluation={
        "recent_test": {"model_hash": "c", "data_hash": "d"}, "static_test": {"model_hash": "c", "data_hash": "e"},
    },
    gate={"model": "c", "recent_test rows": "d", "static_test rows": "e"},
    refit={"model": "f", "gate": "g"},
    gate_hash="g",
    registered=("f", "g", "r"),
)  # fmt: skip


def test_a_chain_of_hashes_that_holds_is_let_through() -> None:
    require_same(PROOF)
    one = {name: told for name, told in PROOF.gate.items() if not name.startswith("static_test")}
    require_same(replace(PROOF, evaluation={"recent_test": PROOF.evaluation["recent_test"]}, gate=one))


def test_a_test_that_the_gate_judged_and_nobody_evaluated_is_refused() -> None:
    with pytest.raises(WrongModel, match="the model evaluated on static_test: not told"):
        require_same(replace(PROOF, evaluation={"recent_test": PROOF.evaluation["recent_test"]}))
    with pytest.raises(WrongModel, match="the model evaluated on any test: not told"):
        require_same(replace(PROOF, evaluation={}, gate={"model": "c"}))


@pytest.mark.parametrize(
    ("link", "changes", "words"),
    [
        ("candidate", {"model": "x"}, "the model that the gate passed: c, and must be x"),
        ("evaluation", {"recent_test": {"model_hash": "x", "data_hash": "d"}}, "evaluated on recent_test: x"),
        ("evaluation", {"static_test": {"model_hash": "c", "data_hash": "x"}}, "rows of static_test evaluated on: x"),
        ("gate", {"model": "x"}, "the model that the gate passed: x, and must be c"),
        ("gate", {"recent_test rows": "e", "static_test rows": "d"}, "recent_test that the gate passed: e"),
        ("gate", {"model": None}, "the model that the gate passed: not told"),
        ("refit", {"gate": None}, "the gate that was refitted for: not told"),
        ("training_set", {"recent_test hash": "e"}, "recent_test that the gate passed: d, and must be e"),
        ("training_set", {"rows": "x"}, "the rows in the version's passport: r, and must be x"),
        ("refit", {"gate": "x"}, "the gate that was refitted for: x"),
        ("refit", {"model": "x"}, "the model of the version: f, and must be x"),
    ],
)
def test_swapped_ids_are_refused_by_name(link: str, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(WrongModel, match=words):
        require_same(replace(PROOF, **{link: {**getattr(PROOF, link), **changes}}))


@pytest.mark.parametrize("position", range(3))
def test_a_version_whose_passport_is_of_another_training_is_refused(position: int) -> None:
    registered = tuple("x" if i == position else one for i, one in enumerate(PROOF.registered))
    with pytest.raises(WrongModel, match="version"):
        require_same(replace(PROOF, registered=registered))


def test_what_neither_side_tells_is_no_proof() -> None:
    silent = {name: told for name, told in PROOF.gate.items() if name != "model"}
    evaluation = {split: {"data_hash": told["data_hash"]} for split, told in PROOF.evaluation.items()}
    with pytest.raises(WrongModel, match="the model that the gate passed: not told, and must be told"):
        require_same(replace(PROOF, gate=silent, candidate={}, evaluation=evaluation))


def test_a_model_that_goes_on_as_it_was_evaluated_is_the_one_that_passed() -> None:
    refit = {**PROOF.refit, "evaluated": "c"}
    with pytest.raises(WrongModel, match="the model that goes on as it was evaluated: f, and must be c"):
        require_same(replace(PROOF, refit=refit))
    require_same(replace(PROOF, refit={**refit, "model": "c"}, registered=("c", "g", "r")))


def test_another_gate_than_the_one_on_record_is_refused() -> None:
    with pytest.raises(WrongModel, match="the gate that was refitted for: g, and must be h"):
        require_same(replace(PROOF, gate_hash="h"))
