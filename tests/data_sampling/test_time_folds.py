"""Blocked and walking folds against the rule written the long way round."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, strategies as st

from mlsys_assets.data_sampling.folds import FoldError, Splitter, known_times
from mlsys_assets.data_sampling.grouped_folds import GroupedFolds, LeaveGroupOut
from mlsys_assets.data_sampling.oversampling import oversample
from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.data_sampling.time_folds import BlockedFolds, WalkForward
from mlsys_assets.data_sampling.views import OpenedTest, Test, Train, Validation, View
from mlsys_assets.types import DeclarationError, TimeWindow, days, hours, utc

WINDOW = TimeWindow.of("2013-01-01", "2014-01-01")
START = np.datetime64("2013-03-01T00:00:00", "us")
HOUR = np.timedelta64(1, "h")


def view(asked, kind=Train):
    """Rows asked at hours since the start, in order of time."""
    asked = sorted(asked)
    n = len(asked)
    at = START + np.array(asked, dtype=np.int64) * HOUR
    features = pa.table({"x": np.arange(n, dtype=np.float32)})
    return kind(pa.array([f"r{i}" for i in range(n)], pa.string()), at, features, np.arange(n) % 2.0, WINDOW)


def ids(part: View) -> set[str]:
    return set(part.ids.to_pylist())


hourly = st.lists(st.integers(0, 20 * 24), min_size=8, max_size=60)
delays = st.integers(0, 1_000)
embargoes = st.sampled_from([timedelta(0), hours(5), hours(24), hours(50)])


def cut(splitter, train, known):
    try:
        return list(splitter.folds(train, known_at=known))
    except FoldError:
        assume(False)


@given(hourly, delays, st.integers(2, 5), embargoes, st.one_of(st.none(), embargoes), st.booleans())
def test_a_block_is_whole_days_and_nothing_near_it_trains(asked, late, count, embargo, after, told):
    train = view(asked)
    known = train.at + np.random.default_rng(late).integers(0, 60, len(train)) * HOUR
    found = cut(BlockedFolds(count, embargo, after), train, known if told else None)
    on_days = sorted({t.item().date() for t in train.at})
    assert len(found) == count
    for fold in found:
        mine = sorted({t.item().date() for t in fold.validation.at})
        begins, ends = np.datetime64(mine[0], "us"), np.datetime64(mine[-1], "us") + 24 * HOUR
        assert mine == [d for d in on_days if mine[0] <= d <= mine[-1]]
        trained = set()
        for i, at in enumerate(train.at):
            before = at < begins and at + np.timedelta64(embargo) < begins
            before = before and (known[i] <= begins or not told)
            later = at >= ends and at - ends >= np.timedelta64(embargo if after is None else after)
            trained |= {f"r{i}"} if before or later else set()
        assert ids(fold.train) == trained
        assert ids(fold.validation) == {f"r{i}" for i, at in enumerate(train.at) if begins <= at < ends}
        assert fold.validation.window == TimeWindow(utc(begins.item()), utc(ends.item()))
    every = [i for fold in found for i in fold.validation.ids.to_pylist()]
    assert sorted(every) == sorted(ids(train))
    lengths = [len({t.item().date() for t in fold.validation.at}) for fold in found]
    assert max(lengths) - min(lengths) <= 1


@given(hourly, delays, st.integers(1, 4), st.integers(1, 4), embargoes, st.booleans())
def test_walking_forward_only_what_was_known_before_trains(asked, late, count, length, embargo, told):
    train = view(asked)
    known = train.at + np.random.default_rng(late).integers(0, 60, len(train)) * HOUR
    found = cut(WalkForward(count, days(length), embargo), train, known if told else None)
    end = np.datetime64(train.at.max().item().date(), "us") + 24 * HOUR
    assert len(found) == count
    for place, fold in enumerate(found):
        begins = end - (count - place) * length * 24 * HOUR
        ends = begins + length * 24 * HOUR
        assert ids(fold.validation) == {f"r{i}" for i, at in enumerate(train.at) if begins <= at < ends}
        assert ids(fold.train) == {
            f"r{i}"
            for i, at in enumerate(train.at)
            if at + np.timedelta64(embargo) < begins and (known[i] <= begins or not told)
        }
    every = [i for fold in found for i in fold.validation.ids.to_pylist()]
    assert len(every) == len(set(every))


def test_a_label_that_came_later_than_the_embargo_is_purged_where_its_time_is_told():
    train = view([0, 1, 30, 49, 60])
    known = train.at + np.array([1, 60, 1, 1, 1]) * HOUR
    splitter = WalkForward(1, days(1), hours(5))
    (told,), (untold,) = splitter.folds(train, known_at=known), splitter.folds(train)
    assert ids(untold.train) == {"r0", "r1", "r2"}
    assert ids(told.train) == {"r0", "r2"}


def test_the_embargo_ends_to_the_hour_on_either_side():
    train = view([0, 23 - 6, 24 - 6, 24, 47, 48, 48 + 8, 48 + 9, 72, 73])
    _, fold, _, _ = BlockedFolds(4, hours(6), hours(9)).folds(train)
    assert fold.name == "2013-03-02 to 2013-03-02"
    assert ids(fold.train) == {"r0", "r1", "r7", "r8", "r9"}


def test_rows_keep_their_features_and_labels_and_folds_are_the_same_each_time():
    train = view(range(0, 240, 3))
    one, other = (list(BlockedFolds(4, hours(6)).folds(train)) for _ in range(2))
    for fold, again in zip(one, other, strict=True):
        assert isinstance(fold.train, Train)
        assert isinstance(fold.validation, Validation)
        assert fold.control is None
        assert (fold.train.content_hash, fold.validation.content_hash, fold.name) == (
            again.train.content_hash, again.validation.content_hash, again.name,
        )  # fmt: skip
        for part in (fold.train, fold.validation):
            place = [int(i[1:]) for i in part.ids.to_pylist()]
            assert part.features["x"].to_pylist() == place
            assert part.label.tolist() == [i % 2 for i in place]
            assert np.array_equal(part.at, train.at[place])
    assert [fold.name for fold in one][:2] == ["2013-03-01 to 2013-03-03", "2013-03-04 to 2013-03-06"]


def test_a_day_drawn_twice_stands_in_one_block():
    train = view([h for h in range(0, 240, 3) for _ in range(2)])
    for fold in BlockedFolds(5, hours(1)).folds(train):
        assert not set(fold.train.at.astype("M8[D]")) & set(fold.validation.at.astype("M8[D]"))


ALL = (
    BlockedFolds(2, hours(1)),
    WalkForward(1, days(1), hours(1)),
    GroupedFolds(2, ("x",)),
    LeaveGroupOut(("x",), least_rows=1, most=1_000),
)


@pytest.mark.parametrize("splitter", ALL, ids=lambda s: type(s).__name__)
def test_only_a_train_view_as_it_came_is_cut(splitter):
    assert isinstance(splitter, Splitter)
    assert splitter.mistakes() == []
    train = view(range(0, 100, 4))
    assert next(splitter.folds(train))
    opened = view(range(100), OpenedTest)
    sealed = Test(opened, name="recent_test", content_hash="0", as_of=WINDOW.end)
    for other in (view(range(100), Validation), opened, sealed, None):
        with pytest.raises(TypeError, match="Train view only"):
            splitter.folds(other)
    with pytest.raises(TypeError, match="cut the Train view first"):
        splitter.folds(oversample(train.take(train.label + (np.arange(25) % 3) > 0), share=0.5, seed=0))
    with pytest.raises(FoldError, match="needs rows, got none"):
        splitter.folds(view([]))
    with pytest.raises(FoldError, match=r"known time for each of 25 rows, got 3; use known_times"):
        splitter.folds(train, known_at=train.at[:3])


def test_what_cannot_be_cut_says_what_was_seen_and_what_to_do():
    three_days = view(range(0, 72, 4))
    with pytest.raises(FoldError, match="5 blocks need as many days, the rows lie on 3; ask for fewer"):
        BlockedFolds(5, hours(1)).folds(three_days)
    with pytest.raises(FoldError, match=r"train part of the fold 2013-03-01 to 2013-03-02 and .* embargo is 30 days"):
        BlockedFolds(2, days(30)).folds(three_days)
    with pytest.raises(FoldError, match=r"train part of the fold 2013-03-03 .* embargo is 30 days.* fewer than 1"):
        WalkForward(1, days(1), days(30)).folds(three_days)
    with pytest.raises(FoldError, match="1000000 parts of 1 day, 0:00:00 each are longer than the history of 3 days"):
        WalkForward(1_000_000, days(1), hours(1)).folds(three_days)
    gap = view([0, 1, 2, 200])
    with pytest.raises(FoldError, match="the validation part of the fold 2013-03-07 to 2013-03-07"):
        WalkForward(3, days(1), hours(1)).folds(gap)


def test_mistakes_are_listed():
    for wrong, said in (
        (BlockedFolds(1, hours(1)), "count is 1"),
        (BlockedFolds(2.5, hours(1)), "count is 2.5"),
        (BlockedFolds(2, -hours(1)), "embargo must not be negative"),
        (BlockedFolds(2, 5), "embargo is 5; it must be a duration"),
        (BlockedFolds(2, hours(1), "x"), "after is 'x'"),
        (WalkForward(0, days(1), hours(1)), "count is 0"),
        (WalkForward(1, hours(30), hours(1)), "give whole days"),
        (WalkForward(1, days(0), hours(1)), "longer than nothing"),
    ):
        assert said in "\n".join(wrong.mistakes())
        with pytest.raises(DeclarationError, match="mistake"):
            wrong.folds(view(range(100)))
    for short in (BlockedFolds(2, hours(3)), WalkForward(1, days(1), hours(3))):
        assert short.mistakes(delay=hours(3)) == []
        assert "shorter than the label delay of 5:00:00" in short.mistakes(delay=hours(5))[0]


def test_known_times_are_found_by_identifier():
    train = view([5, 9, 70])
    rows = LabelledRows(
        pa.array(["r2", "other", "r0", "r1"]),
        START + np.arange(4) * HOUR,
        pa.table({"x": [0.0] * 4}),
        np.zeros(4),
        START + np.array([22, 99, 20, 21]) * HOUR,
        pa.array(["labelled"] * 4),
        days(2),
    )
    assert known_times(train, rows).tolist() == (START + np.array([20, 21, 22]) * HOUR).tolist()
    with pytest.raises(ValueError, match="1 of 4 rows to train on are not among the 4 labelled rows"):
        known_times(view([1, 2, 3, 4]), rows)
