"""What is missing in the flights of 2013, why, whom its deletion would cost, who is covered and what carries over."""

import time

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlsys_assets.data_sampling.views import Train
from mlsys_assets.features.quality.bad_columns import bad_columns
from mlsys_assets.features.quality.column_quality import column_quality
from mlsys_assets.features.quality.coverage import coverage
from mlsys_assets.features.quality.deletion import drop_rows
from mlsys_assets.features.quality.groups import ByCategory, ByRange
from mlsys_assets.features.quality.missingness import Mechanism, missingness
from mlsys_assets.features.quality.mostly_missing import mostly_missing
from mlsys_assets.features.quality.overlap import overlap
from mlsys_assets.features.quality.sample import evenly
from mlsys_assets.features.quality.spikes import spikes
from mlsys_assets.types import EPOCH, Severity, TimeWindow

MOST_WORK = 4.0
"""Seconds of a processor for all of a training's looks at its columns; one takes 1.0 on a plain machine."""


def _hour(column: pa.ChunkedArray) -> np.ndarray:
    return column.cast(pa.timestamp("us")).to_numpy().astype("datetime64[h]").astype(str)


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    return column.cast(pa.float32()).to_numpy()


@pytest.fixture(scope="module")
def weather_of_departure(flights_tables, flights_rows) -> Train:
    """All 336,776 flights with the weather of the hour they were to leave in, at their origin; the label where known.

    1,556 have no observation of that hour: their pressure is missing, and it is not known to rain.
    """
    flights, weather = flights_tables["schedule"], flights_tables["weather"]
    asked, there = (
        pa.array(np.char.add(table["origin"].to_numpy(zero_copy_only=False).astype(str), _hour(table[column])))
        for table, column in ((flights, "sched_dep"), (weather, "hour_start"))
    )
    row = pc.index_in(asked, value_set=there)
    label = flights_rows.label[pc.index_in(flights["flight_id"], value_set=flights_rows.ids).to_numpy()]
    features = pa.table({
        "pressure": weather["pressure"].take(row).cast(pa.float32()),
        "precip": pc.fill_null(weather["precip"].take(row), 0.0).cast(pa.float32()),
    })  # fmt: skip
    at = flights["sched_dep"].cast(pa.timestamp("us")).to_numpy()
    return Train(flights["flight_id"].combine_chunks(), at, features, label, TimeWindow(EPOCH, EPOCH))


def test_pressure_is_missing_in_rain_and_where_flights_are_late(weather_of_departure) -> None:
    every = weather_of_departure
    covered = coverage(every, by=(ByRange("precip"),)).of("pressure", "precip")
    assert 1 - covered["above 0"] == pytest.approx(0.577, abs=0.0005)
    assert 1 - covered["0"] == pytest.approx(0.081, abs=0.0005)
    known = every.take(~np.isnan(every.label))
    one = missingness(known, seed=0).of("pressure")
    assert one.label == (pytest.approx(0.390, abs=0.0005), pytest.approx(0.218, abs=0.0005))
    assert one.label_difference.low > 0.1
    assert one.mechanism is Mechanism.NOT_MCAR
    assert one.p_value < 1e-4


def test_the_features_say_so_too_an_hour_earlier(flights_rows, flights_split) -> None:
    """What is known at the prediction, of all flights and then of the training rows, by day."""
    pressure, precip = (_numbers(flights_rows.features[name]) for name in ("origin_pressure", "origin_precip"))
    missing = np.isnan(pressure)
    assert [missing[own].mean() for own in (precip > 0, precip == 0)] == pytest.approx([0.557, 0.078], abs=0.0005)
    known = ~np.isnan(flights_rows.label)
    rates = [flights_rows.label[known & own].mean() for own in (missing, ~missing)]
    assert rates == pytest.approx([0.387, 0.219], abs=0.0005)
    one = missingness(evenly(flights_split.train), seed=0).of("origin_pressure")
    assert one.mechanism is Mechanism.NOT_MCAR
    assert one.differs[0][0] == "origin_humid"
    assert one.auc > 0.85
    assert one.label_difference.low > 0.05
    assert abs(one.label_beyond.value) < 0.06  # the rest of the weather explains nearly all of it


def test_nothing_of_the_flights_is_suspect_to_be_missing_for_what_it_is(flights_split) -> None:
    found = missingness(evenly(flights_split.train), seed=0)
    assert found.finding.passed
    assert found.of("tailnum_seats").differs[0][0] == "carrier = MQ"
    assert found.of("origin_dep_late_1d").mechanism is Mechanism.UNTOLD


def test_dropping_rows_without_pressure_loses_mostly_those_with_rain(flights_split, capsys) -> None:
    kept, found = drop_rows(flights_split.train, ["origin_pressure"])
    print(found)
    assert len(kept) == len(flights_split.train) - found.lost
    assert (found.groups[0].by, found.groups[0].group) == ("origin_precip", "above 0")
    assert found.groups[0].lift > 4
    assert all(name.startswith(("origin_precip", "origin_rain", "origin_humid", "origin_vis")) for name in
               (one.by for one in found.groups[:4]))  # fmt: skip
    wettest = {one.by: one for one in found.groups if one.group.startswith("above 0")}
    assert wettest["origin_rain_1d"].part > 0.6  # most of what is lost flew within a day of rain
    assert found.label_difference.high < -0.05
    assert "rows with origin_precip above 0" in capsys.readouterr().out


def test_gusts_are_mostly_missing(flights_rows) -> None:
    found = mostly_missing(flights_rows.features)
    ((name, share),) = found.columns
    assert name == "origin_wind_gust"
    assert share == pytest.approx(0.766, abs=0.001)
    assert "drop it, or keep its indicator" in found.finding.summary


def test_planes_are_known_of_few_of_some_carriers(flights_rows, flights_split) -> None:
    """The seats of the aircraft, of all 336,776 flights of the year: known where its tail number is registered."""
    n = len(flights_rows)
    every = Train(flights_rows.ids, flights_rows.at, flights_rows.features, np.zeros(n), TimeWindow(EPOCH, EPOCH))
    found = coverage(every, by=(ByCategory("carrier"), ByCategory("origin")))
    carriers, origins = found.of("tailnum_seats", "carrier"), found.of("tailnum_seats", "origin")
    assert [carriers[name] for name in ("MQ", "AA")] == pytest.approx([0.038, 0.311], abs=0.0005)
    assert [origins[name] for name in ("EWR", "LGA")] == pytest.approx([0.951, 0.718], abs=0.0005)
    sampled = coverage(evenly(flights_split.train, most=15_000), evenly(flights_split.validation, most=5_000))
    assert not sampled.finding.passed
    assert "tailnum_seats is there in 4.1% of carrier MQ" in sampled.finding.summary


def _with_times(view):
    day = (view.at.astype("datetime64[D]") - np.datetime64("2013-01-01", "D")).astype(np.float32)
    hour = (view.at.astype("datetime64[h]").astype(np.int64) % 24).astype(np.float32)
    features = view.features.append_column("day_of_year", pa.array(day)).append_column("hour", pa.array(hour))
    return type(view)(view.ids, view.at, features, view.label, view.window)


def test_the_day_of_the_year_cannot_carry_over_and_the_hour_can(flights_split) -> None:
    assert overlap(flights_split.train, flights_split.validation).finding.passed
    found = overlap(_with_times(flights_split.train), _with_times(flights_split.validation))
    assert [one.column for one in found.lost] == ["day_of_year"]
    by_name = {one.column: one for one in found.columns}
    assert by_name["day_of_year"].new == 1.0
    assert by_name["hour"].new == 0.0


def test_clean_columns_are_not_accused(flights_split) -> None:
    for view in (flights_split.train, flights_split.validation):
        assert spikes(evenly(view)).finding.passed
        assert bad_columns(evenly(view), required={"carrier", "origin", "dest"}).finding.passed


def test_all_looks_at_the_columns_cost_a_second_and_none_blocks(flights_split) -> None:
    column_quality(flights_split.train, flights_split.validation, seed=0)  # what is loaded once
    start = time.process_time()
    found = column_quality(flights_split.train, flights_split.validation, seed=0)
    assert time.process_time() - start < MOST_WORK
    assert all(one.severity is Severity.WARN for one in found.findings)
    uneven = {one.name for one in found.findings if not one.passed}
    assert uneven == {"coverage_is_even", "columns_are_mostly_there"}
    assert found.deletion.columns == ("carrier_late_3h", "carrier_delay_3h")  # the first flights of the day
    assert "sched_hour up to" in found.deletion.finding.summary
