"""No group in both parts: against scikit-learn's and against the rule written out."""

from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, strategies as st
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut

from mlsys_assets.data_sampling.folds import FoldError
from mlsys_assets.data_sampling.grouped_folds import GroupedFolds, LeaveGroupOut
from mlsys_assets.data_sampling.groups import groups_of
from mlsys_assets.data_sampling.views import Train
from mlsys_assets.types import DeclarationError, TimeWindow, days, hours

WINDOW = TimeWindow.of("2013-01-01", "2014-01-01")
START = np.datetime64("2013-03-01T00:00:00", "us")
HOUR = np.timedelta64(1, "h")


def view(pairs):
    """Rows of (hours since the start, group), in order of time."""
    pairs = sorted(pairs)
    at = START + np.array([h for h, _ in pairs], dtype=np.int64) * HOUR
    columns = {"g": pa.array([g for _, g in pairs], pa.string()), "n": pa.array([1.0] * len(pairs), pa.float32())}
    ids = pa.array([f"r{i}" for i in range(len(pairs))], pa.string())
    return Train(ids, at, pa.table(columns), np.arange(len(pairs)) % 2.0, WINDOW)


BOTH = [(h, "ab"[h % 2]) for h in range(50)]


def group(part):
    return part.features["g"].to_pylist()


def ids(part):
    return set(part.ids.to_pylist())


def cut(splitter, train, known=None):
    try:
        return list(splitter.folds(train, known_at=known))
    except FoldError:
        assume(False)


rows = st.lists(st.tuples(st.integers(0, 10 * 24), st.sampled_from("abcdefg")), min_size=6, max_size=60)
late = st.integers(0, 1_000)


@given(rows, late, st.integers(2, 4), st.one_of(st.none(), st.integers(1, 5)), st.booleans())
def test_no_group_stands_in_both_parts_and_nothing_near_the_later_days_trains(pairs, delays, count, later, told):
    train = view(pairs)
    known = train.at + np.random.default_rng(delays).integers(0, 60, len(train)) * HOUR
    embargo = None if later is None else hours(7)
    splitter = GroupedFolds(count, ("g",), None if later is None else days(later), embargo)
    found = cut(splitter, train, known if told else None)
    begins = np.datetime64(train.at.max().item().date(), "us") + (1 - (later or 0)) * 24 * HOUR
    for fold in found:
        mine = set(group(fold.validation))
        assert not mine & set(group(fold.train))
        earlier = {
            f"r{i}"
            for i, at in enumerate(train.at)
            if later is None or (at + np.timedelta64(hours(7)) < begins and (known[i] <= begins or not told))
        }
        assert ids(fold.train) == {i for i in earlier if group(train)[int(i[1:])] not in mine}
        assert (fold.control is None) == (later is None)
        assert fold.control is None or ids(fold.control) == earlier
    every = [i for fold in found for i in fold.validation.ids.to_pylist()]
    assert sorted(every) == sorted(f"r{i}" for i, at in enumerate(train.at) if later is None or at >= begins)


@given(rows, st.integers(2, 4))
def test_groups_are_dealt_as_evenly_as_scikit_learn_does(pairs, count):
    train = view(pairs)
    assume(len(set(group(train))) >= count)
    ours = sorted(len(fold.validation) for fold in GroupedFolds(count, ("g",)).folds(train))
    theirs = sorted(len(v) for _, v in GroupKFold(count).split(train.label, groups=group(train)))
    assert ours == theirs


@given(rows)
def test_leaving_each_group_out_is_what_scikit_learn_does(pairs):
    train = view(pairs)
    assume(len(set(group(train))) > 1)
    found = list(LeaveGroupOut(("g",), least_rows=1).folds(train))
    expected = list(LeaveOneGroupOut().split(train.label, groups=group(train)))
    assert [fold.name for fold in found] == sorted(set(group(train)))
    for fold, (trained, validated) in zip(found, expected, strict=True):
        assert ids(fold.train) == {f"r{i}" for i in trained}
        assert ids(fold.validation) == {f"r{i}" for i in validated}
        assert fold.control is None


def test_a_group_left_out_in_time_is_compared_on_its_own_later_rows():
    train = view([(h, g) for h in range(0, 240, 6) for g in "abc"])
    found = list(LeaveGroupOut(("g",), days(2), hours(6), least_rows=8).folds(train))
    begins = START + 8 * 24 * HOUR
    assert [fold.name for fold in found] == ["a", "b", "c"]
    for fold in found:
        assert set(group(fold.validation)) == {fold.name}
        assert len(fold.validation) == 8
        assert fold.validation.at.min() == begins
        assert set(group(fold.train)) == set("abc") - {fold.name}
        assert set(group(fold.control)) == set("abc")
        assert fold.train.at.max() == fold.control.at.max() == begins - 12 * HOUR
        assert ids(fold.train) < ids(fold.control)


def test_groups_of_few_rows_have_no_fold_but_train():
    train = view([(h, "a") for h in range(50)] + [(h, "b") for h in range(50)] + [(3, "rare")])
    splitter = LeaveGroupOut(("g",), least_rows=10)
    found = list(splitter.folds(train))
    assert [fold.name for fold in found] == ["a", "b"]
    assert all("rare" in group(fold.train) for fold in found)
    assert splitter.too_few(train) == {"rare": 1}


def test_groups_may_be_several_columns_or_be_handed_in():
    train = view([(h, "ab"[h % 2]) for h in range(40)])
    pairs = Train(train.ids, train.at, train.features.append_column("k", pa.array([h // 20 for h in range(40)])),
                  train.label, WINDOW)  # fmt: skip
    assert groups_of(pairs, ("g", "k")).names == ("a | 0", "a | 1", "b | 0", "b | 1")
    handed = pa.chunked_array([[f"t{h % 3}" for h in range(20)], [f"t{h % 3}" for h in range(20, 40)]])
    found = list(LeaveGroupOut(least_rows=1).folds(train, groups=handed))
    assert [(fold.name, len(fold.validation)) for fold in found] == [("t0", 14), ("t1", 13), ("t2", 13)]
    assert all(int(i[1:]) % 3 == k for k, fold in enumerate(found) for i in ids(fold.validation))
    again = list(LeaveGroupOut(least_rows=1).folds(train, groups=handed.dictionary_encode()))
    assert [ids(fold.train) for fold in again] == [ids(fold.train) for fold in found]
    assert {len(fold.validation) for fold in GroupedFolds(3).folds(train, groups=handed)} == {13, 14}


def test_a_dictionary_that_says_a_group_twice_makes_it_no_two():
    train = view([(h, "abc"[h % 3]) for h in range(30)])
    said = pa.array(["a", "a", "b"])
    groups = pa.DictionaryArray.from_arrays(pa.array([h % 3 for h in range(30)]), said)
    name = dict(zip(train.ids.to_pylist(), groups.to_pylist(), strict=True))
    for fold in GroupedFolds(2).folds(train, groups=groups):
        assert not {name[i] for i in ids(fold.train)} & {name[i] for i in ids(fold.validation)}
    unsaid = pa.DictionaryArray.from_arrays(groups.indices, pa.array(["a", None, "b"]))
    with pytest.raises(FoldError, match="10 of 30 rows have no 'groups'"):
        GroupedFolds(2).folds(train, groups=unsaid)


@pytest.mark.parametrize(
    ("splitter", "pairs", "said"),
    [
        (LeaveGroupOut(("g",)), [(h, "a") for h in range(9)], "all 9 rows are of one group, a; give columns"),
        (LeaveGroupOut(("g",)), [(h, "ab"[h % 2]) for h in range(9)], "none of 2 groups has 100 rows .* has 5"),
        (LeaveGroupOut(("g",), most=2, least_rows=1), [(h, "abc"[h % 3]) for h in range(9)], "3 groups .* 2 are all"),
        (LeaveGroupOut(("g",)), [(1, "a"), (2, None), (3, "b")], "1 of 3 rows have no 'g'.* fill them in"),
        (LeaveGroupOut(("tail",)), [(1, "a")], r"no features are named \['tail'\]; there are \['g', 'n'\]"),
        (LeaveGroupOut(), [(1, "a")], "got neither"),
        (GroupedFolds(3, ("g",)), [(1, "a"), (2, "b")], r"3 folds need .* there are 2 of 2 \(a, b\)"),
        (GroupedFolds(2, ("g",), days(1), days(9)), BOTH, "the train part of .* 0 rows"),
        (
            LeaveGroupOut(("g",), days(1), hours(1), least_rows=1),
            [(1, "a"), (2, "a"), (30, "a"), (31, "b")],
            "the train part of the fold a would have no row",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_cut_says_what_was_seen_and_what_to_do(splitter, pairs, said):
    with pytest.raises(FoldError, match=said):
        splitter.folds(view(pairs))


def test_handed_groups_must_be_one_a_row_and_told():
    train = view([(h, "ab"[h % 2]) for h in range(4)])
    for given_, said in (
        (pa.array(["a"]), "'groups' has 1 values for 4 rows"),
        (pa.array([1.0, 2.0, float("nan"), None]), "2 of 4 rows have no 'groups'"),
    ):
        with pytest.raises(FoldError, match=said):
            LeaveGroupOut().folds(train, groups=given_)
    with pytest.raises(FoldError, match="got both"):
        GroupedFolds(2, ("g",)).folds(train, groups=pa.array(list("abab")))


def test_mistakes_are_listed():
    for wrong, said in (
        (GroupedFolds(1, ("g",)), "count is 1"),
        (GroupedFolds(2, "g"), "was a comma forgotten"),
        (GroupedFolds(2, ("g",), later=days(2)), "later is given without embargo"),
        (GroupedFolds(2, ("g",), embargo=days(2)), "embargo is given without later"),
        (LeaveGroupOut(("g",), timedelta(hours=5), hours(1)), "give whole days"),
        (LeaveGroupOut(("g",), days(1), -hours(1)), "embargo must not be negative"),
        (LeaveGroupOut(("g",), most=1), "most is 1"),
        (LeaveGroupOut(("g",), least_rows=0), "least_rows is 0"),
    ):
        assert said in "\n".join(wrong.mistakes())
        with pytest.raises(DeclarationError, match="mistake"):
            wrong.folds(view([(1, "a"), (2, "b")]))
    assert "shorter than the label delay" in LeaveGroupOut(("g",), days(1), hours(1)).mistakes(delay=hours(2))[0]
