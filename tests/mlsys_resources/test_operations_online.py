"""Online state at rest, on SQLite and a real PostgreSQL: all of it or nothing, one row an entity, and one mover."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from mlsys_resources.operations_store import OperationsStore

JULY, AUGUST = datetime(2013, 7, 1, tzinfo=UTC), datetime(2013, 8, 1, tzinfo=UTC)
WHAT = {"signature": "code", "snapshots": '{"planes": 1}'}


def rows(store: OperationsStore, system: str = "flights") -> dict[tuple[str, bytes], bytes]:
    return {(state, entity): content for state, entity, content in store.online_rows(system)}


def test_what_changed_is_stored_in_the_place_of_what_was(store: OperationsStore) -> None:
    assert store.online_position("flights") is None
    assert store.online_size("flights") == (0, 0)
    first = {("a", b"1"): b"one", ("a", b"2"): b"two", ("b", b"1"): b"\x00\xff"}
    july = store.save_online("flights", at=JULY, put=first, after=None, **WHAT)
    assert store.online_position("flights") == july
    assert rows(store) == first
    assert store.online_size("flights") == (3, 8)
    changed = {("a", b"1"): b"uno", ("c", b""): b""}
    august = store.save_online("flights", at=AUGUST, put=changed, gone={("b", b"1")}, after=july, **WHAT)
    assert store.online_position("flights") == august
    assert rows(store) == {("a", b"1"): b"uno", ("a", b"2"): b"two", ("c", b""): b""}
    assert store.save_online("weather", at=JULY, put=first, after=None, **WHAT) is not None
    again = store.save_online("flights", at=AUGUST, put={("a", b"9"): b""}, after=august, whole=True, **WHAT)
    assert rows(store) == {("a", b"9"): b""}
    assert rows(store, "weather") == first
    assert (july.edition, august.edition, again.edition) == (1, 2, 3)
    assert again != august, "though both are as of one moment"


def test_of_two_movers_one_moves_and_the_other_is_told(
    store: OperationsStore, url: str, clock: Callable[[], datetime]
) -> None:
    july = store.save_online("flights", at=JULY, put={("a", b"1"): b"one"}, after=None, **WHAT)
    other = OperationsStore(url, clock=clock)
    assert other.save_online("flights", at=AUGUST, put={("a", b"1"): b"x"}, after=july, **WHAT) is not None
    assert store.save_online("flights", at=AUGUST, put={("a", b"1"): b"y"}, after=july, **WHAT) is None
    assert store.save_online("flights", at=AUGUST, put={("a", b"1"): b"z"}, after=None, **WHAT) is None
    assert rows(store) == {("a", b"1"): b"x"}
    other.close()


def test_many_entities_at_once(store: OperationsStore) -> None:
    many = {("a", i.to_bytes(4, "big")): bytes(50) for i in range(12_000)}
    first = store.save_online("flights", at=JULY, put=many, after=None, **WHAT)
    store.save_online("flights", at=AUGUST, put=many, after=first, **WHAT)
    assert store.online_size("flights") == (12_000, 600_000)


def test_a_name_that_is_no_identifier_is_refused(store: OperationsStore) -> None:
    with pytest.raises(ValueError, match="flights; drop"):
        store.save_online("flights; drop", at=JULY, put={}, after=None, **WHAT)
