"""What a shift costs, told from scores, against what it is then found to have cost."""

import numpy as np
import pytest

from mlsys_assets.measures.costs import CostMatrix
from mlsys_assets.measures.metrics import LogLoss, value
from mlsys_assets.models.prior_correction import correct
from mlsys_assets.production_monitoring.estimated_price import price_of_covariate_shift, price_of_label_shift
from mlsys_assets.production_monitoring.label_shift import label_shift
from mlsys_assets.production_monitoring.reference_scores import ReferenceScores

from .unlabelled_worlds import LEARNED, classes, reference_of_classes, reference_of_weather, weather

COSTS = CostMatrix(false_positive=8, false_negative=40)


@pytest.mark.parametrize("points", [-0.1, 0.11, 0.3])
def test_a_label_shift_costs_what_correcting_it_saves(points) -> None:
    held, gaps = np.zeros((0, 2)), []
    for seed in range(8):
        reference, (score, label, at) = reference_of_classes(seed=seed), classes(LEARNED + points, 10_000, seed=seed)
        shift = label_shift(reference, score, at, seed=seed)
        price = price_of_label_shift(reference, score, shift, costs=COSTS)
        mended = correct(score, train_prior=LEARNED, new_prior=LEARNED + points)
        saved = value(LogLoss(), label, score) - value(LogLoss(), label, mended)
        money = COSTS.realised(label, score) - COSTS.realised(label, mended)
        noise = 0.004, 0.3  # of labels as they fell
        held = np.vstack([held, [e.low - n <= s <= e.high + n for e, s, n in
                                 zip((price.log_loss, price.money), (saved, money), noise, strict=True)]])  # fmt: skip
        gaps.append(price.log_loss.value - saved)
    assert (held.sum(axis=0) >= 7).all()
    assert np.mean(gaps) == pytest.approx(0.0, abs=0.01)
    assert price.log_loss.low > 0.0
    low, high = price.log_loss.interval()
    assert high - low == pytest.approx(price.log_loss.high - price.log_loss.low, rel=0.1)
    assert price.money.value > 0.0
    assert price.total == pytest.approx(10_000 * price.money.value)
    assert (price.requests, price.how) == (10_000, "estimated")


def test_no_label_shift_costs_nothing() -> None:
    reference, (score, _, at) = reference_of_classes(), classes(LEARNED, 10_000, seed=0)
    price = price_of_label_shift(reference, score, label_shift(reference, score, at, seed=0), costs=None)
    assert price.log_loss.low == 0.0
    assert price.log_loss.value < 0.003
    assert (price.money, price.total) == (None, None)


@pytest.mark.parametrize("moved", [-0.6, 0.6])
def test_a_covariate_shift_costs_what_it_is_then_found_to(moved) -> None:
    held = np.zeros((0, 2))
    for seed in range(8):
        reference, (score, label, at) = reference_of_weather(seed=seed), weather(7_000, seed=seed, moved=moved)
        price = price_of_covariate_shift(reference, score, at, costs=COSTS, seed=0)
        realised = (
            value(LogLoss(), label, score) - value(LogLoss(), reference.label, reference.score),
            COSTS.realised(label, score) - COSTS.realised(reference.label, reference.score),
        )
        both = (price.log_loss, price.money)
        held = np.vstack([held, [e.low <= r <= e.high for e, r in zip(both, realised, strict=True)]])
        assert np.sign(price.log_loss.value) == np.sign(moved)
    assert (held.sum(axis=0) >= 7).all()


def test_what_cannot_be_told_has_no_price() -> None:
    reference, (score, _, at) = reference_of_classes(), classes(LEARNED, 500, seed=0)
    wrong = ReferenceScores(reference.score, 0 * reference.label, reference.at)
    for price in (
        price_of_covariate_shift(wrong, score, at, costs=COSTS, seed=0),
        price_of_covariate_shift(reference, score[:1], at[:1], costs=COSTS, seed=0),
        price_of_label_shift(reference, score[:1], label_shift(reference, score[:1], at[:1], seed=0), costs=COSTS),
        price_of_label_shift(wrong, score, label_shift(wrong, score, at, seed=0), costs=COSTS),
    ):
        assert not price.log_loss.sufficient
        assert price.log_loss.note
        assert price.total is None
