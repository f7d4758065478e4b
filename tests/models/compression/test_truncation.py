import numpy as np
import pytest

from mlsys_assets.models.baselines import ZeroRulePredictor
from mlsys_assets.models.booster_text import BoosterText
from mlsys_assets.models.bundle import from_files, to_files
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.compression.truncation import Truncation
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.objectives import Combined


@pytest.mark.parametrize("rounds", [1, 7, 20])
@pytest.mark.parametrize("objective", [None, Combined(1, 0.5, threshold=0.3)])
def test_it_is_the_model_that_fewer_rounds_would_have_given(train, validation, later, rounds, objective):
    whole = LightGBM(rounds=20, objective=objective).fit(train, validation, seed=1, threads=1).predictor
    fewer = LightGBM(rounds=rounds, objective=objective).fit(train, validation, seed=1, threads=1).predictor
    made = Truncation(rounds=rounds).compress(whole, train, seed=0, threads=1)
    np.testing.assert_array_equal(made.predict(later.features), fewer.predict(later.features))
    np.testing.assert_array_equal(from_files(to_files(made)).predict(later.features), made.predict(later.features))


@pytest.mark.parametrize(("share", "trees"), [(1.0, 9), (0.5, 5), (0.34, 4), (0.01, 1)])
def test_a_share_is_rounded_up(train, validation, share, trees):
    whole = LightGBM(rounds=9).fit(train, validation, seed=1, threads=1).predictor
    made = Truncation(share=share).compress(whole, train, seed=0, threads=1)
    assert len(BoosterText.of(made.text).trees) == trees
    assert made.preprocessing is whole.preprocessing


def test_what_is_wrong_is_said(train, validation):
    assert Truncation(rounds=3).mistakes() == Truncation(share=0.5).mistakes() == []
    for wrong in (
        Truncation(), Truncation(rounds=3, share=0.5), Truncation(rounds=0), Truncation(rounds=2.5),
        Truncation(share=0), Truncation(share=1.1), Truncation(share=float("nan")),
    ):  # fmt: skip
        assert wrong.mistakes()
    assert (Truncation(rounds=3).name, Truncation(share=0.125).name) == ("first_3_trees", "first_12_5_percent")
    whole = LightGBM(rounds=9).fit(train, validation, seed=1, threads=1).predictor
    with pytest.raises(FitError, match="to 10 trees: the model has 9"):
        Truncation(rounds=10).compress(whole, train, seed=0, threads=1)
    with pytest.raises(FitError, match="kind 'zero_rule' is none"):
        Truncation(rounds=1).compress(ZeroRulePredictor(0.1), train, seed=0, threads=1)
    forest = LightGBM(rounds=9, row_share=0.5, more={"boosting": "rf"})
    forest = forest.fit(train, validation, seed=1, threads=1).predictor
    with pytest.raises(FitError, match="averaged have no order"):
        Truncation(rounds=3).compress(forest, train, seed=0, threads=1)
