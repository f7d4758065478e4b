"""What is left to others is what costs least to leave, as exhaustive search says; the curve is its definition."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

from mlsys_assets.measures.costs import CostMatrix
from mlsys_assets.offline_evaluation.confidence.confidence import ABOVE_ALL, Abstention, Band, Mean, risk_coverage

COSTS = CostMatrix(false_positive=20, false_negative=100, true_positive=40)
FEW = st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.2, 0.25, 0.3, 0.6, 1.0])), min_size=1, max_size=14)


def scored(n: int = 4_000, *, seed: int = 0, days: int = 30):
    rng = np.random.default_rng(seed)
    score = rng.beta(1, 3, n)
    at = np.datetime64("2013-10-01", "us") + (np.arange(n) * days // n).astype("timedelta64[D]")
    return (rng.uniform(size=n) < score).astype(float), score, at


def cheapest(abstention: Abstention, label: np.ndarray, score: np.ndarray) -> float:
    """Return the least mean cost over all bands around the threshold."""
    threshold = abstention.costs.threshold
    ends = np.unique([*score, threshold, ABOVE_ALL])
    return min(
        float(abstention.per_row(label, score, Band(low, high)).mean())
        for low in ends[ends <= threshold]
        for high in ends[ends >= threshold]
    )


@given(FEW, st.sampled_from([-5.0, 0.0, 3.0, 10.0, 25.0, 200.0]))
def test_no_band_around_the_threshold_costs_less(rows, price) -> None:
    label, score = (np.array(v, dtype=float) for v in zip(*rows, strict=True))
    abstention = Abstention(price, COSTS)
    band = abstention.band(label, score)
    assert band.low <= COSTS.threshold <= band.high
    assert abstention.per_row(label, score, band).mean() == pytest.approx(cheapest(abstention, label, score), abs=1e-9)


def test_a_dear_way_out_is_never_taken_and_a_free_one_always() -> None:
    label, score, _ = scored()
    threshold = COSTS.threshold
    assert Abstention(1_000, COSTS).band(label, score) == Band(threshold, threshold)
    free = Abstention(-1, COSTS).band(label, score)
    assert free.abstains(score).all()
    assert free.high == ABOVE_ALL


def test_with_calibrated_scores_the_band_is_where_deciding_is_foretold_to_cost_more() -> None:
    label, score, at = scored(60_000)
    abstention = Abstention(8.0, CostMatrix(false_positive=20, false_negative=20))
    band = abstention.band(label, score)
    assert band.low == pytest.approx(8 / 20, abs=0.03)  # p · 20 costs 8
    assert band.high == pytest.approx(1 - 8 / 20, abs=0.05)  # and so does (1 - p) · 20
    report = abstention.report(label, score, at, band=band)
    assert report.share == np.mean((score >= band.low) & (score < band.high))
    assert abstention.expected(score, band) == pytest.approx(report.cost.value, abs=0.2)


def test_what_is_saved_on_other_rows_is_what_it_costs_less() -> None:
    abstention = Abstention(10.0, COSTS)
    band = abstention.band(*scored()[:2])
    label, score, at = scored(seed=1)
    report = abstention.report(label, score, at, band=band)
    plain = COSTS.per_row(label, score).mean()
    assert report.saved.value == pytest.approx(plain - report.cost.value)
    assert report.cost.value == pytest.approx(abstention.per_row(label, score, band).mean())
    assert report.saved.low > 0.0
    assert report.saved.low < report.saved.value < report.saved.high


def test_few_rows_are_insufficient_data() -> None:
    label, score, at = scored(20)
    report = Abstention(10.0, COSTS).report(label, score, at, band=Band(0.1, 0.4))
    assert not report.cost.sufficient
    assert not report.saved.sufficient


@pytest.mark.parametrize(
    ("label", "score", "reason"),
    [
        ([], [], "at least one, got 0 labels"),
        ([0.0, 1.0], [0.5], "got 2 labels and 1 scores"),
        ([0.0, 1.0], [0.5, np.nan], "got nan"),
        ([0.0, 1.0], [0.5, 1.5], "got 1.5"),
        ([0.0, 3.0], [0.5, 0.5], "labels must be 0 or 1, got 3.0"),
    ],
)
def test_impossible_rows_are_refused(label, score, reason) -> None:
    with pytest.raises(ValueError, match=reason):
        Abstention(10.0, COSTS).band(np.array(label), np.array(score))


def test_one_class_and_constant_scores_have_a_band() -> None:
    same = np.full(50, 0.3)
    assert Abstention(5.0, COSTS).band(np.ones(50), same) == Band(COSTS.threshold, ABOVE_ALL)
    assert Abstention(50.0, COSTS).band(np.ones(50), same) == Band(COSTS.threshold, COSTS.threshold)


def test_mistakes_are_told() -> None:
    assert Abstention(5.0, COSTS).mistakes() == []
    assert "abstention: cost" in Abstention(5.0, 3).mistakes()[0]
    assert "price is nan" in Abstention(float("nan"), COSTS).mistakes()[0]
    assert Abstention(5.0, CostMatrix(false_positive=20, false_negative=10, true_positive=40)).mistakes()


@given(st.lists(st.tuples(st.sampled_from([0.0, 1.0, 2.5]), st.sampled_from([0.1, 0.5, 0.9])), min_size=1, max_size=12))
def test_the_curve_is_its_definition(rows) -> None:
    loss, confidence = (np.array(v, dtype=float) for v in zip(*rows, strict=True))
    curve = risk_coverage(loss, confidence)
    for coverage, risk, least in zip(curve.coverage, curve.risk, np.unique(confidence)[::-1], strict=True):
        kept = confidence >= least
        assert coverage == pytest.approx(kept.mean())
        assert risk == pytest.approx(loss[kept].mean())
    assert curve.coverage[-1] == 1.0
    assert curve.risk[-1] == pytest.approx(loss.mean())


def test_confidence_that_goes_with_being_right_has_the_smaller_area() -> None:
    label, score, _ = scored()
    wrong = ((score >= 0.5) != (label > 0)).astype(float)
    sure = np.abs(score - 0.5)
    areas = [risk_coverage(wrong, c).area for c in (sure, np.random.default_rng(0).permutation(sure), -sure)]
    assert areas == sorted(areas)
    assert areas[0] < 0.7 * wrong.mean() < wrong.mean() < areas[2]
    assert areas[1] == pytest.approx(wrong.mean(), abs=0.02)


def test_a_curve_of_nothing_is_empty() -> None:
    nothing = risk_coverage(np.zeros(0), np.zeros(0))
    assert len(nothing.coverage) == 0
    assert np.isnan(nothing.area)
    with pytest.raises(ValueError, match="2 scores for 3 labels"):
        risk_coverage(np.zeros(3), np.zeros(2))
    with pytest.raises(ValueError, match="2 labels or scores are not finite"):
        risk_coverage(np.array([0.0, np.nan]), np.array([np.inf, 0.5]))


def test_the_mean_of_no_rows_is_nan() -> None:
    from mlsys_assets.measures.metrics import value

    assert np.isnan(value(Mean(), np.zeros(0), np.zeros(0)))
    assert value(Mean(), np.zeros(2), np.array([1.0, 4.0])) == 2.5
