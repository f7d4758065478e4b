import numpy as np
import pytest
from hypothesis import given, strategies as st
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from mlsys_assets.features.preprocessing.number import WIDEST
from mlsys_assets.features.preprocessing.scaling import MinMax, Robust, Scaler, Standard

SCALERS = {
    Standard(): StandardScaler(), Robust(): RobustScaler(), MinMax(): MinMaxScaler(),
    MinMax(-1, 1): MinMaxScaler((-1, 1)), MinMax(0, 1, clip=True): MinMaxScaler(clip=True),
}  # fmt: skip
values = st.lists(st.integers(-10_000, 10_000).map(float), min_size=1, max_size=40)


@pytest.mark.parametrize("scaler", SCALERS, ids=str)
@given(values, values)
def test_numbers_are_scaled_as_scikit_learn_does(scaler, fitted_on, later):
    assert isinstance(scaler, Scaler)
    center, scale, bounds = scaler.scaling(np.array(fitted_on))
    found = np.clip((np.array(later) - center) / scale, *bounds)
    expected = SCALERS[scaler].fit(np.array(fitted_on)[:, None]).transform(np.array(later)[:, None])[:, 0]
    np.testing.assert_allclose(found, np.clip(expected, -WIDEST, WIDEST), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("scaler", SCALERS, ids=str)
def test_what_does_not_vary_is_moved_only(scaler):
    center, scale, _ = scaler.scaling(np.full(5, 3.7))
    assert (3.7 - center) / scale == pytest.approx(scaler.low if isinstance(scaler, MinMax) else 0.0)
    assert scale in (1.0, 0.5)


def test_beyond_the_training_range_a_number_goes_on_or_is_clipped_as_declared():
    open_, clipped = MinMax().scaling(np.array([0.0, 2.0])), MinMax(clip=True).scaling(np.array([0.0, 2.0]))
    assert (5 - open_.center) / open_.scale == 2.5
    assert open_.bounds == (-WIDEST, WIDEST)
    assert clipped.bounds == (0.0, 1.0)


def test_ends_in_no_order_are_a_mistake():
    assert MinMax(1, 0).mistakes("scale") == ["scale: low is 1 and high is 0; low must be below high"]
    assert len(MinMax("0", np.inf).mistakes("scale")) == 2
    assert MinMax(clip=None).mistakes("scale") == ["scale: clip is None; it must be bool"]
    assert Standard().mistakes("scale") == Robust().mistakes("scale") == MinMax().mistakes("scale") == []
