"""Noise is drawn anew for each row, the same by its seed, and takes no column's place."""

import numpy as np
import pytest
from scipy.stats import kstest

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.offline_evaluation.importance.noise_column import NOISE, with_noise


def test_it_is_normal_and_tells_nothing(train, validation):
    noisy, watched = with_noise(train, validation, seed=0)
    assert (type(noisy), type(watched)) == (Train, Validation)
    first, second = (view.features[NOISE].to_numpy() for view in (noisy, watched))
    assert kstest(first, "norm").pvalue > 0.01
    assert abs(np.corrcoef(first, train.label)[0, 1]) < 3 / len(train) ** 0.5
    assert np.isin(second, first).mean() < 0.01  # of float32, a few meet
    assert noisy.features.drop_columns([NOISE]).equals(train.features)
    again, _ = with_noise(train, validation, seed=0)
    other, _ = with_noise(train, validation, seed=1)
    assert again.features.equals(noisy.features)
    assert not other.features.equals(noisy.features)
    with pytest.raises(ValueError, match="'strong' already"):
        with_noise(train, validation, seed=0, name="strong")
