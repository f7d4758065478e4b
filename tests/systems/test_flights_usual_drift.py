"""On flights every week differs from the four before beyond independent rows' chance; what is usual of that is quiet.

All on January to September, each week held against the 28 days before it.
"""

import time
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from mlsys_assets.features.profile import profile
from mlsys_assets.measures.stability_index import MODERATE
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.production_monitoring.drift.classifier_test import ClassifierTest
from mlsys_assets.production_monitoring.drift.comparable import Rows
from mlsys_assets.production_monitoring.drift.kernel_test import KernelTest
from mlsys_assets.production_monitoring.drift.profile_drift import drift
from mlsys_assets.production_monitoring.drift.references import Sliding
from mlsys_assets.production_monitoring.drift.usual import APART, Usual
from mlsys_assets.types import TimeWindow, days, utc

EARLIEST = utc("2013-01-01")
WEEKS = [TimeWindow(utc("2013-01-29") + days(7 * k), utc("2013-02-05") + days(7 * k)) for k in range(35)]
REFERENCE, USUAL = Sliding(over=days(28)), Usual()
PROBE = LightGBM(rounds=20, leaves=8, column_share=0.3, more={"max_bin": 15})
CLASSIFIER, KERNEL = ClassifierTest(PROBE), KernelTest()
EVERY = 4
"""Every fourth column is looked at: 22 of all kinds."""


def parts(rows, week: TimeWindow, names: list[str]) -> tuple[Rows, Rows]:
    """The reference's rows and the week's."""
    times = REFERENCE.times(week, earliest=EARLIEST)
    found = (times.within(rows.at), replace(times, windows=(week,)).within(rows.at))
    before, now = (Rows(rows.at[one], rows.features.select(names).filter(pa.array(one))) for one in found)
    return before, now


@pytest.fixture(scope="module")
def shifts(flights_rows) -> list[pa.Table]:
    names = flights_rows.features.schema.names[::EVERY]
    both = [parts(flights_rows, week, names) for week in WEEKS]
    return [drift(profile(before.features), now.features) for before, now in both]


def judged(shifts: list[pa.Table], k: int, **changed: float):
    past = {name: np.array([one["psi"][j].as_py() for one in shifts[:k]]) for j, name in enumerate(names_of(shifts))}
    now = dict(zip(names_of(shifts), shifts[k]["psi"].to_pylist(), strict=True))
    return USUAL.judged(past, now | changed, least=MODERATE, most=APART)


def names_of(shifts: list[pa.Table]) -> list[str]:
    return shifts[0]["column"].to_pylist()


def test_independent_rows_alarm_every_week_and_the_weeks_before_hardly_ever(shifts) -> None:
    chance = [pc.any(pc.greater(one["psi"], one["chance_psi"])).as_py() for one in shifts]
    assert sum(chance) == len(WEEKS)
    known = range(USUAL.least_windows, len(WEEKS))
    found = [judged(shifts, k) for k in known]
    assert all(judged(shifts, k).statistics == () for k in range(USUAL.least_windows))
    assert sum(bool(one.unusual) for one in found) <= 2
    assert sum(one.together.unusual for one in found) <= 4


def test_a_change_of_unit_is_unusual_in_any_week(shifts, flights_rows) -> None:
    """Fahrenheit becomes Celsius."""
    name = "origin_temp"
    assert name in names_of(shifts)
    for k in (12, 20, 28, 34):
        before, now = parts(flights_rows, WEEKS[k], [name])
        celsius = pa.table({name: pc.divide(pc.subtract(now.features[name], 32), 1.8)})
        psi = drift(profile(before.features), celsius)["psi"][0].as_py()
        assert name in [one.name for one in judged(shifts, k, **{name: psi}).unusual]


def test_both_tests_of_all_columns_are_quiet_in_an_ordinary_week_and_loud_when_units_change(flights_rows) -> None:
    names = flights_rows.features.schema.names
    before, now = parts(flights_rows, WEEKS[18], names)
    spent = {}
    for test in (CLASSIFIER, KERNEL):
        taken = []
        for _ in range(2):
            began = time.process_time()
            quiet = test.held(before, now, seed=0)
            taken.append(time.process_time() - began)
        spent[quiet.test] = min(taken)
        assert quiet.untold == ""
        assert quiet.symptom is None
    assert spent["classifier"] < 0.6  # 0.24 where nothing else runs
    assert spent["kernel"] < 0.4
    by_rows = KernelTest(blocks="rows").held(before, now, seed=0)
    assert by_rows.symptom is not None  # which independent rows would call a change
    broken = now.features
    for name in ("origin_temp", "origin_dewp"):
        celsius = pc.divide(pc.subtract(broken[name], 32), 1.8).cast(pa.float32())
        broken = broken.set_column(broken.schema.get_field_index(name), name, celsius)
    loud = CLASSIFIER.held(before, Rows(now.at, broken), seed=0)
    assert "origin_temp" in loud.symptom.told
    assert loud.size > 0.95
