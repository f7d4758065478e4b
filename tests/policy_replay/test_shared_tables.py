"""What lives share of the world: the features that were served, and where none were, those that were known."""

from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace

import pyarrow as pa
import pytest

from mlsys_assets.policy_replay.replayed_lake import SharedTables
from mlsys_assets.tables import FEATURES, PREDICT_AT, SERVED, TICK, TIMESTAMP
from mlsys_assets.types import utc

BEFORE, FIRST, SECOND = utc("2013-01-01"), utc("2013-01-08"), utc("2013-01-15")
SCHEMA = pa.schema([("id", pa.string()), (PREDICT_AT, TIMESTAMP), ("x", pa.float32())])


def rows(found: dict[datetime, float]) -> pa.Table:
    ticks = pa.array(list(found), TIMESTAMP)
    names = pa.array([f"{tick:%d}" for tick in found])
    return pa.table([names, ticks, pa.array(list(found.values()), pa.float32()), ticks], [*SCHEMA.names, TICK])


@dataclass
class Tables:
    """A lake that is only read."""

    tables: dict[str, pa.Table]

    def has(self, _system: str, name: str) -> bool:
        return name in self.tables

    def schema(self, _system: str, _name: str) -> pa.Schema:
        return SCHEMA

    def read(self, _system: str, name: str, *, columns: list[str]) -> pa.Table:
        return self.tables[name].select(columns)


@pytest.mark.parametrize(
    ("logged", "served"), [({}, [1, 2]), ({SECOND: 9}, [1, 9]), ({FIRST: 8, SECOND: 9}, [8, 9]), ({FIRST: 8}, [8, 2])]
)
def test_what_was_served_stands_and_elsewhere_what_was_known_since_the_first_champion(logged, served) -> None:
    tables = {FEATURES: rows({BEFORE: 0, FIRST: 1, SECOND: 2})} | ({SERVED: rows(logged)} if logged else {})
    system = SimpleNamespace(name="s", home=lambda _table: "s", feature_schema=SCHEMA)
    found = SharedTables(Tables(tables), system, FIRST).table("s", SERVED).read(["x", TICK])
    assert found["x"].to_pylist() == served
    assert found[TICK].to_pylist() == [FIRST, SECOND]
