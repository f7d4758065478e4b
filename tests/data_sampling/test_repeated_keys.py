import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from mlsys_assets.data_sampling.repeated_keys import repeated_keys

LEGS = pa.table({
    "day": ["1", "1", "1", "2", "2"],
    "flight": [7, 7, 8, 7, 7],
    "origin": ["EWR", "JFK", "EWR", "EWR", "EWR"],
    "source_line": [2, 3, 4, 5, 6],
})  # fmt: skip


def test_another_leg_is_legitimate_and_the_same_again_is_a_duplicate():
    found = repeated_keys(LEGS, by=("day", "flight"))
    assert [(one.rows, one.differing, one.duplicates, one.legitimate) for one in found.found] == [
        ((0, 1), ("origin",), 0, True),
        ((3, 4), (), 1, False),
    ]
    assert found.repeats == 2
    assert not found.finding.passed
    assert found.finding.evidence == {"rows": 5, "repeats": 2, "duplicates": 1}
    assert "as of (day 2, flight 7); merge them" in found.finding.summary


def test_repeats_that_all_differ_pass_and_say_in_what():
    found = repeated_keys(LEGS[:3], by=("day", "flight")).finding
    assert found.passed
    assert (
        found.summary
        == "1 of 3 rows repeat (day, flight); the rows of each differ in origin: other entities under one key"
    )
    assert repeated_keys(LEGS[1:3], by=("day", "flight")).finding.summary == "0 of 2 rows repeat (day, flight)"


def test_what_is_content_can_be_said():
    numbered = LEGS[:3].append_column("id", pa.array(["a", "b", "c"])).drop_columns(["origin"])
    assert repeated_keys(numbered, by=("day", "flight")).finding.passed  # told apart by the id alone
    assert not repeated_keys(numbered, by=("day", "flight"), ignoring=("id",)).finding.passed
    assert repeated_keys(numbered, by=("day", "flight"), content=("source_line",)).finding.passed
    assert not repeated_keys(LEGS, by=("day", "flight"), content=()).finding.passed


def test_a_missing_value_is_a_value():
    table = pa.table({"k": ["a", "a", None, None], "v": [1.0, None, 2.0, 2.0]})
    found = repeated_keys(table, by=("k",))
    assert [(one.key, one.duplicates) for one in found.found] == [({"k": "a"}, 0), ({"k": None}, 1)]


def test_columns_that_are_not_there_are_named():
    with pytest.raises(ValueError, match=r"lack the columns \['leg'\]"):
        repeated_keys(LEGS, by=("day", "leg"))


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 1), st.integers(0, 2)), max_size=20))
def test_repeats_are_those_counted_by_hand(rows):
    table = pa.table({
        "a": pa.array([r[0] for r in rows], pa.string()),
        "b": pa.array([r[1] for r in rows], pa.int64()),
        "v": pa.array([r[2] for r in rows], pa.int64()),
    })  # fmt: skip
    found = repeated_keys(table, by=("a", "b"))
    places = {}
    for n, row in enumerate(rows):
        places.setdefault(row[:2], []).append(n)
    expected = [tuple(p) for p in places.values() if len(p) > 1]
    assert [one.rows for one in found.found] == expected
    assert [one.duplicates for one in found.found] == [len(p) - len({rows[n][2] for n in p}) for p in expected]
    assert found.repeats == len(rows) - len(places)
    assert found.finding.passed == (len(set(rows)) == len(rows))
    assert np.all([one.key == dict(zip("ab", rows[one.rows[0]][:2], strict=True)) for one in found.found])
