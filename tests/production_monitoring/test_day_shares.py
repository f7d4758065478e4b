"""What moved the share from day to day: the features, the share itself, or chance."""

from dataclasses import replace

import numpy as np
import pytest

from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.models.calibration import Platt
from mlsys_assets.production_monitoring.day_shares import DayShares
from mlsys_assets.production_monitoring.reference_scores import ReferenceScores

from .unlabelled_worlds import START, reference_of_classes, reference_of_weather


def test_where_days_bring_features_the_share_follows_the_scores() -> None:
    found = DayShares.of(reference_of_weather(daily=0.7), seed=0)
    assert found.slope.low < 1 < found.slope.high
    assert found.p_value < 1e-6
    assert "the features moved the share from day to day" in found.objection


def test_where_days_bring_another_share_more_comes_than_is_foretold() -> None:
    rng = np.random.default_rng(0)
    day = np.arange(20_000) % 30
    label = (rng.uniform(size=20_000) < np.clip(rng.normal(0.3, 0.12, 30), 0.05, 0.9)[day]).astype(float)
    score = 1 / (1 + np.exp(-(1.4 * rng.normal(np.where(label > 0, 0.7, -0.7), 1.0) - 1.0)))
    found = DayShares.of(ReferenceScores(score, label, START + day.astype("timedelta64[D]")), seed=0)
    assert found.p_value < 1e-6
    assert found.slope.low < found.alone < found.slope.high
    assert found.slope.low > 1.5
    assert found.objection == ""


def test_where_days_are_alike_nothing_is_said() -> None:
    assert sum(DayShares.of(reference_of_classes(seed=seed), seed=0).objection != "" for seed in range(40)) <= 1


def test_scores_that_fall_with_positives_say_nothing() -> None:
    reference = reference_of_classes()
    found = DayShares.of(ReferenceScores(1 - reference.score, reference.label, reference.at), seed=0)
    assert not found.slope.sufficient
    assert found.objection == ""


def test_an_interval_that_reaches_beyond_the_middle_is_no_objection() -> None:
    slope = Estimate(2.0, 1.0, 3.0, 1_000, 300, 30, error=0.5)
    assert DayShares(slope, alone=6.0, p_value=0.0).objection
    assert DayShares(slope, alone=4.0, p_value=0.0).objection == ""
    assert DayShares(slope, alone=6.0, p_value=0.01).objection == ""
    assert DayShares(replace(slope, sufficient=False), alone=6.0, p_value=0.0).objection == ""


def test_the_slope_is_that_of_days_weighted_by_their_rows() -> None:
    whole = reference_of_weather(daily=0.7)
    day = whole.at.astype("datetime64[D]")
    kept = (day.astype(int) % 3 == 0) | (np.arange(len(day)) % 20 == 0)  # days of a third, and of a twentieth as many
    few = ReferenceScores(whole.score[kept], whole.label[kept], whole.at[kept])
    p = Platt().fit(few.label, few.score).apply(few.score)
    _, block, rows = np.unique(day[kept], return_inverse=True, return_counts=True)
    mean, share = (np.bincount(block, weights=w) / rows for w in (p, few.label))
    expected = np.polyfit(mean, share, 1, w=np.sqrt(rows))[0]
    assert DayShares.of(few, seed=0).slope.value == pytest.approx(expected)
