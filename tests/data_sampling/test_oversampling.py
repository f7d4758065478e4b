"""Classes are drawn anew within Train and nowhere else; copies say whose they are."""

from collections import Counter
from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from mlsys_assets.data_sampling.oversampling import Resampled, oversample, undersample
from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.data_sampling.splits import TimeSplit
from mlsys_assets.data_sampling.views import OpenedTest, Test, Train, Validation, View
from mlsys_assets.types import TimeWindow, days, hours

WINDOW = TimeWindow.of("2013-01-01", "2014-01-01")
DRAWS = (oversample, undersample)


def view(label, kind=Train):
    n = len(label)
    at = np.datetime64("2013-03-01", "us") + np.arange(n) * np.timedelta64(1, "h")
    features = pa.table({"x": np.arange(n, dtype=np.float32)})
    return kind(pa.array([f"r{i}" for i in range(n)], pa.string()), at, features, np.array(label, dtype=float), WINDOW)


labels = st.lists(st.sampled_from([0.0, 1.0]), min_size=2, max_size=80).filter(lambda own: len(set(own)) == 2)


@given(labels, st.floats(0.05, 0.5), st.integers(0, 9))
def test_the_rarer_class_is_copied_up_to_its_share(label, share, seed):
    train = view(label)
    found = oversample(train, share=share, seed=seed)
    names = found.ids.to_pylist()
    counts = Counter(name.split("#")[0] for name in names)
    assert isinstance(found, Train)
    assert isinstance(found, Resampled)
    assert len(set(names)) == len(names)
    assert set(counts) == set(train.ids.to_pylist())
    few = min(label.count(0.0), label.count(1.0))
    rare = {f"r{i}" for i, one in enumerate(label) if label.count(one) == few}
    assert all(n == 1 or name in rare for name, n in counts.items())
    for name, n in counts.items():
        assert {f"{name}#{k}" for k in range(2, n + 1)} | {name} <= set(names)
    wanted = (len(label) - few) * share / (1 - share)
    assert len(found) - (len(label) - few) == max(round(wanted), few)
    place = [int(name.split("#")[0][1:]) for name in names]
    assert place == sorted(place)
    assert found.features["x"].to_pylist() == place
    assert found.label.tolist() == [label[i] for i in place]
    assert np.array_equal(found.at, train.at[place])


@given(labels, st.floats(0.05, 0.5), st.integers(0, 9))
def test_of_the_other_class_so_many_are_kept(label, share, seed):
    found = undersample(view(label), share=share, seed=seed)
    few = min(label.count(0.0), label.count(1.0))
    assert len(found) == few + min(round(few * (1 - share) / share), len(label) - few)
    assert len(set(found.ids.to_pylist())) == len(found)
    assert min((found.label == 0).sum(), (found.label == 1).sum()) == few
    assert (np.diff(found.at) > np.timedelta64(0)).all()


@pytest.mark.parametrize("draw", DRAWS)
def test_a_seed_gives_the_same_rows_and_another_others(draw):
    train = view(np.arange(200) % 5 == 0)
    one, again, other = (draw(train, share=0.4, seed=s) for s in (1, 1, 2))
    assert one.content_hash == again.content_hash != other.content_hash
    assert one.label.mean() == pytest.approx(0.4, abs=0.005)


def test_copies_are_drawn_evenly():
    train = view(np.arange(100) % 10 == 0)
    counts = sum((Counter(i.split("#")[0] for i in oversample(train, share=0.5, seed=s).ids.to_pylist())
                  for s in range(200)), Counter())  # fmt: skip
    drawn = np.array([counts[f"r{i}"] for i in range(0, 100, 10)]) / 200
    assert drawn == pytest.approx(np.full(10, 9.0), abs=0.8)


@pytest.mark.parametrize("draw", DRAWS)
def test_nothing_but_a_train_view_is_drawn_from(draw):
    label = np.arange(40) % 4 == 0
    opened = view(label, OpenedTest)
    rows = labelled(label)
    sealed = Test(opened, name="recent_test", content_hash="0", as_of=WINDOW.end)
    for other in (view(label, Validation), opened, sealed, view(label, View), rows, None):
        with pytest.raises(TypeError, match=r"sampling is fitted on a Train view only, got .*; split the rows first"):
            draw(other, share=0.5, seed=0)
    with pytest.raises(TypeError, match="drawn anew"):
        draw(oversample(view(label), share=0.5, seed=0), share=0.5, seed=0)


@pytest.mark.parametrize("draw", DRAWS)
def test_a_share_too_small_for_a_row_leaves_all_as_they_came(draw):
    rows = view([0, 1, 0])
    assert draw(rows, share=5e-324, seed=0).ids.to_pylist() == rows.ids.to_pylist()


@pytest.mark.parametrize("draw", DRAWS)
def test_what_cannot_be_drawn_says_why(draw):
    for label, share, said in (
        ([0, 0, 0], 0.5, "needs both classes, got 0 positives and 3 negatives"),
        ([], 0.5, "needs both classes, got 0 positives and 0 negatives"),
        ([0, 1, 2], 0.5, r"takes labels 0 and 1, got 2.0 \(1 such rows\)"),
        ([0, 1, np.nan], 0.5, "takes labels 0 and 1, got nan"),
        ([0, 1], 0.6, "share is 0.6; it must be a number, above 0, at most 0.5"),
        ([0, 1], 0.0, "share is 0.0"),
        ([0, 1], float("nan"), "share is nan"),
    ):
        with pytest.raises(ValueError, match=said):
            draw(view(label), share=share, seed=0)


def test_numbers_may_identify_rows_and_taken_names_are_refused():
    train = view(np.arange(20) % 10 == 0)
    numbered = Train(pa.array(range(20)), train.at, train.features, train.label, WINDOW)
    assert "10#2" in oversample(numbered, share=0.5, seed=0).ids.to_pylist()
    copied = pa.array([f"r{i}" for i in range(10)] + [f"r{i}#2" for i in range(10)])
    with pytest.raises(ValueError, match="identifiers of copies are taken"):
        oversample(Train(copied, train.at, train.features, train.label, WINDOW), share=0.5, seed=0)


def labelled(label):
    own = view(label)
    state = pa.array(["labelled"] * len(own))
    return LabelledRows(own.ids, own.at, own.features, own.label, own.at, state, timedelta(days=1))


def test_drawing_first_and_splitting_after_cannot_be_written():
    """Rows before the split are no view to draw from; drawn rows are no rows that a split takes."""
    rows = labelled(np.arange(24 * 60) % 5 == 0)
    split = TimeSplit(validation=days(7), test=days(7), embargo=hours(1))
    as_of = TimeWindow.of("2013-01-01", "2013-04-30").end
    with pytest.raises(TypeError):
        oversample(rows, share=0.5, seed=0)
    parts = split.split(rows, as_of=as_of)
    drawn = oversample(parts.train, share=0.5, seed=0)
    assert len(drawn) > len(parts.train)
    with pytest.raises(TypeError, match="takes LabelledRows, got Resampled; a part of a split is not split again"):
        split.split(drawn, as_of=as_of)
    with pytest.raises(TypeError, match="takes LabelledRows, got Resampled"):
        split.refit_view(drawn, as_of=as_of)
    tested = set(parts.validation.ids.to_pylist()) | set(parts.recent_test.ids.to_pylist())
    assert not {name.split("#")[0] for name in drawn.ids.to_pylist()} & tested
