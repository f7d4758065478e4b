"""No engine sees the future and every engine sees the present: a random row is removed, altered, or arrives late."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import worlds
from hypothesis import given, strategies as st

from mlsys_assets.features.embedded import log as log_module
from mlsys_assets.features.embedded.engine import compute
from mlsys_assets.features.online import engine as online_module, feed, states
from mlsys_assets.features.online.engine import OnlineFeatures
from mlsys_assets.features.online.stream import serve
from mlsys_assets.features.relational import engine as relational
from mlsys_assets.features.request_table import request_columns
from mlsys_assets.types import minutes
from mlsys_resources.engines import Engine

Computes = Callable[[pa.Table, dict[str, pa.Table]], pa.Table]
Tables = dict[str, pa.Table]


def embedded(asked: pa.Table, tables: Tables) -> pa.Table:
    return compute(worlds.FEATURES, asked, tables, key="id")


SCHEMA = embedded(worlds.REQUESTS.empty_table(), {n: worlds.SCHEMA.empty_table() for n in worlds.NAMES}).schema


def online(asked: pa.Table, tables: Tables) -> pa.Table:
    """Every event before every request, so that what is not known yet is in the state and must not be seen."""
    state = OnlineFeatures(worlds.FEATURES, request_columns(worlds.REQUESTS))
    state.load(tables)
    return serve(state, {}, asked, key="id", schema=SCHEMA)


ENGINES = {"embedded": embedded, "online": online}


def another(row: dict[str, Any], random: np.random.Generator) -> dict[str, Any]:
    """The same row with other values, and perhaps of another key; when it became known stays."""
    pick = random.integers
    return row | {
        "delay": float(pick(-50, 50)), "cost": float(pick(1_000, 2_000)), "kind": "C", "line": int(pick(0, 3)),
        "place": ("A", "B", "C")[pick(3)], "event_time": worlds.START + int(pick(36)) * worlds.STEP,
    }  # fmt: skip


def other_world(tables: Tables, random: np.random.Generator, how: str) -> tuple[Tables, datetime]:
    """A world in which one row is another, and when it became known."""
    name = worlds.NAMES[random.integers(len(worlds.NAMES))]
    rows = tables[name].to_pylist()
    place = int(random.integers(len(rows)))
    row = rows.pop(place)
    if how == "altered":
        rows.append(another(row, random))
    elif how == "late":  # one more, that happened long before it became known
        rows += [row, another(row, random) | {"id": 999, "event_time": worlds.START}]
    return tables | {name: pa.Table.from_pylist(rows, schema=worlds.SCHEMA)}, row["known_at"]


def sees_the_future(engine: Computes, seed: int, how: str) -> bool:
    random = np.random.default_rng(seed)
    asked, tables = worlds.asked(random, 10), worlds.tables_of(random, 25)
    other, known = other_world(tables, random, how)
    earlier = asked.filter(pa.array([at < known for at in asked["predict_at"].to_pylist()], pa.bool_()))
    return not engine(earlier, tables).equals(engine(earlier, other))


def misses_the_present(engine: Computes, seed: int) -> bool:
    """Whether a row that becomes known at the very moment of a request does not count."""
    random = np.random.default_rng(seed)
    asked, tables = worlds.asked(random, 1), worlds.tables_of(random, 25)
    (request,) = asked.to_pylist()
    request |= {"place": "A", "line": 1}
    at = request["predict_at"]
    row = {"id": 999, "place": "A", "line": 1, "delay": 1.0, "cost": 1.0, "kind": "A", "event_time": at, "known_at": at}
    more = tables | {"events": pa.concat_tables([tables["events"], pa.Table.from_pylist([row], schema=worlds.SCHEMA)])}
    asked = pa.Table.from_pylist([request], schema=worlds.REQUESTS)
    before, after = (engine(asked, world).to_pylist()[0] for world in (tables, more))
    return any(after[name] != before[name] + 1 for name in ("place_n_1h", "all_n_2h", "place_odd_n_2h"))


@pytest.mark.parametrize("how", ["removed", "altered", "late"])
@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
@given(seed=st.integers(0, 2**32 - 1))
def test_no_feature_changes_with_what_was_not_known_yet(engine: Computes, how: str, seed: int) -> None:
    assert not sees_the_future(engine, seed, how)


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
@given(seed=st.integers(0, 2**32 - 1))
def test_what_becomes_known_at_the_very_moment_counts(engine: Computes, seed: int) -> None:
    assert not misses_the_present(engine, seed)


@pytest.mark.parametrize("how", ["removed", "altered", "late"])
def test_a_database_sees_no_future_either(how: str) -> None:
    """In one world: a query takes a second. Bugs planted in it are found in relational/test_engine.py."""
    with Engine("duckdb", threads=1).open() as backend:

        def duckdb(asked: pa.Table, tables: Tables) -> pa.Table:
            found = relational.compute(worlds.EXPRESSED, asked, tables, key="id", backend=backend)
            return found.select([name for name in found.column_names if "fading" not in name])

        assert not sees_the_future(duckdb, 1, how)


def _shifted(patch: pytest.MonkeyPatch, *, by: int, side: str) -> None:
    """Windows end at another moment than the prediction's: in both engines."""
    patch.setattr(
        log_module.Log, "rank",
        lambda log, requests, back: np.searchsorted(log.known, requests.at - back + by, side=side),
    )  # fmt: skip
    bisect = getattr(states, f"bisect_{side}")
    patch.setattr(states, "bisect_right", lambda values, at, *bounds: bisect(values, at + by, *bounds))


def _event_time(patch: pytest.MonkeyPatch) -> None:
    for module in (log_module, online_module, feed):
        patch.setattr(module, "KNOWN_AT", "event_time")


BUGS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "a window includes the row itself, which becomes known an hour later": lambda patch: _shifted(
        patch, by=minutes(60) // minutes(1) * 60_000_000, side="right"
    ),
    "known_at < t where the rule is <=": lambda patch: _shifted(patch, by=0, side="left"),
    "known-at replaced by event time": _event_time,
}


@pytest.mark.parametrize("bug", BUGS)
@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_a_planted_bug_of_an_engine_is_found(engine: Computes, bug: str, monkeypatch: pytest.MonkeyPatch) -> None:
    BUGS[bug](monkeypatch)
    monkeypatch.setattr(log_module.Log, "ended", None)  # else a clash of corrections would tell first
    ways = [*(lambda seed, how=how: sees_the_future(engine, seed, how) for how in ("removed", "altered", "late")),
            lambda seed: misses_the_present(engine, seed)]  # fmt: skip
    assert any(found(seed) for seed in range(30) for found in ways)
