"""An Evidently report gets columns that it can take; the others are named, and no identifier gets in."""

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.production_monitoring.evidently_columns import MOST_CATEGORIES, OTHER, screened

N = 200


def one(before: object, now: object) -> tuple[pa.Table, pa.Table, str]:
    found = screened(pa.table({"c": before}), pa.table({"c": now}))
    return found.reference, found.current, found.left_out.get("c", "")


@pytest.mark.parametrize(
    ("before", "now", "reason"),
    [
        (pa.nulls(N, pa.float64()), np.arange(N) / 3, "every value is missing in the reference rows"),
        (np.arange(N) / 3, pa.nulls(N), "every value is missing in the current rows"),
        (pa.nulls(N), pa.nulls(N), "every value is missing in the reference and the current rows"),
        (np.full(N, np.inf), np.arange(N) / 3, "a side has no finite number"),
        (np.arange(N) / 3, ["a"] * N, "it holds double in the reference and string now"),
        (pa.array([[1]] * N), pa.array([[1]] * N), "neither numbers nor text"),
        (pa.array([0] * N, pa.timestamp("s")), pa.array([0] * N, pa.timestamp("s")), "neither numbers nor text"),
        (np.arange(N), np.arange(N), "100% of its whole numbers are distinct: an identifier"),
        (
            [f"N{i}" for i in range(N)],
            ["N1"] * N,
            "200 categories, of which the 20 most frequent hold 0% of the rows: an identifier",
        ),
    ],
)
def test_what_cannot_be_taken_is_named(before: object, now: object, reason: str) -> None:
    reference, current, said = one(before, now)
    assert reason in said
    assert reference.num_columns == current.num_columns == 0


def test_what_only_one_side_has_is_named() -> None:
    found = screened(pa.table({"a": [1.5] * N, "b": [1.5] * N}), pa.table({"b": [1.5] * N, "c": [1.5] * N}))
    assert found.left_out == {"a": "only the reference has it", "c": "the reference does not have it"}
    assert found.current.column_names == ["b"]


def test_a_name_that_stands_twice_is_left_out() -> None:
    twice = pa.Table.from_arrays([pa.array([1.5] * N)] * 2, names=["a", "a"])
    assert screened(twice, twice).left_out == {"a": "it stands 2 times"}


def test_rare_categories_are_one_and_missing_ones_stay_missing() -> None:
    rng = np.random.default_rng(0)
    names = np.array([f"k{i:02}" for i in range(30)])
    before = [None, *rng.choice(names, 2000, p=np.linspace(2, 0.01, 30) / np.linspace(2, 0.01, 30).sum()).tolist()]
    reference, current, _ = one(pa.array(before).dictionary_encode(), pa.array(["k00", "new", None], pa.large_string()))
    counts = {name: before.count(name) for name in names}
    kept = sorted((n for n in names if counts[n] >= 10), key=lambda n: (-counts[n], n))[:MOST_CATEGORIES]
    assert set(reference["c"].to_pylist()) == {*kept, OTHER, None}
    assert reference["c"].to_pylist().count(kept[0]) == counts[kept[0]]
    assert current["c"].to_pylist() == ["k00", OTHER, None]


def test_a_category_that_stands_for_few_is_not_named() -> None:
    reference, _, _ = one(["x"] * 191 + ["Mr Smith"] * 9, ["x"] * N)
    assert set(reference["c"].to_pylist()) == {"x", OTHER}


def test_booleans_become_words_and_infinities_missing() -> None:
    reference, _, _ = one([True, False] * 100, [True, None] * 100)
    assert set(reference["c"].to_pylist()) == {"true", "false"}
    reference, _, _ = one([np.inf, 1.5] * 100, [1.5] * N)
    assert reference["c"].null_count == 100
    assert one(pa.array([1, 2] * 100, pa.int8()), pa.array([1] * N, pa.int64()))[2] == ""
    assert one(pa.array([1, 2] * 100).cast(pa.decimal128(22, 2)), pa.array([1.0] * N))[2] == ""


def test_no_name_ends_a_script_and_none_stands_twice() -> None:
    bad, twin = "</script><b>", "‹/script›‹b›"
    side = pa.table({bad: [1.5] * N, twin: [1.5] * N, "t": [bad] * 100 + [twin] * 100})
    found = screened(side, side)
    assert found.current.column_names == [twin, twin + "·", "t"]
    assert set(found.current["t"].to_pylist()) == {twin, twin + "·"}


@pytest.mark.parametrize("rows", [0, 1])
def test_few_rows_raise_nothing(rows: int) -> None:
    few = pa.table({"a": pa.array([1.5] * rows, pa.float64()), "t": pa.array(["x"] * rows, pa.string())})
    found = screened(few, few)
    assert found.current.num_columns + len(found.left_out) == 2
