import lightgbm
import numpy as np
import pytest

from mlsys_assets.models.booster import Booster, library_path
from mlsys_assets.models.first_parse import ParseError, parse_in_child


@pytest.fixture(scope="module")
def reference():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(2_000, 6)).astype(np.float32)
    x[:, 5] = rng.integers(0, 12, size=2_000)
    x[rng.random(x.shape) < 0.1] = np.nan
    y = (np.nan_to_num(x[:, 0]) + (np.nan_to_num(x[:, 5]) > 6) + rng.normal(size=2_000) > 0.7).astype(float)
    params = {"objective": "binary", "verbosity": -1, "num_threads": 1, "seed": 1}
    data = lightgbm.Dataset(x, y, categorical_feature=[5], params=params)
    return lightgbm.train(params, data, 30), x


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("threads", [1, 2])
def test_scores_are_those_of_lightgbms_own_package(reference, dtype, threads):
    booster, x = reference
    ours = Booster(booster.model_to_string().encode())
    assert np.array_equal(ours.predict(x.astype(dtype), threads=threads), booster.predict(x.astype(dtype)))
    assert np.array_equal(ours.predict(x[::3], threads=threads), booster.predict(x[::3]))
    assert ours.features == 6


def test_unseen_negative_and_missing_categories_score_alike(reference):
    booster, x = reference
    ours = Booster(booster.model_to_string().encode())
    rows = np.repeat(np.nan_to_num(x[:1]), 3, axis=0)
    rows[:, 5] = [np.nan, -1, 99]
    assert len(set(ours.predict(rows, threads=1).tolist())) == 1


def test_a_matrix_of_another_shape_or_type_is_refused(reference):
    booster, x = reference
    ours = Booster(booster.model_to_string().encode())
    for bad in (x[:, :5], x[0], np.zeros((2, 6), dtype=np.int64)):
        with pytest.raises(ValueError, match=r"expected \(n, 6\)"):
            ours.predict(bad, threads=1)
    assert ours.predict(x[:0], threads=1).shape == (0,)


def test_a_multiclass_model_is_no_binary_model():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(300, 2)), rng.integers(0, 3, size=300)
    params = {"objective": "multiclass", "num_class": 3, "verbosity": -1, "num_threads": 1}
    text = lightgbm.train(params, lightgbm.Dataset(x, y), 3).model_to_string().encode()
    with pytest.raises(ValueError, match="3 scores a row"):
        Booster(text)
    with pytest.raises(ParseError):
        parse_in_child(text, library=library_path(), features=2)


def test_what_the_library_refuses_is_an_error_with_its_reason(reference):
    booster, _ = reference
    text = booster.model_to_string().replace("max_feature_idx=5", "max_feature_idx=?").encode()
    with pytest.raises(ValueError, match="LGBM_BoosterLoadModelFromString failed: "):
        Booster(text)


def test_the_library_is_found_without_importing_the_package(monkeypatch):
    assert library_path().endswith(("lib_lightgbm.so", "lib_lightgbm.dylib", "lib_lightgbm.dll"))
    library_path.cache_clear()
    monkeypatch.setattr("mlsys_assets.models.booster.find_spec", lambda name: None)
    with pytest.raises(FileNotFoundError, match="install lightgbm"):
        library_path()
    library_path.cache_clear()
