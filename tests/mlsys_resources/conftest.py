"""What the tests of the stores share: a table of the lake, the records of an operations store, kept models."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from mlsys_resources.artifact_files import LocalFiles, RemoteFiles
from mlsys_resources.lake import Lake
from mlsys_resources.manifest import MANIFEST_NAME
from mlsys_resources.model_store import ModelStore
from mlsys_resources.operations_rows import Alias, Decision, ModelVersion
from mlsys_resources.operations_store import OperationsStore
from mlsys_resources.run_log import RunLog

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


CONTENT = {
    "model.txt": b"tree\nversion=v4\n" * 50,
    "preprocessing.json": b'{"mean": 0.25}',
    "onnx/mlp.onnx": b"\x08\x0a",
}
RECORD = {"passport.json": b'{"lake": 3}', "plots/loss.svg": b"<svg/>"}


@dataclass
class World:
    """One MLflow store, one operations store, and a new system's name for every test."""

    content = CONTENT
    record = RECORD
    every_file = (*CONTENT, *RECORD, MANIFEST_NAME)

    root: Path
    operations: OperationsStore
    models: ModelStore
    system: str = ""

    def run(self, **changes: Any) -> str:
        return self.models.log_run(replace(RunLog(self.system, "lightgbm"), **changes))

    def register(self, run_id: str | None = None, **changes: Any) -> ModelVersion:
        what: dict[str, Any] = {"content": CONTENT, "record": RECORD, "as_of": JULY} | changes
        return self.models.register(self.system, "lightgbm", run_id=run_id or self.run(), **what)

    def folder(self, version: ModelVersion) -> Path:
        (found,) = (self.root / "artifacts").rglob(f"{version.run_id}/artifacts/model-*")
        return found

    @property
    def client(self) -> Any:
        return self.models._client

    def versions_in_mlflow(self) -> list[int]:
        return sorted(int(each.version) for each in self.client.search_model_versions(f"name = '{self.system}'"))


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = tmp_path_factory.mktemp("store")
    operations = OperationsStore(f"sqlite:///{root}/operations.db", clock=lambda: JULY)
    models = ModelStore(
        f"sqlite:///{root}/mlflow.db", operations=operations, artifact_root=root / "artifacts", clock=lambda: JULY
    )
    yield World(root, operations, models)
    operations.close()


numbers = itertools.count(1)


@pytest.fixture
def world(shared: World) -> World:
    return replace(shared, system=f"system_{next(numbers)}")


@pytest.fixture(params=["local", "through_mlflow"])
def either(world: World, request: pytest.FixtureRequest) -> Iterator[World]:
    """The world with its files read directly, and then through MLflow's client as from a server."""
    local = LocalFiles(world.root / "artifacts")
    world.client.create_experiment(world.system, artifact_location=local.location(world.system))
    world.models.__dict__["_files"] = local if request.param == "local" else RemoteFiles(world.client)
    yield world
    world.models.__dict__["_files"] = local
