"""The threshold is the cheapest of all, costs follow the outcomes, and a declaration says what is wrong with it."""

import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from sklearn import metrics as sk

from mlsys_assets.measures.costs import CostMatrix
from mlsys_assets.types import DeclarationError

AMOUNT = st.floats(-1_000, 1_000)
GAP = st.floats(0.01, 1_000)


@st.composite
def matrices(draw: st.DrawFn) -> CostMatrix:
    right_to_act, right_to_leave = draw(AMOUNT), draw(AMOUNT)
    return CostMatrix(
        false_positive=right_to_leave + draw(GAP), false_negative=right_to_act + draw(GAP),
        true_positive=right_to_act, true_negative=right_to_leave,
    )  # fmt: skip


def rows(seed: int, n: int = 4_000) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities that are exactly calibrated."""
    rng = np.random.default_rng(seed)
    p = rng.beta(1, 2, n)
    return (rng.uniform(size=n) < p).astype(float), p


def expected_at(cost: CostMatrix, p: np.ndarray, threshold: float) -> float:
    """The mean expected cost of acting from some threshold on, by the definition."""
    acting = cost.true_positive * p + cost.false_positive * (1 - p)
    leaving = cost.false_negative * p + cost.true_negative * (1 - p)
    return float(np.mean(np.where(p >= threshold, acting, leaving)))


@given(cost=matrices(), seed=st.integers(0, 99))
def test_no_threshold_is_cheaper_in_expectation(cost: CostMatrix, seed: int) -> None:
    _, p = rows(seed, n=300)
    own = expected_at(cost, p, cost.threshold)
    assert cost.expected(p) == pytest.approx(own, rel=1e-9, abs=1e-9)
    cheapest = min(expected_at(cost, p, t) for t in [0.0, *np.unique(p), 2.0])
    assert own == pytest.approx(cheapest, rel=1e-9, abs=1e-9)


@given(cost=matrices())
def test_at_the_threshold_acting_and_leaving_cost_the_same(cost: CostMatrix) -> None:
    p = cost.threshold
    assert 0 < p < 1
    acting = p * cost.true_positive + (1 - p) * cost.false_positive
    assert acting == pytest.approx(p * cost.false_negative + (1 - p) * cost.true_negative, rel=1e-6, abs=1e-6)


@given(false_positive=GAP, false_negative=GAP)
def test_dearer_misses_lower_the_threshold(false_positive: float, false_negative: float) -> None:
    once, twice = (CostMatrix(false_positive, times * false_negative).threshold for times in (1, 2))
    assert twice < once


@given(cost=matrices(), seed=st.integers(0, 99))
def test_what_is_realised_is_scikit_learns_confusion_matrix(cost: CostMatrix, seed: int) -> None:
    label, p = rows(seed, n=200)
    assume(0 < label.sum() < len(label))
    tn, fp, fn, tp = sk.confusion_matrix(label, p >= cost.threshold).ravel()
    total = (
        tn * cost.true_negative + fp * cost.false_positive + fn * cost.false_negative + tp * cost.true_positive
    )  # fmt: skip
    assert cost.total(label, p) == pytest.approx(total, rel=1e-9, abs=1e-9)
    assert cost.realised(label, p) == pytest.approx(total / len(label), rel=1e-9, abs=1e-9)
    assert cost.per_row(label, p).mean() == pytest.approx(total / len(label), rel=1e-9, abs=1e-9)


def test_each_outcome_has_its_cost() -> None:
    cost = CostMatrix(false_positive=10, false_negative=40, true_positive=5, true_negative=-1)
    assert cost.threshold == pytest.approx(11 / 46)
    found = cost.per_row(np.array([0.0, 1, 1, 0]), np.array([0.9, 0.1, 0.9, 0.1]))
    assert found.tolist() == [10, 40, 5, -1]
    assert CostMatrix(10, 40).per_row(np.array([0.0]), np.array([0.2])).tolist() == [10]  # at the threshold one acts


def test_of_calibrated_scores_what_is_expected_is_realised() -> None:
    label, p = rows(0, n=200_000)
    cost = CostMatrix(false_positive=10, false_negative=40, true_positive=5)
    assert cost.realised(label, p) == pytest.approx(cost.expected(p), rel=0.01)
    assert cost.realised(label, p**3) > cost.expected(p**3) * 1.5  # and of too low ones it is not


def test_a_model_that_ranks_worse_may_cost_less() -> None:
    """Ranking is not what costs: the timid one ranks best, but gives all too little."""
    label, p = rows(1)
    cost = CostMatrix(false_positive=10, false_negative=40)
    timid, noisy = p / 6, np.clip(p + np.random.default_rng(0).normal(0, 0.05, len(p)), 0, 1)
    assert sk.roc_auc_score(label, noisy) < sk.roc_auc_score(label, timid)
    assert cost.realised(label, noisy) < cost.realised(label, timid) / 1.5


def test_the_order_of_the_rows_changes_no_bit() -> None:
    cost = CostMatrix(false_positive=0.1, false_negative=0.7, true_positive=0.3)
    for seed in range(20):
        label, p = rows(seed, n=40_000)
        order = np.random.default_rng(seed).permutation(len(p))
        assert cost.realised(label[order], p[order]) == cost.realised(label, p)
        assert cost.expected(p[order]) == cost.expected(p)


def test_no_requests_are_no_cost() -> None:
    cost, none = CostMatrix(1, 2), np.zeros(0)
    assert np.isnan([cost.realised(none, none), cost.expected(none)]).all()
    assert cost.total(none, none) == 0.0
    assert cost.per_row(none, none).shape == (0,)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"false_positive": "10"}, "false_positive is '10'; it must be a number"),
        ({"false_positive": True}, "false_positive is True"),
        ({"false_negative": np.nan}, "false_negative is nan"),
        ({"true_positive": np.inf}, "true_positive is inf"),
        ({"true_negative": -1e13}, "at least -1000000000000"),
        ({"true_positive": 40}, "acting on a label of 1 costs 40 .* not acting 40 .*acting must cost less"),
        ({"true_negative": 11}, "not acting on a label of 0 costs 11 .* acting 10 .*not acting must cost less"),
        ({"unit": " "}, "unit is ' '; it must be text"),
        ({"unit": None}, "unit is None"),
        ({"unit": "x" * 21}, "of 1 to 20 characters"),
    ],
)
def test_a_mistake_is_told_when_declared_and_when_used(changes: dict, words: str) -> None:
    cost = CostMatrix(**{"false_positive": 10, "false_negative": 40} | changes)
    assert len(cost.mistakes()) == 1
    with pytest.raises(DeclarationError, match=words):
        cost.realised(np.array([1.0]), np.array([0.5]))


def test_all_mistakes_are_told_at_once() -> None:
    assert len(CostMatrix("a", None, unit="").mistakes()) == 3
    assert CostMatrix(10, 40).mistakes() == []
    assert CostMatrix(np.float32(10), np.int64(40), -5, -1, "EUR").mistakes() == []
