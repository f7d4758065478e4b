"""A rollback leads to the last champion that nobody rolled away from; twice leads further back, never forth."""

from datetime import timedelta

import pytest
from hypothesis import given, strategies as st

from mlsys_assets.rollout.rollback import (
    GO_BACK,
    NOT_THERE,
    NOTHING,
    WON,
    decide_rollback,
    last_way_back,
    unaffected,
)
from mlsys_assets.types import utc
from mlsys_resources import operations_rows
from mlsys_resources.operations_rows import AliasAttempt

START = utc("2013-07-01")


def attempts(history: str) -> list[AliasAttempt]:
    """As ``1A 2B 1A``: versions and contents in the order in which they became champion; ``?`` marks a lost try."""
    found: list[AliasAttempt] = []
    for word in history.split():
        revision = sum(a.outcome == "won" for a in found)
        outcome = "lost" if word.endswith("?") else "won"
        version, content = int(word.rstrip("?")[:-1]), word.rstrip("?")[-1]
        at = START + timedelta(days=len(found))
        found.append(AliasAttempt("rain", "champion", version, content, at, revision, revision, outcome, word, at))
    return found


def test_a_won_try_is_called_as_the_stores_call_it() -> None:
    assert WON == operations_rows.WON


@pytest.mark.parametrize(
    ("history", "version"),
    [
        ("1A 2B", 1),
        ("1A 2B 3C", 2),
        ("1A 2B 3C 2B", 1),  # twice is further back, not forth
        ("1A 2B 1A 3C", 1),  # 2 was rolled away from, and is not gone back to
        ("1A 2B 3C 2B 4D", 2),
        ("1A 2B 3C 1A 4D 5E", 4),
        ("1A 2B 3C 1A 4D 5E 4D", 1),
        ("1A 2B 3B", 1),  # the same content is no way back
        ("1A 2B 3A", 2),
        ("1A 2B 1A 2B", 1),  # a person put it back: it stands again
        ("1A 2B 3C?", 1),  # what was only tried did not stand
        ("1A 2B? 3C", 1),
    ],
)
def test_the_last_champion_that_nobody_rolled_away_from(history: str, version: int) -> None:
    found = decide_rollback(attempts(history))
    assert (found.verdict, found.target.version) == (GO_BACK, version)
    assert found.reason == f"from version {found.current.version} to version {version}"
    assert decide_rollback(attempts(history)[::-1]) == found  # in whatever order the tries are handed over


@pytest.mark.parametrize(
    ("history", "why"),
    [
        ("", "there is no champion yet"),
        ("1A?", "there is no champion yet"),
        ("1A", "before version 1"),
        ("1A 2A", "before version 2"),
        ("1A 2B 1A", "before version 1"),
        ("1A 2B 3C 1A", "before version 1"),
    ],
)
def test_nothing_to_go_back_to_is_said(history: str, why: str) -> None:
    found = decide_rollback(attempts(history))
    assert (found.verdict, found.target) == (NOTHING, None)
    assert why in found.reason


def test_a_version_that_was_champion_can_be_named() -> None:
    history = attempts("1A 2B 3C 2B 4D")
    for version in (1, 2, 3):
        assert decide_rollback(history, to=version).target.version == version


@pytest.mark.parametrize(
    ("to", "why"),
    [
        (7, "version 7 was never champion; those that were: 1, 2, 3"),
        (5, "version 5 was never champion"),  # it was tried, and lost
        (3, "the champion, version 3, has the content of version 3"),
        (2, "the champion, version 3, has the content of version 2"),
    ],
)
def test_no_name_leads_around_the_gate(to: int, why: str) -> None:
    found = decide_rollback(attempts("1A 5E? 2B 3B"), to=to)
    assert (found.verdict, found.target) == (NOT_THERE, None)
    assert found.reason.startswith(why)


@pytest.mark.parametrize(
    ("history", "retired", "version"),
    [("1A 2B 3C", {2}, 1), ("1A 2B 3C 4D", {2, 3}, 1), ("1A 2B", {2}, 1), ("1A 2B 3C 2B", {3}, 1)],
)
def test_nobody_goes_back_to_a_retired_one(history: str, retired: set[int], version: int) -> None:
    assert decide_rollback(attempts(history), retired=retired).target.version == version


def test_that_all_before_are_retired_is_said() -> None:
    found = decide_rollback(attempts("1A 2B 3C"), retired={1, 2})
    assert (found.verdict, found.target) == (NOTHING, None)
    assert found.reason.endswith("and is not retired, as 1, 2 are")


def test_a_retired_one_that_is_named_is_refused_and_others_are_named() -> None:
    found = decide_rollback(attempts("1A 2B 3C 4D"), to=2, retired={2, 3})
    assert (found.verdict, found.target) == (NOT_THERE, None)
    assert found.reason.endswith("champions that may serve: 1")
    assert decide_rollback(attempts("1A 2B"), to=1, retired={1}).reason.endswith("may serve: none")


def test_the_unaffected_are_those_that_stand_and_are_not_retired_the_last_first() -> None:
    assert [move.version for move in unaffected(attempts("1A 2B 3C 4D 5E 4D"), {4})] == [3, 2, 1]
    assert unaffected(attempts("1A 2B"), {1, 2}) == unaffected([], ()) == []


@pytest.mark.parametrize(
    ("history", "way"),
    [("", None), ("1A", None), ("1A 2B", None), ("1A 2B 1A", (2, 1)), ("1A 2B 1A 3C", None), ("1A 2B 1A 2B", (1, 2))],
)
def test_a_rollback_is_told_from_a_promotion(history: str, way: tuple[int, int] | None) -> None:
    found = last_way_back(attempts(history))
    assert (found and tuple(move.version for move in found)) == way


@given(st.lists(st.sampled_from(["A", "B", "C", "back"]), max_size=14))
def test_equal_to_a_stack_that_is_told_what_was_a_rollback(steps: list[str]) -> None:
    """The history alone says as much as one who was there and kept a stack."""
    history, stack, last = [], [], 0
    for step in steps:
        if step != "back":
            last += 1
            stack.append((last, step))
            history.append(f"{last}{step}")
            continue
        found, below = decide_rollback(attempts(" ".join(history))), list(stack)
        while below and below[-1][1] == stack[-1][1]:
            below.pop()
        assert (found.target and found.target.version) == (below[-1][0] if below else None)
        if below:
            stack = below
            history.append(f"{stack[-1][0]}{stack[-1][1]}")


def test_rolling_back_again_and_again_comes_to_an_end() -> None:
    history, seen = "1A 2B 3C 4D", []
    while (found := decide_rollback(attempts(history))).target is not None:
        seen.append(found.target.version)
        history += f" {found.target.reason}"
    assert seen == [3, 2, 1]
