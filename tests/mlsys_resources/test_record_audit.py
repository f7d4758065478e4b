"""Records that are not what they were are found, on SQLite and a real PostgreSQL."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlsys_resources.database import Database
from mlsys_resources.operations_rows import Decision, ModelVersion
from mlsys_resources.operations_store import Conflict, OperationsStore
from mlsys_resources.operations_tables import METADATA
from mlsys_resources.record_audit import altered_decisions, named_models, strayed_aliases, systems

JULY, AUGUST = datetime(2013, 7, 1, tzinfo=UTC), datetime(2013, 8, 1, tzinfo=UTC)
GATE = Decision("flights", JULY, "gate", "better", "pass", "AUC is higher", {"auc": 0.75, "n": [1, None]}, {"run": "r"})


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/state.db"
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture
def store(url: str) -> Iterator[OperationsStore]:
    """Two moves of an alias and one that was lost, and a decision each of two systems."""
    made = OperationsStore(url, clock=lambda: JULY)
    made.record(GATE)
    made.record(Decision("rain", JULY, "gate", "better", "fail", "AUC is lower"))
    for version, as_of in ((1, JULY), (2, AUGUST)):
        made.record_model(ModelVersion("flights", version, "m", f"c{version}", "s", "r", as_of, "flights/r/model"))
    for version, expected, as_of in ((1, 0, JULY), (2, 1, AUGUST)):
        move(made, version, expected, as_of)
    with pytest.raises(Conflict):
        move(made, 1, 1, AUGUST)
    yield made
    made.close()


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    found = Database(url, METADATA)
    yield found
    found.close()


def move(store: OperationsStore, version: int, expected: int, as_of: datetime) -> None:
    store.set_alias(
        "flights", "champion", version=version, content_hash=f"c{version}", as_of=as_of,
        expected_revision=expected, reason="",
    )  # fmt: skip


@pytest.fixture
def tamper(database: Database) -> Callable[[str], None]:
    def execute(statement: str) -> None:
        with database.write() as connection:
            connection.exec_driver_sql(statement)

    return execute


def test_what_is_as_it_was_is_found_so(store: OperationsStore, database: Database) -> None:
    assert systems(database) == ("flights", "rain")
    assert altered_decisions(database, "flights") == (1, [])
    assert altered_decisions(database, "snow") == (0, [])
    assert named_models(store, "flights") == {1: "c1", 2: "c2"}
    assert strayed_aliases(store, "flights") == []


@pytest.mark.parametrize("change", [
    "verdict = 'fail'", "reason = 'x'", "name = 'x'", "kind = 'x'", "as_of = as_of + 1",
    "evidence = '{\"auc\":0.76,\"n\":[1,null]}'", "evidence = '{'", "evidence = '[1]'", "content_hash = 'x'",
])  # fmt: skip
def test_a_changed_decision_is_found(
    store: OperationsStore, database: Database, tamper: Callable[[str], None], change: str
) -> None:
    tamper(f"UPDATE mlsys_decisions SET {change} WHERE system = 'flights'")
    count, (found,) = altered_decisions(database, "flights")
    assert count == 1
    assert found.recorded == ("x" if change.startswith("content_hash") else GATE.content_hash)
    assert altered_decisions(database, "rain") == (1, [])


def test_what_a_store_assigned_is_no_part_of_a_decision(
    store: OperationsStore, database: Database, tamper: Callable[[str], None]
) -> None:
    tamper("UPDATE mlsys_decisions SET context = '{}', recorded_at = 0")
    assert altered_decisions(database, "flights") == (1, [])


@pytest.mark.parametrize("change", [
    "UPDATE mlsys_aliases SET version = 1, content_hash = 'c1'", "UPDATE mlsys_aliases SET revision = 3",
    "UPDATE mlsys_aliases SET as_of = 0", "DELETE FROM mlsys_aliases",
])  # fmt: skip
def test_an_alias_that_was_moved_by_nobody_is_found(
    store: OperationsStore, tamper: Callable[[str], None], change: str
) -> None:
    tamper(change)
    (found,) = strayed_aliases(store, "flights")
    assert found.what == "flights@champion"
    assert found.recorded == "version 2, c2, as of 2013-08-01 00:00, revision 2"
    assert found.found != found.recorded
