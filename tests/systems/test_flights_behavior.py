"""What the flights' models do when their input changes, what their evaluation rests on, and why they say what they say.

All on the two weeks of validation in September, or on months before.
"""

import time
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets import LogLoss
from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.features.leakage.told_apart import adversarial_validation
from mlsys_assets.measures.intervals import day_blocks
from mlsys_assets.models.explanation import explain
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.offline_evaluation.assumptions.boundary import boundary
from mlsys_assets.offline_evaluation.assumptions.independence import dependence
from mlsys_assets.offline_evaluation.behavior.behavioral_tests import Probe, run_behavior
from mlsys_assets.offline_evaluation.behavior.directional import Directional
from mlsys_assets.offline_evaluation.behavior.edge_cases import Between, EdgeCase, Higher
from mlsys_assets.offline_evaluation.behavior.invariance import Invariant, RowsAlone
from mlsys_assets.offline_evaluation.behavior.perturbation import Perturbed, model_choice
from mlsys_assets.offline_evaluation.behavior.sensor_noise import Readings, noise_scale
from mlsys_assets.offline_evaluation.verdict import Verdict

HOURLY = Readings("origin")
SENSORS = ("origin_temp", "origin_dewp", "origin_humid", "origin_wind_dir", "origin_wind_speed", "origin_wind_gust",
           "origin_precip", "origin_pressure", "origin_visib")  # fmt: skip
WEATHER = Perturbed(SENSORS, readings=HOURLY, called="auc_holds_under_the_noise_of_weather")
RAIN = Directional("origin_precip", 1, by=0.1)
STORM = {"origin_precip": 0.5, "origin_visib": 1.0, "origin_wind_speed": 30.0, "origin_dep_delay_1h": 60.0}
DECLARED = (
    WEATHER,
    Invariant("tailnum"),
    Invariant("carrier", at_most=0.05),
    RowsAlone(),
    RAIN,
    Directional("origin_visib", -1, by=2.0),
    EdgeCase("storm", STORM, Higher(0.05)),
    EdgeCase("fair_day", {}, Between(0.0, 0.2)),
)
ADVERSARY = LightGBM(rounds=30, leaves=15, column_share=0.3)


@pytest.fixture(scope="module")
def probes(flights_split, flights_fitted, flights_system):
    threshold = flights_system.costs.threshold
    return {n: Probe(p, flights_split.validation, threshold=threshold, seed=0) for n, p in flights_fitted.items()}


def test_all_that_is_declared_holds_and_costs_less_than_a_second(probes, flights_rows, flights_system):
    columns, request = flights_rows.features.schema.names, [c.name for c in flights_system.requests.columns]
    assert [m for test in DECLARED for m in test.mistakes(columns, request=request)] == []
    spent = []
    for _ in range(2):
        fresh, before = replace(probes["lightgbm"]), time.process_time()
        found = run_behavior(DECLARED, fresh)
        spent.append(time.process_time() - before)
    assert min(spent) < 1.0
    assert [r.summary for r in found if r.verdict is not Verdict.PASS] == []


@pytest.mark.parametrize("name", ["zero_rule", "group_rate", "logistic_regression", "lightgbm"])
def test_the_tail_number_flips_no_decision_of_a_model_without_it(probes, name):
    found = Invariant("tailnum").run(probes[name])
    assert found.verdict is Verdict.PASS
    assert (found.evidence["flips"], found.evidence["largest change"], found.evidence["read"]) == (0, 0.0, False)
    assert RowsAlone().run(probes[name]).verdict is Verdict.PASS


def test_a_tenth_of_an_inch_more_rain_lowers_hardly_any_score(probes):
    found = RAIN.run(probes["lightgbm"])
    assert found.evidence["share"] < 0.02, found.summary
    assert found.evidence["mean move"] > 0
    assert RAIN.run(probes["logistic_regression"]).evidence["violations"] == 0
    assert RAIN.run(probes["group_rate"]).evidence["mean move"] == 0.0  # it does not read the weather


def test_a_baseline_that_knows_carriers_alone_is_not_invariant_to_them(probes):
    invariant = Invariant("carrier", at_most=0.05)
    found = {name: invariant.run(probes[name]) for name in ("group_rate", "lightgbm")}
    assert (found["group_rate"].verdict, found["lightgbm"].verdict) == (Verdict.FAIL, Verdict.PASS)
    assert found["group_rate"].evidence["share"] > 0.1


def test_the_noise_of_the_weather_is_what_its_readings_say(flights_split):
    """A degree Fahrenheit or so from hour to hour, a step of ten degrees of the compass, two miles an hour of wind."""
    found = {name: noise_scale(flights_split.train, name, HOURLY) for name in SENSORS}
    assert 0.5 < found["origin_temp"] < 2.0
    assert 5 < found["origin_wind_dir"] < 20
    assert 1.0 < found["origin_wind_speed"] < 4.0
    assert 0 < found["origin_precip"] < 0.02


def test_auc_falls_as_the_weather_gets_noisier(probes):
    curve = WEATHER.curve(probes["lightgbm"])
    values = [e.value for e in curve.values]
    assert values[0] > values[2] > values[3] > values[4]
    assert 0 < curve.lost(1.0)[0] < 0.005
    assert 0.005 < curve.lost(4.0)[0] < 0.03
    assert curve.changes[4].p_below(0.0) < 0.1  # a fortnight shows it, if only just


def test_the_choice_between_two_models_flips_under_noise(probes, flights_rows):
    """By log loss logistic regression beats the rates of carriers and hours, which read no delays, until these are
    16 times as noisy as they are; trees are never shown to be worse."""
    late = [n for n in flights_rows.features.schema.names if "dep_" in n or "delay" in n or "late" in n or "lost" in n]
    now = tuple(n for n in late if not n.endswith(("7d", "28d")))
    noisy = Perturbed(now, levels=(1.0, 4.0, 16.0), metric=LogLoss(), readings=HOURLY)
    baseline = ("group_rate", probes["group_rate"])
    linear = model_choice(noisy, ("logistic_regression", probes["logistic_regression"]), baseline)
    assert [linear.better(level) for level in (0.0, 1.0, 4.0)] == ["logistic_regression"] * 3
    assert linear.flips_at == 16.0
    trees = model_choice(noisy, ("lightgbm", probes["lightgbm"]), baseline)
    assert trees.flips_at is None
    assert trees.better(16.0) != "group_rate"


def test_few_decisions_hang_on_the_noise_of_the_weather(probes):
    probe = probes["lightgbm"]
    found = boundary(probe.base, WEATHER.scores(probe)[1 + WEATHER.levels.index(1.0)], threshold=probe.threshold)
    assert 0.002 < found.flips < 0.05
    assert found.finding.passed


def test_errors_of_an_origin_hang_together_from_hour_to_hour(probes, flights_split):
    rows = flights_split.validation
    score = probes["lightgbm"].model.predict(rows.features)
    found = dependence(rows, score, readings=HOURLY)
    assert not found.finding.passed
    assert found.autocorrelation[0] > 0.4
    assert found.p_value < 1e-6
    assert found.too_narrow > 2  # an interval that draws rows is less than half as wide as it must be


class Part:
    """Some of the year's rows, without their labels."""

    def __init__(self, rows: LabelledRows, chosen: np.ndarray) -> None:
        self.at, self.features = rows.at[chosen], rows.features.filter(pa.array(chosen))


def test_january_is_told_from_july(flights_rows):
    month = flights_rows.at.astype("datetime64[M]")
    january, july = (Part(flights_rows, month == np.datetime64(m)) for m in ("2013-01", "2013-07"))
    found = adversarial_validation((january, july), ADVERSARY, seed=0)
    assert found.auc.low > 0.98
    assert not found.finding.passed
    assert {name for name, _ in found.columns[:2]} == {"origin_temp", "origin_dewp"}
    assert found.columns[0][1] > 0.98


def test_random_halves_of_march_are_not_told_apart(flights_rows):
    random = np.random.default_rng(1)
    march = flights_rows.at.astype("datetime64[M]") == np.datetime64("2013-03")
    half = random.random(len(flights_rows)) < 0.5
    found = adversarial_validation(
        (Part(flights_rows, march & half), Part(flights_rows, march & ~half)), ADVERSARY, seed=0
    )
    assert found.auc.value == pytest.approx(0.5, abs=0.03)
    assert found.auc.low < 0.5
    assert found.finding.passed


def test_days_of_march_are_told_apart_only_by_rows_of_the_same_days(flights_rows):
    march = flights_rows.at.astype("datetime64[M]") == np.datetime64("2013-03")
    day = day_blocks(flights_rows.at)
    half = np.random.default_rng(1).random(day.max() + 1)[day] < 0.5
    sets = Part(flights_rows, march & half), Part(flights_rows, march & ~half)
    by_rows, by_days = (adversarial_validation(sets, ADVERSARY, seed=0, folds_of=unit) for unit in ("rows", "days"))
    assert by_rows.auc.low > 0.95
    assert by_days.finding.passed


@pytest.mark.parametrize("name", ["zero_rule", "group_rate", "logistic_regression", "lightgbm"])
def test_contributions_add_up_to_the_score(flights_fitted, flights_split, name):
    rows = flights_split.validation.features.slice(3_000, 200)
    found = flights_fitted[name].contributions(rows)
    score = flights_fitted[name].predict(rows)
    raw = np.log(score / (1 - score)) if found.link == "log odds" else score
    np.testing.assert_allclose(found.raw, raw, atol=1e-6)
    np.testing.assert_allclose(found.scores, score, atol=1e-9)


def test_what_matters_most_is_the_delays_of_now_and_reasons_are_told(flights_fitted, flights_split):
    rows = flights_split.validation.features
    before = time.process_time()
    found = explain(flights_fitted["lightgbm"], rows, seed=0)
    assert time.process_time() - before < 1.0
    ranked = [name for name, _ in found.importance()]
    assert ranked[0] == "all_dep_late_1h"  # how things go right now
    assert not any(name.startswith("origin_planned") for name in ranked[:10])
    late = rows.slice(int(np.argmax(flights_fitted["lightgbm"].predict(rows))), 1)
    contributions = flights_fitted["lightgbm"].contributions(late)
    reasons = contributions.reasons(0, late)
    assert len(reasons) == 3
    assert reasons[0].startswith(f"{contributions.columns[int(np.argmax(np.abs(contributions.values[0])))]} = ")
    assert "raises the log odds by" in reasons[0]
