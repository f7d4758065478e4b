import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings, strategies as st

from mlsys_assets.features.leakage.known_values import MISSING, NEVER, Asked, KnownValues, grouped, value_codes

RECORD = st.tuples(st.integers(0, 2), st.integers(-1, 2), st.integers(0, 6), st.integers(-1, 3))
"""A key, a value (-1: none), when it became known, and whose it is (-1: another's)."""


def _oracle(records: list[tuple[int, int, int, int]], asked: tuple[int, int, int, int]) -> tuple[int, int]:
    """Look at every record."""
    group, value, at, entity = asked
    mine = [t for g, v, t, e in records if (g, v) == (group, value) and v != MISSING and e != entity]
    before, after = [at - t for t in mine if t <= at], [t - at for t in mine if t > at]
    return min(before, default=NEVER), min(after, default=NEVER)


def _columns(rows: list[tuple[int, ...]]) -> list[np.ndarray]:
    return [np.array(column, dtype=np.int64) for column in zip(*rows, strict=True)]


@settings(max_examples=100)
@given(st.lists(RECORD, min_size=1, max_size=25), st.lists(RECORD, min_size=1, max_size=10))
def test_the_nearest_records_are_those_that_a_look_at_each_finds(records, asked):
    records.sort(key=lambda record: record[2])
    kept, owned = [], set()
    for record in records:  # an entity has one record, others' have any number
        if record[3] == -1 or record[3] not in owned:
            kept.append(record)
            owned.add(record[3])
    group, value, known, entity = _columns(kept)
    a_group, a_value, at, a_entity = _columns([(g, v, t, max(e, 0)) for g, v, t, e in asked])
    held = KnownValues(grouped([group], rows=len(group))[0], value, known, entity)
    found = held.nearest(Asked(grouped([a_group], rows=len(at))[0], np.ones(len(at), bool), at, a_entity), a_value)
    expected = [_oracle(kept, (g, v, t, max(e, 0))) for g, v, t, e in asked]
    assert list(zip(found[0].tolist(), found[1].tolist(), strict=True)) == expected


def test_known_exactly_at_the_moment_is_known():
    held = KnownValues(np.zeros(2, np.uint64), np.array([7, 8]), np.array([100, 100]))
    before, after = held.nearest(Asked(np.zeros(2, np.uint64), np.ones(2, bool), np.array([100, 99])), np.array([7, 8]))
    assert (before[0], after[0]) == (0, NEVER)
    assert (before[1], after[1]) == (NEVER, 1)


def test_an_incomplete_key_and_no_records_find_nothing():
    asked = Asked(np.zeros(1, np.uint64), np.zeros(1, bool), np.array([100]))
    held = KnownValues(np.zeros(1, np.uint64), np.array([7]), np.array([50]))
    assert held.nearest(asked, np.array([7]))[0].tolist() == [NEVER]
    nothing = KnownValues(np.zeros(0, np.uint64), np.zeros(0, np.int64), np.zeros(0, np.int64))
    assert nothing.nearest(asked, np.array([7]))[1].tolist() == [NEVER]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (pa.array([0.1, -0.0, None, float("nan")]), pa.array([0.1, 0.0, None, None], pa.float32())),
        (pa.array([1, 0, None]), pa.array([True, False, None])),
        (pa.array(["a", None, "b"]), pa.array(["a", None, "b"]).dictionary_encode()),
    ],
)
def test_equal_values_of_any_type_have_one_code(one, other):
    (a, kind), (b, its) = value_codes(pa.chunked_array([one])), value_codes(pa.chunked_array([other]))
    assert kind == its
    assert a.tolist() == b.tolist()
    assert [code == MISSING for code in a.tolist()] == [v is None or v != v for v in one.to_pylist()]  # noqa: PLR0124 - NaN


def test_moments_have_no_code():
    assert value_codes(pa.chunked_array([pa.array([0], pa.timestamp("us"))])) is None


def test_a_key_of_two_columns_is_missing_where_one_is():
    group, there = grouped([np.array([1, 1, 2]), np.array([5, MISSING, 5])], rows=3)
    assert there.tolist() == [True, False, True]
    assert group[0] != group[2]
