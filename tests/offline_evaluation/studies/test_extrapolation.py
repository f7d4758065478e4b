"""In a world whose learning curve is known, what twice the rows bring is foretold, and the interval holds it."""

from dataclasses import replace

import numpy as np
import pytest

from mlsys_assets.measures.intervals import Estimate
from mlsys_assets.measures.metrics import LogLoss, RocAuc
from mlsys_assets.offline_evaluation.studies.extrapolation import back_test, extrapolate
from mlsys_assets.offline_evaluation.studies.learning_curve import CurvePoint, LearningCurve
from mlsys_assets.offline_evaluation.studies.power_law import fit_power_law
from mlsys_assets.offline_evaluation.studies.repeats import Repeats

SIZES = (1_000, 2_000, 4_000, 8_000, 16_000, 32_000)
DRAWS = 200


def world(random: np.random.Generator, law, *, metric=None, knee: float = 0.0) -> LearningCurve:
    """By a known law: days shift all sizes alike, each size has a chance of its own, the smaller the larger it is."""
    metric = metric or LogLoss()
    day, points = random.normal(0, 0.02), []
    shared = day + random.normal(0, 0.02, DRAWS)
    for n in SIZES:
        error = 0.3 * n**-0.5 * 0.2
        seen = law(n) + day + random.normal(0, error) + (knee if n == SIZES[-1] else 0)
        drawn = seen + (shared - day) + random.normal(0, error, DRAWS)
        like = Estimate(seen, 0, 1, 5_000, 1_000, 30)
        points.append(CurvePoint(n, n / 100, Repeats(metric, np.array([seen]), drawn, like)))
    return LearningCurve("m", metric, tuple(points), 1.0 if metric.higher_is_better else 0.0, 1)


def falling(n: float) -> float:
    return 0.4 + 4 * n**-0.5


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(0)
    truth = falling(32_000) - falling(64_000)
    found = [extrapolate(world(random, falling)) for _ in range(60)]
    held = np.mean([e.gain.low <= truth <= e.gain.high for e in found])
    assert 0.85 <= held <= 1.0
    assert np.median([e.gain.value for e in found]) == pytest.approx(truth, rel=0.3)
    assert np.mean([e.back_test.held for e in found]) >= 0.85
    assert found[0].more_days == 320


def test_it_is_narrower_than_the_days_alone_since_it_is_paired() -> None:
    found = extrapolate(world(np.random.default_rng(1), falling))
    assert found.gain.high - found.gain.low < 0.02 < 4 * 0.02  # one size's own interval is four times 0.02 wide


def test_a_curve_with_a_knee_fails_its_back_test() -> None:
    random = np.random.default_rng(2)
    tested = [back_test(world(random, falling, knee=0.02)) for _ in range(20)]
    assert not any(t.held for t in tested)
    assert all(t.error.high < 0 for t in tested)
    assert "did not hold" in str(tested[0])


def test_the_largest_size_is_foretold_from_the_smaller_ones_alone() -> None:
    curve = world(np.random.default_rng(7), falling, knee=0.02)
    found = back_test(curve)
    smaller = np.array([[p.found.values[0] for p in curve.points[:-1]]])
    foretold = fit_power_law(np.array(SIZES[:-1], dtype=float), smaller, floor=0).at(32_000)[0]
    assert found.predicted == pytest.approx(foretold)
    assert found.seen == curve.points[-1].found.values[0]
    assert found.error.value == pytest.approx(foretold - found.seen)


def test_what_is_better_the_higher_gains_too() -> None:
    found = extrapolate(world(np.random.default_rng(3), lambda n: 0.8 - 4 * n**-0.5, metric=RocAuc()))
    assert found.gain.low <= 4 * (32_000**-0.5 - 64_000**-0.5) <= found.gain.high
    assert found.gain.value > 0


def test_now_or_later() -> None:
    found = extrapolate(world(np.random.default_rng(4), falling))
    passed = found.worth_waiting(least=0.05)
    assert passed.passed
    assert "do not wait" in passed.summary
    assert "2 times the rows (64,000, about 320 more days)" in passed.summary
    assert "of one seed" in passed.summary
    assert "of one seed" not in replace(found, seeds=2).worth_waiting(least=0.05).summary
    wait = found.worth_waiting(least=found.gain.low / 2)
    assert not wait.passed
    assert "what is trained later will be better" in wait.summary
    unsure = found.worth_waiting(least=found.gain.value)
    assert not unsure.passed
    assert "may or may not" in unsure.summary


def test_a_flat_curve_promises_nothing() -> None:
    found = extrapolate(world(np.random.default_rng(5), lambda n: 0.5))
    assert found.gain.value < 0.002
    assert found.gain.low <= 0 <= found.gain.high


def test_too_few_sizes_or_rows_are_insufficient_data() -> None:
    curve = world(np.random.default_rng(6), falling)
    two, three = (replace(curve, points=curve.points[:n]) for n in (2, 3))
    assert not extrapolate(two).gain.sufficient
    assert "cannot be told" in extrapolate(two).worth_waiting(least=0.1).summary
    assert extrapolate(two).worth_waiting(least=0.1).evidence["gain"] is None
    assert extrapolate(three).gain.sufficient
    assert extrapolate(three).back_test.held is None
    thin = [replace(p, found=replace(p.found, like=replace(p.found.like, sufficient=False))) for p in curve.points]
    assert not extrapolate(replace(curve, points=tuple(thin))).gain.sufficient
    for factor in (1.0, 0.5, float("nan")):
        with pytest.raises(ValueError, match="factor must be above 1"):
            extrapolate(curve, factor=factor)
