"""What the tests of the stores share: a table of the lake, the records of an operations store, kept models."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mlsys_resources.lake import Lake
from mlsys_resources.operations_rows import Alias, Decision, ModelVersion
from mlsys_resources.operations_store import OperationsStore

MOMENT = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [
        pa.field("id", pa.int64(), nullable=False),
        pa.field("value", pa.float32()),
        pa.field("name", pa.string()),
        pa.field("event_time", MOMENT, nullable=False),
        pa.field("known_at", MOMENT, nullable=False),
    ]
)


class Arrivals:
    """A table of records in the lake, with a few rows a week."""

    name = ("flights", "arrivals")
    schema = SCHEMA

    def rows_of(self, tick: datetime, n: int = 4, *, salt: int = 0) -> list[dict[str, Any]]:
        """Return n rows of a tick, known one day after they happened."""
        at = [tick + timedelta(hours=i, microseconds=123456 + i) for i in range(n)]
        return [
            {"id": salt * 1000 + i, "value": None if i % 3 == 2 else i / 3 + salt,
             "name": None if i == 1 else f"é{salt}", "event_time": t, "known_at": t + timedelta(days=1), "tick": tick}
            for i, t in enumerate(at)
        ]  # fmt: skip

    def ticked(self, rows: Sequence[dict[str, Any]], schema: pa.Schema = SCHEMA) -> pa.Table:
        return pa.Table.from_pylist(list(rows), schema=schema.append(pa.field("tick", MOMENT)))

    def week(self, tick: datetime, n: int = 4, *, salt: int = 0) -> pa.Table:
        return self.ticked(self.rows_of(tick, n, salt=salt))

    def weeks(self, ticks: Sequence[datetime], *, salt: int = 0) -> pa.Table:
        return pa.concat_tables([self.week(t, salt=salt) for t in ticks])

    def put(self, lake: Lake, ticks: Sequence[datetime], *, salt: int = 0, run_id: str = "run", **other: Any) -> Any:
        rows = self.weeks(ticks, salt=salt)
        return lake.write_ticks(*self.name, rows, schema=self.schema, ticks=ticks, run_id=run_id, **other)


@pytest.fixture(scope="session")
def arrivals() -> Arrivals:
    """Make and put the rows of a table."""
    return Arrivals()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "a lake's root"


@pytest.fixture
def lake(root: Path) -> Lake:
    return Lake(root)


JULY = datetime(2013, 7, 1, tzinfo=UTC)


class Records:
    """What an operations store keeps, as of July 2013."""

    def model(self, version: int = 1, **changes: object) -> ModelVersion:
        standard = ModelVersion(
            "flights", version, "lightgbm", f"c{version}", f"m{version}", "r", JULY, "flights/r/model"
        )
        return replace(standard, **changes)  # type: ignore[arg-type]

    def promote(self, store: OperationsStore, version: int, expected: int, as_of: datetime = JULY) -> Alias:
        return store.set_alias(
            "flights", "champion", version=version, content_hash=f"c{version}", as_of=as_of,
            expected_revision=expected, reason=f"gate passed for {version}",
        )  # fmt: skip

    def decision(self, **changes: object) -> Decision:
        standard = Decision(
            "flights", JULY, "gate", "better_than_champion", "pass", "AUC is higher", {"auc": 0.75, "n": 3}
        )
        return replace(standard, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def records() -> Records:
    """Make the records of an operations store."""
    return Records()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/state.db"
    found: str = request.getfixturevalue("postgres_url")
    return found


@pytest.fixture
def store(url: str, clock: Callable[[], datetime]) -> Iterator[OperationsStore]:
    found = OperationsStore(url, clock=clock)
    yield found
    found.close()


@pytest.fixture
def sqlite_store(tmp_path: Path, clock: Callable[[], datetime]) -> Iterator[OperationsStore]:
    """For what is refused before any database hears of it."""
    found = OperationsStore(f"sqlite:///{tmp_path}/state.db", clock=clock)
    yield found
    found.close()
