"""The studies that train, on flights: learning curve, ladder, freshness, gain per compute; small, and in full."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
import pyarrow.compute as pc
import pytest

from mlsys_assets import GroupRate, LightGBM, LogisticRegression, LogLoss, MLSystem, ZeroRule, days
from mlsys_assets.data_sampling.rows import LabelledRows
from mlsys_assets.data_sampling.splits import Split
from mlsys_assets.data_sampling.views import OpenedTest, Test, Train, Validation
from mlsys_assets.models.human_rule import HumanRule, When
from mlsys_assets.models.predictor import Predictor
from mlsys_assets.models.random_baseline import RandomBaseline
from mlsys_assets.offline_evaluation.comparison import Scored
from mlsys_assets.offline_evaluation.studies.extrapolation import back_test, extrapolate
from mlsys_assets.offline_evaluation.studies.ladder import five_baselines, ladder
from mlsys_assets.offline_evaluation.studies.learning_curve import LearningCurveStudy, thinned
from mlsys_assets.retraining.freshness import FreshnessStudy, windows_before
from mlsys_assets.systems.flights.system import NEW_YORK
from mlsys_assets.value_analysis.gain_per_compute import GainStudy, Step

SMALL = 20_000
RECIPE = LightGBM(column_share=0.3, more={"max_bin": 63})
QUICKLY = replace(RECIPE, rounds=30)
HEURISTIC = GroupRate(by=("carrier", "dest", "sched_hour"), name="carrier_dest_hour")
STORM = HumanRule(
    (
        When("all_dep_late_3h", ">", 0.5),
        When("origin_visib", "<", 2.0),
        When("origin_precip", ">", 0.0),
        When("sched_hour", ">=", 17),
    ),
    name="storm",
)
"""What a dispatcher would say: the field is late already, fog, rain, or the evening."""
KNOWN_LONG_BEFORE = (
    "carrier",
    "origin",
    "dest",
    "distance",
    "sched_hour",
    "sched_arr_hour",
    "weekday",
    "planned_hours",
)
WEATHER = (
    "origin_temp", "origin_dewp", "origin_humid", "origin_wind_dir", "origin_wind_speed", "origin_wind_gust",
    "origin_precip", "origin_pressure", "origin_visib",
)  # fmt: skip
FEW_COLUMNS = KNOWN_LONG_BEFORE + WEATHER
DECEMBER = datetime(2013, 12, 1, tzinfo=NEW_YORK)


@pytest.fixture(scope="module")
def opened(flights_split: Split) -> OpenedTest:
    return _open(flights_split.recent_test)


@pytest.fixture(scope="module")
def small(flights_split: Split) -> Train:
    return thinned(flights_split.train, SMALL, seed=0)


def _open(test: Test) -> OpenedTest:
    return test.open(lambda read: None, models="studies", reason="a test of studies")


def _of(train: Train, columns: Sequence[str]) -> Train:
    return replace(train, features=train.features.select(list(columns)))


# ---------------------------------------------------------------------------------- learning curve


def test_a_small_curve_falls_and_says_what_more_data_would_bring(
    small: Train, flights_split: Split, opened: OpenedTest
) -> None:
    study = LearningCurveStudy(shares=(1 / 8, 1 / 4, 1 / 2, 1.0), seeds=(0, 1))
    curve = study.measure(QUICKLY, small, flights_split.validation, test=opened)
    assert [p.rows for p in curve.points] == [2_500, 5_000, 10_000, 20_000]
    assert curve.points[0].estimate.value > curve.points[-1].estimate.value
    gain = curve.points[-1].found.gain_over(curve.points[0].found)
    assert gain.low > 0
    found = extrapolate(curve)
    assert 0 <= found.gain.low <= found.gain.value <= found.gain.high < 0.05
    assert found.back_test.held is not None
    assert "2 times the rows (40,000" in found.worth_waiting(least=0.001).summary


def _quick(train: Train, validation: Validation, test: OpenedTest, recipe: LightGBM):
    """A quick curve, and the CPU seconds of the training before it and its own."""
    begun = time.process_time()
    fitted = recipe.fit(train, validation, seed=0, threads=1)
    recipe.refit(train, recipe=fitted.recipe, seed=0, threads=1)
    trained, full = time.process_time(), fitted.predict(test.features)
    curve = LearningCurveStudy.quick(LogLoss()).measure(recipe, train, validation, test=test, full=full)
    return curve, trained - begun, time.process_time() - trained


def test_a_quick_curve_ends_in_the_model_that_is_there(small: Train, flights_split: Split, opened: OpenedTest) -> None:
    curve, _, _ = _quick(small, flights_split.validation, opened, QUICKLY)
    assert [p.rows for p in curve.points] == [1_000, 2_000, 4_000, 20_000]
    assert curve.points[-1].estimate.value < curve.points[0].estimate.value
    assert extrapolate(curve).gain.sufficient


@pytest.mark.prove
def test_a_quick_curve_costs_less_than_a_third_of_the_training(flights_split: Split, opened: OpenedTest) -> None:
    curve, training, own = _quick(flights_split.train, flights_split.validation, opened, RECIPE)
    print(f"fit and refit {training:.2f} CPU s, quick curve {own:.2f} CPU s", curve.text(), sep="\n")
    print(extrapolate(curve).worth_waiting(least=0.001).summary)
    assert own <= training / 3


@pytest.mark.prove
def test_the_curve_from_a_thousand_rows_to_two_hundred_thousand(flights_split: Split, opened: OpenedTest) -> None:
    sizes = (1_000, 3_000, 6_250, 12_500, 25_000, 50_000, 100_000, 200_000)
    study = LearningCurveStudy(shares=tuple(n / len(flights_split.train) for n in sizes), seeds=(0, 1, 2, 3, 4))
    curve = study.measure(RECIPE, flights_split.train, flights_split.validation, test=opened)
    found = extrapolate(curve)
    print(curve.text(), found.worth_waiting(least=0.001).summary, sep="\n")
    losses = [p.estimate.value for p in curve.points]
    assert losses == sorted(losses, reverse=True)
    tests = [back_test(replace(curve, points=curve.points[:n])) for n in range(4, len(sizes) + 1)]
    for one in tests:
        print(f"  {one}")
    assert sum(bool(one.held) for one in tests) >= len(tests) - 1
    assert 0 < found.gain.value < 0.01


# ------------------------------------------------------------------------------------------ ladder


def _ladder(train: Train, validation: Validation, test: OpenedTest, champion: Predictor, trees: LightGBM):
    rungs = (RandomBaseline(), ZeroRule(), STORM, HEURISTIC, LogisticRegression(), trees)
    scores = {c.name: c.fit(train, validation, seed=0, threads=1).predict(test.features) for c in rungs}
    scores["champion"] = champion.predict(test.features)
    scored = Scored("recent_test", "rows", test.at, test.label, scores, dict.fromkeys(scores, "model"))
    assert five_baselines([c.kind for c in rungs], champion=True).passed
    return ladder(scored, [c.name for c in rungs], metric=LogLoss())


def test_the_ladder_of_flights_has_five_baselines_and_a_recommendation(
    small: Train, flights_split: Split, opened: OpenedTest, flights_fitted: dict[str, Predictor]
) -> None:
    found = _ladder(small, flights_split.validation, opened, flights_fitted["lightgbm"], QUICKLY)
    print(found.table(), found.text(), sep="\n")
    random, zero, storm, *_ = found.rungs
    assert random.found.value == pytest.approx(1.0, abs=0.03)
    assert zero.gain.low > 0.5
    assert storm.gain.low > 0
    assert found.recommended in {"logistic_regression", "lightgbm"}
    assert found.beside["champion"][0].sufficient


@pytest.mark.prove
def test_the_ladder_on_all_rows(flights_split: Split, opened: OpenedTest, flights_fitted: dict[str, Predictor]) -> None:
    found = _ladder(flights_split.train, flights_split.validation, opened, flights_fitted["group_rate"], RECIPE)
    print(found.table(), found.text(), sep="\n")
    assert found.best in {"logistic_regression", "lightgbm"}
    assert not any(rung.within_noise for rung in found.rungs[:4])


# --------------------------------------------------------------------------------------- freshness


def _december(system: MLSystem, rows: LabelledRows) -> tuple[Train, Validation, OpenedTest]:
    """All rows labelled before December to train on, its first two days to choose on, the others to test on."""
    train = system.time_split.refit_view(rows, as_of=DECEMBER)
    later = replace(system.time_split, validation=days(2), test=days(30))
    split = later.split(rows, as_of=datetime(2014, 1, 2, tzinfo=NEW_YORK))
    return train, split.validation, _open(split.recent_test)


def test_a_small_study_of_freshness_tells_each_window(flights_system: MLSystem, flights_rows: LabelledRows) -> None:
    train, validation, test = _december(flights_system, flights_rows)
    windows = windows_before(DECEMBER, length=days(28), step=days(112), count=3)
    few = _of(train.take(np.arange(0, len(train), 5)), FEW_COLUMNS)
    study = FreshnessStudy(windows, seeds=(0, 1))
    assert study.mistakes() == []
    found = study.measure(QUICKLY, few, validation, test=test.take(np.arange(0, len(test), 3)))
    assert {r.verdict for r in found.results[:-1]} <= {"better", "worse", "indistinguishable"}
    assert len({r.rows[0] for r in found.results}) == 1
    assert found.results[0].rows[0] <= SMALL
    assert "lightgbm by training window" in found.text()


@pytest.mark.prove
@pytest.mark.parametrize("columns", ["few", "all"])
def test_three_months_of_training_data_ending_ever_earlier_tested_on_december(
    flights_system: MLSystem, flights_rows: LabelledRows, columns: str
) -> None:
    train, validation, test = _december(flights_system, flights_rows)
    windows = windows_before(DECEMBER, length=days(91), step=days(61), count=4)
    study = FreshnessStudy(windows)
    found = study.measure(RECIPE, _of(train, FEW_COLUMNS) if columns == "few" else train, validation, test=test)
    print(columns, found.text(), sep="\n")
    assert all(r.found.sufficient for r in found.results)
    assert [r.verdict for r in found.results].count("freshest") == 1


# -------------------------------------------------------------------------------- gain per compute


def _steps(train: Train, part: Callable[[float], Train], fresher: Train, recipe: LightGBM) -> tuple[Step, ...]:
    more = replace(recipe, rounds=2 * recipe.rounds, name="more_rounds")
    wider = replace(recipe, leaves=127, name="more_leaves")
    bare = [name for name in train.features.schema.names if name in FEW_COLUMNS]
    return (
        Step("zero rule", "model", ZeroRule(), part(0.25)),
        Step("group rate", "model", HEURISTIC, part(0.25), after="zero rule"),
        Step("logistic", "model", LogisticRegression(), part(0.25), after="group rate"),
        Step("LightGBM", "model", recipe, part(0.25), after="logistic"),
        Step("more rounds", "model", more, part(0.25), after="LightGBM"),
        Step("more leaves", "model", wider, part(0.25), after="LightGBM"),
        Step("half of the rows", "data", recipe, part(0.5), after="LightGBM"),
        Step("all rows", "data", recipe, train, after="half of the rows"),
        Step("a quarter, the freshest", "data", recipe, fresher, after="LightGBM"),
        Step("schedule and weather only", "data", recipe, _of(part(0.25), bare), after="zero rule"),
        Step("trailing features added", "data", recipe, part(0.25), after="schedule and weather only"),
    )


def test_gain_per_compute_names_the_better_buy(small: Train, flights_split: Split, opened: OpenedTest) -> None:
    ticks = iter(range(10_000))
    latest = small.take(np.arange(SMALL * 3 // 4, SMALL))
    steps = _steps(small, lambda share: thinned(small, int(share * SMALL), seed=1), latest, replace(QUICKLY, rounds=15))
    found = GainStudy(LogLoss(), lambda: float(next(ticks)), seeds=(0, 1)).measure(
        steps, flights_split.validation, test=opened
    )
    assert {one.cpu_seconds for one in found.steps} == {1.0}
    assert found.best("model").name == "group rate" or found.best("model").gain.low > 0
    assert found.text().startswith("iterate on the ")


@pytest.mark.prove
def test_gain_per_compute_on_all_rows(flights_split: Split, opened: OpenedTest) -> None:
    train = flights_split.train
    quarter = len(train) // 4
    steps = _steps(train, lambda share: thinned(train, int(share * len(train)), seed=1),
                   train.take(np.arange(len(train) - quarter, len(train))), RECIPE)  # fmt: skip
    found = GainStudy(LogLoss(), time.process_time).measure(steps, flights_split.validation, test=opened)
    print(found.table(), found.text(), found.text(after="LightGBM"), sep="\n")
    assert found.text().startswith("iterate on the model: 'logistic'")
    assert found.best("model", after="LightGBM") is None
    by_name = {one.name: one for one in found.steps}
    assert by_name["trailing features added"].surely_better


def test_the_rows_of_december_are_after_all_that_is_trained_on(
    flights_system: MLSystem, flights_rows: LabelledRows
) -> None:
    train, validation, test = _december(flights_system, flights_rows)
    assert train.at.max() < validation.at.min() < test.at.min()
    assert not set(train.ids.to_pylist()) & set(test.ids.to_pylist())
    known = pc.is_in(train.ids, value_set=flights_rows.ids.filter(flights_rows.labelled(DECEMBER)))
    assert pc.all(known).as_py()
