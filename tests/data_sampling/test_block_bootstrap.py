"""Days are drawn whole, as often as numpy draws them, and copies say whose they are."""

from collections import Counter
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from mlsys_assets.data_sampling.block_bootstrap import resample
from mlsys_assets.data_sampling.oversampling import Resampled, oversample
from mlsys_assets.data_sampling.views import Train
from mlsys_assets.types import TimeWindow, days, hours


def rows(n: int) -> Train:
    at = np.datetime64("2013-03-01", "us") + np.arange(n) * np.timedelta64(5, "h")
    ids = pa.array([f"r{i}" for i in range(n)], pa.string())
    features = pa.table({"x": np.arange(n, dtype=np.float32)})
    return Train(ids, at, features, (np.arange(n) % 3 == 0) * 1.0, TimeWindow.of("2013-01-01", "2014-01-01"))


@given(st.integers(1, 90), st.integers(0, 20), st.sampled_from([days(1), days(3), hours(12)]))
def test_each_block_stands_whole_and_as_often_as_any_other_of_its_rows(n: int, seed: int, block: timedelta) -> None:
    train = rows(n)
    found = resample(train, seed=seed, block=block)
    names = found.ids.to_pylist()
    assert isinstance(found, Resampled)
    assert len(set(names)) == len(names)
    counts = Counter(int(name.split("#")[0][1:]) for name in names)
    epoch = train.at.astype(np.int64) // int(block.total_seconds() * 1e6)
    drawn = {int(b): {counts[i] for i in np.flatnonzero(epoch == b)} for b in np.unique(epoch)}
    assert all(len(times) == 1 for times in drawn.values())
    assert sum(times.pop() for times in drawn.values()) == len(drawn)
    assert np.array_equal(found.label, train.label[np.sort(np.repeat(list(counts), list(counts.values())))])
    assert found.features["x"].to_numpy().tolist() == sorted(i for i, k in counts.items() for _ in range(k))


def test_of_many_days_37_of_100_are_left_out_of_a_draw() -> None:
    train = rows(4_000)
    left = [1 - len(np.unique(resample(train, seed=s).at.astype("datetime64[D]"))) / 834 for s in range(20)]
    assert np.mean(left) == pytest.approx(np.exp(-1), abs=0.01)


def test_equal_seeds_draw_alike_and_others_do_not() -> None:
    train = rows(60)
    one, same, other = (resample(train, seed=s).ids for s in (1, 1, 2))
    assert one.equals(same)
    assert not one.equals(other)


def test_what_cannot_be_drawn_is_refused() -> None:
    with pytest.raises(ValueError, match="needs rows, got none"):
        resample(rows(3).take(np.zeros(3, dtype=bool)), seed=0)
    with pytest.raises(TypeError, match="takes rows as they came"):
        resample(oversample(rows(30), share=0.5, seed=0), seed=0)
