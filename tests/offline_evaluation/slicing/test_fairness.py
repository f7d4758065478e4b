"""Rates and disparities are Fairlearn's; a violation is told only where groups are surely too far apart."""

from dataclasses import replace

import fairlearn.metrics as fairlearn
import numpy as np
import pyarrow as pa
import pytest
from scipy import stats
from sklearn import metrics
from statsmodels.stats.proportion import proportion_confint

from mlsys_assets.measures.intervals import Support, bootstrap, day_blocks
from mlsys_assets.measures.metrics import Weights
from mlsys_assets.offline_evaluation.slicing.decision_rates import (
    DEMOGRAPHIC_PARITY,
    EQUALIZED_ODDS,
    Decisions,
    FalsePositiveRate,
    PositivePredictiveValue,
    Rate,
    RightlyDecided,
    SelectionRate,
    TruePositiveRate,
    decisions,
)
from mlsys_assets.offline_evaluation.slicing.fairness import Fairness
from mlsys_assets.offline_evaluation.slicing.group_rates import disparity, group_rates
from mlsys_assets.offline_evaluation.slicing.slices import Slice

from .drawn_flights import World, world

RATES = {
    TruePositiveRate(): fairlearn.true_positive_rate,
    FalsePositiveRate(): fairlearn.false_positive_rate,
    SelectionRate(): fairlearn.selection_rate,
    PositivePredictiveValue(): metrics.precision_score,
    RightlyDecided(): metrics.accuracy_score,
}
CARRIER = Slice("carrier")
DRAWS = 400


@pytest.fixture(scope="module")
def month() -> World:
    return world(9_000, days=28, seed=3)


def decided(drawn: World, seed: int = 0, **how: object) -> Decisions:
    return decisions(drawn.labels(seed, **how), drawn.score, threshold=0.3)


def weights(drawn: World) -> Weights:
    return bootstrap(day_blocks(drawn.at), seed=0, draws=DRAWS)


def carriers(drawn: World) -> np.ndarray:
    return np.array(drawn.features["carrier"].to_pylist())


@pytest.mark.parametrize("rate", RATES, ids=lambda r: r.name)
def test_each_rate_is_fairlearns(month: World, rate: Rate) -> None:
    assert isinstance(rate, Rate)
    those = decided(month)
    frame = fairlearn.MetricFrame(
        metrics=RATES[rate], y_true=those.label, y_pred=those.acted, sensitive_features=carriers(month)
    )
    found = group_rates(rate, those, list(CARRIER.groups(month.features)), weights=weights(month))
    assert {group: e.value for group, e in found.estimates.items()} == pytest.approx(frame.by_group.to_dict())
    assert all(e.low < e.value < e.high for e in found.estimates.values())


def test_disparities_are_fairlearns(month: World) -> None:
    those = decided(month)
    given = {"y_true": those.label, "y_pred": those.acted, "sensitive_features": carriers(month)}
    groups = list(CARRIER.groups(month.features))
    for rates, difference, ratio in (
        (DEMOGRAPHIC_PARITY, fairlearn.demographic_parity_difference, fairlearn.demographic_parity_ratio),
        (EQUALIZED_ODDS, fairlearn.equalized_odds_difference, fairlearn.equalized_odds_ratio),
    ):
        found = disparity([group_rates(rate, those, groups, weights=weights(month)) for rate in rates])
        assert found.difference.value == pytest.approx(difference(**given))
        assert found.ratio.value == pytest.approx(ratio(**given))
        assert found.difference.low <= found.difference.value <= found.difference.high
        assert found.ratio.low <= found.ratio.value <= found.ratio.high
        means = {g: those.acted[rows].mean() for g, rows in groups}
        if rates == DEMOGRAPHIC_PARITY:
            assert set(found.groups) == {min(means, key=means.get), max(means, key=means.get)}


def test_an_interval_is_no_narrower_than_wilsons_for_independent_rows() -> None:
    n = 280
    day = np.repeat(np.arange(14), 20)
    for hits in (0, 7, 140, 280):
        label = np.ones(n)
        acted = (np.arange(n) < hits).astype(float)[np.random.default_rng(0).permutation(n)]
        all_rows = [("all", np.ones(n, dtype=bool))]
        found = group_rates(TruePositiveRate(), Decisions(label, acted), all_rows, weights=bootstrap(day, seed=0))
        low, high = proportion_confint(hits, n, method="wilson")
        assert found.estimates["all"].low <= low + 1e-12
        assert found.estimates["all"].high >= high - 1e-12


def test_few_days_have_students_interval_and_an_error() -> None:
    """Ten days of a hundred rows each, all acted on or none: what is told is the mean of ten values."""
    day = np.repeat(np.arange(10), 100)
    acted = day % 2 == 0
    found = group_rates(
        SelectionRate(), Decisions(acted, acted), [("all", np.ones(1_000, dtype=bool))],
        weights=bootstrap(day, seed=0, draws=4_000),
    ).estimates["all"]  # fmt: skip
    error = np.sqrt(0.25 / 9)
    assert found.error == pytest.approx(error, rel=0.05)
    assert [found.low, found.high] == pytest.approx(stats.t(9, 0.5, error).interval(0.95), abs=0.03)
    certain = group_rates(
        SelectionRate(), Decisions(acted | True, acted | True), [("all", np.ones(1_000, dtype=bool))],
        weights=bootstrap(day, seed=0),
    ).estimates["all"]  # fmt: skip
    assert certain.high == 1.0
    assert certain.error > 0
    assert 0 < certain.p_above(0.9999) < 1


def test_days_that_differ_make_intervals_wider(month: World) -> None:
    alike, apart = (
        group_rates(
            PositivePredictiveValue(),
            decided(month, by_day=s),
            list(CARRIER.groups(month.features)),
            weights=weights(month),
        )
        for s in (0.0, 1.5)
    )
    width = [np.mean([e.high - e.low for e in found.estimates.values()]) for found in (alike, apart)]
    assert width[1] > 1.5 * width[0]


def test_what_both_groups_share_does_not_widen_their_difference() -> None:
    rng = np.random.default_rng(4)
    day = np.repeat(np.arange(30), 100)
    first = np.arange(3_000) % 2 == 0
    p = np.where(first, 0.25, 0.2) + rng.uniform(-0.2, 0.7, size=30)[day]
    acted = (rng.random(3_000) < p).astype(float)
    groups = [("first", first), ("second", ~first)]
    found = group_rates(SelectionRate(), Decisions(acted, acted), groups, weights=bootstrap(day, seed=0, draws=DRAWS))
    gap = disparity([found]).difference
    assert gap.high - gap.low < 0.6 * min(e.high - e.low for e in found.estimates.values())


@pytest.mark.parametrize("by_day", [0.0, 1.0])
def test_equal_groups_are_seldom_called_apart(month: World, by_day: float) -> None:
    """Though the largest of the differences is never nothing, and in the draws it is larger still."""
    rule, alarms, naive = Fairness(CARRIER, (TruePositiveRate(),), at_most=0.0), 0, 0
    drawn = weights(month)
    for seed in range(40):
        dealt = pa.table({"carrier": np.random.default_rng(seed).permutation(carriers(month))})
        report = rule.measure(dealt, decided(month, seed, by_day=by_day), drawn)
        alarms += not report.finding.passed
        ranges = np.ptp(report.rates["recall"].drawn, axis=1)
        naive += np.quantile(ranges, 0.025) > 0
    assert alarms <= 4, alarms
    assert naive == 40


def test_the_difference_lies_in_its_interval(month: World) -> None:
    rule, held = Fairness(CARRIER, DEMOGRAPHIC_PARITY, at_most=0.1), 0
    rate = {"AA": 0.35, "UA": 0.1}
    p = np.array([rate.get(c, 0.2) for c in carriers(month)])
    drawn = weights(month)
    for seed in range(40):
        acted = (np.random.default_rng(seed).random(len(p)) < p).astype(float)
        gap = rule.measure(month.features, Decisions(acted, acted), drawn).disparity.difference
        held += gap.low <= 0.25 <= gap.high
    assert held >= 37


def test_groups_that_are_far_apart_are_a_violation_that_names_them(month: World) -> None:
    ev = month.where(carrier="EV")
    label = month.labels(1)
    score = np.where(ev & (np.arange(len(ev)) % 3 > 0), 0.01, month.score)
    report = Fairness(CARRIER, (TruePositiveRate(),), at_most=0.1).measure(
        month.features, decisions(label, score, threshold=0.3), weights(month)
    )
    assert not report.finding.passed
    assert "EV" in report.disparity.groups
    assert "recall differs by" in report.finding.summary
    assert report.finding.evidence["difference low"] > 0.1
    wide = Fairness(CARRIER, (TruePositiveRate(),), at_most=0.9)
    assert wide.measure(month.features, decisions(label, score, threshold=0.3), weights(month)).finding.passed


def test_a_group_without_support_is_told_and_is_no_violation(month: World) -> None:
    label = month.labels(2)
    few = np.flatnonzero(label > 0)[::60][:29]
    carrier = carriers(month)
    carrier[few] = "OO"  # 29 positive rows on many days, none of which is acted on
    score = month.score.copy()
    score[few] = 0.01
    features = pa.table({"carrier": carrier})
    rule = Fairness(CARRIER, (TruePositiveRate(),), at_most=0.2)
    report = rule.measure(features, decisions(label, score, threshold=0.3), weights(month))
    assert not report.rates["recall"].estimates["OO"].sufficient
    assert "OO" not in report.disparity.groups
    assert report.finding.passed
    assert "not judged: recall of OO: insufficient data (29 rows, 29 positive" in report.finding.summary
    assert report.finding.evidence["recall OO"] is None
    bolder = replace(rule, support=Support(least_of_each_class=29))
    assert not bolder.measure(features, decisions(label, score, threshold=0.3), weights(month)).finding.passed


@pytest.mark.parametrize("n", [0, 3, 60])
def test_too_few_rows_are_insufficient_data(month: World, n: int) -> None:
    those = Decisions(np.ones(n), np.zeros(n))
    drawn = bootstrap(day_blocks(month.at[:n]), seed=0)
    report = Fairness(CARRIER, EQUALIZED_ODDS, at_most=0.1).measure(month.features[:n], those, drawn)
    assert not report.disparity.difference.sufficient
    assert not report.disparity.ratio.sufficient
    assert report.finding.passed
    assert report.finding.summary.startswith("insufficient data")


def test_a_score_at_the_threshold_is_acted_on() -> None:
    those = decisions(np.array([0.0, 1.0, 1.0]), np.array([0.3, 0.2999, 0.9]), threshold=0.3)
    assert those.acted.tolist() == [1.0, 0.0, 1.0]


def test_what_is_no_decision_is_refused(month: World) -> None:
    good = np.array([0.0, 1.0])
    for label, score, told in (
        (good, np.zeros(3), "2 labels and 3 scores"),
        (np.array([0.0, np.nan]), good, "labels must be 0 or 1"),
        (good, np.array([0.2, np.nan]), "1 of 2 scores are not finite"),
    ):
        with pytest.raises(ValueError, match=told):
            decisions(label, score, threshold=0.5)
    with pytest.raises(ValueError, match="9000 rows of features, 2 decisions and 9000 weights"):
        Fairness(CARRIER, (TruePositiveRate(),), 0.1).measure(month.features, Decisions(good, good), weights(month))


def test_mistakes_are_told() -> None:
    assert Fairness(CARRIER, EQUALIZED_ODDS, at_most=0.1).mistakes(["carrier"]) == []
    assert Fairness(Slice("carrier", "origin"), (TruePositiveRate(),), 0.1).name == "fair_recall_by_carrier_origin"
    for rule, told in (
        (Fairness("carrier", (TruePositiveRate(),), 0.1), "slicing is 'carrier'; it must be Slicing"),
        (Fairness(Slice("carier"), (TruePositiveRate(),), 0.1), "which is no feature column"),
        (Fairness(CARRIER, TruePositiveRate(), 0.1), "was a comma forgotten?"),
        (Fairness(CARRIER, (), 0.1), "rates is empty"),
        (Fairness(CARRIER, (TruePositiveRate,), 0.1), "is the class TruePositiveRate"),
        (Fairness(CARRIER, (TruePositiveRate(),), 1.1), "at_most is 1.1; it must be a number, at least 0, at most 1"),
        (Fairness(CARRIER, (TruePositiveRate(),), 0.1, support=30), "support is 30"),
    ):
        (mistake,) = rule.mistakes(["carrier"])
        assert told in mistake
