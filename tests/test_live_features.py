"""Online features as they live: through failed stores, rebuilds by others, and tables that change meanwhile."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlsys_assets import (
    Column,
    Daily,
    FixedClock,
    Gates,
    LogisticRegression,
    LogLoss,
    Lookup,
    MLSystem,
    NaturalLabel,
    PrAuc,
    Request,
    Requests,
    Source,
    TimeSplit,
    TimeWindow,
    Trailing,
    ZeroRule,
    days,
    hours,
    mean,
    sum as total,
    utc,
)  # fmt: skip
from mlsys_assets.dagster_adapter import in_tick
from mlsys_assets.live_features import LiveFeatures, StateMoved
from mlsys_resources.resources import Resources, build_resources

START = utc("2013-01-01")
FIRST, SECOND, THIRD = (TimeWindow(START + days(n), START + days(n + 1)) for n in range(3))
COLUMNS = (Column("id", "string", nullable=False), Column("place", "string"), Column("value", "float64"))


def source_of(name: str, *more: Column, snapshot: bool = False) -> Source:
    columns = (*COLUMNS, *more)
    return Source(name, read=lambda _: pa.table({}), raw=columns, columns=columns, derive=lambda rows: rows,
                  key=("id",), snapshot=snapshot)  # fmt: skip


ASKS, READINGS = source_of("asks", Column("predict_at", "timestamp")), source_of("readings")
PAPERS = source_of("papers", snapshot=True)
SYSTEM = MLSystem(
    name="small", calendar=Daily(START), sources=(ASKS, READINGS, PAPERS), requests=Requests(ASKS, key="id"),
    label=NaturalLabel("high", source=READINGS, compute=lambda rows: pc.greater(rows["value"], 1), delay=hours(1),
                       window=days(1)),
    features=(Request("place"), Lookup(PAPERS, by="place", columns=("value",)),
              Trailing(READINGS, by="place", over=days(20), total=total("value"), mean=mean("value"))),
    split=TimeSplit(validation=days(1), test=days(9)), candidates=(ZeroRule(), LogisticRegression()),
    metrics=(LogLoss(), PrAuc()), gates=Gates(),
)  # fmt: skip


class World:
    """A reading of 1 and a question each day at noon, at A; what is said of A on paper, 10."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.said = folder, {tick: [(tick.start + hours(11), 1.0)] for tick in (FIRST, SECOND, THIRD)}
        self.stores: Resources = build_resources({"MLSYS_HOME": str(folder)}, clock=FixedClock(THIRD.end).now)
        for tick in self.said:
            self.tell(tick)
            self.write(ASKS, [(tick.start + hours(12), 0.0)], tick)
        self.print(10.0)

    def tell(self, tick: TimeWindow, *more: float) -> None:
        self.said[tick] += [(tick.start + hours(10), value) for value in more]
        self.write(READINGS, self.said[tick], tick)

    def print(self, value: float) -> None:
        rows = rows_of(PAPERS, [(START, value)])
        self.stores.lake.write_snapshot("small", "papers", rows, schema=PAPERS.schema, run_id="print")

    def write(self, source: Source, rows: Sequence[tuple[datetime, float]], tick: TimeWindow) -> None:
        self.stores.lake.write_ticks("small", source.name, in_tick(rows_of(source, rows), tick.start),
                                     schema=source.schema, ticks=[tick.start], run_id="told")  # fmt: skip

    def process(self, **instead: Any) -> LiveFeatures:
        """Return the features as another process has them; ``instead`` stands in for methods of a store."""
        stores = build_resources({"MLSYS_HOME": str(self.folder)}, clock=FixedClock(THIRD.end).now)
        return LiveFeatures(SYSTEM, Instead(stores.lake, instead), Instead(stores.operations, instead), "code")

    @property
    def rows(self) -> list[tuple[str, bytes, bytes]]:
        return sorted(self.stores.operations.online_rows("small"))


class Instead:
    """A store some of whose methods are called through another function, which gets the real one first."""

    def __init__(self, store: Any, instead: dict[str, Callable[..., Any]]) -> None:
        self._store, self._instead = store, instead

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._store, name)
        if name not in self._instead:
            return real
        return lambda *a, **k: self._instead[name](real, *a, **k)


def rows_of(source: Source, rows: Sequence[tuple[datetime, float]]) -> pa.Table:
    n = len(rows)
    at = pa.array([at for at, _ in rows], pa.timestamp("us", tz="UTC"))
    known = {"id": [f"{at:%d %H} {value}" for at, value in rows], "place": ["A"] * n, "value": [v for _, v in rows]}
    found = known | dict.fromkeys(("predict_at", "event_time", "known_at"), at)
    return pa.table([
        pa.array(found[f.name], f.type) if f.name in found else pa.array(filler(f.type) * n, f.type)
        for f in source.schema
    ], schema=source.schema)  # fmt: skip


def filler(kind: pa.DataType) -> list[Any]:
    return ["x"] if pa.types.is_string(kind) else [START] if pa.types.is_timestamp(kind) else [0]


def totals(served: pa.Table) -> list[float]:
    return served["place_total_20d"].to_pylist()


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_it_goes_on_from_memory_from_what_is_stored_and_from_the_lake(world: World) -> None:
    live = world.process()
    assert totals(live.serve(FIRST)) == [1]
    assert totals(live.serve(SECOND)) == [2]
    assert totals(world.process().serve(THIRD)) == [3]
    after = world.rows
    assert totals(world.process().serve(SECOND)) == [2]
    assert world.rows == after, "a tick that is done again does not move the state back"
    stored, nothing = world.stores.operations, {"signature": "other", "snapshots": "{}", "at": THIRD.end}
    before = stored.online_position("small")
    assert stored.save_online("small", put={("readings", b"gone"): b""}, after=before, **nothing) is not None
    assert world.process().rebuild(THIRD.end) == 2, "the place in both sources"
    assert world.rows == after


def test_a_store_that_fails_once_is_no_reason_to_fail_again(world: World) -> None:
    failures: list[str] = []

    def save(real: Any, *a: Any, **k: Any) -> Any:
        if failures:
            raise OSError(failures.pop())
        return real(*a, **k)

    live = world.process(save_online=save)
    live.serve(FIRST)
    failures.append("database is locked")
    with pytest.raises(OSError, match="locked"):
        live.serve(SECOND)
    assert totals(live.serve(SECOND)) == [2]
    assert totals(live.serve(THIRD)) == [3]


def test_a_lake_that_fails_once_is_no_reason_to_serve_an_event_twice(world: World) -> None:
    failures = ["papers"]

    def read(real: Any, system: str, table: str, **more: Any) -> Any:
        if table in failures:
            failures.remove(table)
            raise OSError("the disk is gone")
        return real(system, table, **more)

    live = world.process(read=read)
    with pytest.raises(OSError, match="the disk is gone"):
        live.serve(FIRST)
    assert totals(live.serve(FIRST)) == [1]
    world.print(11.0)
    failures.append("papers")
    with pytest.raises(OSError, match="the disk is gone"):
        live.serve(SECOND)
    served = live.serve(SECOND)
    assert (totals(served), served["place_value"].to_pylist()) == ([2], [11])


def test_what_another_process_builds_anew_as_of_the_same_moment_is_taken_up(world: World) -> None:
    live = world.process()
    live.serve(FIRST)
    world.tell(FIRST, 1_000)
    world.process().rebuild(FIRST.end)
    assert totals(live.serve(SECOND)) == [1_002]
    assert totals(world.process().serve(THIRD)) == [1_003]


def test_who_was_overtaken_serves_and_leaves_the_other_state(world: World) -> None:
    other = world.process()
    other.serve(FIRST)

    def read(real: Any, system: str, table: str, **more: Any) -> Any:
        if table == "readings" and not world.said[THIRD][1:]:
            world.tell(THIRD, 0)
            other.rebuild(SECOND.end)
        return real(system, table, **more)

    slow = world.process(read=read)
    assert totals(slow.serve(SECOND)) == [2]
    stored = world.stores.operations.online_position("small")
    assert (stored.at, stored.edition) == (SECOND.end, 2)
    assert totals(slow.serve(THIRD)) == [3]


def test_a_rebuild_that_is_overtaken_says_so(world: World) -> None:
    def read(real: Any, system: str, table: str, **more: Any) -> Any:
        if table == "readings":
            world.process().serve(FIRST)
        return real(system, table, **more)

    with pytest.raises(StateMoved, match="another process stored the online state meanwhile"):
        world.process(read=read).rebuild(SECOND.end)
    assert world.stores.operations.online_position("small").at == FIRST.end


def test_a_table_that_is_replaced_while_a_tick_is_served_is_read_in_the_next(world: World) -> None:
    def save(real: Any, *a: Any, **k: Any) -> Any:
        world.print(20.0)
        return real(*a, **k)

    def version(real: Any, *a: Any, **k: Any) -> Any:
        found = real(*a, **k)
        world.print(30.0)
        return found

    assert world.process(save_online=save).serve(FIRST)["place_value"].to_pylist() == [10]
    assert world.process(version=version).serve(SECOND)["place_value"].to_pylist() == [20]
    assert world.process().serve(THIRD)["place_value"].to_pylist() == [30]


def test_rows_that_another_process_replaces_while_they_are_read_are_read_again(world: World) -> None:
    world.process().serve(FIRST)

    def rows(real: Any, system: str) -> Any:
        found = list(real(system))
        if len(world.said[FIRST]) == 1:
            world.tell(FIRST, 1_000)
            world.process().rebuild(FIRST.end)
        return found

    assert totals(world.process(online_rows=rows).serve(SECOND)) == [1_002]
