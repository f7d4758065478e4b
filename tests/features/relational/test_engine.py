"""The relational engine on DuckDB: by definition, and as the embedded one."""

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import ibis
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import worlds
from hypothesis import example, given, settings, strategies as st

from mlsys_assets.features.aggregate import (
    count,
    distinct,
    mean,
    minimum,
    sum as total,
)
from mlsys_assets.features.feature import Feature, reads
from mlsys_assets.features.key import Key
from mlsys_assets.features.relational import events as events_module
from mlsys_assets.features.relational.engine import compute
from mlsys_assets.features.relational.frame import Trail, Upto
from mlsys_assets.features.request import Request
from mlsys_assets.features.trailing import Trailing
from mlsys_assets.types import DeclarationError, hours

Oracle = Callable[..., list[list[Any]]]
FEATURES = worlds.EXPRESSED


def _agree(found: pa.Table, wanted: list[list[Any]]) -> None:
    worlds.agree(found.column_names[2:], worlds.rows_of(found), wanted)


@settings(max_examples=2)
@given(seed=st.integers(0, 2**32 - 1), requests=st.integers(1, 12), rows=st.integers(1, 40), steady=st.booleans())
@example(seed=0, requests=12, rows=40, steady=True)
@example(seed=1, requests=12, rows=40, steady=False)
def test_every_kind_equals_its_definition(
    oracle: Oracle, duckdb, seed: int, requests: int, rows: int, steady: bool
) -> None:
    random = np.random.default_rng(seed)
    features, asked, tables = FEATURES, worlds.asked(random, requests), worlds.tables_of(random, rows, steady=steady)
    with np.errstate(over="ignore"):
        _agree(compute(features, asked, tables, key="id", backend=duckdb), oracle(features, asked, tables))


def test_no_requests_and_no_rows(oracle: Oracle, duckdb) -> None:
    random = np.random.default_rng(2)
    features, asked = FEATURES, worlds.asked(random, 5)
    nothing = dict.fromkeys(worlds.NAMES, worlds.SCHEMA.empty_table())
    some = compute(features, asked, nothing, key="id", backend=duckdb)
    _agree(some, oracle(features, asked, nothing))
    none = compute(features, asked.slice(0, 0), worlds.tables_of(random, 9), key="id", backend=duckdb)
    assert none.num_rows == 0
    assert none.schema == some.schema
    assert duckdb.con.sql("SHOW ALL TABLES").fetchall() == []


def test_where_tables_are_and_their_order_do_not_matter(duckdb, tmp_path) -> None:
    random = np.random.default_rng(3)
    features, asked, tables = FEATURES, worlds.asked(random, 9), worlds.tables_of(random, 40)
    wanted = compute(features, asked, tables, key="id", backend=duckdb)
    for name, table in tables.items():
        mixed = table.take(pa.array(random.permutation(table.num_rows)))
        pq.write_table(mixed, tmp_path / f"{name}.parquet")
    elsewhere = {name: tmp_path / f"{name}.parquet" for name in tables}
    elsewhere["events"] = duckdb.read_parquet(elsewhere["events"], table_name="events_of_a_file")
    order = pa.array(random.permutation(9))
    found = compute(features, asked.take(order), elsewhere, key="id", backend=duckdb)
    duckdb.con.execute("DROP VIEW events_of_a_file")
    assert _exact(found).equals(_exact(wanted.take(order)))


def _exact(table: pa.Table) -> pa.Table:
    return table.select([n for n in table.column_names if "fading" not in n]).combine_chunks()


def test_a_request_alone_with_bounded_history_gives_the_same_bits(duckdb) -> None:
    random = np.random.default_rng(4)
    asked, tables = worlds.asked(random, 8), worlds.tables_of(random, 60)
    # Sums of tenths depend on where they begin, unless they are exact.
    tenths = pa.array(random.integers(-99, 99, size=60) / 10)
    tables["events"] = tables["events"].set_column(3, "delay", tenths)
    features = FEATURES
    whole = compute(features, asked, tables, key="id", backend=duckdb)
    request = asked.slice(0, 1)
    bounded = _bounded(features, tables, request["predict_at"][0].as_py())
    alone = compute(features, request, bounded, key="id", backend=duckdb)
    assert _exact(alone).equals(_exact(whole.slice(0, 1)))


def _bounded(features: tuple[Feature, ...], tables: dict[str, pa.Table], at: datetime) -> dict[str, pa.Table]:
    kept = {}
    for name, back in reads(features).items():
        seen = [k <= at and (back is None or k > at - back) for k in tables[name]["known_at"].to_pylist()]
        kept[name] = tables[name].filter(pa.array(seen, pa.bool_()))
    return kept


def _log(*rows: tuple[datetime, float]) -> dict[str, pa.Table]:
    made = [{"id": i, "place": "A", "line": 0, "delay": delay, "kind": "A", "event_time": known, "known_at": known}
            for i, (known, delay) in enumerate(rows)]  # fmt: skip
    return {"events": pa.Table.from_pylist(made, schema=worlds.SCHEMA)}


def _ask(at: datetime, place: str | None = "A") -> pa.Table:
    request = {"id": "r", "place": place, "line": 0, "planned": at, "predict_at": at}
    return pa.Table.from_pylist([request], schema=worlds.REQUESTS)


def test_a_window_holds_what_is_known_at_its_end_and_not_at_its_beginning(duckdb) -> None:
    features = [Trailing(worlds.EVENTS, by="place", over=hours(1), n=count(), delay=total("delay"))]
    at, instant = worlds.START + hours(5), timedelta(microseconds=1)
    tables = _log((at - hours(1), 1.0), (at - hours(1) + instant, 2.0), (at, 4.0), (at + instant, 8.0))
    assert compute(features, _ask(at), tables, key="id", backend=duckdb).to_pylist()[0] == {
        "id": "r", "predict_at": at, "place_n_1h": 2.0, "place_delay_1h": 6.0,
    }  # fmt: skip


def test_no_key_and_no_rows_differ(duckdb) -> None:
    features = [Trailing(worlds.EVENTS, by="place", over=hours(1), n=count(), delay=mean("delay"))]
    asked = pa.concat_tables([_ask(worlds.START, "elsewhere"), _ask(worlds.START, None)])
    found = compute(features, asked, _log((worlds.START, 1.0)), key="id", backend=duckdb)
    assert worlds.rows_of(found) == [[0.0, None], [None, None]]


def test_different_texts_are_counted(duckdb) -> None:
    features = [Trailing(worlds.EVENTS, by="place", over=hours(1), kinds=distinct("kind"))]
    rows = _log(*((worlds.START, float(i)) for i in range(4)))["events"]
    kinds = rows.set_column(5, "kind", pa.array(["B", None, "A", "B"]))
    found = compute(features, _ask(worlds.START), {"events": kinds}, key="id", backend=duckdb)
    assert worlds.rows_of(found) == [[2.0]]


def test_sums_are_of_whole_steps_rounded_half_up(duckdb) -> None:
    features = [Trailing(worlds.EVENTS, by="place", over=hours(1), delay=total("delay", resolution=1.0))]
    tables = _log((worlds.START, 0.5), (worlds.START, -0.5), (worlds.START, 2.5))
    assert worlds.rows_of(compute(features, _ask(worlds.START), tables, key="id", backend=duckdb)) == [[4.0]]


def test_a_large_negative_sum_is_rounded_once(duckdb) -> None:
    # Half a step of single precision and a little: what is lost of it on the way to a double turns the last bit.
    large = -(2**54 + 2**30 + 3)
    table = _log((worlds.START, 1.0))["events"].set_column(2, "line", pa.array([large]))
    features = [Trailing(worlds.EVENTS, by="place", over=hours(1), lines=total("line"))]
    found = compute(features, _ask(worlds.START), {"events": table}, key="id", backend=duckdb)
    assert worlds.rows_of(found) == [[float(np.float32(float(large)))]]


def test_other_types_of_columns_are_read_as_they_are_meant(duckdb) -> None:
    at = worlds.START
    asked = _ask(at).set_column(1, "place", pa.array(["A"]).dictionary_encode())
    asked = asked.set_column(2, "line", pa.array([3], pa.int32()))
    table = _log((at, 0.1))["events"]
    for i, (name, other) in enumerate([("place", pa.large_string()), ("line", pa.float32()), ("delay", pa.float32())]):
        table = table.set_column(i + 1, name, table[name].cast(other))
    table = table.set_column(7, "known_at", table["known_at"].cast(pa.timestamp("ms", tz="UTC")))
    features = [
        Request("place", "line"),
        Trailing(worlds.EVENTS, by=("place",), over=hours(1), n=count(lambda row: row["delay"] == 0.1)),
        Trailing(worlds.EVENTS, by=Key("zero", lambda row: row["line"] - 3, "line"), over=hours(1), n=count()),
    ]
    found = compute(features, asked, {"events": table}, key="id", backend=duckdb)
    assert worlds.rows_of(found) == [["A", 3.0, 1.0, 1.0]]


def test_two_rows_of_one_name_and_moment_are_refused(duckdb) -> None:
    features = [Trailing(worlds.MENDED, by="place", over=hours(1), n=count())]
    table = _log((worlds.START, 1.0), (worlds.START, 2.0))["events"].set_column(0, "id", pa.array([7, 7]))
    with pytest.raises(ValueError, match=r"mended: two rows named \{'id': 7\} became known at one moment"):
        compute(features, _ask(worlds.START), {"mended": table}, key="id", backend=duckdb)


def test_what_cannot_be_computed_is_refused(duckdb) -> None:
    features = [Trailing(worlds.EVENTS, by="place", over=hours(1), n=count(), delay=mean("delay"))]
    at, good = worlds.START, _log()
    asked = _ask(at)

    def run(asked: pa.Table = asked, tables: dict[str, pa.Table] = good, backend: Any = duckdb) -> pa.Table:
        return compute(features, asked, tables, key="id", backend=backend)

    with pytest.raises(KeyError, match="no table for events; given: plan"):
        run(tables={"plan": good["events"]})
    with pytest.raises(DeclarationError, match="unknown column 'place'"):
        run(asked.drop_columns("place"))
    with pytest.raises(ValueError, match="'predict_at' has 1 nulls"):
        run(asked.set_column(5, "predict_at", pa.array([None], worlds.TIME)))
    with pytest.raises(TypeError, match="'known_at' must be a timestamp"):
        run(tables={"events": good["events"].set_column(7, "known_at", pa.array([], pa.int64()))})
    nameless = _log((at, 1.0))["events"].set_column(7, "known_at", pa.array([None], worlds.TIME))
    duckdb.con.register("nameless", nameless)
    for table in (nameless, duckdb.table("nameless")):
        with pytest.raises(ValueError, match="'known_at' has 1 nulls"):
            run(tables={"events": table})
    duckdb.con.unregister("nameless")
    with pytest.raises(ValueError, match=r"events: delay: .* cannot be summed exactly .* coarser resolution"):
        run(tables=_log((at, 1e15)))
    with pytest.raises(ValueError, match="leave infinite values out"):
        run(tables=_log((at, math.inf)))
    with pytest.raises(KeyError, match="unknown column 'delay'"):
        run(tables={"events": good["events"].drop_columns("delay")})
    with pytest.raises(ValueError, match="the backend is 'polars'"):
        run(backend=type("Backend", (), {"name": "polars"}))
    with pytest.raises(AttributeError, match="mistakes"):
        compute(["delay"], asked, good, key="id", backend=duckdb)  # type: ignore[list-item]
    assert duckdb.con.sql("SHOW ALL TABLES").fetchall() == []


PLANTED: dict[str, tuple[Any, str, Any]] = {
    "rows known at the prediction time are left out": (Upto, "end", lambda upto, asked: (
        asked[upto.order] + (upto.shift or -1))),
    "a sum's window begins one microsecond too early": (Upto, "end", lambda upto, asked: (
        asked[upto.order] + upto.shift - int(upto.shift < 0))),
    "an extreme's window leaves out rows known at the prediction time": (Trail, "bounds", lambda trail: {
        "preceding": (trail.back - 1, 1)}),
    "an extreme's window begins one microsecond too early": (Trail, "bounds", lambda trail: {
        "preceding": trail.back, "following": 0}),
    "event time stands for known-at": (events_module, "KNOWN_AT", "event_time"),
    "corrections replace nothing": (events_module.Events, "superseded", lambda events: events.add(
        "never", lambda: ibis.null("int64"))),
}  # fmt: skip


@pytest.mark.parametrize("bug", PLANTED)
def test_the_oracle_finds_planted_bugs(oracle: Oracle, duckdb, monkeypatch: pytest.MonkeyPatch, bug: str) -> None:
    random = np.random.default_rng(0)
    asked, tables = worlds.asked(random, 12), worlds.tables_of(random, 40)
    features = [Trailing(worlds.EVENTS, by="place", over=(hours(1), hours(4)), n=count(), least=minimum("delay"))]
    if not bug.startswith("event time"):  # corrections of one moment are refused at once
        features.append(Trailing(worlds.MENDED, by="place", over=hours(9), kept=count()))
    wanted = oracle(features, asked, tables)
    _agree(compute(features, asked, tables, key="id", backend=duckdb), wanted)
    monkeypatch.setattr(*PLANTED[bug])
    with pytest.raises(AssertionError):
        _agree(compute(features, asked, tables, key="id", backend=duckdb), wanted)
