"""Policies that a system wants compared are sound, of names of their own, and watch what it measures."""

from dataclasses import replace

import pytest

from mlsys_assets import DeclarationError, Every, LabelVolume, PerformanceDrop, Retraining, days
from mlsys_assets.measures.metrics import Brier
from mlsys_assets.measures.ranking_metrics import Ndcg
from mlsys_assets.retraining.policy import Policy
from mlsys_assets.systems.flights.system import flights

WEEKLY = Policy("weekly", (Every(days(7)),))


def test_there_may_be_none_and_there_may_be_some() -> None:
    assert replace(flights, policies=()).policies == ()
    own = (WEEKLY, Policy("brier", (PerformanceDrop(0.1, metric=Brier()),)), Policy("never_mind", ()))
    assert replace(flights, policies=own).policies == own


@pytest.mark.parametrize(
    ("policies", "words"),
    [
        (WEEKLY, "policies is a Policy; it must be a tuple of Policy: was a comma forgotten?"),
        ([WEEKLY], "it must be a tuple of"),
        ((WEEKLY, Every(days(7))), "policies[1] is a Every; it must be Policy"),
        ((WEEKLY, replace(WEEKLY, name="Weekly")), "2 policies are named 'weekly' and 'Weekly'"),
        ((replace(WEEKLY, name="each week"),), "a policy is called 'each week'; a name must be of letters"),
        ((replace(WEEKLY, name="declared"),), "is named as what the system itself decides by"),
        ((Policy("odd", (Every(days(-7)),)),), "policy 'odd': trigger 'every': period must be longer than nothing"),
        ((Policy("odd", (PerformanceDrop(0.1, metric=Ndcg(3)),)),), "policy 'odd': trigger 'performance_drop': metric"),
        ((Policy("odd", (LabelVolume(0.1), LabelVolume(0.2))),), "2 triggers are named 'label_volume'"),
        ((replace(WEEKLY, retraining=Retraining(at_most=3)),), "at_most and within belong together"),
    ],
)
def test_what_is_wrong_with_them_is_told(policies, words: str) -> None:
    with pytest.raises(DeclarationError) as wrong:
        replace(flights, policies=policies)
    assert words in str(wrong.value)
