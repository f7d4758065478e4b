"""Whether the audits of availability tell flights from flights with weather that was not known."""

import time
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlsys_assets import MLSystem, TimeWindow
from mlsys_assets.data_ingestion.validation import ingest
from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.data_sampling.splits import Split
from mlsys_assets.data_sampling.views import Train
from mlsys_assets.features.embedded.engine import compute
from mlsys_assets.features.leakage.availability import AvailabilityAudit, availability
from mlsys_assets.features.leakage.day_sample import DaySample
from mlsys_assets.features.leakage.declared_availability import declared_availability
from mlsys_assets.features.leakage.joins import joins_of
from mlsys_assets.features.leakage.label_blindness import label_blindness
from mlsys_assets.features.leakage.source_blindness import source_blindness
from mlsys_assets.features.request import Request
from mlsys_assets.systems.flights.sources import FlightsSources
from mlsys_assets.tables import PREDICT_AT
from mlsys_assets.types import days, hours, minutes

from . import planted_weather

Tables = dict[str, pa.Table]
OCTOBER = datetime(2013, 10, 1, 4, tzinfo=UTC)
FORTNIGHT = TimeWindow.of("2013-09-16", "2013-09-30")


def _audit(system: MLSystem, rows: Train, tables: Tables, *, seed: int = 0) -> AvailabilityAudit:
    joins = joins_of(system.requests.source, system.sources, system.features, key=system.requests.key)
    requests, key = system.requests.source.name, system.requests.key
    sample = DaySample.of(rows, tables[requests], key=key, seed=seed)
    return availability(sample, tables, joins, requests=requests, key=key)


def _train(system: MLSystem, rows: LabelledRows, as_of: datetime = OCTOBER) -> Train:
    return system.time_split.split(rows, as_of=as_of).train


def _accused(audit: AvailabilityAudit) -> set[str]:
    return {column for suspicion in audit.suspicions for column in suspicion.columns}


def _resampled(rows: Train, seed: int) -> Train:
    """Draw days with replacement."""
    day = rows.at.astype("datetime64[D]")
    every = np.unique(day)
    drawn = np.random.default_rng(seed).choice(every, len(every))
    return rows.take(np.concatenate([np.flatnonzero(day == one) for one in drawn]))


def test_clean_flights_copy_only_what_was_known(flights_system, flights_split, flights_tables):
    audit = _audit(flights_system, flights_split.train, flights_tables)
    assert audit.suspicions == ()
    copies = {copy.feature: (copy.source, copy.source_column, copy.known) for copy in audit.copies}
    for name in set(planted_weather.MEASURED) - {"precip", "visib"}:  # dry and clear on most days: it could be chance
        assert copies[f"origin_{name}"] == ("weather", name, 1.0)
    assert copies["tailnum_last_dep_delay_2d"] == ("departures", "dep_delay", 1.0)
    assert copies["tailnum_last_delay_2d"] == ("arrivals", "arr_delay", 1.0)
    assert copies["distance"] == ("schedule", "distance", 1.0)


@pytest.mark.parametrize(
    "month", [3, pytest.param(6, marks=pytest.mark.prove), pytest.param(8, marks=pytest.mark.prove)]
)
def test_clean_flights_of_a_shorter_past_are_not_accused(flights_system, flights_rows, flights_tables, month):
    train = _train(flights_system, flights_rows, datetime(2013, month, 1, 4, tzinfo=UTC))
    assert _audit(flights_system, train, flights_tables, seed=month).suspicions == ()


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(20))
def test_no_resample_of_clean_days_is_accused(flights_system, flights_split, flights_tables, seed):
    audit = _audit(flights_system, _resampled(flights_split.train, seed), flights_tables, seed=seed)
    assert audit.sufficient
    assert audit.suspicions == ()


def test_the_audit_of_values_costs_little(flights_system, flights_split, flights_tables):
    begun = time.process_time()
    _audit(flights_system, flights_split.train, flights_tables)
    assert time.process_time() - begun < 6  # 1.4 s where this was written


@pytest.mark.parametrize(
    "plant", [planted_weather.arrival_hour, pytest.param(planted_weather.planned_arrival_hour, marks=pytest.mark.prove)]
)
def test_weather_of_the_arrival_hour_is_found(flights_system, flights_rows, flights_tables, plant):
    planted = plant(flights_rows, flights_tables)
    audit = _audit(flights_system, _train(flights_system, planted), flights_tables)
    assert _accused(audit) == set(planted.features.column_names[-len(planted_weather.MEASURED) :])
    for suspicion in audit.suspicions:
        assert suspicion.evidence["source_column"].startswith("weather.")
        assert 150 < suspicion.evidence["lead_minutes"] < 360
        assert "Lookup of weather by origin" in suspicion.remedy


def test_back_filled_weather_is_found(flights_system, flights_rows, flights_tables):
    """Of the columns with gaps: four of five gusts are one, a tenth of pressures. Few others are filled at all."""
    planted = planted_weather.back_filled(flights_rows, flights_tables)
    audit = _audit(flights_system, _train(flights_system, planted), flights_tables)
    assert {"filled_wind_gust", "filled_pressure"} <= _accused(audit)
    assert all(name.startswith("filled_") for name in _accused(audit))


def test_outcomes_of_the_flight_are_found(flights_system, flights_rows, flights_tables):
    own = flights_tables["arrivals"].take(
        pc.index_in(flights_rows.ids, value_set=flights_tables["arrivals"]["flight_id"].combine_chunks())
    )
    features = flights_rows.features
    for name in ("dep_delay", "air_time"):
        features = features.append_column(f"true_{name}", own[name].cast(pa.float32()))
    audit = _audit(flights_system, _train(flights_system, replace(flights_rows, features=features)), flights_tables)
    assert _accused(audit) == {"true_dep_delay", "true_air_time"}
    assert all("the request's own record" in suspicion.seen for suspicion in audit.suspicions)


def test_a_plan_that_holds_the_weather_of_arrival_is_found_by_its_values(
    flights_system: MLSystem, flights: FlightsSources, flights_tables: Tables
):
    """Row by row its ``derive`` looks at no later record, and its table says it knew a day ahead."""
    weather = flights_tables["weather"]
    plan = planted_weather.plan_with_weather(flights.schedule, flights.arrivals, weather)
    window = TimeWindow.of("2013-07-01", "2013-08-20")
    known = {name: flights_tables[name] for name in ("airlines", "airports")}
    rows = ingest(plan, plan.read(window), window=window, known=known).accepted
    features = compute((Request("origin", "arr_temp"),), rows, {"schedule": rows}, key="flight_id")
    view = Train(rows["flight_id"].combine_chunks(), rows[PREDICT_AT].cast(pa.timestamp("us")).to_numpy(),
                 features.drop_columns(["flight_id", PREDICT_AT]), np.zeros(len(rows)), window)  # fmt: skip
    sources = tuple(plan if s.name == "schedule" else s for s in flights.all())
    joins = joins_of(plan, sources, flights_system.features, key="flight_id")
    sample = DaySample.of(view, rows, key="flight_id", seed=0)
    audit = availability(sample, flights_tables | {"schedule": rows}, joins, requests="schedule", key="flight_id")
    assert _accused(audit) == {"arr_temp"}
    assert audit.suspicions[0].evidence["source_column"] == "weather.temp"


def test_no_clean_source_looks_ahead(flights):
    begun = time.process_time()
    audit = source_blindness(flights.all(), FORTNIGHT)
    assert audit.suspicions == ()
    assert len(audit.sources) == 6
    assert time.process_time() - begun < 8  # 1.3 s where this was written, reading the files


def test_a_weather_source_that_fills_gaps_from_the_next_hour_is_found(flights):
    (suspicion,) = source_blindness((planted_weather.back_filling_weather(flights.weather),), FORTNIGHT).suspicions
    assert set(suspicion.columns) == {"weather.wind_dir", "weather.wind_gust", "weather.pressure"}  # those with gaps
    assert suspicion.evidence["function"] == "derive"


def test_the_label_is_of_each_arrival_alone(flights_system, flights_tables):
    assert label_blindness(flights_system.label, flights_tables["arrivals"]).finding.passed


def test_what_each_feature_is_read_from_was_known_for_so_long(
    flights_system: MLSystem, flights_split: Split, flights_tables: Tables
):
    sample = DaySample.of(flights_split.train, flights_tables["schedule"], key="flight_id", seed=0)
    told = declared_availability(flights_system.features, flights_system.requests.source, sample, flights_tables)
    by_name = {row.feature: row for row in told}
    assert list(by_name) == flights_split.train.features.column_names
    assert by_name["distance"].newest == hours(23)  # known a day before the departure, asked an hour before
    assert by_name["origin_temp"].within == hours(4)
    assert by_name["origin_temp"].newest < hours(1)
    assert by_name["carrier_late_28d"].within == days(28)
    assert by_name["all_dep_late_1h"].newest <= minutes(2)
    assert ("weather", "temp") in by_name["origin_temp"].read_from
