"""What a table says has one hash, and everything it does not say has none."""

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, strategies as st

from mlsys_resources.table_hash import table_hash

MOMENT = pa.timestamp("us", tz="UTC")
VALUES: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.int8(): st.integers(-128, 127),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.float32(): st.floats(width=32),
    pa.float64(): st.floats(),
    pa.bool_(): st.booleans(),
    pa.string(): st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=5),
    pa.binary(): st.binary(max_size=5),
    MOMENT: st.integers(0, 10**15),
}
MOST_ROWS = 25

Cells = list[Any]


@st.composite
def columns(draw: st.DrawFn) -> list[tuple[pa.DataType, Cells]]:
    """Draw one to three columns of one length, with nulls."""
    rows = draw(st.integers(0, MOST_ROWS))
    types = draw(st.lists(st.sampled_from(list(VALUES)), min_size=1, max_size=3))
    return [(t, draw(st.lists(st.none() | VALUES[t], min_size=rows, max_size=rows))) for t in types]


def table(drawn: Sequence[tuple[pa.DataType, Cells]]) -> pa.Table:
    return pa.table([pa.array(cells, kind) for kind, cells in drawn], names=[f"c{i}" for i in range(len(drawn))])


def dirty_under_nulls(array: pa.Array) -> pa.Array:
    """Return the same values with other bytes where they are null."""
    if not pa.types.is_primitive(array.type) or pa.types.is_boolean(array.type) or not array.null_count:
        return array
    width = array.type.bit_width // 8
    raw = np.frombuffer(array.buffers()[1], dtype=f"u{width}")[: len(array)].copy()
    raw[array.is_null().to_numpy(zero_copy_only=False)] = 7
    return pa.Array.from_buffers(array.type, len(array), [array.buffers()[0], pa.py_buffer(raw)])


@given(columns(), st.lists(st.integers(0, MOST_ROWS), max_size=4))
def test_layout_does_not_count(drawn: list[tuple[pa.DataType, Cells]], cuts: list[int]) -> None:
    whole = table(drawn)
    edges = sorted({0, whole.num_rows, *(c for c in cuts if c < whole.num_rows)})
    pieces = [whole.slice(a, b - a) for a, b in pairwise(edges)]
    chunked = pa.concat_tables([*pieces, whole.schema.empty_table()]) if pieces else whole
    middle = pa.concat_tables([whole, whole, whole]).combine_chunks().slice(whole.num_rows, whole.num_rows)
    dirty = pa.table([dirty_under_nulls(c.combine_chunks()) for c in whole.columns], names=whole.column_names)
    assert {table_hash(t) for t in (chunked, middle, dirty)} == {table_hash(whole)}


@given(columns(), st.data())
def test_any_changed_cell_counts(drawn: list[tuple[pa.DataType, Cells]], data: st.DataObject) -> None:
    assume(len(drawn[0][1]) > 0)
    column = data.draw(st.integers(0, len(drawn) - 1))
    row = data.draw(st.integers(0, len(drawn[0][1]) - 1))
    kind, cells = drawn[column]
    other = data.draw(st.none() | VALUES[kind])
    assume(bits(other, kind) != bits(cells[row], kind))
    changed = [*drawn]
    changed[column] = (kind, [*cells[:row], other, *cells[row + 1 :]])
    assert table_hash(table(changed)) != table_hash(table(drawn))


def bits(value: Any, kind: pa.DataType) -> tuple[Any, ...]:
    """Return what tells two values of a type apart, the float's bits included."""
    if value is None:
        return (None,)
    if pa.types.is_floating(kind):
        return (np.array([value], dtype=kind.to_pandas_dtype()).tobytes(),)
    return (value,)


@given(columns(), st.data())
def test_order_of_rows_counts(drawn: list[tuple[pa.DataType, Cells]], data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(len(drawn[0][1]))))
    shuffled = [(kind, [cells[i] for i in order]) for kind, cells in drawn]
    same = all(
        [bits(a, k) for a in old] == [bits(a, k) for a in new]
        for (k, old), (_, new) in zip(drawn, shuffled, strict=True)
    )
    assert (table_hash(table(shuffled)) == table_hash(table(drawn))) is same


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pa.float64(), [None, 0.0, -0.0, math.nan, math.inf, 1.0]),
        (pa.float32(), [None, 0.0, -0.0, math.nan, math.inf, 1.0]),
        (pa.int64(), [None, 0, 1]),
        (pa.string(), [None, "", "0", "\x00", "NaN"]),
        (pa.binary(), [None, b"", b"\x00"]),
        (pa.bool_(), [None, False, True]),
        (MOMENT, [None, datetime(1970, 1, 1, tzinfo=UTC), datetime(2013, 1, 1, tzinfo=UTC)]),
    ],
    ids=str,
)
def test_kinds_of_nothing_differ(kind: pa.DataType, values: Cells) -> None:
    assert len({table_hash(pa.table({"c": pa.array([v], kind)})) for v in values}) == len(values)


@pytest.mark.parametrize("kind", [pa.large_string(), pa.large_binary(), pa.string_view(), pa.bool_()], ids=str)
def test_a_slice_is_what_it_shows(kind: pa.DataType) -> None:
    """Held without a copy, a slice still points at all the values around it."""
    cells = [True, None, False] if kind == pa.bool_() else ["seen", None, "too"]
    around = pa.array([cells[0], cells[2], *cells, cells[2]], kind)
    assert table_hash(pa.table({"c": around.slice(2, 3)})) == table_hash(pa.table({"c": pa.array(cells, kind)}))
    assert table_hash(pa.table({"c": around.slice(1, 3)})) != table_hash(pa.table({"c": pa.array(cells, kind)}))


def test_ways_to_hold_text_are_one() -> None:
    plain = pa.array(["a", None, "", "bc", "a"])
    ways = [plain, plain.cast(pa.large_string()), plain.cast(pa.string_view()), plain.dictionary_encode()]
    reordered = pa.DictionaryArray.from_arrays(pa.array([2, None, 1, 0, 2], pa.int8()), ["bc", "", "a"])
    assert len({table_hash(pa.table({"c": way})) for way in [*ways, reordered]}) == 1
    assert table_hash(pa.table({"c": plain})) != table_hash(pa.table({"c": plain.cast(pa.binary())}))


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.rename_columns(["a", "z"]),
        lambda t: t.select(["b", "a"]),
        lambda t: t.set_column(0, "a", t["a"].cast(pa.int32())),
        lambda t: t.append_column("c", t["a"]),
        lambda t: t.drop_columns("b"),
        lambda t: t.slice(1),
        lambda t: t.slice(0, 0),
        lambda t: pa.concat_tables([t, t]),
        lambda t: t.set_column(1, "b", pa.array(["xy", "", "z"])),
    ],
)
def test_shape_counts(change: Callable[[pa.Table], pa.Table]) -> None:
    base = pa.table({"a": [1, 2, 3], "b": ["x", "y", "z"]})
    assert table_hash(change(base)) != table_hash(base)


def test_metadata_and_nullability_do_not_count() -> None:
    base = pa.table({"a": [1, 2]})
    dressed = pa.schema([pa.field("a", pa.int64(), nullable=False, metadata={"unit": "m"})], metadata={"by": "me"})
    assert table_hash(base.cast(dressed)) == table_hash(base)


def test_moments_of_other_units_or_zones_differ() -> None:
    at = pa.array([0], MOMENT)
    others = [at.cast(pa.timestamp("ms", tz="UTC")), at.cast(pa.timestamp("us", tz="America/New_York"))]
    assert len({table_hash(pa.table({"c": a})) for a in [at, *others]}) == 1 + len(others)


@pytest.mark.parametrize(
    "values",
    [pa.array([[1, 2], [3]]), pa.array([{"a": 1}, None]), pa.array([Decimal("1.5"), None]), pa.array([Decimal("1.5")])],
)
def test_other_types_are_refused_by_name(values: pa.Array) -> None:
    with pytest.raises(TypeError, match=r"'odd' .* has no content hash"):
        table_hash(pa.table({"odd": values}))


def test_hash_is_stable_across_releases() -> None:
    """Evidence recorded years ago must still match: this value must never change."""
    known = pa.table(
        {
            "n": pa.array([1, None, 3], pa.int64()),
            "f": pa.array([0.5, -0.0, None], pa.float32()),
            "s": ["a", None, "été"],
            "t": pa.array([0, 1, None], MOMENT),
            "b": [True, False, None],
        }
    )
    assert table_hash(known) == "63b9c23f75d6e0bbded4ee91ee8b93d8a4a091935d4b07e6a9bde3a54a22b382"
