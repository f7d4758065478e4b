"""The trusted models on SQLite and a real PostgreSQL: one version for one content, never given away."""

from datetime import UTC, datetime
from typing import Any

import pytest

from mlsys_resources.operations_store import Conflict, OperationsStore

JULY, AUGUST = datetime(2013, 7, 1, tzinfo=UTC), datetime(2013, 8, 1, tzinfo=UTC)


def test_a_model_on_record_comes_back_as_it_was(store: OperationsStore, records: Any) -> None:
    assert store.model("flights", 1) is None
    assert store.record_model(records.model()) == records.model()
    assert store.model("flights", 1) == records.model()
    assert store.model("flights", 1).registered_at == JULY  # type: ignore[union-attr]
    assert store.find_model("flights", "lightgbm", content_hash="c1", as_of=JULY) == records.model()
    assert store.find_model("flights", "lightgbm", content_hash="c1", as_of=AUGUST) is None
    assert store.models("weather") == ()


def test_the_same_model_again_is_the_version_on_record(store: OperationsStore, records: Any) -> None:
    store.record_model(records.model())
    assert store.record_model(records.model(2, content_hash="c1", run_id="retry")) == records.model()
    assert store.models("flights") == (records.model(),)


def test_equal_content_of_another_time_or_candidate_is_a_version_of_its_own(
    store: OperationsStore, records: Any
) -> None:
    same = [
        records.model(),
        records.model(2, content_hash="c1", as_of=AUGUST),
        records.model(3, content_hash="c1", name="zero_rule"),
    ]
    for one in same:
        store.record_model(one)
    assert store.models("flights") == tuple(same)


def test_a_version_number_is_never_given_to_another_model(store: OperationsStore, records: Any) -> None:
    store.record_model(records.model())
    with pytest.raises(Conflict, match="do not belong together"):
        store.record_model(records.model(1, content_hash="other"))
    assert store.models("flights") == (records.model(),)
