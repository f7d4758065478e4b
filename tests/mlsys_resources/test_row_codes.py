"""Equal rows have equal codes, unequal ones unequal codes, whatever their types."""

import struct

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from mlsys_resources.row_codes import ranks, row_codes

NAN, OTHER_NAN = (struct.unpack("<d", struct.pack("<Q", bits))[0] for bits in (0x7FF8000000000000, 0x7FF8000000000001))


def coded(*values: object, type_: pa.DataType) -> list[int]:
    ours, theirs = row_codes((pa.table({"x": pa.array(values, type_)}), pa.table({"x": pa.array([], type_)})))
    assert len(theirs) == 0
    return ours.tolist()


def test_null_zero_and_negative_zero_are_three_values_and_every_nan_is_one() -> None:
    codes = coded(None, 0.0, -0.0, NAN, OTHER_NAN, -NAN, None, type_=pa.float64())
    assert len(set(codes[:4])) == 4
    assert codes[3] == codes[4] == codes[5]
    assert codes[0] == codes[6]


@pytest.mark.parametrize("type_", [pa.float16(), pa.float32(), pa.float64()])
def test_a_nan_of_any_width_is_equal_to_itself(type_: pa.DataType) -> None:
    nan, one, again = coded(np.float16("nan"), np.float16(1), np.float16("nan"), type_=type_)
    assert nan == again != one


def test_a_dictionary_counts_as_its_values() -> None:
    plain = pa.table({"x": ["b", "a", None]})
    held = pa.table({"x": pa.array(["a", None, "b"]).dictionary_encode()})
    ours, theirs = row_codes((plain, held))
    assert ours.tolist() == theirs[[2, 0, 1]].tolist()


def test_many_columns_of_many_values_never_overflow() -> None:
    rng = np.random.default_rng(0)
    rows = pa.table({f"x{i}": rng.integers(0, 500, 1_000) for i in range(40)})
    ours, theirs = row_codes((rows, rows.take(pa.array(np.arange(1_000)[::-1]))))
    assert ours.tolist() == theirs[::-1].tolist()
    assert len(set(ours.tolist())) == len(set(map(tuple, zip(*rows.to_pydict().values(), strict=True))))


def test_a_table_without_rows_or_without_columns_has_codes_too() -> None:
    nothing = pa.table({"x": pa.array([], pa.int64())})
    assert [codes.tolist() for codes in row_codes((nothing, nothing))] == [[], []]
    bare = pa.table({"x": [1, 2]}).select([])
    assert set(row_codes((bare, bare))[0].tolist()) <= {0}


@given(st.lists(st.integers(0, 3)))
def test_a_rank_counts_the_equals_before(values: list[int]) -> None:
    assert ranks(np.array(values, dtype=np.int64)).tolist() == [values[:i].count(v) for i, v in enumerate(values)]


def test_rows_of_many_columns_are_told_apart_though_their_product_has_no_place_in_64_bits() -> None:
    """Of 256 values each, the first of nine columns would weigh 2**64: nothing."""
    numbers = list(range(256))
    every = pa.table({f"c{i}": numbers for i in range(9)})
    other = every.set_column(0, "c0", [pa.array(numbers[1:] + numbers[:1])])
    ours, theirs = row_codes((every, other))
    assert not set(ours) & set(theirs)
    assert len(set(ours)) == len(set(theirs)) == 256
