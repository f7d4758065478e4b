"""Intervals cover the truth as often as they say, from the least number of days on; below it they say that they can't.

The worlds have days of their own: a rate and a skill that all rows of a day share, so that rows are not independent.
"""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from mlsys_assets.measures.intervals import (
    LEAST_BLOCKS,
    Estimate,
    Support,
    attempt,
    bootstrap,
    day_blocks,
    difference,
    estimate,
    require_rows,
    spread,
)
from mlsys_assets.measures.metrics import Accuracy, Brier, Ece, LogLoss, PrAuc, RocAuc, log_losses, value
from mlsys_assets.measures.multiplicity import holm
from mlsys_assets.measures.power import Power
from mlsys_assets.measures.regression_metrics import MeanAbsoluteError
from mlsys_assets.types import hours

METRICS = (LogLoss(), Brier(), RocAuc(), PrAuc(), Accuracy(), Ece())
COMPARED = METRICS[:-1]
"""All but the error of calibration, of which a difference is biased: the gates refuse it."""


def world(rng: np.random.Generator, days: int, a_day: int = 200):
    """Return labels, the scores of two models, and the day of each row."""
    label, first, second, _, day = world_of_three(rng, days, a_day)
    return label, first, second, day


def world_of_three(rng: np.random.Generator, days: int, a_day: int = 200):
    """Return labels, the scores of a good model and of two that are worse and alike, and the day of each row."""
    day = np.repeat(np.arange(days), a_day)
    rate, skill = rng.normal(0, 0.5, size=days)[day], rng.normal(1.0, 0.2, size=days)[day]
    known, noise, other = rng.normal(size=(3, len(day)))
    label = (rng.random(len(day)) < 1 / (1 + np.exp(1.5 - rate - skill * known))).astype(float)
    first = 1 / (1 + np.exp(1.4 - 1.0 * known - 0.3 * noise))
    second, third = (1 / (1 + np.exp(1.4 - 0.8 * known - 0.6 * own)) for own in (noise, other))
    return label, first, second, third, day


def truths() -> dict[str, float]:
    """Return each metric, and each difference, of a million and a half of rows."""
    label, first, second, _ = world(np.random.default_rng(99), 7_500)
    whole = {m.name: [value(m, label, s) for s in (first, second)] for m in METRICS}
    return {name: a for name, (a, _) in whole.items()} | {f"{name} difference": a - b for name, (a, b) in whole.items()}


def covered(trials: int, days: int, draws: int) -> dict[str, float]:
    """Return how often the interval of each metric, and of each paired difference, held the truth."""
    truth, hits, rng = truths(), {}, np.random.default_rng(days)
    for trial in range(trials):
        label, first, second, day = world(rng, days)
        weights = bootstrap(day, seed=trial, draws=draws)
        found = {m.name: estimate(m, label, first, weights=weights) for m in METRICS}
        found |= {f"{m.name} difference": difference(m, label, (first, second), weights=weights) for m in COMPARED}
        for name, one in found.items():
            hits.setdefault(name, []).append(one.low <= truth[name] <= one.high)
    return {name: float(np.mean(held)) for name, held in hits.items()}


@pytest.mark.prove
@pytest.mark.parametrize("days", [LEAST_BLOCKS, 14, 28])
def test_intervals_of_95_percent_cover_92_to_98(days) -> None:
    found = covered(1_000, days, 400)
    print(days, found)
    assert {name: share for name, share in found.items() if not 0.92 <= share <= 0.98} == {}


def test_intervals_of_few_days_cover_nearly_as_often_as_they_say() -> None:
    found = covered(120, LEAST_BLOCKS, 150)
    assert {name: share for name, share in found.items() if not 0.89 <= share <= 1.0} == {}
    assert 0.92 <= np.mean(list(found.values())) <= 0.98


def test_percentiles_would_not_cover() -> None:
    """The control: what the studentized interval is there for."""
    truth, rng, held = truths(), np.random.default_rng(5), []
    for trial in range(60):
        label, first, _, day = world(rng, LEAST_BLOCKS)
        drawn = Ece().draws(label, first, bootstrap(day, seed=trial, draws=150))
        low, high = np.quantile(drawn, (0.025, 0.975))
        held.append(low <= truth["ece"] <= high)
    assert np.mean(held) < 0.5


def test_fewer_days_than_the_least_are_insufficient_data() -> None:
    label, first, second, day = world(np.random.default_rng(1), LEAST_BLOCKS - 1)
    weights = bootstrap(day, seed=0, draws=50)
    for found in (
        estimate(LogLoss(), label, first, weights=weights),
        difference(LogLoss(), label, (first, second), weights=weights),
    ):
        assert not found.sufficient
        assert np.isnan([found.value, found.low, found.high, found.error]).all()
        assert f"{LEAST_BLOCKS - 1} days" in str(found)


def test_the_interval_of_a_mean_by_day_is_student_s() -> None:
    rng = np.random.default_rng(2)
    label, day = np.repeat(rng.normal(size=12), 10), np.repeat(np.arange(12), 10)
    found = estimate(
        MeanAbsoluteError(), label, np.full(120, -50.0), weights=bootstrap(day, seed=0, draws=40_000),
        support=Support(least_of_each_class=10),
    )  # fmt: skip
    t = stats.t.interval(0.95, df=11, loc=label.mean() + 50, scale=stats.sem(label[::10]))
    assert (found.low, found.high) == pytest.approx(t, abs=0.01)
    assert found.interval(0.8)[0] == pytest.approx(
        stats.t.interval(0.8, df=11, loc=label.mean() + 50, scale=stats.sem(label[::10]))[0], abs=0.01
    )
    expected = stats.ttest_1samp(label[::10] + 50, 50.0, alternative="greater").pvalue
    assert found.p_above(50.0) == pytest.approx(expected, abs=0.01)


def test_a_value_that_hangs_on_one_or_two_days_is_insufficient_data() -> None:
    """Both classes are there in number, but in so few days that many a draw has but one."""
    label, day = np.zeros(1400), np.repeat(np.arange(14), 100)
    label[:60] = 1
    score = np.random.default_rng(3).random(1400)
    found = estimate(RocAuc(), label, score, weights=bootstrap(day, seed=0, draws=200))
    assert not found.sufficient


def test_constant_scores_are_told_without_doubt() -> None:
    label, _, _, day = world(np.random.default_rng(4), 10)
    found = estimate(RocAuc(), label, np.full(len(label), 0.3), weights=bootstrap(day, seed=0, draws=50))
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)
    assert (found.p_above(0.5), found.p_above(0.4)) == (1.0, 0.0)


def test_a_metric_that_fails_says_so_and_is_no_number() -> None:
    class Broken:
        name, higher_is_better = "broken", True

        def draws(self, label, score, weights):
            raise ZeroDivisionError("nothing there")

    label, first, _, day = world(np.random.default_rng(6), 10)
    found = estimate(Broken(), label, first, weights=bootstrap(day, seed=0, draws=10))
    assert str(found) == "failed: broken: ZeroDivisionError: nothing there"
    assert not found.sufficient
    assert np.isnan(found.value)
    assert Estimate.from_dict(found.as_dict()).note == found.note


def test_what_is_no_number_a_draw_is_a_metric_that_fails() -> None:
    class Odd:
        name, higher_is_better = "odd", True

        def __init__(self, found: object) -> None:
            self.found = found

        def draws(self, label, score, weights):
            return self.found

    label, first, _, day = world(np.random.default_rng(6), 10)
    for found in (np.zeros(3), np.array(["a"] * 10, dtype=object), None):
        told = estimate(Odd(found), label, first, weights=bootstrap(day, seed=0, draws=10))
        assert told.note.startswith("odd: ")
        assert not told.sufficient
        assert np.isnan(attempt(Odd(found), label, first))
    odd = np.where(np.arange(len(first)) == 5, np.nan, first)
    for metric in METRICS:
        told = estimate(metric, label, odd, weights=bootstrap(day, seed=0, draws=10))
        assert "1 scores are not finite" in told.note
    for metric in (LogLoss(), Brier(), Ece()):
        told = estimate(metric, label, first + 0.5, weights=bootstrap(day, seed=0, draws=10))
        assert "probabilities are in [0, 1]" in told.note


def test_what_is_put_on_record_has_no_more_digits_than_processors_agree_on() -> None:
    found = Estimate(1 / 3, 0.1, 0.2, 3, 1, 2, error=np.nan)
    assert found.as_dict()["value"] == 0.333333333333
    assert found.as_dict()["error"] is None
    assert Estimate.from_dict(found.as_dict()).as_dict() == found.as_dict()


def test_support_asks_for_each_class_and_for_rows_of_numbers() -> None:
    support = Support(least_of_each_class=3, least_blocks=1)
    two, three = np.zeros(6), np.zeros((9, 3))
    assert support.suffices(np.array([0, 0, 0, 1, 1, 1.0]), two, 1)
    assert not support.suffices(np.array([0, 0, 0, 0, 1, 1.0]), two, 1)
    assert support.suffices(np.repeat([0, 1, 2.0], 3), three, 1)
    assert not support.suffices(np.repeat([0, 1, 1.0], 3), three, 1)
    assert support.suffices(np.linspace(5, 9, 6), two, 1)
    assert not support.suffices(np.linspace(5, 9, 5), two[:5], 1)
    assert not support.suffices(np.zeros(0), np.zeros(0), 0)


def test_blocks_may_be_other_than_days() -> None:
    at = np.array(["1969-12-31T23:00", "1970-01-01T05:59", "1970-01-01T06:00", "1970-01-02T00:00"], "datetime64[us]")
    assert day_blocks(at).tolist() == [0, 1, 1, 2]
    assert day_blocks(at, length=hours(6)).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("label", "score", "said"),
    [
        (np.ones(3), np.ones(4), "4 scores for 3 labels"),
        (np.ones(2), np.array([0.5, np.nan]), "1 labels or scores are not finite"),
        (np.array([1, np.nan]), np.ones(2), "1 labels or scores are not finite"),
        (np.ones(2), np.array([0.5, 1.5]), "reach from 0.5 to 1.5"),
        (np.ones(2), np.array([-0.5, 0.5]), "probabilities are in"),
    ],
)
def test_what_are_no_scores_of_these_rows_is_refused(label, score, said) -> None:
    with pytest.raises(ValueError, match=said):
        require_rows(label, score, what="a model")
    require_rows(np.ones(2), np.array([0.5, 1.5]), what="numbers", probabilities=False)


def test_an_interval_reaches_as_far_down_as_resampling_adds() -> None:
    drawn = np.array([0.2, 0.3, 0.4] * 10)
    found = spread(0.1, drawn, like=Estimate(np.nan, np.nan, np.nan, 10, 10, 10))
    assert found.bias == pytest.approx(0.2)
    middle = (found.low + found.high) / 2
    assert middle == pytest.approx(0.1 - 0.2 / 2)
    assert found.value == 0.1


def test_holm_equals_statsmodels() -> None:
    rng = np.random.default_rng(0)
    for size in (1, 2, 7, 40):
        p = rng.random(size) ** 2
        np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], atol=1e-15)
    np.testing.assert_allclose(holm([0.01, np.nan, 0.03]), [0.02, np.nan, 0.03])
    assert holm([]).tolist() == []


def power_found(experiments: int, *, gains: tuple[float, ...], weeks: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return (gains, weeks) the power computed beforehand, and how often blends of that true gain were shown."""
    rng = np.random.default_rng(8)
    label, first, second, third, day = world_of_three(rng, 400, a_day=60)
    days = int(day.max()) + 1
    base, shares = log_losses(label, second), np.linspace(0, 1, 201)
    gain_of = np.array([(base - log_losses(label, (1 - s) * third + s * first)).mean() for s in shares])
    foretold, shown = np.zeros((2, len(gains), len(weeks)))
    for g, gain in enumerate(gains):
        share = shares[np.abs(gain_of - gain).argmin()]
        better = base - log_losses(label, (1 - share) * third + share * first)
        power = Power.foretold(better, day)
        sums = np.bincount(day, weights=better)
        rows = np.bincount(day)
        for w, n in enumerate(weeks):
            foretold[g, w] = power.at(float(better.mean()), 7 * n)
            hits = 0
            for trial in range(experiments):
                drawn = rng.integers(0, days, size=7 * n)
                part, size = sums[drawn], rows[drawn]
                weights = bootstrap(np.arange(7 * n), seed=trial, draws=300)
                values = (weights.counts @ part) / (weights.counts @ size)
                found = spread(part.sum() / size.sum(), values, like=Estimate(np.nan, np.nan, np.nan, 0, 0, 7 * n))
                hits += found.low > 0
            shown[g, w] = hits / experiments
    return foretold, shown


@pytest.mark.prove
def test_a_true_gain_is_shown_as_often_as_was_computed_beforehand() -> None:
    foretold, shown = power_found(1_000, gains=(0.0, 0.002, 0.005, 0.01, 0.02), weeks=(1, 2, 4, 8))
    print(np.round(foretold, 3), np.round(shown, 3), sep="\n")
    assert np.abs(foretold - shown).max() <= 0.05
    assert foretold.min() < 0.05
    assert foretold.max() > 0.9


def test_a_true_gain_is_shown_about_as_often_as_was_computed_beforehand() -> None:
    foretold, shown = power_found(200, gains=(0.005, 0.015), weeks=(1, 4))
    assert np.abs(foretold - shown).max() <= 0.1


def test_power_is_that_of_a_t_test() -> None:
    """Against a table: effect .5, 34 observations, two-sided .05 give a power of .8 (Cohen 1988, one sample)."""
    power = Power(deviation=1.0)
    assert power.at(0.5, 34) == pytest.approx(0.808, abs=0.002)
    assert power.at(0.0, 34) == pytest.approx(0.025, abs=1e-9)
    assert power.least_gain(34, chance=power.at(0.5, 34)) == pytest.approx(0.5, abs=1e-6)
    assert Power(deviation=1.0, margin=0.5).at(1.0, 34) == pytest.approx(power.at(0.5, 34), abs=1e-12)
    assert power.curve([0.1, 0.5], [1, 4]).shape == (2, 2)
    assert (np.diff(power.curve([0.1, 0.3, 0.5], [1, 2, 4]), axis=1) > 0).all()
    assert power.least_gain(1) == float("inf")
    assert Power(deviation=0.0, margin=0.1).least_gain(9) == 0.1  # two models that never differ


def test_the_deviation_of_a_day_is_that_of_the_ratio() -> None:
    rng = np.random.default_rng(1)
    day = np.repeat(np.arange(300), rng.integers(20, 60, size=300))
    loss = rng.normal(size=300)[day] + rng.normal(size=len(day))
    drawn = MeanAbsoluteError().draws(np.zeros(len(day)), loss - loss.min(), bootstrap(day, seed=0, draws=4_000))
    assert Power.foretold(loss, day).deviation / np.sqrt(300) == pytest.approx(drawn.std(), rel=0.05)
