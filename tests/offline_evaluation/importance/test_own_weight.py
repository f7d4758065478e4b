"""The gain read from a Booster's text is LightGBM's own, by column; what says nothing is not made to."""

import lightgbm
import numpy as np
import pytest
from hypothesis import given, strategies as st

from mlsys_assets.features.preprocessing.encoding import OneHot
from mlsys_assets.features.preprocessing.preprocessor import Preprocessor
from mlsys_assets.models.baselines import ZeroRule
from mlsys_assets.models.calibrated_predictor import SigmoidMap, StepMap, calibrated
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.objectives import Combined
from mlsys_assets.offline_evaluation.importance.own_weight import own_weight, split_gains


def lightgbms(predictor) -> dict[str, float]:
    booster = lightgbm.Booster(model_str=predictor.text.decode())
    return dict(zip(predictor.preprocessing.names, booster.feature_importance("gain").tolist(), strict=True))


def test_gain_is_lightgbms_own(fitted):
    found = own_weight(fitted.predictor)
    assert found.told == "gain"
    assert found.by_column == pytest.approx(lightgbms(fitted.predictor), rel=1e-5)
    assert sum(found.shares.values()) == pytest.approx(1)
    assert max(found.shares, key=found.shares.get) == "strong"


def test_a_margin_and_what_is_calibrated_say_what_is_within(fitted, train, validation):
    margin = LightGBM(rounds=5, objective=Combined(1, 0.5, threshold=0.3)).fit(train, validation, seed=0, threads=1)
    assert own_weight(margin.predictor).by_column == pytest.approx(lightgbms(margin.predictor), rel=1e-5)
    for mapped in (SigmoidMap(0.7, -0.4), StepMap((0.1, 0.9), (0.2, 0.8))):
        assert own_weight(calibrated(fitted.predictor, mapped)) == own_weight(fitted.predictor)


def test_coefficients_are_summed_to_the_column_they_are_of(train, validation):
    recipe = LogisticRegression(preprocessor=Preprocessor(categories=OneHot(least=1)))
    predictor = recipe.fit(train, validation, seed=0, threads=1).predictor
    found = own_weight(predictor)
    weights = dict(zip(predictor.preprocessing.names, np.abs(predictor.weights).tolist(), strict=True))
    assert found.told == "coefficients"
    assert found.by_column["strong"] == weights["strong"]
    assert found.by_column["carrier"] == pytest.approx(sum(w for n, w in weights.items() if n.startswith("carrier =")))
    assert set(found.by_column) == set(train.features.schema.names)


def test_a_column_without_a_split_is_idle_and_a_model_without_splits_has_no_shares(train, validation):
    stump = LightGBM(rounds=1, leaves=2).fit(train, validation, seed=0, threads=1).predictor
    assert own_weight(stump).idle == set(train.features.schema.names) - {"strong"}
    bare = LightGBM(rounds=2, least_rows=len(train)).fit(train, validation, seed=0, threads=1).predictor
    assert own_weight(bare).idle == set(train.features.schema.names)
    assert all(np.isnan(share) for share in own_weight(bare).shares.values())


def test_a_rate_says_nothing(train, validation):
    found = own_weight(ZeroRule().fit(train, validation, seed=0, threads=1).predictor)
    assert (found.told, found.shares, found.idle) == ("nothing", {}, frozenset())


@given(st.lists(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 99)), max_size=5), max_size=5))
def test_gains_are_summed_over_trees(trees):
    text = "".join(
        f"Tree={k}\nnum_leaves={len(t) + 1}\nsplit_feature={' '.join(str(f) for f, _ in t)}\n"
        f"split_gain={' '.join(str(g) for _, g in t)}\nthreshold=\n\n"
        for k, t in enumerate(trees)
    )
    expected = [sum(g for t in trees for f, g in t if f == feature) for feature in range(5)]
    assert split_gains(text.encode(), features=5).tolist() == expected
