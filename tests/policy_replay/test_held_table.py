"""A held table answers as the lake does, but for what was not there yet."""

from datetime import timedelta

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from mlsys_assets.policy_replay.held_table import HeldTable
from mlsys_assets.types import utc
from mlsys_resources.lake import Lake

START, HOUR, TIME = utc("2013-01-01"), timedelta(hours=1), pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema([pa.field("id", pa.string()), pa.field("known_at", TIME), pa.field("x", pa.float64())])
TICKS = [START + n * 24 * HOUR for n in range(6)]
ROWS = pa.table(
    {
        "id": [f"r{n}" for n in range(60)],
        "known_at": pa.array([None if n % 13 == 5 else START + (n * 29 % 144) * HOUR for n in range(60)], TIME),
        "x": [float(n) for n in range(60)],
        "tick": pa.array([TICKS[n // 10] for n in range(60)], TIME),
    },
    schema=SCHEMA.append(pa.field("tick", TIME, nullable=False)),
)


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    lake = Lake(tmp_path_factory.mktemp("lake"))
    lake.write_ticks("it", "rows", ROWS, schema=SCHEMA, ticks=TICKS, run_id="r")
    return lake


hours = st.integers(-5, 150).map(lambda n: START + n * HOUR)


@given(
    columns=st.sampled_from([None, ["x"], ["known_at", "id"], ["id", "tick"]]),
    known_by=st.none() | hours,
    window=st.none() | st.tuples(st.sampled_from(["known_at", "tick"]), hours, hours),
    ticks=st.none() | st.lists(st.sampled_from(TICKS)),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_answers_as_the_lake_does(lake, columns, known_by, window, ticks) -> None:
    held = HeldTable(ROWS, SCHEMA.names)
    wanted = {"known_by": known_by, "window": window, "ticks": ticks}
    assert held.read(columns, **wanted).to_pylist() == lake.read("it", "rows", columns=columns, **wanted).to_pylist()


@pytest.mark.parametrize("n", [0, 1, 3, 6])
def test_what_came_later_is_not_there(n) -> None:
    found = HeldTable(ROWS, SCHEMA.names).read(before=START + n * 24 * HOUR)
    assert found["id"].to_pylist() == [f"r{i}" for i in range(10 * n)]


def test_a_snapshot_is_always_there() -> None:
    snapshot = ROWS.select(["id", "x"])
    assert HeldTable(snapshot, ["id", "x"]).read(before=START).equals(snapshot)
