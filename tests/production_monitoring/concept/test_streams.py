"""The stream of errors: each row's loss less its expectation, in the order in which labels became known."""

import numpy as np
import pytest

from mlsys_assets.measures.metrics import log_losses
from mlsys_assets.production_monitoring.concept.streams import ErrorStream, excess_losses

from .error_streams import START


def test_the_excess_is_the_loss_less_its_expectation_and_has_its_variance() -> None:
    score, held = np.array([0.1, 0.4, 0.9]), np.array([0.2, 0.4, 0.6])
    losses = np.stack([log_losses(np.full(3, y), score) for y in (0.0, 1.0)])
    mean = (1 - held) * losses[0] + held * losses[1]
    excess, variance = excess_losses(np.ones(3), score, held)
    assert excess == pytest.approx(losses[1] - mean)
    assert variance == pytest.approx((1 - held) * (losses[0] - mean) ** 2 + held * (losses[1] - mean) ** 2)


def test_a_stream_runs_in_the_order_in_which_labels_became_known_and_is_standard() -> None:
    random = np.random.default_rng(3)
    score = random.uniform(0.05, 0.6, 5_000)
    label = (random.random(5_000) < score).astype(np.float64)
    known_at = START + random.permutation(5_000).astype("timedelta64[m]").astype("timedelta64[us]")
    found = ErrorStream.of(label, score, known_at=known_at)
    assert (np.diff(found.at) >= np.timedelta64(0)).all()
    assert (found.excess.mean(), found.excess.std()) == pytest.approx((0.0, 1.0), abs=0.05)
    assert found.wrong.mean() == pytest.approx(np.mean((score >= 0.5) != (label > 0)))
    sorted_first = np.argsort(known_at)
    again = ErrorStream.of(label[sorted_first], score[sorted_first], known_at=known_at[sorted_first])
    assert np.array_equal(found.excess, again.excess)


def test_a_score_that_was_never_calibrated_is_held_to_what_was() -> None:
    random = np.random.default_rng(4)
    held = random.uniform(0.05, 0.6, 10_000)
    label = (random.random(10_000) < held).astype(np.float64)
    known_at = START + np.arange(10_000).astype("timedelta64[us]")
    assert ErrorStream.of(label, held**2, known_at=known_at).excess.mean() > 0.1
    assert abs(ErrorStream.of(label, held**2, known_at=known_at, calibrated=held).excess.mean()) < 0.05


def test_what_is_no_stream_is_refused() -> None:
    with pytest.raises(ValueError, match="probabilities"):
        ErrorStream.of(np.zeros(2), np.array([0.1, 1.2]), known_at=np.full(2, START))
    with pytest.raises(ValueError, match="2 labels became known at 3 times"):
        ErrorStream.of(np.zeros(2), np.array([0.1, 0.2]), known_at=np.full(3, START))
