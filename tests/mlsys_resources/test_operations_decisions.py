"""The ledger on SQLite and a real PostgreSQL: each decision once, and one hash over all."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from mlsys_resources.operations_store import Conflict, OperationsStore

JULY, AUGUST = datetime(2013, 7, 1, tzinfo=UTC), datetime(2013, 8, 1, tzinfo=UTC)


def test_a_decision_is_recorded_once(store: OperationsStore, records: Any) -> None:
    assert store.record(records.decision())
    assert not store.record(records.decision())
    assert not store.record(records.decision(context={"version": 9}))  # what a store assigned is no part of it
    (found,) = store.decisions("flights")
    assert found == records.decision()
    assert found.evidence == {"auc": 0.75, "n": 3}
    assert found.recorded_at == JULY


@pytest.mark.parametrize("change", [
    {"verdict": "fail"}, {"reason": "other"}, {"evidence": {"auc": 0.75}}, {"evidence": {"auc": 0.75, "n": 3.0}},
    {"evidence": {"auc": 0.7500000000000001, "n": 3}},
])  # fmt: skip
def test_another_decision_with_the_same_key_is_a_conflict(
    store: OperationsStore, change: dict[str, object], records: Any
) -> None:
    store.record(records.decision())
    other = records.decision(**change)
    with pytest.raises(Conflict, match=rf"found {records.decision().content_hash}, expected {other.content_hash}"):
        store.record(other)
    assert store.decisions("flights") == (records.decision(),)


def test_the_ledger_hash_is_of_what_was_decided_alone(
    tmp_path: Path, postgres_url: str, clock: Callable[[], datetime], records: Any
) -> None:
    """Promise 6: order of writing, store, wall clock and store-assigned counters leave it alone."""
    made = [
        records.decision(as_of=as_of, kind=kind, name=name)
        for as_of in (JULY, AUGUST) for kind in ("gate", "Trigger") for name in ("b", "a", "B", "ä", "_", "é")
    ]  # fmt: skip
    one = OperationsStore(f"sqlite:///{tmp_path}/one.db", clock=clock)
    two = OperationsStore(postgres_url, clock=lambda: AUGUST)
    for each in made:
        one.record(each)
    for number, each in enumerate(reversed(made)):
        two.record(replace(each, context={"run_id": f"r{number}"}))
    two.record(records.decision(system="weather"))
    assert one.decisions("flights") == two.decisions("flights")
    assert one.ledger_hash("flights") == two.ledger_hash("flights")
    assert one.ledger_hash("flights") != two.ledger_hash("weather")
    two.record(records.decision(name="one more"))
    assert one.ledger_hash("flights") != two.ledger_hash("flights")
    one.close()
    two.close()


@pytest.mark.parametrize("column", ["verdict", "reason", "evidence", "name", "kind"])
def test_a_record_changed_behind_our_back_changes_the_hash(tmp_path: Path, column: str, records: Any) -> None:
    store = OperationsStore(f"sqlite:///{tmp_path}/state.db", clock=lambda: JULY)
    store.record(records.decision())
    before = store.ledger_hash("flights")
    engine = sa.create_engine(f"sqlite:///{tmp_path}/state.db")
    with engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE mlsys_decisions SET {column} = '[1]'" if column != "evidence" else
                                   "UPDATE mlsys_decisions SET evidence = '{\"auc\":0.76,\"n\":3}'")  # fmt: skip
    engine.dispose()
    assert store.ledger_hash("flights") != before
    store.close()


def test_decisions_are_found_by_kind_and_in_order(store: OperationsStore, records: Any) -> None:
    later, gate, trigger = (
        records.decision(as_of=AUGUST),
        records.decision(),
        records.decision(kind="trigger", name="Every(7 days)"),
    )
    for each in (later, trigger, gate):
        store.record(each)
    assert store.decisions("flights") == (gate, trigger, later)
    assert store.decisions("flights", "gate") == (gate, later)
    assert store.decisions("weather") == ()


@pytest.mark.parametrize("evidence", [{"auc": float("nan")}, {"auc": float("inf")}, {"auc": object()}, {1: 2}])
def test_evidence_that_json_cannot_hold_is_refused(
    sqlite_store: OperationsStore, evidence: dict[str, object], records: Any
) -> None:
    with pytest.raises(ValueError, match="value"):
        sqlite_store.record(records.decision(evidence=evidence))
    assert sqlite_store.decisions("flights") == ()
