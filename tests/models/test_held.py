"""Recipes of several candidates are one flat recipe, from which each gets its own back, and trials add up."""

from hypothesis import given, strategies as st

from mlsys_assets.data_sampling.time_folds import WalkForward
from mlsys_assets.models.baselines import ZeroRule
from mlsys_assets.models.calibration import Calibrated
from mlsys_assets.models.compression.distillation import Distillation
from mlsys_assets.models.ensembles.bagging import Bagging
from mlsys_assets.models.ensembles.stacking import Stacking
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.held import held, joined, own
from mlsys_assets.models.tuning.automl import AutoML, Family
from mlsys_assets.types import days, hours

NAMES = st.from_regex(r"[a-z_][a-z0-9_]{0,5}", fullmatch=True)
RECIPES = st.dictionaries(st.text("abc.", min_size=1, max_size=6), st.one_of(st.integers(), st.text(max_size=3)))


@given(st.dictionaries(NAMES, RECIPES, max_size=4))
def test_each_gets_its_own_back(recipes) -> None:
    flat = joined(recipes)
    assert all(own(flat, name) == recipe for name, recipe in recipes.items())
    assert len(flat) == sum(len(recipe) for recipe in recipes.values())


def test_trials_are_what_all_had_together() -> None:
    flat = joined({"a": {"trials": 20, "rounds": 3}, "b": {"trials": 5}, "c": {}})
    assert flat["trials"] == 26
    assert own(flat, "a") == {"trials": 20, "rounds": 3}
    assert joined({"d": flat, "e": {}})["trials"] == 27
    assert "trials" not in joined({"a": {"rounds": 3}, "b": {}})


def test_all_that_a_candidate_holds_is_found() -> None:
    zero, inner = ZeroRule(), ZeroRule("inner")
    stack = Stacking((zero, Calibrated(Bagging(inner))), WalkForward(1, days(1), hours(1)))
    assert list(held(stack)) == [stack, zero, stack.candidates[1], stack.candidates[1].candidate, inner]
    assert list(held(Stacking("zero", None))) == [Stacking("zero", None)]


def test_what_is_held_under_other_names_is_found_too() -> None:
    student = LightGBM()
    taught = Distillation(ZeroRule(), student)
    assert list(held(taught)) == [taught, ZeroRule(), student]
    families = AutoML((Family(ZeroRule(), {}), Family(student, {})))
    assert list(held(families)) == [families, ZeroRule(), student]
    assert list(held(LightGBM)) == []
