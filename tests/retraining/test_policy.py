"""A policy lists all that is wrong with it."""

import pytest

from mlsys_assets.retraining.arbiter import Retraining
from mlsys_assets.retraining.by_time import Every
from mlsys_assets.retraining.by_volume import LabelVolume
from mlsys_assets.retraining.condition import AnyOf
from mlsys_assets.retraining.policy import DECLARED, Policy, policies_mistakes
from mlsys_assets.retraining.trigger import looks_at_diagnosis
from mlsys_assets.types import days

MONTHLY = Every(days(28))


class Mine:
    """A trigger that does not say what it looks at."""


def test_a_sound_policy_has_no_mistakes() -> None:
    assert Policy("monthly", (MONTHLY,)).mistakes() == []
    assert Policy("never", ()).mistakes() == []


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        (Policy("one week", (MONTHLY,)), "a policy is called 'one week'"),
        (Policy("p", MONTHLY), "policy 'p': triggers is a Every; it must be a tuple of Trigger"),
        (Policy("p", (Every(days(0)),)), "policy 'p': trigger 'every': period must be longer than nothing"),
        (Policy("p", (MONTHLY, Every(days(7)))), "policy 'p': 2 triggers are named 'every'"),
        (Policy("p", (MONTHLY,), "weekly"), "policy 'p': retraining is 'weekly'; it must be Retraining"),
        (Policy("p", (MONTHLY,), learning=None), "policy 'p': learning is None; it must be Learning"),
        (Policy("p", (MONTHLY,), Retraining(AnyOf(LabelVolume(0.1)))), "names the trigger 'label_volume'"),
    ],
)
def test_each_mistake_is_told(policy, told) -> None:
    assert any(told in mistake for mistake in policy.mistakes()), policy.mistakes()


def test_policies_that_are_compared_have_names_of_their_own() -> None:
    assert policies_mistakes((Policy("p", ()), Policy("q", ()))) == []
    assert "2 policies are named 'p'" in policies_mistakes((Policy("p", ()), Policy("p", (MONTHLY,))))[0]
    assert "was a comma forgotten" in policies_mistakes(Policy("p", ()))[0]


def test_a_systems_own_policy_is_what_it_declares(flights_like) -> None:
    found = Policy.of(flights_like)
    rested = Retraining(cooldown=days(7))
    assert (found.name, found.triggers, found.retraining, found.learning) == (DECLARED, (MONTHLY,), rested, "learning")


@pytest.fixture
def flights_like():
    """What declares a policy."""

    class System:
        triggers, retraining, learning = (MONTHLY,), Retraining(cooldown=days(7)), "learning"

    return System()


def test_who_does_not_say_may_look_at_a_diagnosis() -> None:
    assert looks_at_diagnosis(Mine())
    assert not looks_at_diagnosis(MONTHLY)
