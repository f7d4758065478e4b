"""Thresholds are those of a brute-force search, and no test row has a say in them."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st
from sklearn.metrics import precision_recall_curve

from mlsys_assets.data_sampling.views import OpenedTest, Test, Train, Validation, View
from mlsys_assets.measures.costs import CostMatrix
from mlsys_assets.measures.intervals import Support
from mlsys_assets.offline_evaluation.choices.operating_points import NEVER
from mlsys_assets.offline_evaluation.choices.thresholds import (
    ByCost,
    ByPrecision,
    ByRecall,
    ByShare,
    ChosenThreshold,
    ThresholdPolicy,
    ThresholdVerdict,
)
from mlsys_assets.types import DeclarationError, TimeWindow, utc

ANY = Support(least_of_each_class=1, least_blocks=1)
POLICIES = (ByCost(CostMatrix(20, 100, 40)), ByRecall(0.8), ByPrecision(0.3), ByShare(0.2))


def view(label: np.ndarray, kind: type[View] = Validation) -> View:
    n = len(label)
    at = np.datetime64("2013-09-01", "us") + np.timedelta64(3, "h") * np.arange(n)
    ids = pa.array([str(i) for i in range(n)], pa.string())
    return kind(ids, at, pa.table({"x": np.zeros(n, np.float32)}), label, TimeWindow.of("2013-09-01", "2013-10-01"))


@st.composite
def scored(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    n = draw(st.integers(2, 40))
    score = draw(st.lists(st.integers(0, 8).map(lambda i: i / 8), min_size=n, max_size=n))
    label = draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=n, max_size=n).filter(lambda y: 0 < sum(y) < n))
    return np.array(label), np.array(score)


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    score = rng.beta(1, 3, 4_000)
    return (rng.random(4_000) < score).astype(float), score


@given(scored(), st.integers(1, 40), st.integers(1, 40), st.integers(0, 5))
def test_no_threshold_is_cheaper_and_none_as_cheap_is_nearer_to_that_of_the_costs(rows, wrong, missed, right) -> None:
    label, score = rows
    costs = CostMatrix(wrong, missed + right, right)
    found = ByCost(costs).choose(view(label), score, support=ANY)
    assert found.verdict is ThresholdVerdict.CHOSEN

    def cost(threshold: float) -> float:
        acted = score >= threshold
        return float(np.where(acted, np.where(label > 0, right, wrong), np.where(label > 0, missed + right, 0)).mean())

    assert cost(found.threshold) == pytest.approx(found.cost)
    grid = np.linspace(0, 1.1, 2_201)
    realised = np.array([cost(t) for t in grid])
    assert found.cost <= realised.min() + 1e-12
    nearest = np.abs(grid[realised <= found.cost + 1e-12] - costs.threshold).min()
    assert abs(found.threshold - costs.threshold) <= nearest + 1e-12


def test_of_thresholds_that_cost_the_same_it_is_the_one_nearest_to_that_of_the_costs() -> None:
    """Acting on one row or on three costs the same; so it acts on three, from 1/2 on."""
    label, score = np.array([1.0, 0, 1, 0]), np.array([0.9, 0.7, 0.6, 0.2])
    found = ByCost(CostMatrix(1, 1)).choose(view(label), score, support=ANY)
    assert (found.threshold, found.cost, found.share) == (0.5, 0.25, 0.75)
    cautious = ByCost(CostMatrix(1, 1)).choose(view(label), np.array([0.9, 0.8, 0.3, 0.2]), support=ANY)
    assert cautious.threshold == 0.3  # 0.2 away from 1/2; the other one, just above 0.8, is 0.3 away


@given(scored(), st.integers(1, 40), st.integers(1, 40))
def test_dearer_misses_never_raise_the_threshold(rows, wrong: int, missed: int) -> None:
    label, score = rows
    once, twice = (
        ByCost(CostMatrix(wrong, m)).choose(view(label), score, support=ANY).threshold for m in (missed, 2 * missed)
    )
    assert twice <= once


def test_doubling_the_cost_of_a_miss_lowers_the_threshold(rows) -> None:
    label, score = rows
    once, twice = (ByCost(CostMatrix(20, cost)).choose(view(label), score) for cost in (60, 120))
    assert twice.threshold < once.threshold
    assert twice.recall > once.recall
    assert once.threshold == pytest.approx(CostMatrix(20, 60).threshold, abs=0.05)  # these scores are calibrated


def test_scores_that_are_too_low_get_a_threshold_that_makes_up_for_it(rows) -> None:
    label, score = rows
    costs = CostMatrix(20, 60)
    found = ByCost(costs).choose(view(label), score / 4)
    assert found.threshold < costs.threshold / 2
    assert found.cost < costs.realised(label, score / 4)


@given(scored(), st.sampled_from([0.1, 0.5, 0.8, 1.0]))
def test_by_recall_is_the_highest_that_finds_enough(rows, at_least: float) -> None:
    label, score = rows
    found = ByRecall(at_least).choose(view(label), score, support=ANY)
    _, recall, thresholds = precision_recall_curve(label, score)
    assert found.threshold == max(t for t, r in zip(thresholds, recall, strict=False) if r >= at_least)


@given(scored(), st.sampled_from([0.1, 0.5, 0.8, 1.0]))
def test_by_precision_is_the_lowest_that_is_precise_enough(rows, at_least: float) -> None:
    label, score = rows
    found = ByPrecision(at_least).choose(view(label), score, support=ANY)
    precision, _, thresholds = precision_recall_curve(label, score)
    enough = [t for t, p in zip(thresholds, precision, strict=False) if p >= at_least]
    assert found.threshold == (min(enough) if enough else None)
    assert found.verdict == (ThresholdVerdict.CHOSEN if enough else ThresholdVerdict.OUT_OF_REACH)


def test_the_precision_of_a_few_rows_is_not_believed() -> None:
    """The 29 highest of 4,000 scores that say nothing are all positive by chance; of 30 it is told."""
    rng = np.random.default_rng(0)
    score, label = np.sort(rng.uniform(size=4_000))[::-1], (rng.random(4_000) < 0.3).astype(float)
    label[:29], label[29:60] = 1.0, 0.0
    found = ByPrecision(0.99).choose(view(label), score)
    assert found.verdict == ThresholdVerdict.OUT_OF_REACH
    assert f"acts on 30 rows or more is more precise than {29 / 30:.4f}" in found.reason
    label[29] = 1.0
    assert ByPrecision(0.99).choose(view(label), score).threshold == score[29]


@given(scored(), st.sampled_from([0.05, 0.2, 0.5, 1.0]))
def test_by_share_acts_on_as_many_as_there_is_capacity_for(rows, at_most: float) -> None:
    label, score = rows
    found = ByShare(at_most).choose(view(label), score, support=ANY)
    within = [t for t in np.unique(score) if (score >= t).mean() <= at_most]
    assert found.threshold == (min(within) if within else None)
    assert found.verdict == (ThresholdVerdict.CHOSEN if within else ThresholdVerdict.OUT_OF_REACH)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda p: type(p).__name__)
def test_what_it_gave_on_validation_stands_beside_it(rows, policy: ThresholdPolicy) -> None:
    label, score = rows
    assert isinstance(policy, ThresholdPolicy)
    assert policy.mistakes() == []
    found = policy.choose(view(label), score)
    acted = score >= found.threshold
    assert found.precision == pytest.approx(label[acted].mean())
    assert found.recall == pytest.approx(acted[label > 0].mean())
    assert found.share == pytest.approx(acted.mean())
    assert (found.rows, found.positives, found.days) == (4_000, label.sum(), 500)
    assert found.as_dict()["verdict"] == "chosen"
    assert ChosenThreshold.from_dict(json.loads(json.dumps(found.as_dict()))) == found
    assert all(isinstance(v, str | int | float | bool | None) for v in found.as_dict().values())


@pytest.mark.parametrize("policy", POLICIES, ids=lambda p: type(p).__name__)
def test_other_rows_than_validation_are_refused(rows, policy: ThresholdPolicy) -> None:
    label, score = rows
    opened = view(label, OpenedTest)
    sealed = Test(opened, name="recent_test", content_hash="0", as_of=utc("2013-10-01"))
    for other in (opened, sealed, view(label, Train)):
        with pytest.raises(TypeError, match="chosen on a Validation view only"):
            policy.choose(other, score)


@pytest.mark.parametrize("policy", POLICIES, ids=lambda p: type(p).__name__)
def test_rows_that_cannot_tell_are_insufficient_data(rows, policy: ThresholdPolicy) -> None:
    label, score = rows
    one_day = view(label[:8])
    for part, scores in ((view(np.zeros(500)), score[:500]), (view(np.ones(500)), score[:500]), (one_day, score[:8])):
        found = policy.choose(part, scores)
        assert (found.verdict, found.threshold) == (ThresholdVerdict.INSUFFICIENT_DATA, None)
        assert "wait for more labels" in found.reason
    assert policy.choose(view(np.zeros(0)), np.zeros(0)).verdict is ThresholdVerdict.INSUFFICIENT_DATA


def test_constant_scores_leave_all_or_nothing(rows) -> None:
    label, _ = rows
    same = np.full(len(label), 0.3)
    assert ByRecall(0.5).choose(view(label), same).threshold == 0.3
    tied = ByShare(0.5).choose(view(label), same)
    assert "1.0000 of the rows share the highest score" in tied.reason
    never = ByCost(CostMatrix(100, 1)).choose(view(label), same)
    assert 0.3 < never.threshold <= NEVER
    assert (never.share, never.precision) == (0, None)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (lambda s: s[1:], "3999 scores for 4000 rows"),
        (lambda s: np.where(s == s[0], np.nan, s), "1 of 4000 scores are no probabilities"),
        (lambda s: s * 2 - 1, r"are no probabilities in \[0, 1\]"),
    ],
)
def test_scores_that_are_no_probabilities_are_told(rows, changed, words: str) -> None:
    label, score = rows
    with pytest.raises(ValueError, match=words):
        ByRecall().choose(view(label), changed(score))
    with pytest.raises(ValueError, match="neither 0 nor 1"):
        ByRecall().choose(view(label * 2), score)


@pytest.mark.parametrize(
    "policy", [ByCost(CostMatrix(10, -1)), ByCost(3), ByRecall(0), ByRecall("x"), ByPrecision(1.1), ByShare(np.nan)]
)
def test_mistakes_are_told_when_declared_and_when_used(rows, policy) -> None:
    assert len(policy.mistakes()) == 1
    with pytest.raises(DeclarationError):
        policy.choose(view(rows[0]), rows[1])
