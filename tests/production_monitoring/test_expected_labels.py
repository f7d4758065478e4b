"""Metrics before labels come: unbiased, with intervals that hold what is realised, whatever the metric."""

import numpy as np
import pytest

from mlsys_assets.measures.cost_metric import ExpectedCost
from mlsys_assets.measures.costs import CostMatrix
from mlsys_assets.measures.metrics import Accuracy, Brier, Ece, LogLoss, PrAuc, RocAuc, value
from mlsys_assets.measures.prevalence import Prevalence
from mlsys_assets.production_monitoring.expected_labels import ExpectedLabels, _realised, expected
from mlsys_assets.production_monitoring.reference_scores import ReferenceScores, cell_of

from .unlabelled_worlds import LATER, classes, reference_of_classes, reference_of_weather, weather

METRICS = (
    RocAuc(), LogLoss(), Brier(), Accuracy(0.4), Prevalence(), PrAuc(),
    ExpectedCost(CostMatrix(false_positive=8, false_negative=40)),
)  # fmt: skip


def trials(count: int, *, rows=7_000, reference_rows=20_000, unknown=0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return by trial and metric: estimate minus realised, whether the interval held, and the standard error."""
    error, held, told = [], [], []
    for seed in range(count):
        reference = reference_of_weather(seed=seed, n=reference_rows, unknown=unknown)
        score, label, at = weather(rows, seed=seed, moved=0.4, unknown=unknown)
        labels = ExpectedLabels.of(reference, score, at, seed=seed)
        for one, metric in ((labels.estimate(metric, score), metric) for metric in METRICS):
            realised = value(metric, label, score)
            error.append(one.value - realised)
            held.append(one.low <= realised <= one.high)
            told.append(one.error)
    return tuple(np.array(part).reshape(count, -1) for part in (error, held, told))


def test_estimates_are_unbiased_though_scores_are_miscalibrated_and_features_moved() -> None:
    error, held, told = trials(20)
    assert (np.abs(error.mean(axis=0)) < 4 * told.mean(axis=0) / np.sqrt(20)).all()
    assert held.mean() > 0.9
    raw = weather(7_000, seed=0, moved=0.4)
    assert value(Ece(), raw[1], raw[0]) > 0.03  # what is corrected


@pytest.mark.prove
@pytest.mark.parametrize("unknown", [0.0, 0.3])
def test_intervals_hold_what_is_realised_as_often_as_they_say(unknown) -> None:
    error, held, told = trials(240, rows=3_000, reference_rows=10_000, unknown=unknown)
    print(held.mean(axis=0), error.mean(axis=0), told.mean(axis=0))
    assert (np.abs(error.mean(axis=0)) < 0.3 * told.mean(axis=0)).all()
    assert 0.93 <= held.mean() <= 0.97
    assert (held.mean(axis=0) >= 0.91).all()


@pytest.mark.parametrize("metric", METRICS, ids=lambda m: m.name)
def test_the_estimate_is_the_mean_over_labels_drawn_from_what_is_expected(metric) -> None:
    """A brute-force oracle: labels are drawn many times, the metric is computed as ever."""
    reference, (score, _, at) = reference_of_weather(), weather(1_500, seed=0)
    labels = ExpectedLabels.of(reference, score, at, seed=0)
    cell, p = cell_of(score, labels.edges), labels.sigmoid.apply(score)
    chance = np.clip(p * (labels.rates[0] / labels.likely)[cell], 0, 1)
    rng = np.random.default_rng(1)
    drawn = [value(metric, (rng.uniform(size=1_500) < chance).astype(float), score) for _ in range(400)]
    assert labels.estimate(metric, score).value == pytest.approx(np.mean(drawn), abs=4 * np.std(drawn) / 20 + 0.002)


def test_on_the_reference_itself_the_estimate_is_what_was_realised() -> None:
    reference = reference_of_weather()
    labels = ExpectedLabels.of(reference, reference.score, reference.at, seed=0)
    for metric in METRICS:
        realised = value(metric, reference.label, reference.score)
        assert labels.estimate(metric, reference.score).value == pytest.approx(realised, rel=0.005)
        assert labels.change(metric, reference.score, reference).value == pytest.approx(0.0, abs=0.005 * realised)


def test_what_days_bring_unknown_to_scores_widens_the_interval() -> None:
    score, _, at = weather(7_000, seed=0)
    calm, stormy = (
        ExpectedLabels.of(reference_of_weather(unknown=unknown), score, at, seed=0) for unknown in (0.0, 0.5)
    )
    assert calm.day_spread < 0.1
    assert stormy.day_spread == pytest.approx(0.5, abs=0.15)
    told = stormy.estimate(Prevalence(), score).error
    assert told > 3 * calm.estimate(Prevalence(), score).error
    assert told > 0.8 * stormy.day_spread * (score * (1 - score)).mean() / np.sqrt(7)  # the window's own seven days


def test_windows_of_two_models_are_estimated_together() -> None:
    first, second = reference_of_weather(seed=0), reference_of_weather(seed=1)
    one, two = weather(4_000, seed=0), weather(6_000, seed=1, start=LATER + np.timedelta64(7, "D"), moved=0.6)
    parts = [
        (ExpectedLabels.of(reference, score, at, seed=0), score)
        for reference, (score, _, at) in ((first, one), (second, two))
    ]
    turned = ReferenceScores(1 - second.score, second.label, second.at)  # another model, of which nothing is alike
    parts[1] = (ExpectedLabels.of(turned, 1 - two[0], two[2], seed=0), 1 - two[0])
    found = expected(LogLoss(), parts)
    alone = [labels.estimate(LogLoss(), score).value for labels, score in parts]
    assert found.value == pytest.approx(0.4 * alone[0] + 0.6 * alone[1], rel=0.01)
    score, label = np.concatenate([one[0], 1 - two[0]]), np.concatenate([one[1], two[1]])
    ranked = expected(RocAuc(), parts)
    assert ranked.low < value(RocAuc(), label, score) < ranked.high


def test_scores_that_fall_with_positives_are_estimated_too() -> None:
    reference, (score, label, at) = reference_of_classes(), classes(0.22, 7_000, seed=0)
    turned = ReferenceScores(1 - reference.score, reference.label, reference.at)
    found = ExpectedLabels.of(turned, 1 - score, at, seed=0).estimate(RocAuc(), 1 - score)
    assert found.low < value(RocAuc(), label, 1 - score) < found.high
    assert found.value < 0.25


class Broken:
    name, higher_is_better = "broken", True

    def draws(self, label, score, weights):
        raise ZeroDivisionError("nothing there")


def test_a_metric_that_fails_is_named() -> None:
    reference, (score, _, at) = reference_of_classes(), classes(0.22, 500, seed=0)
    found = ExpectedLabels.of(reference, score, at, seed=0).estimate(Broken(), score)
    assert not found.sufficient
    assert found.note == "broken: ZeroDivisionError: nothing there"


def test_days_of_few_rows_do_not_seem_to_stray() -> None:
    """Fifty rows a day differ in their share by chance, by a third of a log-odd."""
    _, _, at = weather(500, seed=0)
    found = [
        ExpectedLabels.of(reference_of_weather(seed=seed, n=1_500), np.full(500, 0.2), at, seed=0).day_spread
        for seed in range(10)
    ]
    assert np.mean(found) < 0.12


def test_both_draws_are_by_the_seed() -> None:
    reference, (score, _, at) = reference_of_weather(n=2_000), weather(500, seed=0)
    one, two, other = (ExpectedLabels.of(reference, score, at, seed=seed) for seed in (3, 3, 4))
    assert np.array_equal(one.rates, two.rates)
    assert not np.array_equal(one.days, other.days)
    rate, rows = np.full((5, 2), 0.3), np.full((7, 2), 40.0)
    drawn = [_realised(rate, rows, 0.2, seed=seed) for seed in (3, 3, 4)]
    assert np.array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])
