import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import worlds
from hypothesis import given, strategies as st

from mlsys_assets.features.aggregate import (
    count,
    last,
    mean,
    sum as total,
)
from mlsys_assets.features.embedded import log as log_module
from mlsys_assets.features.embedded.engine import compute
from mlsys_assets.features.feature import reads
from mlsys_assets.features.key import Key
from mlsys_assets.features.lookup import Lookup
from mlsys_assets.features.request import Request
from mlsys_assets.features.trailing import Trailing
from mlsys_assets.types import DeclarationError, hours, microseconds

Oracle = Callable[..., list[list[Any]]]
FEATURES, START, TIME = worlds.FEATURES, worlds.START, worlds.TIME
EVENTS, SCHEMA, REQUESTS = worlds.EVENTS, worlds.SCHEMA, worlds.REQUESTS


@pytest.mark.parametrize("features", [FEATURES, worlds.EXPRESSED], ids=["every aggregate", "expressions"])
@given(seed=st.integers(0, 2**32 - 1), requests=st.integers(0, 12), rows=st.integers(0, 40), steady=st.booleans())
def test_every_kind_equals_its_definition(
    oracle: Oracle, features: Any, seed: int, requests: int, rows: int, steady: bool
) -> None:
    random = np.random.default_rng(seed)
    asked = worlds.asked(random, requests)
    tables = worlds.tables_of(random, rows, steady=steady)
    with np.errstate(over="ignore"):
        found = compute(features, asked, tables, key="id")
        worlds.agree(found.column_names[2:], worlds.rows_of(found), oracle(features, asked, tables))


@given(seed=st.integers(0, 2**32 - 1), rows=st.integers(0, 60))
def test_a_request_alone_with_bounded_history_gives_the_same_bits(seed: int, rows: int) -> None:
    random = np.random.default_rng(seed)
    asked = worlds.asked(random, 8)
    tables = worlds.tables_of(random, rows)
    # Sums of tenths depend on where they begin, unless they are exact.
    tenths = pa.array(random.integers(-99, 99, size=rows) / 10)
    tables["events"] = tables["events"].set_column(3, "delay", tenths)
    whole = compute(FEATURES, asked, tables, key="id")
    for i in range(asked.num_rows):
        request = asked.slice(i, 1)
        alone = compute(FEATURES, request, _bounded(tables, request["predict_at"][0].as_py()), key="id")
        assert alone.equals(whole.slice(i, 1).combine_chunks())


def _bounded(tables: dict[str, pa.Table], at: datetime) -> dict[str, pa.Table]:
    reach = reads(FEATURES)
    kept = {}
    for name, table in tables.items():
        back = reach[name]
        seen = [k <= at and (back is None or k > at - back) for k in table["known_at"].to_pylist()]
        kept[name] = table.filter(pa.array(seen, pa.bool_()))
    return kept


@given(seed=st.integers(0, 2**32 - 1))
def test_the_order_of_tables_and_requests_does_not_matter(seed: int) -> None:
    random = np.random.default_rng(seed)
    asked = worlds.asked(random, 9)
    tables = worlds.tables_of(random, 50)
    wanted = compute(FEATURES, asked, tables, key="id")
    mixed = {name: table.take(pa.array(random.permutation(len(table)))) for name, table in tables.items()}
    order = pa.array(random.permutation(9))
    assert compute(FEATURES, asked.take(order), mixed, key="id").equals(wanted.take(order).combine_chunks())


def _events(*rows: tuple[datetime, float]) -> dict[str, pa.Table]:
    made = [{"id": i, "place": "A", "line": 0, "delay": delay, "event_time": known, "known_at": known}
            for i, (known, delay) in enumerate(rows)]  # fmt: skip
    return {"events": pa.Table.from_pylist(made, schema=SCHEMA)}


def _ask(at: datetime, place: str | None = "A") -> pa.Table:
    request = {"id": "r", "place": place, "line": 0, "planned": at, "predict_at": at}
    return pa.Table.from_pylist([request], schema=REQUESTS)


def test_a_window_holds_what_is_known_at_its_end_and_not_at_its_beginning() -> None:
    features = [Trailing(EVENTS, by="place", over=hours(1), n=count(), delay=total("delay"))]
    at = START + hours(5)
    instant = timedelta(microseconds=1)
    tables = _events((at - hours(1), 1.0), (at - hours(1) + instant, 2.0), (at, 4.0), (at + instant, 8.0))
    assert compute(features, _ask(at), tables, key="id").to_pylist()[0] == {
        "id": "r", "predict_at": at, "place_n_1h": 2.0, "place_delay_1h": 6.0,
    }  # fmt: skip


def test_no_key_and_no_rows_differ() -> None:
    features = [Trailing(EVENTS, by="place", over=hours(1), n=count(), delay=mean("delay"))]
    tables = _events((START, 1.0))
    unseen = compute(features, _ask(START, "elsewhere"), tables, key="id").to_pylist()[0]
    assert (unseen["place_n_1h"], unseen["place_delay_1h"]) == (0.0, None)
    keyless = compute(features, _ask(START, None), tables, key="id").to_pylist()[0]
    assert (keyless["place_n_1h"], keyless["place_delay_1h"]) == (None, None)


def test_an_old_record_that_arrives_late_hides_no_newer_one() -> None:
    features = [Lookup(EVENTS, by="place", columns=("delay",), max_age=hours(3))]
    late = {"id": 9, "place": "A", "delay": 99.0, "event_time": START, "known_at": START + hours(2)}
    tables = {"events": pa.concat_tables([_events((START + hours(1), 1.0))["events"],
                                          pa.Table.from_pylist([late], schema=SCHEMA)])}  # fmt: skip
    assert compute(features, _ask(START + hours(2)), tables, key="id")["place_delay"].to_pylist() == [1.0]


def test_the_lookup_of_a_stalled_source_is_null() -> None:
    features = [Lookup(EVENTS, by="place", columns=("delay",), max_age=hours(3))]
    tables = _events((START, 1.0))
    ages = [hours(0), hours(3) - timedelta(microseconds=1), hours(3)]
    found = [compute(features, _ask(START + a), tables, key="id")["place_delay"][0].as_py() for a in ages]
    assert found == [1.0, 1.0, None]


def test_a_missing_value_is_null_and_never_nan() -> None:
    features = [Request("size"), Trailing(EVENTS, by="place", over=hours(1), delay=last("delay"))]
    asked = _ask(START).set_column(3, "size", pa.array([math.nan]))
    found = compute(features, asked, _events((START, math.nan)), key="id")
    assert found["size"].null_count == found["place_delay_1h"].null_count == 1
    assert found.schema.field("size").type == pa.float32()


def test_many_keys_of_large_tables_are_told_apart() -> None:
    # More combinations than fit in 24 bits, and more keys than a radix sort takes.
    n = 70_000
    ids = pa.array(range(n))
    names = pa.array([f"p{i}" for i in range(n)])
    at = pa.array([START] * n, TIME)
    events = pa.table({"id": ids, "place": names, "line": ids, "delay": pa.array(np.arange(n) / 1.0),
                       "event_time": at, "known_at": at})  # fmt: skip
    asked = pa.table({"id": names, "place": names, "line": pa.array(np.roll(np.arange(n), 1)), "predict_at": at})
    asked = asked.set_column(2, "line", pa.array(np.where(np.arange(n) % 2, np.arange(n), 0)))
    features = [Trailing(EVENTS, by=("place", "line"), over=hours(1), delay=total("delay"))]
    found = compute(features, asked, {"events": events}, key="id")["place_line_delay_1h"].to_numpy()
    assert (found == np.where(np.arange(n) % 2, np.arange(n), 0)).all()


def test_what_cannot_be_computed_is_refused() -> None:
    features = [Trailing(EVENTS, by="place", over=hours(1), n=count(), delay=mean("delay"))]
    with pytest.raises(KeyError, match="no table for events; given: plan"):
        compute(features, _ask(START), {"plan": _events()["events"]}, key="id")
    with pytest.raises(DeclarationError, match="unknown column 'place'"):
        compute(features, _ask(START).drop_columns("place"), _events(), key="id")
    nothing = pa.array([None], TIME)
    with pytest.raises(ValueError, match="'predict_at' has 1 nulls"):
        compute(features, _ask(START).set_column(5, "predict_at", nothing), _events(), key="id")
    timeless = {"events": _events()["events"].set_column(7, "known_at", pa.array([], pa.int64()))}
    with pytest.raises(TypeError, match="'known_at' must be a timestamp"):
        compute(features, _ask(START), timeless, key="id")
    with pytest.raises(ValueError, match=r"cannot be summed exactly .* coarser resolution"):
        compute(features, _ask(START), _events((START, 1e15)), key="id")
    with pytest.raises(ValueError, match="leave infinite values out"):
        compute(features, _ask(START), _events((START, math.inf)), key="id")


def test_no_requests_give_an_empty_table_of_the_same_schema() -> None:
    random = np.random.default_rng(0)
    tables = worlds.tables_of(random, 5) | {"papers": SCHEMA.empty_table()}
    some = compute(FEATURES, worlds.asked(random, 3), tables, key="id")
    none = compute(FEATURES, REQUESTS.empty_table(), tables, key="id")
    assert none.num_rows == 0
    assert none.schema == some.schema


PLANTED = {
    "rows known at the prediction time are left out": ("side", "left"),
    "the window reaches past the prediction time": ("shift", hours(2)),
    "event time stands for known-at": ("clock", "event_time"),
}


@pytest.mark.parametrize("bug", PLANTED)
def test_the_oracle_finds_planted_bugs(oracle: Oracle, monkeypatch: pytest.MonkeyPatch, bug: str) -> None:
    what, value = PLANTED[bug]
    if what == "clock":
        monkeypatch.setattr(log_module, "KNOWN_AT", value)
    else:
        side, shift = (value, 0) if what == "side" else ("right", microseconds(value))
        monkeypatch.setattr(log_module.Log, "rank", lambda log, requests, back: np.searchsorted(
            log.known, requests.at - back + shift, side=side))  # fmt: skip
    random = np.random.default_rng(0)
    asked = worlds.asked(random, 12)
    tables = worlds.tables_of(random, 40)
    plain = [f for f in FEATURES if "mended" not in f.reads]
    found = compute(plain, asked, tables, key="id")
    with pytest.raises(AssertionError):
        worlds.agree(found.column_names[2:], worlds.rows_of(found), oracle(plain, asked, tables))


def test_other_types_of_columns_are_read_as_they_are_meant() -> None:
    asked = _ask(START).set_column(1, "place", pa.array(["A"], pa.large_string()))
    asked = asked.set_column(2, "line", pa.array([100], pa.int8()))
    table = _events((START, 1.0), (START, 2.0))["events"]
    for i, (name, other) in enumerate([("id", ["b", "a"]), ("place", ["A", "A"])]):
        table = table.set_column(i, name, pa.array(other).dictionary_encode())
    features = [
        Request("place", hundredfold=lambda row: row["line"] * 100),
        Trailing(EVENTS, by="place", over=hours(1), n=count(), last=last("delay"), place=last("place")),
    ]
    (row,) = worlds.rows_of(compute(features, asked, {"events": table}, key="id"))
    assert row == ["A", 10_000.0, 2.0, 1.0, "A"], "of rows of one moment the greater key comes last"
    large = table.set_column(1, "place", pa.array(["A", "A"], pa.large_string()))
    for asking in (asked, _ask(START).set_column(2, "line", asked["line"])):
        assert worlds.rows_of(compute(features, asking, {"events": large}, key="id")) == [row]


@pytest.mark.parametrize(("line", "rows"), [(2**53, 1), (2**53 + 1, 0), (0, 2), (3, 0), (-(2**63), 1)])
def test_a_whole_number_is_the_same_key_as_an_equal_float(line: int, rows: int) -> None:
    asked = _ask(START).set_column(2, "line", pa.array([line]))
    amounts = [2.0**53, 0.0, -0.0, 3.5, math.nan, math.inf, -(2.0**63), 2.0**63]
    tables = _events(*((START, amount) for amount in amounts))
    features = [Trailing(EVENTS, by=Key("amount", "line", "delay"), over=hours(1), n=count())]
    assert worlds.rows_of(compute(features, asked, tables, key="id")) == [[rows]]
    turned = tables["events"].set_column(2, "line", pa.array([line] * len(amounts)))
    features = [Trailing(EVENTS, by=Key("amount", "size", "line"), over=hours(1), n=count())]
    for amount in (2.0**53, 3.5, 0.0):
        one = asked.set_column(3, "size", pa.array([amount]))
        (found,) = worlds.rows_of(compute(features, one, {"events": turned}, key="id"))
        assert found == [len(amounts) * (amount == line)]


def test_two_rows_of_one_name_and_moment_are_refused() -> None:
    features = [Trailing(worlds.MENDED, by="place", over=hours(1), n=count())]
    table = _events((START, 1.0), (START, 2.0))["events"].set_column(0, "id", pa.array([7, 7]))
    with pytest.raises(ValueError, match=r"mended: two rows named \{'id': 7\} became known at one moment"):
        compute(features, _ask(START), {"mended": table}, key="id")
