"""Rows are told apart by their tick, and keep their order in it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from mlsys_resources.table_hash import table_hash
from mlsys_resources.tick_rows import block_of, by_tick, combined_hash, merged, of_ticks, sorted_by_tick, tick_hashes

MOMENT = pa.timestamp("us", tz="UTC")
TICKS = [datetime(1969, 12, 29, tzinfo=UTC) + timedelta(days=7) * i for i in range(5)]

Rows = list[tuple[int, datetime]]
some_rows = st.lists(st.tuples(st.integers(0, 9), st.sampled_from(TICKS)), max_size=12)


def table(rows: Rows) -> pa.Table:
    return pa.table({"n": pa.array([n for n, _ in rows], pa.int64()), "tick": pa.array([t for _, t in rows], MOMENT)})


def pairs(rows: pa.Table) -> Rows:
    return [(r["n"], r["tick"]) for r in rows.to_pylist()]


@given(some_rows)
def test_each_tick_gets_its_rows_in_order(rows: Rows) -> None:
    parts = by_tick("t", table(rows), reversed(TICKS))
    assert list(parts) == TICKS
    assert {t: pairs(p) for t, p in parts.items()} == {t: [r for r in rows if r[1] == t] for t in TICKS}
    assert pairs(sorted_by_tick(table(rows))) == sorted(rows, key=lambda r: r[1])


@given(some_rows, st.lists(st.sampled_from(TICKS), unique=True, min_size=1), st.data())
def test_merging_replaces_ticks(old: Rows, ticks: list[datetime], data: st.DataObject) -> None:
    new = [(n, t) for n, t in data.draw(some_rows) if t in ticks]
    expected = {t: [r for r in (new if t in ticks else old) if r[1] == t] for t in TICKS}
    together = merged(table(old), by_tick("t", table(new), ticks))
    assert pairs(together) == [r for t in TICKS for r in expected[t]]
    assert {t: pairs(p) for t, p in of_ticks(together, ticks).items()} == {t: expected[t] for t in ticks}


def test_rows_of_no_tick_are_named() -> None:
    rows = table([(1, TICKS[0]), (2, TICKS[1]), (3, TICKS[2])])
    with pytest.raises(ValueError, match=r"flights.t was .* 2 tick\(s\).*1970-01-05.*1970-01-12.*written: 1969-12-29"):
        by_tick("flights.t", rows, TICKS[:1])
    with pytest.raises(ValueError, match="being written: none"):
        by_tick("flights.t", rows, [])


@pytest.mark.parametrize(
    ("tick", "block"),
    [((1931, 5, 31, 23), "1931-05"), ((2012, 12, 31), "2012-12"), ((2013, 1, 1), "2013-01"), ((999, 1, 1), "0999-01")],
)
def test_a_block_is_the_month_of_the_start(tick: Any, block: str) -> None:
    assert block_of(datetime(*tick, tzinfo=UTC)) == block


def test_hashes_leave_the_tick_out_but_the_whole_does_not() -> None:
    one, other = ({t: table([(1, t)])} for t in TICKS[:2])
    alone = table_hash(table([(1, TICKS[0])]).select(["n"]))
    assert tick_hashes(one)[TICKS[0]] == tick_hashes(other)[TICKS[1]] == alone
    assert combined_hash(tick_hashes(one)) != combined_hash(tick_hashes(other))
    both = {TICKS[0]: "a", TICKS[1]: "b"}
    assert combined_hash(both) == combined_hash(dict(reversed(both.items())))
    assert combined_hash(both) != combined_hash({TICKS[0]: "b", TICKS[1]: "a"})
