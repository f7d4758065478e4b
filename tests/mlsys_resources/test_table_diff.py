"""A difference is what a comparison of all rows with all rows finds, and nothing else."""

import math
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from mlsys_resources.strict_schema import TIMESTAMP
from mlsys_resources.table_diff import Change, Counts, TableDiff, difference

JULY = datetime(2013, 7, 1, tzinfo=UTC)
SCHEMA = pa.schema([("id", pa.string()), ("n", pa.int64()), ("x", pa.float64()), ("tick", TIMESTAMP)])

cells = st.tuples(
    st.sampled_from(["a", "b", "c", None]),
    st.sampled_from([None, 0, 1]),
    st.sampled_from([None, 0.0, -0.0, 1.5, math.nan]),
    st.sampled_from([JULY, JULY + timedelta(days=7)]),
)
states = st.lists(cells, max_size=8)


def table(rows: list[tuple[Any, ...]]) -> pa.Table:
    return pa.Table.from_pylist([dict(zip(SCHEMA.names, row, strict=True)) for row in rows], schema=SCHEMA)


def named(value: Any) -> Any:
    """A value by which equal ones are equal to Python too."""
    return repr(value) if isinstance(value, float) else value


def rows_of(rows: pa.Table) -> Counter[tuple[Any, ...]]:
    return Counter(tuple(named(v) for v in row.values()) for row in rows.to_pylist())


def brute_force(before: list[Any], after: list[Any], width: int) -> tuple[Counter[Any], Counter[Any], Counter[Any]]:
    """Added, removed and changed, by striking out equal rows and pairing keys that are left once on each side."""
    ours, theirs = (Counter(tuple(map(named, row)) for row in rows) for rows in (before, after))
    left, come = list((ours - theirs).elements()), list((theirs - ours).elements())
    changed = []
    for row in list(come) if width else []:
        old, new = ([r for r in rows if r[:width] == row[:width]] for rows in (left, come))
        if len(old) == len(new) == 1:
            changed.append((old[0], row))
    for old, new in changed:
        left.remove(old)
        come.remove(new)
    return Counter(come), Counter(left), Counter(changed)


@pytest.mark.parametrize("key", [[], ["id"], ["id", "n"]])
@given(before=states, after=states)
def test_it_is_what_brute_force_finds(key: list[str], before: list[Any], after: list[Any]) -> None:
    found = difference(table(before), table(after), key=key)
    added, removed, changed = brute_force(before, after, len(key))
    assert rows_of(found.added) == added
    assert rows_of(found.removed) == removed
    pairs = zip(found.changed_from.to_pylist(), found.changed_to.to_pylist(), strict=True)
    assert Counter(tuple(tuple(map(named, row.values())) for row in pair) for pair in pairs) == changed
    for change, (old, new) in zip(found.changes(), _pairs(found), strict=True):
        assert change.key == {name: new[name] for name in key}
        apart = {n for n in SCHEMA.names if n not in key and named(old[n]) != named(new[n])}
        assert change.columns.keys() == apart != set()
    assert sum(sum((c.added, c.removed, c.changed)) for c in found.by_tick().values()) == sum(
        (found.counts.added, found.counts.removed, found.counts.changed)
    )


def _pairs(found: TableDiff) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    return list(zip(found.changed_from.to_pylist(), found.changed_to.to_pylist(), strict=True))


@given(before=states, after=states)
def test_the_other_way_round_it_is_the_other_way_round(before: list[Any], after: list[Any]) -> None:
    there, back = (
        difference(table(before), table(after), key=["id"]),
        difference(table(after), table(before), key=["id"]),
    )
    assert rows_of(there.added) == rows_of(back.removed)
    assert rows_of(there.changed_from) == rows_of(back.changed_to)


@given(rows=states)
def test_a_state_does_not_differ_from_itself_in_another_order(rows: list[Any]) -> None:
    assert not difference(table(rows), table(rows[::-1]), key=["id"])


def test_what_changed_is_told_by_column_and_by_tick() -> None:
    later = JULY + timedelta(days=7)
    before = table([("a", 1, 1.0, JULY), ("b", 2, None, JULY), ("c", 3, math.nan, later)])
    after = table([("b", 2, 0.0, later), ("a", 5, 2.0, JULY), ("d", 3, math.nan, later)])
    found = difference(before, after, key=["id"])
    assert found.changed_columns() == {"n": 1, "x": 2, "tick": 1}
    assert list(found.changes(1)) == [Change({"id": "b"}, {"x": (None, 0.0), "tick": (JULY, later)})]
    assert found.by_tick() == {JULY: Counts(0, 0, 1), later: Counts(1, 1, 1)}


def test_columns_that_only_one_state_has_change_no_row() -> None:
    before = pa.table({"id": ["a", "b"], "x": [1, 2], "gone": [1, 1], "as": [1, 2]})
    after = pa.table({"as": [1.0, 2.0], "new": ["", ""], "id": ["a", "b"], "x": [1, 3]})
    found = difference(before, after, key=["id"])
    assert (found.columns_added, found.columns_removed, found.retyped) == (("new",), ("gone",), ("as",))
    assert list(found.changes()) == [Change({"id": "b"}, {"x": (2, 3)})]
    assert not found.counts.added


def test_a_key_that_both_do_not_hold_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="both states do not hold id as one type; they share: x"):
        difference(pa.table({"id": [1], "x": [1]}), pa.table({"id": ["1"], "x": [1]}), key=["id"])
