import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pytest
import worlds
from hypothesis import given, strategies as st

from mlsys_assets.features.aggregate import count, mean, sum as total
from mlsys_assets.features.embedded.engine import compute
from mlsys_assets.features.feature import Feature, reads
from mlsys_assets.features.online import states
from mlsys_assets.features.online.engine import OnlineFeatures, records
from mlsys_assets.features.online.rows import Rows
from mlsys_assets.features.online.snapshot import changes, restore, stored as kept_now
from mlsys_assets.features.request_table import request_columns
from mlsys_assets.features.scheduled import Scheduled
from mlsys_assets.features.trailing import Trailing
from mlsys_assets.types import days, hours

Oracle = Callable[..., list[list[Any]]]
FEATURES = worlds.FEATURES


def online(features: Sequence[Feature] = FEATURES) -> OnlineFeatures:
    return OnlineFeatures(features, request_columns(worlds.REQUESTS))


def told(tables: dict[str, pa.Table]) -> list[tuple[str, dict[str, Any]]]:
    """Every row of every table, as an event of its source."""
    return [(name, row) for name, table in tables.items() for row in records(table, table.column_names)]


def read_all(state: OnlineFeatures, asked: pa.Table) -> list[list[Any]]:
    with np.errstate(all="ignore"):
        return [state.read(row, row["predict_at"]) for row in records(asked, asked.column_names)]


def stored(found: list[list[Any]]) -> list[list[Any]]:
    """As they are stored: to 32 bits."""
    return [[v if v is None or isinstance(v, str) else float(np.float32(v)) for v in row] for row in found]


@pytest.mark.parametrize("features", [FEATURES, worlds.EXPRESSED], ids=["every aggregate", "expressions"])
@given(seed=st.integers(0, 2**32 - 1), requests=st.integers(0, 12), rows=st.integers(0, 40), steady=st.booleans())
def test_every_kind_equals_its_definition_whatever_the_order_of_events(
    oracle: Oracle, features: Any, seed: int, requests: int, rows: int, steady: bool
) -> None:
    random = np.random.default_rng(seed)
    asked, tables = worlds.asked(random, requests), worlds.tables_of(random, rows, steady=steady)
    state, events = online(features), told(tables)
    for i in random.permutation(len(events)).tolist():
        assert state.update(*events[i])
    with np.errstate(over="ignore"):
        worlds.agree(state.names, stored(read_all(state, asked)), oracle(features, asked, tables))


@given(seed=st.integers(0, 2**32 - 1))
def test_batch_and_online_give_the_same_bits(seed: int) -> None:
    random = np.random.default_rng(seed)
    asked, tables = worlds.asked(random, 12), worlds.tables_of(random, 40)
    state = online()
    state.load(tables)
    batch = compute(FEATURES, asked, tables, key="id")
    for name, found in zip(state.names, zip(*read_all(state, asked), strict=True), strict=True):
        assert pa.array(found, batch[name].type).equals(batch[name].combine_chunks()), name


@given(seed=st.integers(0, 2**32 - 1))
def test_events_out_of_order_and_told_again_leave_the_same_state(seed: int) -> None:
    random = np.random.default_rng(seed)
    events = told(worlds.tables_of(random, 30))
    first, second = online(), online()
    for event in sorted(events, key=lambda e: e[1]["known_at"]):
        assert first.update(*event)
    again = [events[i] for i in random.integers(len(events), size=2 * len(events))]
    new = sum(second.update(*event) for event in [*again, *(events[i] for i in random.permutation(len(events)))])
    assert new == len(events)
    assert contents(first) == contents(second)


def contents(state: OnlineFeatures) -> dict[Any, Any]:
    """What would be stored, row by row, those of one time in no order."""
    found = {}
    for key, content in changes(state).put.items():
        decoded = msgspec.msgpack.decode(content)
        found[key] = sorted(
            map(str, decoded if key[0].endswith("seen") else rows_of(Rows.restored(decoded, [False] * 99)))
        )
    return found


def rows_of(rows: Rows) -> list[Any]:
    steps = [np.diff(sums) for sums in rows.sums]
    counts = [np.ones(len(rows)) if c is None else np.diff(c) for c in rows.counts]
    others = [values for values in (rows.ties, rows.ended, rows.names) if values]
    return list(zip(rows.time, rows.known, *steps, *counts, *rows.raws, *others, strict=True))


@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0, 1))
def test_a_stored_state_goes_on_as_if_it_had_never_been_stored(seed: int, share: float) -> None:
    """Stored and taken up again in the midst, with what is forgotten on the way; reads after that are the same."""
    random = np.random.default_rng(seed)
    asked, tables = worlds.asked(random, 12), worlds.tables_of(random, 40)
    events = sorted(told(tables), key=lambda e: e[1]["known_at"])
    cut = int(share * len(events))
    at = events[cut - 1][1]["known_at"] if cut else 0
    kept, store = online(), dict[Any, bytes]()
    for part in (events[: cut // 2], events[cut // 2 : cut]):
        for event in part:
            kept.update(*event)
        if part:
            kept.forget(part[-1][1]["known_at"])
        changed = changes(kept)
        assert not changed.gone & changed.put.keys()
        store = {key: content for key, content in store.items() if key not in changed.gone} | changed.put
        kept_now(kept)
        assert changes(kept) == type(changed)({}, set())
    assert store == everything(kept), "what was stored bit by bit is all there is, and nothing that is gone"
    taken_up = online()
    restore(taken_up, [(*key, content) for key, content in store.items()], horizon=at)
    for event in events[cut // 3 :]:  # some of them again
        taken_up.update(*event)
    late = asked.filter(pa.array([row["predict_at"] >= at for row in records(asked, asked.column_names)], pa.bool_()))
    wanted = compute(FEATURES, late, tables, key="id")
    for name, found in zip(taken_up.names, zip(*read_all(taken_up, late), strict=True), strict=False):
        assert pa.array(found, wanted[name].type).equals(wanted[name].combine_chunks()), name


@given(seed=st.integers(0, 2**32 - 1), at=st.integers(0, 36))
def test_a_state_that_forgot_is_the_one_that_never_knew(seed: int, at: int) -> None:
    """Kept up and forgotten on the way, or built from what still matters alone: not a byte is another."""
    random = np.random.default_rng(seed)
    tables = worlds.tables_of(random, 40)
    now = int((worlds.START + at * worlds.STEP).timestamp()) * 1_000_000
    events = sorted(told(tables), key=lambda e: (e[1]["known_at"], e[1]["event_time"], e[1]["id"]))
    past = [event for event in events if event[1]["known_at"] < now]
    kept, anew = online(), online()
    for i, event in enumerate(past):
        kept.update(*event)
        if i % 7 == 0:
            kept.forget(event[1]["known_at"])
    reach = {
        name: None if back is None else back // timedelta(microseconds=1) for name, back in reads(FEATURES).items()
    }
    for name, event in past:
        if reach[name] is None or event["known_at"] >= now - reach[name]:
            anew.update(name, event)
    kept.forget(now)
    anew.forget(now)
    assert changes(anew).put == everything(kept)


def everything(state: OnlineFeatures) -> dict[Any, bytes]:
    """What would be stored of a state that was never stored."""
    for one in state.states():
        one.changed |= set(one.by_entity)
    for source in state.sources:
        state.seen(source).changed |= set(state.seen(source).by_day)
    return changes(state).put


def test_what_is_forgotten_cannot_be_read_and_takes_no_place() -> None:
    state = online()
    state.load(worlds.tables_of(np.random.default_rng(0), 40))
    before = sum(len(rows) for one in state.states() for rows in one.by_entity.values())
    end = int((worlds.START + days(9)).timestamp()) * 1_000_000
    state.forget(end)
    left = {one.name.split()[0] for one in state.states() if one.by_entity}
    assert left == {"papers"}, "a snapshot has no age"
    assert before > sum(len(rows) for one in state.states() for rows in one.by_entity.values()) > 0
    with pytest.raises(ValueError, match="is forgotten; rebuild the state as of then"):
        state.read({}, end - 1)
    (event,) = [row for name, row in told(worlds.tables_of(np.random.default_rng(0), 1)) if name == "events"]
    assert not state.update("events", event), "too old to be seen by any read to come"


def test_damaged_state_and_that_of_other_declarations_is_refused() -> None:
    state = online()
    state.load(worlds.tables_of(np.random.default_rng(0), 9))
    (name, key), content = max(changes(state).put.items(), key=lambda item: len(item[1]))
    for wrong in (("elsewhere 3", key, content), (name, key, content[:-1]), (name, key, b"\x90"), (name, b"", content)):
        with pytest.raises(ValueError, match=f"the online state '{wrong[0]}' is not as it was stored: .* rebuild it"):
            restore(online(), [wrong], horizon=0)


def test_bad_events_are_told_and_change_nothing() -> None:
    features = [Trailing(worlds.EVENTS, by="place", over=hours(1), n=count(), delay=mean("delay"), cost=total("cost"))]
    state = online(features)
    good = {"id": 1, "place": "A", "delay": 1.0, "cost": 1.0, "event_time": 0, "known_at": 0}
    assert not state.update("nowhere", good)
    with pytest.raises(ValueError, match="events: a row has no known_at"):
        state.update("events", good | {"known_at": None})
    with pytest.raises(ValueError, match="leave infinite values out"):
        state.update("events", good | {"delay": math.inf})
    with pytest.raises(ValueError, match="coarser resolution"):
        state.update("events", good | {"id": 2, "delay": 1e30})
    with pytest.raises(KeyError, match="place"):
        state.update("events", {name: value for name, value in good.items() if name != "place"})
    assert contents(state) == {}
    for i in range(3):
        state.update("events", good | {"id": 10 + i, "place": "B", "delay": 2.0**31})
    with pytest.raises(ValueError, match="the state is void; give a coarser resolution"):
        state.update("events", good | {"id": 13, "place": "B", "delay": 2.0**31})
    with pytest.raises(ValueError, match="the state is void"):
        state.read({"place": "A"}, 0)
    state = online(features)
    assert state.update("events", good)
    assert state.read({"place": "A"}, 0) == [1.0, 1.0, 1.0]


def test_a_request_without_its_planned_time_is_told() -> None:
    state = online([Scheduled(worlds.PLAN, by="place", around=hours(1), max_age=days(1), at="planned", n=count())])
    assert state.read({"place": "A", "planned": 0}, 0) == [0.0]
    with pytest.raises(ValueError, match="a request has no planned; every row must have a time"):
        state.read({"place": "A", "planned": None}, 0)


def test_one_huge_key_costs_two_bisections_a_window() -> None:
    """A read of 100,000 rows of one key takes no longer than one of 100: it looks at few of them."""
    features = [Trailing(worlds.EVENTS, by="place", over=(hours(1), days(30)), n=count(), delay=mean("delay"))]

    class Counted(array):
        looks = 0

        def __getitem__(self, place: Any) -> Any:
            Counted.looks += 1
            return super().__getitem__(place)

    looks = []
    for rows in (100, 100_000):
        state = online(features)
        for i in range(rows):
            state.update("events", {"id": i, "place": "A", "delay": 1.0, "event_time": i, "known_at": i})
        (held,) = [held for one in state.states() for held in one.by_entity.values()]
        held.time = held.known = Counted("q", held.time)
        Counted.looks = 0
        assert state.read({"place": "A"}, rows) == [rows, 1.0, rows, 1.0]
        looks.append(Counted.looks)
    assert max(looks) < 100


def test_a_window_larger_than_history_holds_what_there_is() -> None:
    state = online([Trailing(worlds.EVENTS, by="place", over=days(36_500), n=count())])
    state.update("events", {"id": 1, "place": "A", "event_time": 0, "known_at": 0})
    assert state.read({"place": "A"}, 0) == [1.0]


def _ahead(values: Any, at: int, *bounds: int) -> int:
    return bisect_right(values, at + 1_200_000_000, *bounds)


PLANTED = {
    "what is not known yet is read": _ahead,
    "what is known at the moment itself is left out": bisect_left,
}


@pytest.mark.parametrize("bug", PLANTED)
def test_the_oracle_finds_planted_bugs(oracle: Oracle, monkeypatch: pytest.MonkeyPatch, bug: str) -> None:
    monkeypatch.setattr(states, "bisect_right", PLANTED[bug])
    random = np.random.default_rng(0)
    asked, tables = worlds.asked(random, 12), worlds.tables_of(random, 40)
    state = online()
    state.load(tables)
    with pytest.raises(AssertionError):
        worlds.agree(state.names, stored(read_all(state, asked)), oracle(FEATURES, asked, tables))
