"""Planted bugs of flights are named, January to September is quiet, and storm days are edge cases."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlsys_assets import LightGBM, TimeWindow
from mlsys_assets.data_ingestion.validation import ingest
from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.data_sampling.splits import Split
from mlsys_assets.measures.metrics import log_losses
from mlsys_assets.prediction.skew import differences
from mlsys_assets.production_monitoring.declared_rules import Ordered, keep_rules
from mlsys_assets.production_monitoring.diagnosis import Cause
from mlsys_assets.production_monitoring.edge_cases import Isolation, Quadrant, high_loss, quadrants
from mlsys_assets.production_monitoring.pipeline.bugs import PipelineTests, pipeline_bugs
from mlsys_assets.production_monitoring.skew_symptoms import skew_price, skew_symptoms
from mlsys_assets.systems.flights.sources import FlightsSources
from mlsys_assets.types import days

FIRST = np.datetime64("2013-02-04T05:00")
"""A Monday, by New York's clock, with four weeks before it."""
WEEK, REFERENCE = np.timedelta64(7, "D"), 20_000
HOURS = PipelineTests(hour_columns=("sched_hour", "sched_arr_hour"))
STORMS = 0.05
"""The share of days, by their rain, that are storm days."""
Cut = Callable[[int], tuple[pa.Table, pa.Table]]


@pytest.fixture(scope="module")
def cut(flights_rows: LabelledRows) -> Cut:
    """Give the features of the 28 days before a week, and of the week."""
    order = np.argsort(flights_rows.at, kind="stable")
    at, features = flights_rows.at[order], flights_rows.features.take(pa.array(order)).combine_chunks()

    def of(week: int) -> tuple[pa.Table, pa.Table]:
        start = FIRST + week * WEEK
        first, last, end = np.searchsorted(at, [start - 4 * WEEK, start, start + WEEK])
        drawn = np.linspace(first, last - 1, REFERENCE).astype(int)
        return features.take(pa.array(drawn)), features.slice(last, end - last)

    return of


@pytest.mark.parametrize(
    "weeks", [pytest.param(range(0, 34, 4), id="some"), pytest.param(range(34), marks=pytest.mark.prove, id="all")]
)
def test_the_weeks_until_september_are_quiet(cut: Cut, weeks: range) -> None:
    assert [s.told for week in weeks for s in pipeline_bugs(*cut(week), tests=HOURS).symptoms] == []


def test_the_weather_as_it_came_is_quiet(flights_tables: dict[str, pa.Table]) -> None:
    weather = flights_tables["weather"].drop_columns(["source_file", "source_line"]).sort_by("event_time")
    at, told = weather["event_time"].to_numpy(), []
    tests = PipelineTests(hour_columns=("event_time",), zone=ZoneInfo("America/New_York"))
    for start in FIRST + np.arange(0, 34, 3) * WEEK:
        first, last, end = np.searchsorted(at, [start - 4 * WEEK, start, start + WEEK])
        found = pipeline_bugs(weather.slice(first, last - first), weather.slice(last, end - last), tests=tests)
        told += [s.told for s in found.symptoms]
    assert told == []


def to(now: pa.Table, name: str, change: Callable[[np.ndarray], np.ndarray]) -> pa.Table:
    values = change(now[name].to_numpy().astype(float)).astype(np.float32)
    return now.set_column(now.column_names.index(name), name, pa.array(values, pa.float32()))


def later(values: np.ndarray, other: np.ndarray) -> np.ndarray:
    """What becomes of values if a bug comes in the middle of the week."""
    return np.where(np.arange(len(values)) > len(values) // 2, other, values)


PLANTED = {
    "celsius": ("origin_temp", lambda x: (x - 32) / 1.8, "unit", "°F → °C"),
    "celsius, rounded": ("origin_temp", lambda x: np.round((x - 32) / 1.8, 1), "unit", "°F → °C"),
    "metres a second": ("origin_wind_speed", lambda x: x * 0.44704, "unit", "mph → m/s"),
    "knots": ("origin_wind_speed", lambda x: x * 0.868976, "unit", "mph → knots"),
    "knots from Thursday": ("origin_wind_speed", lambda x: later(x, x * 0.868976), "unit", "mph → knots"),
    "kilometres": ("distance", lambda x: x * 1.609344, "unit", "miles → km (mph → km/h)"),
    "inches of mercury": ("origin_pressure", lambda x: x / 33.8638866667, "unit", "hPa → inHg"),
    "minutes": ("planned_hours", lambda x: x * 60, "unit", "hours → minutes (minutes → seconds)"),
    "the sign": ("tailnum_seats", lambda x: -x, "sign", None),
    "NaN": ("origin_temp", lambda x: np.where(np.arange(len(x)) % 8 == 0, np.nan, x), "missing values", None),
    "infinite": ("origin_temp", lambda x: np.where(np.arange(len(x)) < 900, np.inf, x), "missing values", None),
    "-999": ("origin_temp", lambda x: np.where(np.arange(len(x)) % 99 == 0, -999, x), "spike", None),
    "0 for no pressure": ("origin_pressure", lambda x: np.where(np.arange(len(x)) % 15 == 0, 0, x), "spike", None),
    "a frozen gauge": ("origin_wind_speed", lambda x: np.full(len(x), 8.05), "constant", None),
    "UTC": ("sched_hour", lambda x: (x + 5) % 24, "hours", None),
    "an hour": ("sched_hour", lambda x: (x + 1) % 24, "hours", None),
}  # fmt: skip


@pytest.mark.parametrize("planted", PLANTED)
def test_a_planted_bug_is_named_and_nothing_else(cut: Cut, planted: str) -> None:
    column, change, test, conversion = PLANTED[planted]
    for week in (1, 16, 28):
        before, now = cut(week)
        (found,) = pipeline_bugs(before, to(now, column, change), tests=HOURS).symptoms
        assert (found.cause, found.test, found.where) == (Cause.PIPELINE, test, column)
        assert found.measures.get("conversion") == conversion


@pytest.mark.parametrize("column", ["origin_temp", "all_dep_delay_1h", "distance", "carrier_delay_28d"])
@pytest.mark.parametrize("deviations", [0.25, 0.5, 1, 2])
def test_a_shift_is_no_bug(cut: Cut, column: str, deviations: float) -> None:
    before, now = cut(16)
    assert pipeline_bugs(before, to(now, column, lambda x: x + deviations * np.nanstd(x)), tests=HOURS).symptoms == ()


def test_other_spellings_and_rows_that_came_twice(cut: Cut) -> None:
    before, now = cut(16)
    lower = now.set_column(0, "carrier", pc.utf8_lower(now["carrier"]))
    assert [(s.test, s.where) for s in pipeline_bugs(before, lower).symptoms] == [("spelling", "carrier")]
    twice = pa.concat_tables([now, now.slice(0, now.num_rows // 5)])
    assert [s.test for s in pipeline_bugs(before, twice).symptoms] == ["repeated rows"]
    renamed = now.rename_columns(["miles" if name == "distance" else name for name in now.column_names])
    assert [(s.where, s.measures["change"]) for s in pipeline_bugs(before, renamed).symptoms] == [
        ("distance", "renamed")
    ]


def test_a_unit_bug_of_one_airport_online_is_named_and_priced(flights_split: Split, flights_rows: LabelledRows) -> None:
    train = flights_split.train
    model = LightGBM(rounds=30, leaves=15, column_share=0.5, more={"max_bin": 31}).fit(
        train.take(np.arange(0, len(train), 20)), flights_split.validation, seed=0, threads=1
    )
    week = flights_split.validation
    times = pa.table({"flight_id": week.ids, "predict_at": pa.array(week.at, pa.timestamp("us", "UTC"))})
    known = pa.table(
        {**{n: times[n] for n in times.column_names}, **{n: week.features[n] for n in week.features.column_names}}
    )
    at_newark = np.asarray(pc.equal(known["origin"], "EWR"))
    served = to(known, "origin_dewp", lambda x: np.where(at_newark, (x - 32) / 1.8, x))
    (found,) = skew_symptoms(differences(served, known, key="flight_id"), served, known, key="flight_id")
    assert (found.cause, found.where) == (Cause.SKEW, "origin_dewp")
    assert found.measures["conversion"] == "°F → °C"
    assert found.size == pytest.approx(at_newark.mean(), abs=0.02)
    expected = skew_price(model.predictor, served, known, key="flight_id").log_loss
    realised = skew_price(model.predictor, served, known, key="flight_id", label=week.label).log_loss
    assert expected.sufficient
    assert expected.value > 0
    assert realised.low < expected.value < realised.high


def test_storm_days_are_edge_cases(flights_split: Split, flights_tables: dict[str, pa.Table]) -> None:
    """The days of the most rain until September, by New York's clock."""
    train = flights_split.train
    fitted, seen = (train.take(np.arange(first, len(train), step)) for first, step in ((0, 20), (1, 8)))
    model = LightGBM(rounds=30, leaves=15, column_share=0.5, more={"max_bin": 31}).fit(
        fitted, flights_split.validation, seed=0, threads=1
    )
    loss = log_losses(seen.label, model.predictor.predict(seen.features))
    found = quadrants(Isolation.of(fitted.features, seed=0), seen.features, loss, ids=seen.ids, failed=high_loss(loss))
    assert all(found.counts[quadrant] > 0 for quadrant in Quadrant)
    assert sum(found.counts.values()) == len(seen)

    weather, zone = flights_tables["weather"], "America/New_York"
    day = weather["event_time"].cast(pa.timestamp("us", zone)).cast(pa.timestamp("us", zone))
    rain = (
        pa.table({"day": pc.strftime(day, "%Y-%m-%d"), "rain": weather["precip"]})
        .group_by("day")
        .aggregate([("rain", "sum")])
    )
    rain = rain.filter(pc.less(rain["day"], "2013-09-01"))
    wettest = rain.filter(pc.greater(rain["rain_sum"], float(np.quantile(rain["rain_sum"].to_numpy(), 1 - STORMS))))
    local = pc.strftime(pa.array(seen.at, pa.timestamp("us", "UTC")).cast(pa.timestamp("us", zone)), "%Y-%m-%d")
    storm = np.asarray(pc.is_in(local, value_set=wettest["day"].combine_chunks()))
    assert found.share(storm) > 2 * found.share(~storm)
    assert found.share(storm, Quadrant.HARD) < 1.5 * found.share(
        ~storm, Quadrant.HARD
    )  # these are not what storms make


def test_a_landing_before_the_departure_is_flagged_and_midnight_is_not(flights: FlightsSources) -> None:
    """At the source, where a clock face before the departure's is the next day's only if the delays say so."""
    window = TimeWindow.of("2013-01-14", "2013-01-16")
    known = {one.name: ingest(one, one.read(window), window=window, known={}).accepted for one in (flights.airlines,)}
    known["airports"] = ingest(flights.airports, flights.airports.read(window), window=window, known=known).accepted
    raw = flights.arrivals.read(window)
    landed = raw.filter(pc.not_equal(raw["arr_delay"], "NA"))
    faces = (pc.cast(landed[name], pa.int64()) for name in ("arr_time", "dep_time"))
    assert pc.any(pc.less(*faces)).as_py()  # some landed after midnight
    boston = pc.and_(pc.equal(raw["dest"], "BOS"), pc.not_equal(raw["arr_delay"], "NA"))
    first = pa.array(np.arange(raw.num_rows) == int(np.argmax(np.asarray(boston))))  # one, as a source may have
    delay = pc.if_else(first, "-200", raw["arr_delay"])
    early = raw.set_column(raw.column_names.index("arr_delay"), "arr_delay", delay)
    rules = [
        ingest(flights.arrivals, rows, window=window, known=known).quarantined["rule"].to_pylist()
        for rows in (raw, early)
    ]
    assert rules[0].count("lands before it leaves") == 0
    assert rules[1].count("lands before it leaves") == 1


def test_the_same_rule_of_the_tables_rows(flights_tables: dict[str, pa.Table]) -> None:
    arrivals = flights_tables["arrivals"]
    (kept,), _ = keep_rules([Ordered("departed", "event_time")], arrivals, arrivals["flight_id"].combine_chunks())
    assert (kept.broken, kept.rows) == (0, arrivals.num_rows)
    a_day = pa.scalar(days(1), pa.duration("us"))
    wrong = arrivals.slice(0, 500).set_column(
        arrivals.column_names.index("event_time"),
        "event_time",
        pc.subtract(arrivals["event_time"].slice(0, 500), a_day),
    )
    (broken,), examined = keep_rules([Ordered("departed", "event_time")], wrong, wrong["flight_id"].combine_chunks())
    assert broken.broken == 500
    assert [s.cause for s in examined.symptoms] == [Cause.PIPELINE]
