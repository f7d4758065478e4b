"""A classifier tells sets apart where they differ by more than chance and days, whichever way they differ."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest
from drift_worlds import now, rows, with_columns
from scipy.stats import norm, t as student

from mlsys_assets.features.profile import profile
from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.measures.stability_index import MODERATE
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.production_monitoring.diagnosis import Cause
from mlsys_assets.production_monitoring.drift.classifier_test import ClassifierTest, chance_of, separation
from mlsys_assets.production_monitoring.drift.comparable import Rows, comparable
from mlsys_assets.production_monitoring.drift.profile_drift import drift

PROBE = LightGBM(rounds=20, leaves=8, column_share=0.5, more={"max_bin": 15})
TEST = ClassifierTest(PROBE)


def test_a_rotation_that_no_column_shows_is_found() -> None:
    before, after = rows(1), now(1, together=-0.8)
    assert max(drift(profile(before.features), after.features)["psi"].to_pylist()) < MODERATE
    found = TEST.held(before, after, seed=0)
    assert found.size > 0.75
    assert found.chance < 1e-4
    assert found.symptom.cause == Cause.COVARIATE
    assert (found.symptom.test, found.symptom.size, found.symptom.limit) == ("classifier", found.size, 0.6)


def test_the_column_that_moved_is_named_and_its_size_is_told_in_its_own_deviations() -> None:
    found = TEST.held(rows(2, 3_000), now(2, 3_000, shift=1.0), seed=0)
    assert "by a single column at most by x0 (0.7" in found.symptom.told
    assert found.distance == pytest.approx(1.0, abs=0.5)  # and more, as x1 tells where x0 came from


@pytest.mark.parametrize("blocks", ["days", "rows"])
def test_rows_of_one_distribution_are_silent(blocks) -> None:
    found = [ClassifierTest(PROBE, blocks=blocks).held(rows(s), now(s), seed=s) for s in range(12)]
    assert not any(one.symptom or one.untold for one in found)
    assert min(one.chance for one in found) > 0.001
    assert np.mean([one.size for one in found]) == pytest.approx(0.5, abs=0.02)


def test_days_that_have_their_own_weather_are_silent_as_days_and_alarm_as_rows() -> None:
    days, single = 0, 0
    for seed in range(10):
        sets = rows(seed, weather=3.0), now(seed, weather=3.0)
        days += TEST.held(*sets, seed=seed).symptom is not None
        single += ClassifierTest(PROBE, blocks="rows").held(*sets, seed=seed).symptom is not None
    assert days == 0
    assert single >= 6


@pytest.mark.prove
@pytest.mark.parametrize("weather", [0.0, 1.5])
def test_a_thousand_tables_of_one_distribution_give_at_most_one_alarm(weather: float) -> None:
    found = [TEST.held(rows(s, 1_000, weather=weather), now(s, 700, weather=weather), seed=s) for s in range(1_000)]
    assert sum(one.symptom is not None for one in found) <= 1
    assert np.mean([one.chance <= 0.01 for one in found]) <= 0.025
    assert np.mean([one.chance <= 0.05 for one in found]) <= 0.07


def test_rows_enough_make_no_alarm_of_a_small_effect() -> None:
    small = ClassifierTest(PROBE, blocks="rows").held(rows(1, 4_000), now(1, 4_000, shift=0.3), seed=0)
    assert 0.53 < small.size < 0.7
    assert small.chance < 0.001
    strict = ClassifierTest(PROBE, blocks="rows", least_auc=0.75).held(rows(1, 4_000), now(1, 4_000, shift=0.3), seed=0)
    assert strict.symptom is None


def test_the_chance_is_that_of_the_fewer_days() -> None:
    auc = Estimate(0.7, 0.6, 0.8, 1_000, 500, 35, error=0.05)
    assert chance_of(auc, 7) == pytest.approx(student.sf(0.2 / 0.075, 6))
    assert chance_of(auc, 28) < chance_of(auc, 7)
    assert separation(0.3) == 0.0
    assert separation(norm.cdf(0.7 / np.sqrt(2))) == pytest.approx(0.7)
    assert np.isfinite(separation(1.0))


@pytest.mark.parametrize("few_now", [True, False])
def test_it_is_held_to_the_days_of_the_side_that_has_fewer(few_now: bool) -> None:
    """Seven days on one side and four weeks on the other, whichever is which."""
    sets = (rows(3), now(3, shift=0.5)) if few_now else (now(3, shift=0.5), rows(3))
    days = [len(np.unique(side.at.astype("datetime64[D]"))) for side in sets]
    auc = TEST._told(*sets, comparable(sets[0].features, sets[1].features), seed=0, threads=1).auc
    assert days[0] != days[1]
    assert TEST.held(*sets, seed=0).chance == chance_of(auc, min(days)) != chance_of(auc, max(days))


def test_it_is_the_same_again_and_another_by_another_seed() -> None:
    sets = rows(3), now(3, shift=0.5)
    assert TEST.held(*sets, seed=1) == TEST.held(*sets, seed=1) != TEST.held(*sets, seed=2)


def test_a_value_that_goes_missing_and_a_text_that_is_new_are_found() -> None:
    before, after = rows(4), now(4)
    missing = with_columns(after, x3=pa.nulls(len(after.at)))
    assert TEST.held(before, missing, seed=0).symptom is not None
    texts = [
        with_columns(r, text=np.where(np.arange(len(r.at)) % 3 > at, "a", "b")) for r, at in ((before, 0), (after, 1))
    ]
    assert TEST.held(*texts, seed=0).symptom is not None


def test_odd_columns_are_left_out_or_tell_nothing() -> None:
    sets = [
        with_columns(r, empty=pa.nulls(len(r.at)), constant=np.ones(len(r.at)), lists=[[1]] * len(r.at))
        for r in (rows(5), now(5, together=-0.8))
    ]
    found = TEST.held(*sets, seed=0)
    assert found.left_out == {
        "empty": "has no value, before or now",
        "lists": "holds list<item: int64>, which is neither number nor text",
    }
    assert found.symptom is not None


@pytest.mark.parametrize("blocks", ["days", "rows"])
@pytest.mark.parametrize("n", [0, 1, 20])
def test_few_rows_tell_nothing(n: int, blocks) -> None:
    test = ClassifierTest(PROBE, blocks=blocks)
    for sets in ((rows(1), now(1, n)), (rows(1, n), now(1)), (rows(1, n), now(1, n))):
        found = test.held(*sets, seed=0)
        assert found.symptom is None
        assert found.untold.startswith("insufficient data (")
        assert np.isnan(found.size)


def test_a_single_day_cannot_be_told_from_others_by_days() -> None:
    after = now(1)
    found = TEST.held(rows(1), Rows(np.full_like(after.at, after.at[0]), after.features), seed=0)
    assert found.untold.startswith("insufficient data (")


@dataclass(frozen=True)
class Broken:
    name: str = "broken"

    def fit(self, train, validation, *, seed, threads):
        raise RuntimeError("no memory")


def test_no_common_column_and_a_learner_that_fails_are_told() -> None:
    other = Rows(now(1).at, now(1).features.rename_columns([f"y{j}" for j in range(6)]))
    found = TEST.held(rows(1), other, seed=0)
    assert found.untold == "no column that both sets have with a value"
    assert found.left_out["x0"] == "is not there now"
    assert (
        ClassifierTest(Broken()).held(rows(1), now(1), seed=0).untold == "the learner failed: RuntimeError: no memory"
    )


def test_mistakes_are_told() -> None:
    assert TEST.mistakes() == []
    wrong = ClassifierTest(PROBE.name, least_auc=0.4, chance=0.0, blocks="weeks").mistakes()
    assert [m.split(";")[0] for m in wrong] == [
        f"the classifier test: learner is {PROBE.name!r}",
        "the classifier test: least_auc is 0.4",
        "the classifier test: chance is 0.0",
        "the classifier test: blocks are 'weeks'",
    ]
