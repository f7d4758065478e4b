from dataclasses import dataclass, replace

import pytest

from mlsys_assets.models.calibration import Calibrated
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.objectives import Combined
from mlsys_assets.models.tuning.settings import space_mistakes, with_settings
from mlsys_assets.models.tuning.space import Choice, Integers, Reals


@dataclass(frozen=True)
class Own(LogisticRegression):
    """A candidate that takes settings in its own way."""

    depth: int = 1

    def with_params(self, values):
        if unknown := set(values) - {"max depth"}:
            raise ValueError(f"no {sorted(unknown)} here")
        return replace(self, depth=values["max depth"])

    def mistakes(self):
        return [f"depth is {self.depth}"] if self.depth > 9 else []


def test_settings_are_told_by_name_and_lead_within():
    told = with_settings(Calibrated(LightGBM()), {"share": 0.3, "candidate.leaves": 7, "candidate.more.max_bin": 31})
    assert told == Calibrated(LightGBM(leaves=7, more={"max_bin": 31}), share=0.3)
    assert with_settings(LightGBM(more={"max_bin": 15, "max_depth": 3}), {"more.max_bin": 31}).more == {
        "max_bin": 31,
        "max_depth": 3,
    }
    assert with_settings(LightGBM(leaves=5), {}) == LightGBM(leaves=5)


def test_a_candidate_that_takes_them_in_its_own_way_is_asked():
    assert with_settings(Own(), {"max depth": 4}) == Own(depth=4)
    assert space_mistakes(Own(), {"max depth": Integers(1, 9)}, what="c") == []
    assert space_mistakes(Own(), {"depth": Integers(1, 2)}, what="c") == [
        "c: space['depth']: 1 cannot be set: no ['depth'] here"
    ]
    (told,) = space_mistakes(Own(), {"max depth": Integers(1, 10)}, what="c")
    assert told == "c: space['max depth'] may be 10: depth is 10"


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({}, "space is empty"),
        ([("leaves", Integers(3, 7))], "space is a list; it must be Mapping"),
        ({"leafs": Integers(3, 7)}, "Did you mean 'leaves'?"),
        ({"name": Choice(("a", "b"))}, "the setting is 'name'; allowed: rounds"),
        ({"objective.treshold": Reals(0.1, 0.9)}, "Did you mean 'threshold'?"),
        ({"leaves": (3, 7)}, "it must be Dimension"),
        ({"leaves": Integers(7, 3)}, "swap them"),
        ({"leaves": Integers(1, 7)}, "may be 1: candidate 'lightgbm': leaves is 1; it must be a whole number"),
        ({"column_share": Reals(0.5, 1.5)}, "may be 1.5: candidate 'lightgbm': column_share is 1.5"),
        ({"leaves": Reals(3.5, 7)}, "may be 3.5: candidate 'lightgbm': leaves is 3.5; it must be a whole number"),
        ({"more.num_leaves": Integers(3, 7)}, "more names 'num_leaves', which is declared as leaves"),
        ({"leaves.deep": Integers(3, 7)}, "a int has no settings"),
        ({"objective": Choice((None,))}, "which makes a lightgbm of a"),
        ({3: Integers(3, 7)}, "a setting's name is 3; it must be str"),
    ],
)
def test_a_space_that_does_not_fit_is_told_with_what_comes_close(space, said):
    (mistake,) = space_mistakes(LightGBM(objective=Combined(1, 0.1)), space, what="candidate 'tuned'")
    assert mistake.startswith("candidate 'tuned': ")
    assert said in mistake


def test_what_is_wrong_with_the_candidate_anyway_is_not_told_of_its_space():
    assert space_mistakes(LightGBM(rounds=0), {"leaves": Integers(3, 7)}, what="c") == []
