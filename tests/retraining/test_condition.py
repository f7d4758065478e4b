"""What conditions mean: whatever they are built of, they hold when plain logic says so."""

from dataclasses import dataclass

import pytest
from hypothesis import given, strategies as st

from mlsys_assets.retraining.by_drift import Drift
from mlsys_assets.retraining.by_performance import PerformanceDrop
from mlsys_assets.retraining.by_time import Every
from mlsys_assets.retraining.by_volume import LabelVolume
from mlsys_assets.retraining.condition import AllOf, AnyOf, Combinable, holds, triggers_in
from mlsys_assets.retraining.history import History
from mlsys_assets.retraining.trigger import TriggerVerdict, said
from mlsys_assets.types import days

MONTHLY, LABELS, WORSE, SHIFTED = Every(days(28)), LabelVolume(grows=0.1), PerformanceDrop(by=0.1), Drift()
FOUR = (MONTHLY, LABELS, WORSE, SHIFTED)


@dataclass(frozen=True)
class Own:
    """A trigger that inherits nothing."""

    name: str = "own"
    by_clock: bool = False

    def mistakes(self) -> list[str]:
        return []

    def verdict(self, history: History) -> TriggerVerdict:
        return said(history.promoted, "because")


class OwnThatCombines(Own, Combinable):
    """A trigger that takes the operators from the base class for it."""


OPERATIONS = st.deferred(
    lambda: st.sampled_from(range(len(FOUR))) | st.tuples(st.sampled_from("&|"), OPERATIONS, OPERATIONS)
)


def built(tree):
    """Build a condition by Python's own operators."""
    if isinstance(tree, int):
        return FOUR[tree]
    operator, left, right = tree
    return built(left) & built(right) if operator == "&" else built(left) | built(right)


def true(tree, answers) -> bool:
    """Say whether it holds, by Python's own logic on what was said."""
    if isinstance(tree, int):
        return answers[tree]
    operator, left, right = tree
    both = true(left, answers), true(right, answers)
    return all(both) if operator == "&" else any(both)


@given(OPERATIONS.filter(lambda tree: not isinstance(tree, int)))
def test_operators_mean_what_logic_means(tree) -> None:
    when = built(tree)
    for number in range(2 ** len(FOUR)):
        answers = [bool(number >> i & 1) for i in range(len(FOUR))]
        fires = {t.name: answer for t, answer in zip(FOUR, answers, strict=True)}
        assert holds(when, fires.__getitem__) is true(tree, answers)


@given(OPERATIONS.filter(lambda tree: not isinstance(tree, int)))
def test_a_condition_is_as_flat_as_it_can_be(tree) -> None:
    """No part of a condition is one of its own kind, so that its words need no brackets that tell nothing."""

    def nested(when) -> list:
        return [p for p in when.parts if isinstance(p, type(when))] + [
            deeper for p in when.parts if isinstance(p, AnyOf | AllOf) for deeper in nested(p)
        ]

    assert nested(built(tree)) == []


def test_and_binds_before_or_as_in_python() -> None:
    assert AnyOf(AllOf(MONTHLY, SHIFTED), WORSE) == MONTHLY & SHIFTED | WORSE
    assert AnyOf(LABELS, WORSE, AllOf(MONTHLY, SHIFTED)) == LABELS | WORSE | MONTHLY & SHIFTED
    assert AllOf(AnyOf(LABELS, WORSE), MONTHLY, SHIFTED) == (LABELS | WORSE) & MONTHLY & SHIFTED
    assert str(LABELS | WORSE | MONTHLY & SHIFTED) == "label_volume or performance_drop or (every and drift)"
    assert [t.name for t in triggers_in(LABELS | MONTHLY & SHIFTED)] == ["label_volume", "every", "drift"]


def test_one_of_ones_own_combines_on_either_side() -> None:
    own = Own()
    assert own & MONTHLY == AllOf(own, MONTHLY)
    assert MONTHLY & own == AllOf(MONTHLY, own)
    assert own | MONTHLY & SHIFTED == AnyOf(own, AllOf(MONTHLY, SHIFTED))
    assert own | (MONTHLY | SHIFTED) == AnyOf(own, MONTHLY, SHIFTED)
    assert OwnThatCombines() & own == AllOf(OwnThatCombines(), own)
    assert holds(AllOf(own, Own("other")), {"own": True, "other": True}.__getitem__)
    assert holds(AnyOf(own, Own("other")), {"own": False, "other": True}.__getitem__)


@pytest.mark.parametrize(
    "other", ["drift", None, 1, Every, lambda _history: True], ids=["text", "none", "number", "class", "function"]
)
def test_what_is_no_trigger_is_refused(other) -> None:
    for combine in (lambda a, b: a & b, lambda a, b: a | b):
        for pair in ((MONTHLY, other), (other, MONTHLY), (MONTHLY | LABELS, other)):
            with pytest.raises(TypeError, match="unsupported operand"):
                combine(*pair)


def test_pythons_and_and_or_are_refused_as_they_leave_one_side_out() -> None:
    for wrong in (lambda: MONTHLY and SHIFTED, lambda: MONTHLY or SHIFTED, lambda: not (MONTHLY | SHIFTED)):
        with pytest.raises(TypeError, match=r"write & and \| in place of and and or"):
            wrong()


def test_what_does_not_count_is_as_if_it_were_not_there() -> None:
    fires = {"every": True, "label_volume": None, "drift": None, "performance_drop": None}
    assert holds(LABELS | WORSE | MONTHLY & SHIFTED, fires.__getitem__)
    assert not holds(LABELS | WORSE | MONTHLY & SHIFTED, (fires | {"every": False}).__getitem__)
    assert not holds(LABELS | WORSE & SHIFTED, fires.__getitem__)
