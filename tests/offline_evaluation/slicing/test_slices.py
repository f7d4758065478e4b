"""Every slicing deals each row to exactly one group, in an order that the rows' own order does not change."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from mlsys_assets.offline_evaluation.slicing.slices import OTHERS, Bands, Slice, Slicing

SLICINGS = [
    Slice("origin"),
    Slice("hour"),
    Slice("flag"),
    Slice("origin", "hour"),
    Slice("origin", "hour", "flag", most=4),
    Slice("origin", most=1),
    Bands("hour", edges=(6, 12.5)),
    Bands("hour", edges=(0,)),
]
ROW = st.tuples(
    st.sampled_from(["EWR", "JFK", "unknown", None]),
    st.sampled_from([5.0, 5.5, 6.0, 12.5, 17.25, -0.5, -0.0, 0.0, float("nan"), None]),
    st.sampled_from([True, False, None]),
)


def table(rows: list[tuple[str | None, float | None, bool | None]]) -> pa.Table:
    origin, hour, flag = ([row[i] for row in rows] for i in range(3))
    return pa.table({
        "origin": pa.array(origin, pa.string()),
        "hour": pa.array(hour, pa.float32()),
        "flag": pa.array(flag, pa.bool_()),
    })  # fmt: skip


def dealt(slicing: Slicing, features: pa.Table) -> dict[str, list[int]]:
    return {text: np.flatnonzero(rows).tolist() for text, rows in slicing.groups(features)}


@pytest.mark.parametrize("slicing", SLICINGS, ids=repr)
class TestEverySlicing:
    def test_it_is_one_and_has_no_mistakes(self, slicing: Slicing) -> None:
        assert isinstance(slicing, Slicing)
        assert slicing.name
        assert slicing.mistakes(["origin", "hour", "flag"]) == []
        (first, *_) = slicing.mistakes(["distance"])
        assert "which is no feature column; there are distance" in first

    @given(rows=st.lists(ROW, max_size=40))
    def test_every_row_is_in_exactly_one_group_and_no_group_is_empty(self, slicing: Slicing, rows) -> None:
        features = table(rows)
        found = list(slicing.groups(features))
        assert all(mask.dtype == bool and mask.shape == (len(rows),) and mask.any() for _, mask in found)
        assert sum((mask.astype(int) for _, mask in found), start=np.zeros(len(rows), int)).tolist() == [1] * len(rows)
        assert len({text for text, _ in found}) == len(found)

    @given(rows=st.lists(ROW, min_size=1, max_size=40), seed=st.integers(0, 9))
    def test_the_order_of_rows_and_their_chunks_do_not_matter(self, slicing: Slicing, rows, seed: int) -> None:
        order = np.random.default_rng(seed).permutation(len(rows))
        other = pa.concat_tables([table([rows[i] for i in order[:7]]), table([rows[i] for i in order[7:]])])
        again = {text: sorted(order[places].tolist()) for text, places in dealt(slicing, other).items()}
        first = dealt(slicing, table(rows))
        assert list(again) == list(first)
        assert again == first


def test_values_are_in_their_own_order_and_null_is_last() -> None:
    features = table([("JFK", 17.9, None), (None, 5.0, True), ("EWR", None, False), ("zed", 100.0, True)])
    assert dealt(Slice("origin"), features) == {"EWR": [2], "JFK": [0], "zed": [3], "unknown": [1]}
    assert dealt(Slice("hour"), features) == {"5": [1], "17": [0], "100": [3], "unknown": [2]}
    assert dealt(Slice("flag"), features) == {"False": [2], "True": [1, 3], "unknown": [0]}
    assert list(dealt(Slice("flag", "origin"), features)) == [
        "False × EWR", "True × zed", "True × unknown", "unknown × JFK",
    ]  # fmt: skip


def test_a_category_that_is_called_unknown_is_one_group_with_null() -> None:
    assert dealt(Slice("origin"), table([("unknown", 1, True), (None, 1, True)])) == {"unknown": [0, 1]}


def test_the_smaller_groups_are_together_and_their_number_is_told() -> None:
    features = table([(o, 1.0, True) for o in ("a", "b", "b", "c", "d", "d", "d")])
    two = Slice("origin", most=2)
    assert dealt(two, features) == {"b": [1, 2], "d": [4, 5, 6], OTHERS: [0, 3]}
    assert (two.left_out(features), Slice("origin").left_out(features)) == (2, 0)
    assert list(dealt(Slice("origin", most=3), features)) == ["a", "b", "d", OTHERS]  # of equals the first


def test_a_band_holds_its_lower_edge() -> None:
    features = table([("a", hour, True) for hour in (5.9, 6.0, 12.4, 12.5, None, float("nan"))])
    found = dealt(Bands("hour", edges=(6, 12.5)), features)
    assert found == {"below 6": [0], "6 to 12.5": [1, 2], "12.5 and more": [3], "unknown": [4, 5]}


@pytest.mark.parametrize(
    ("slicing", "told"),
    [
        (Slice(), "a slice is by no column"),
        (Slice("hour", "hour"), "holds 'hour' twice"),
        (Slice(None), "is by None, which is no feature column"),
        (Slice("hour", most=0), "most is 0; it must be a whole number, at least 1"),
        (Bands("hour", edges=()), "it must be a tuple, such as (500, 1000)"),
        (Bands("hour", edges=(2, 1)), "each must be above the one before"),
        (Bands("hour", edges=(1, 1)), "each must be above the one before"),
        (Bands("hour", edges=(float("nan"),)), "an edge is nan; it must be a number"),
    ],
    ids=str,
)
def test_mistakes_are_told(slicing: Slicing, told: str) -> None:
    (mistake,) = slicing.mistakes(["origin", "hour", "flag"])
    assert told in mistake


def test_bands_of_text_and_unknown_columns_are_refused() -> None:
    with pytest.raises(TypeError, match="'origin' must hold numbers, got string; slice it by value"):
        list(Bands("origin", edges=(1,)).groups(table([("a", 1, True)])))
    with pytest.raises(KeyError, match="no feature column 'dest'; there are origin, hour, flag"):
        list(Slice("dest").groups(table([("a", 1, True)])))


def test_a_value_that_is_called_as_the_others_does_not_hide_them() -> None:
    features = table([(o, 1.0, True) for o in (OTHERS, OTHERS, "b", "c")])
    found = list(Slice("origin", most=1).groups(features))
    assert [(text, mask.tolist()) for text, mask in found] == [
        (OTHERS, [True, True, False, False]),
        (f"{OTHERS} (2)", [False, False, True, True]),
    ]


def test_crossed_values_of_one_name_are_two_groups() -> None:
    features = pa.table({"x": ["a", "a × b"], "y": ["b × c", "c"]})
    assert dealt(Slice("x", "y"), features) == {"a × b × c": [0], "a × b × c (2)": [1]}


def test_edges_that_look_alike_are_written_out() -> None:
    features = table([("a", hour, True) for hour in (0.0, 1_000_000.25, 2e6)])
    found = dealt(Bands("hour", edges=(1_000_000.0, 1_000_000.5, 1_000_001.0)), features)
    assert found == {"below 1000000.0": [0], "1000000.0 to 1000000.5": [1], "1000001.0 and more": [2]}
    between = table([("a", hour, True) for hour in (1_000_000.0, 1_000_000.5)])
    assert len(dealt(Bands("hour", edges=(1_000_000.0, 1_000_000.5, 1_000_001.0)), between)) == 2


def test_text_in_a_dictionary_is_sliced_as_text() -> None:
    plain = pa.chunked_array([["b", None, "a"], ["c", "a"]])
    coded = pa.chunked_array([chunk.dictionary_encode() for chunk in plain.chunks])
    found = [dealt(Slice("x"), pa.table({"x": column})) for column in (plain, coded)]
    assert found[0] == found[1] == {"a": [2, 4], "b": [0], "c": [3], "unknown": [1]}


def test_large_whole_numbers_are_told_apart() -> None:
    large = 2**53
    features = pa.table({"x": pa.array([large + 1, None, large, -1], pa.int64())})
    expected = {"-1": [3], str(large): [2], str(large + 1): [0], "unknown": [1]}
    assert dealt(Slice("x"), features) == expected
    assert dealt(Bands("x", edges=(0,)), features) == {"below 0": [3], "0 and more": [0, 2], "unknown": [1]}


def test_lists_are_no_groups() -> None:
    with pytest.raises(TypeError, match=r"column 'x' holds list<.*>, whose values are no groups"):
        list(Slice("x").groups(pa.table({"x": [[1], [2]]})))
