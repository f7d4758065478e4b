"""What is known of a group is held against its limits, and areas count pairs of one half."""

import numpy as np
import pytest

from mlsys_assets.features.leakage.known_group import FEW, MOST_GAP, NOTED_GAP, KnownGroup, WithinHalves
from mlsys_assets.measures.intervals import Estimate, bootstrap
from mlsys_assets.measures.metrics import Weights
from mlsys_assets.types import Severity


@pytest.mark.parametrize(
    ("gap", "gain", "each", "declared", "said"),
    [
        (0.0, NOTED_GAP, 6, True, []),
        (NOTED_GAP + 0.001, -0.1, 6, True, [Severity.WARN]),
        (0.0, MOST_GAP, 6, True, [Severity.WARN]),
        (0.0, MOST_GAP + 0.001, 6, False, [Severity.ERROR]),
        (MOST_GAP + 0.001, 0.0, FEW - 1, False, [Severity.ERROR]),
        (MOST_GAP + 0.1, MOST_GAP + 0.1, FEW, False, [Severity.WARN]),
        (MOST_GAP + 0.001, 0.0, FEW, True, [Severity.ERROR]),
    ],
)
def test_the_lower_end_of_either_is_held_against_the_limits(gap, gain, each, declared, said):
    def sure(low):
        return Estimate(low + 0.01, low, low + 0.02, 100, 40, 20)

    five = {"seen": sure(0.8), "unseen": sure(0.7), "gap": sure(gap), "known": sure(0.8), "gain": sure(gain)}
    one = KnownGroup("crew", 9, 1.0, each, declared, **five)
    assert [s.severity for s in one.suspicions] == said


def test_an_area_within_halves_counts_pairs_of_one_half():
    random = np.random.default_rng(4)
    label, score = (random.random(60) < 0.4).astype(float), np.round(random.random(60), 1)
    half, day = random.integers(0, 2, 60), random.integers(0, 9, 60)
    day[:9] = np.arange(9)
    weights = bootstrap(day.astype(np.intp), seed=0, draws=5)
    found = WithinHalves(half).draws(label, score, weights)
    for drawn, area in zip(weights.counts, found, strict=True):
        times, (won, pairs) = drawn[day], np.zeros((2, 2))
        for i in np.flatnonzero(label == 1):
            for j in np.flatnonzero((label == 0) & (half == half[i])):
                won[half[i]] += times[i] * times[j] * ((score[i] > score[j]) + (score[i] == score[j]) / 2)
                pairs[half[i]] += times[i] * times[j]
        assert area == pytest.approx((won / pairs).mean())
    assert np.isnan(WithinHalves(half).draws(np.ones(60), score, Weights.once(60))[0])
