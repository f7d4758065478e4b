import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.data_sampling.views import (
    OpenedTest,
    Test,
    Train,
    Validation,
    View,
    require_train,
    require_validation,
)
from mlsys_assets.types import TimeWindow, utc

WINDOW = TimeWindow.of("2013-01-01", "2013-02-01")


def view(kind, n=3):
    at = np.datetime64("2013-01-05", "us") + np.arange(n)
    return kind(
        pa.array([f"r{i}" for i in range(n)]),
        at,
        pa.table({"x": np.arange(n, dtype=np.float32)}),
        np.arange(n) % 2.0,
        WINDOW,
    )


def sealed():
    return Test(view(OpenedTest), name="recent_test", content_hash="0", as_of=utc("2013-02-01"))


@pytest.mark.parametrize("rows", [view(Validation), view(OpenedTest), view(View), sealed(), None])
def test_what_learns_accepts_train_only(rows):
    with pytest.raises(TypeError, match="a scaler is fitted on a Train view only"):
        require_train(rows, what="a scaler")


@pytest.mark.parametrize("rows", [view(Train), view(OpenedTest), sealed()])
def test_what_is_chosen_accepts_validation_only(rows):
    with pytest.raises(TypeError, match="Validation view only"):
        require_validation(rows, what="a threshold")


def test_the_right_views_pass():
    require_train(view(Train), what="a scaler")
    require_validation(view(Validation), what="a threshold")


def test_taking_rows_keeps_the_kind_of_view_and_the_rows_together():
    taken = view(Train, 4).take(np.array([True, False, True, True]))
    assert isinstance(taken, Train)
    assert taken.ids.to_pylist() == ["r0", "r2", "r3"]
    assert taken.features["x"].to_pylist() == [0.0, 2.0, 3.0]
    assert taken.label.tolist() == [0.0, 0.0, 1.0]
    assert view(Train, 4).take(np.array([3, 1])).ids.to_pylist() == ["r3", "r1"]


def test_parts_of_unequal_length_are_refused():
    with pytest.raises(ValueError, match="'label': 2"):
        Train(pa.array(["a"]), np.array(["2013-01-05"], "M8[us]"), pa.table({"x": [1.0]}), np.zeros(2), WINDOW)


def test_a_sealed_test_shows_keys_and_fingerprints_but_no_labels():
    test = sealed()
    assert test.ids.to_pylist() == ["r0", "r1", "r2"]
    assert np.array_equal(test.fingerprints, view(Train).fingerprints)
    assert np.array_equal(test.near_fingerprints, view(Train).near_fingerprints)
    assert not hasattr(test, "label")
    assert not hasattr(test, "features")
