"""A tombstone knows a value again, and does not say what it was."""

import pyarrow as pa
import pytest

from mlsys_assets.types import FixedClock, utc
from mlsys_resources.operations_erasures import Erasure, Retirement
from mlsys_resources.operations_store import OperationsStore
from mlsys_resources.tombstones import Tombstones, keyed_hash

NOW = utc("2013-07-01")


@pytest.fixture
def store(tmp_path) -> OperationsStore:
    return OperationsStore(f"sqlite:///{tmp_path / 'operations.db'}", clock=FixedClock(NOW).now)


def begun(store: OperationsStore, value: str = "N1", reason: str = "asked") -> Erasure:
    id_ = store.erasure_id("tailnum", value)
    return store.begin_erasure(
        Erasure("flights", id_, "tailnum", reason, NOW, {"rows": 1}), values={"tailnum": {value}, "flight": {"f 1"}}
    )


def test_each_different_value_is_known_again_in_its_own_column_only(store: OperationsStore) -> None:
    begun(store)
    stones = store.tombstones("flights")
    assert stones.mask("tailnum", pa.chunked_array([["N1", None, "N2", "N1"]])).tolist() == [True, False, False, True]
    assert not stones.mask("carrier", pa.chunked_array([["N1"]])).any()
    assert not stones.mask("flight", pa.chunked_array([["N1", "f 2"]])).any()
    assert stones.columns == ("flight", "tailnum")
    assert store.tombstones("rain").columns == ()


def test_a_number_is_known_by_its_text() -> None:
    stones = Tombstones(b"k", {"id": frozenset({keyed_hash(b"k", "id", "17")})})
    assert stones.mask("id", pa.chunked_array([[17, 18, None]])).tolist() == [True, False, False]


def test_two_stores_hash_with_two_secrets_and_one_store_with_one(store: OperationsStore, tmp_path) -> None:
    other = OperationsStore(f"sqlite:///{tmp_path / 'other.db'}", clock=FixedClock(NOW).now)
    assert store.erasure_id("tailnum", "N1") == store.erasure_id("tailnum", "N1") != other.erasure_id("tailnum", "N1")


def test_an_erasure_that_was_begun_stands_until_it_is_done(store: OperationsStore) -> None:
    first = begun(store)
    assert begun(store, reason="asked again") == first
    store.finish_erasure(first)
    assert store.erasure("flights", first.id).done_at == NOW
    assert begun(store, reason="found again").reason == "found again"
    assert store.erasures("flights")[0].done_at is None


def test_nothing_of_a_value_stands_in_the_store(store: OperationsStore, tmp_path) -> None:
    begun(store, "N-90210-X")
    store.close()
    assert not any(b"N-90210-X" in path.read_bytes() for path in tmp_path.iterdir())


def test_a_retirement_is_recorded_once(store: OperationsStore) -> None:
    store.retire(Retirement("flights", 3, "first", NOW))
    store.retire(Retirement("flights", 3, "second", NOW))
    assert store.retired("flights") == {3}
    assert store.retirement("flights", 3).erasure == "first"
    assert store.retirement("flights", 4) is None


def test_where_the_column_ends_and_the_value_begins_is_part_of_the_hash() -> None:
    assert keyed_hash(b"k", "tail", "num N1") != keyed_hash(b"k", "tail num", "N1")
    assert keyed_hash(b"k", "a", "1") != keyed_hash(b"k", "", "a1")
