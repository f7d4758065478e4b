"""Flights lived online, event by event: what is served is what the batch engine says, and what is broken is named."""

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlsys_assets import TimeWindow, days, hours, rate, variance
from mlsys_assets.features.catalogue import catalogue
from mlsys_assets.features.embedded.engine import compute
from mlsys_assets.features.online.engine import OnlineFeatures
from mlsys_assets.features.online.stream import serve
from mlsys_assets.features.relational import engine as relational
from mlsys_assets.features.trailing import Trailing
from mlsys_assets.prediction.skew import differences, skew
from mlsys_assets.systems.flights.features import build_features
from mlsys_assets.systems.flights.system import flights as system
from mlsys_resources.engines import Engine

WEEK = TimeWindow.of("2013-07-08", "2013-07-15")
JULY = TimeWindow.of("2013-07-01", "2013-08-01")
YEAR = TimeWindow.of("2012-12-31", "2014-01-06")


def within(table: pa.Table, column: str, window: TimeWindow) -> pa.Table:
    inside = pc.and_(
        pc.greater_equal(table[column], pa.scalar(window.start)), pc.less(table[column], pa.scalar(window.end))
    )
    return table.filter(inside)


def before(tables: dict[str, pa.Table], window: TimeWindow) -> dict[str, pa.Table]:
    since = TimeWindow(window.start - days(29), window.start)
    return {n: t if n == "planes" else within(t, "known_at", since) for n, t in tables.items()}


def lived(features: Any, tables: dict[str, pa.Table], window: TimeWindow) -> tuple[pa.Table, pa.Table]:
    """What online state, warm from the weeks before, serves in a window, and what the batch engine says."""
    asked = within(tables["schedule"], "predict_at", window)
    batch = compute(features, asked, tables, key="flight_id")
    online = OnlineFeatures(features, system.requests.columns)
    online.load(before(tables, window))
    events = {name: within(table, "known_at", window) for name, table in tables.items()}
    return serve(online, events, asked, key="flight_id", schema=batch.schema), batch


@pytest.mark.parametrize("window", [WEEK, pytest.param(JULY, marks=pytest.mark.prove)], ids=["week", "month"])
def test_a_replayed_stretch_of_events_gives_the_batch_values_row_by_row(flights, summer, window) -> None:
    served, batch = lived(build_features(flights), summer, window)
    assert served.num_rows > 6_000
    assert served.equals(batch)


@pytest.mark.prove
def test_all_flights_of_the_year_are_served_as_the_batch_engine_says(flights, year) -> None:
    served, batch = lived(build_features(flights), year, YEAR)
    assert served.num_rows == 336_776
    assert served.equals(batch)


def test_departures_late_at_the_origin_in_three_hours_are_the_same_from_both(flights, summer) -> None:
    """All of two months; and they are what a plain count over the table says, for a few."""
    late = (Trailing(flights.departures, by="origin", over=hours(3), late=rate(lambda row: row["dep_delay"] > 15)),)
    served, batch = lived(late, summer, TimeWindow.of("2013-06-08", "2013-08-01"))
    assert served.num_rows > 45_000
    assert served.equals(batch)
    left = summer["departures"]
    for row in within(summer["schedule"], "predict_at", WEEK).slice(1_000, 3).to_pylist():
        inside = pc.and_(pc.equal(left["origin"], row["origin"]), pc.and_(
            pc.less_equal(left["known_at"], pa.scalar(row["predict_at"])),
            pc.greater(left["known_at"], pa.scalar(row["predict_at"] - hours(3))),
        ))  # fmt: skip
        share = pc.mean(pc.greater(left.filter(inside)["dep_delay"], 15)).as_py()
        (found,) = served.filter(pc.equal(served["flight_id"], row["flight_id"]))["origin_late_3h"].to_pylist()
        assert found == pytest.approx(share, rel=1e-6)


def test_a_new_feature_is_one_declaration(flights, summer) -> None:
    """In memory, by a database and online; with a meaning, origins and a place in the catalogue."""
    one = Trailing(flights.arrivals, by=("origin", "dest"), over=hours(12), spread=variance("arr_delay"))
    served, batch = lived((one,), summer, WEEK)
    asked = within(summer["schedule"], "predict_at", WEEK)
    with Engine("duckdb", threads=1).open() as backend:
        queried = relational.compute((one,), asked, summer, key="flight_id", backend=backend)
    assert served.equals(batch)
    assert queried.equals(batch)
    assert batch["origin_dest_spread_12h"].null_count < batch.num_rows / 2
    (entry,) = catalogue((one,), system.requests.source, sources=system.sources, owner="", lags={})
    assert (entry.name, entry.unit) == ("origin_dest_spread_12h", "min²")
    assert "variance of arr_delay over arrivals, key origin, dest, known in the last 12h" in entry.definition
    assert ("arrivals", "arr_delay") in entry.origins


Update = Callable[[OnlineFeatures, str, dict[str, Any]], bool]


def celsius(update: Update) -> Update:
    """The thermometer is another one: it tells °C, and nobody has told the features."""

    def updated(state: OnlineFeatures, source: str, event: dict[str, Any]) -> bool:
        if source == "weather" and event["temp"] is not None:
            event = event | {"temp": (event["temp"] - 32) / 1.8}
        return update(state, source, event)

    return updated


def stale(update: Update) -> Update:
    """One airport's weather is not kept up."""
    return lambda state, source, event: (
        (source, event.get("origin")) != ("weather", "LGA") and update(state, source, event)
    )


def dropped(update: Update) -> Update:
    """One departure in fifty is lost on the way."""

    def updated(state: OnlineFeatures, source: str, event: dict[str, Any]) -> bool:
        lost = source == "departures" and event["known_at"] // 60_000_000 % 50 == 0
        return not lost and update(state, source, event)

    return updated


@pytest.mark.parametrize(
    ("fault", "named", "share"),
    [(celsius, "origin_temp", (0.9, 1.0)), (stale, "origin_", (0.2, 0.4)), (dropped, "dep_delay", (0.5, 1.0))],
)
def test_a_fault_of_the_online_path_is_named_within_a_tick(
    flights, summer, monkeypatch: pytest.MonkeyPatch, fault, named: str, share: tuple[float, float]
) -> None:
    features = [f for f in build_features(flights) if {"departures", "weather"} & f.reads.keys()]
    asked = within(summer["schedule"], "predict_at", WEEK)
    online = OnlineFeatures(features, system.requests.columns)
    online.load(before(summer, WEEK))
    monkeypatch.setattr(OnlineFeatures, "update", fault(OnlineFeatures.update))
    batch = compute(features, asked, summer, key="flight_id")
    events = {name: within(table, "known_at", WEEK) for name, table in summer.items()}
    found = differences(serve(online, events, asked, key="flight_id", schema=batch.schema), batch, key="flight_id")
    finding = skew(found, rows=asked.num_rows)
    assert not finding.passed
    assert named in found[0].feature
    assert share[0] <= found[0].share <= share[1]
    assert f"{found[0].feature} in {found[0].share:.1%} of requests" in finding.summary
    (broken,) = {celsius: ["weather"], stale: ["weather"], dropped: ["departures"]}[fault]
    of_it = {c.name for f in features if broken in f.reads for c in f.outputs(system.requests.columns)}
    assert {one.feature for one in found} <= of_it
    if fault is celsius:
        assert [one.feature for one in found] == ["origin_temp"]
        assert found[0].mean == pytest.approx(pc.mean(pc.subtract(batch["origin_temp"], pc.divide(
            pc.subtract(batch["origin_temp"], 32), 1.8))).as_py(), rel=0.01)  # fmt: skip
