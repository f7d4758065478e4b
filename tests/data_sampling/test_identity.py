import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from mlsys_assets.data_sampling.identity import data_hash, row_hashes

number = st.one_of(st.none(), st.floats(width=32), st.just(-0.0))
text = st.one_of(st.none(), st.sampled_from(["a", "b", "ab", ""]))
row = st.tuples(number, text, st.one_of(st.none(), st.integers(-(2**62), 2**62)))


def table_of(rows):
    return pa.table({
        "x": pa.array([r[0] for r in rows], pa.float32()),
        "s": pa.array([r[1] for r in rows], pa.string()),
        "i": pa.array([r[2] for r in rows], pa.int64()),
    })  # fmt: skip


def plain(rows):
    """The rows as Python compares them, with NaN and null both missing."""
    return [(None if r[0] is None or r[0] != r[0] else r[0], r[1], r[2]) for r in rows]


@given(st.lists(row, max_size=30))
def test_rows_share_a_hash_exactly_when_they_are_equal(rows):
    hashes = row_hashes(table_of(rows))
    expected = plain(rows)
    for i in range(len(rows)):
        for j in range(i):
            assert (hashes[i] == hashes[j]) == (expected[i] == expected[j])


@given(st.lists(row, min_size=1, max_size=20), st.lists(row, min_size=1, max_size=20))
def test_tables_share_a_hash_exactly_when_they_are_equal(one, other):
    assert (data_hash(table_of(one)) == data_hash(table_of(other))) == (plain(one) == plain(other))
    assert data_hash(table_of(one)) == data_hash(table_of(list(one)))


@given(st.lists(row, min_size=2, max_size=20), st.integers(1, 19))
def test_chunks_slices_and_dictionaries_do_not_matter(rows, cut):
    whole, cut = table_of(rows), min(cut, len(rows) - 1)
    chunked = pa.concat_tables([whole[:cut], whole[cut:]])
    encoded = chunked.set_column(1, "s", chunked["s"].dictionary_encode())
    assert data_hash(whole) == data_hash(chunked) == data_hash(encoded)
    assert np.array_equal(row_hashes(whole), row_hashes(encoded))
    assert np.array_equal(row_hashes(whole)[cut:], row_hashes(whole[cut:]))


def test_there_is_one_nan():
    bits = np.array([0x7FC00000, 0x7FC00001, 0xFFC00000], dtype=np.uint32)
    tables = [pa.table({"x": pa.array(bits[i : i + 1].view(np.float32))}) for i in range(3)]
    assert len({data_hash(t) for t in tables}) == 1
    assert len({int(row_hashes(t)[0]) for t in tables}) == 1


def test_names_types_and_order_matter():
    table = pa.table({"x": [1, 2]})
    others = [table.rename_columns(["y"]), table.cast(pa.schema({"x": pa.float64()})), table.take([1, 0]), table[:1]]
    assert len({data_hash(t) for t in [table, *others]}) == 5


@pytest.mark.parametrize("kind", [pa.bool_(), pa.timestamp("us", tz="UTC"), pa.int8(), pa.large_string()])
def test_other_types_have_an_identity_too(kind):
    values = pa.array([1, 0, None]).cast(pa.int64() if kind != pa.bool_() else pa.bool_())
    table = pa.table({"v": values.cast(kind)})
    assert len(set(row_hashes(table).tolist())) == 3
    assert data_hash(table) != data_hash(table.take([1, 0, 2]))
