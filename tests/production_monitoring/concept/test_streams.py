"""Detectors on a stream of errors: flipped labels are seen within three days, and shuffles are no news."""

import numpy as np
import pytest

from mlsys_assets.measures.metrics import log_losses
from mlsys_assets.models.linear_predictor import logistic
from mlsys_assets.production_monitoring.concept.streams import (
    DETECTORS,
    Adwin,
    Ddm,
    Detector,
    ErrorStream,
    PageHinkley,
    excess_losses,
    watch,
)

A_DAY = 920
"""Rows that become known in a day."""
START = np.datetime64("2013-03-01", "us")


def stream(
    *, seed: int, days: int = 11, flipped_from: int = 99, share: float = 1.0, harder_from: int = 99
) -> ErrorStream:
    """Predictions of a calibrated score; from some day on a share of labels is flipped, or rows are harder."""
    random, n = np.random.default_rng(seed), days * A_DAY
    day = np.arange(n) // A_DAY
    odds = np.where(day >= harder_from, 0.3, 1.0) * (random.normal(size=n) * 1.1 - 1.5)
    score = logistic(odds)
    label = random.random(n) < score
    label ^= (day >= flipped_from) & (random.random(n) < share)
    known_at = START + (np.arange(n) * (86_400_000_000 // A_DAY)).astype("timedelta64[us]")
    return ErrorStream.of(label.astype(np.float64), score, known_at=known_at)


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: d.name)
def test_labels_flipped_after_a_day_are_seen_within_three_days(detector: Detector) -> None:
    for share in (1.0, 0.2):
        found = [watch(stream(seed=seed, flipped_from=6, share=share), [detector]).changes for seed in range(20)]
        row = np.array([changes[0].row if changes else -1 for changes in found])
        assert ((row >= 6 * A_DAY) & (row < 9 * A_DAY)).sum() >= 19  # one may alarm before, by chance
        assert ((row >= 0) & (row < 9 * A_DAY)).all()
        assert all(changes[0].worse for changes in found)
        assert found[0][0].at == START + np.timedelta64(found[0][0].row * (86_400_000_000 // A_DAY), "us")


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda d: d.name)
def test_shuffles_of_what_did_not_change_alarm_at_most_once_in_twenty(detector: Detector) -> None:
    alarms = sum(bool(watch(stream(seed=seed), [detector]).changes) for seed in range(200))
    assert alarms <= 10


@pytest.mark.parametrize("detector", [Adwin(), PageHinkley()], ids=lambda d: d.name)
def test_rows_that_are_harder_are_no_change(detector: Detector) -> None:
    assert not any(watch(stream(seed=seed, harder_from=5), [detector]).changes for seed in range(20))


def test_a_change_is_dated_by_the_first_detector_once_a_second_agrees() -> None:
    flipped = watch(stream(seed=1, flipped_from=6))
    assert len(flipped.changes) == 3
    assert flipped.since == flipped.changes[0].at
    assert watch(stream(seed=1, flipped_from=6), [Adwin()]).since is None
    assert watch(stream(seed=1)).since is None
    assert "adwin from 2013-03-07" in str(flipped.changes[0])


def test_errors_that_shrink_are_a_change_for_the_better() -> None:
    random, n = np.random.default_rng(0), 8_000
    score = np.full(n, 0.3) + random.normal(scale=0.01, size=n)
    label = (random.random(n) < np.where(np.arange(n) < 4_000, 0.3, 0.05)).astype(np.float64)
    found = watch(ErrorStream.of(label, score, known_at=np.full(n, START)), [Adwin()])
    assert not found.changes[0].worse
    assert found.since is None


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


def test_few_or_no_labels_say_so() -> None:
    for n in (0, 1, 199):
        found = watch(ErrorStream.of(np.zeros(n), np.full(n, 0.2), known_at=np.full(n, START)))
        assert found.changes == ()
        assert f"insufficient data: {n} labels" in found.reason
    one_class = ErrorStream.of(np.zeros(300), np.zeros(300), known_at=np.full(300, START))
    assert watch(one_class).changes == ()


def test_what_is_no_stream_is_refused() -> None:
    with pytest.raises(ValueError, match="probabilities"):
        ErrorStream.of(np.zeros(2), np.array([0.1, 1.2]), known_at=np.full(2, START))
    with pytest.raises(ValueError, match="2 labels became known at 3 times"):
        ErrorStream.of(np.zeros(2), np.array([0.1, 0.2]), known_at=np.full(3, START))


def test_declarations_say_what_is_wrong_with_them() -> None:
    assert [d.mistakes() for d in DETECTORS] == [[], [], []]
    assert all(isinstance(d, Detector) for d in DETECTORS)
    assert len(Adwin(confidence=0.0).mistakes()) == 1
    assert len(PageHinkley(tolerated=-1.0, threshold=0.0).mistakes()) == 2
    assert len(Ddm(threshold=0.0, warm_start=0).mistakes()) == 2
