"""A source that becomes known too late for who reads it is told at its asset, tick by tick and by a check."""

import runpy
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from mlsys_assets import MLSystem, Requests, Trailing, build_definitions, hours, mean, utc
from mlsys_assets.data_ingestion.freshness import fresh, lag_of
from mlsys_assets.instance import open_instance
from mlsys_resources.resources import build_resources

RAIN = runpy.run_path(str(Path(__file__).parents[1] / "systems" / "rain.py"))
WEATHER = RAIN["weather"]


def delayed(by: timedelta) -> MLSystem:
    """Return rain with every observation known so much later than it is."""

    def derive(raw: pa.Table) -> pa.Table:
        rows = WEATHER.derive(raw)
        known = pc.add(rows["known_at"], pa.scalar(by, pa.duration("s")))
        for name in ("known_at", "predict_at"):
            rows = rows.set_column(rows.schema.get_field_index(name), name, known)
        return rows

    lag = hours(1) + by
    late = replace(WEATHER, derive=derive, known_within=(lag, lag))
    return replace(
        RAIN["rain"],
        sources=(late, *RAIN["rain"].sources[1:]),
        requests=Requests(late, key="observation"),
        features=(Trailing(late, by="origin", over=(hours(12), hours(3)), damp=mean("humid")),),
        candidates=(RAIN["ZeroRule"](), RAIN["LightGBM"]()),
        slices=(),
    )


@pytest.fixture
def brought_in(tmp_path):
    """Bring two ticks of weather in; return what its asset and its check said."""

    def run(system: MLSystem) -> tuple[dict[str, dict], dg.AssetCheckEvaluation]:
        stores = build_resources({"MLSYS_HOME": str(tmp_path)}, clock=lambda: utc("2013-01-04"))
        job = build_definitions(system, resources=stores).resolve_job_def("rain_ingest")
        span = {ASSET_PARTITION_RANGE_START_TAG: "2013-01-02", ASSET_PARTITION_RANGE_END_TAG: "2013-01-03"}
        with open_instance(tmp_path) as instance:
            done = job.execute_in_process(
                instance=instance, tags=span, asset_selection=[dg.AssetKey(["rain", "weather"])]
            )
        told = {m.partition: m.metadata for m in done.asset_materializations_for_node("rain__weather")}
        (check,) = [c for c in done.get_asset_check_evaluations() if c.check_name == "sources_are_fresh"]
        return {day: {name: value.value for name, value in found.items()} for day, found in told.items()}, check

    return run


def test_a_source_is_judged_by_all_but_the_last_twentieth_of_its_rows() -> None:
    """Of 100 rows late by 1 to 100 h, 95 are late by at most 95 h; of 1,000 rows, one that is late is none."""
    start = utc("2013-01-01")

    def waited(*hours_late: int) -> pa.Table:
        times = {"event_time": [start] * len(hours_late), "known_at": [start + hours(w) for w in hours_late]}
        return pa.table(times)

    lag = lag_of(waited(*range(1, 101)))
    assert (lag.rows, lag.of, lag.longest) == (100, 100, 100)
    assert (lag.median, lag.p95) == (50.5, pytest.approx(95, abs=0.1))
    assert fresh("x", lag, ("late_4d", hours(96))).passed
    assert not fresh("x", lag, ("late_3d", hours(94))).passed
    lag = lag_of(waited(*[0] * 500, *[-24] * 499, 5))
    assert (lag.rows, lag.of, lag.p95, lag.longest) == (1, 1_000, 0, 5)
    assert fresh("x", lag, ("late_3h", hours(3))).passed


def test_a_source_in_time_is_fresh_and_its_lag_stands_at_each_tick(brought_in) -> None:
    told, check = brought_in(delayed(hours(0)))
    assert told.keys() == {"2013-01-02", "2013-01-03"}
    for found in told.values():
        assert found["late rows"] == found["dagster/partition_row_count"] > 60
        assert (found["lag median [h]"], found["lag p95 [h]"], found["lag max [h]"]) == (1.0, 1.0, 1.0)
    assert check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN


def test_an_injected_delay_is_seen_and_turns_the_check_red(brought_in) -> None:
    told, check = brought_in(delayed(hours(2.5)))
    assert {found["lag p95 [h]"] for found in told.values()} == {3.5}
    assert (check.passed, check.blocking) == (False, False)
    for words in ("weather", "p95 3.5 h", "origin_damp_3h looks back 3 h"):
        assert words in check.description
