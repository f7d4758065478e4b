"""What policies are worth: intervals cover known truths, fronts are those of brute force, requests are the same."""

import time
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy import stats

from mlsys_assets.measures.costs import CostMatrix
from mlsys_assets.measures.intervals import Support
from mlsys_assets.measures.metrics import LogLoss, RocAuc, value
from mlsys_assets.retraining.policy_replay.frontier import frontier
from mlsys_assets.retraining.policy_replay.fronts import front_shares
from mlsys_assets.retraining.policy_replay.judging import Judging, Prices
from mlsys_assets.types import TimeWindow, days

from .simulated_lives import SINCE, Distorted, Told, lived, true_loss

THREE = {
    "weekly": Distorted(0.0, 8, 90.0),
    "monthly": Distorted(0.3, 2, 30.0),
    "never": Distorted(0.9, 0, 10.0),
}
LONGEST_S = 3.0
JUDGING = Judging(LogLoss(), seed=3, reference="weekly")


def coverage(simulations: int) -> tuple[float, float]:
    """Return in which share of simulations the interval of a loss, and of the difference to one, holds the truth."""
    truth = true_loss(0.3)
    own, bound = 0, 0
    for seed in range(simulations):
        found = frontier(lived(THREE, seed=seed), JUDGING)
        loss = found["monthly"].loss
        own += loss.low <= truth <= loss.high
        gap = frontier(lived(THREE, seed=seed), replace(JUDGING, reference="never"))["monthly"].loss
        bound += gap.low <= truth - true_loss(0.9) <= gap.high
    return own / simulations, bound / simulations


def _as_promised(found: tuple[float, float], simulations: int) -> bool:
    low, high = stats.binom.ppf([0.001, 0.999], simulations, 0.95) / simulations
    return all(low <= share <= high for share in found)


def test_intervals_cover_the_true_loss() -> None:
    assert _as_promised(coverage(120), 120)


@pytest.mark.prove
def test_intervals_cover_the_true_loss_in_nineteen_of_twenty_cases() -> None:
    assert _as_promised(coverage(1000), 1000)


def test_quality_and_loss_are_those_of_the_metric_and_their_errors_those_of_scipys_bootstrap_of_days() -> None:
    lives = lived(THREE, seed=1)
    found = frontier(lives, JUDGING)
    for life, point in zip(lives, found.points, strict=True):
        assert point.quality.value == pytest.approx(value(LogLoss(), life.label, life.score), rel=1e-12)
    losses = {life.policy.name: _log_losses(life) for life in lives}
    by_day = (losses["never"] - losses["weekly"]).reshape(60, -1).mean(axis=1)  # days are of equal length
    assert found["never"].loss.value == pytest.approx(by_day.mean(), rel=1e-9)
    drawn = stats.bootstrap((by_day,), np.mean, n_resamples=4000, method="percentile", random_state=0)
    corrected = float(drawn.standard_error) * np.sqrt(60 / 59)
    assert found["never"].loss.error == pytest.approx(corrected, rel=0.08)
    unpaired = np.hypot(found["never"].quality.error, found["weekly"].quality.error)
    assert found["never"].loss.error < unpaired / 2  # what makes a day hard is hard for all


def _log_losses(life) -> np.ndarray:
    return -np.where(life.label > 0, np.log(life.score), np.log1p(-life.score))


def test_trainings_and_computing_are_counted_after_the_first_champion_and_within_the_period() -> None:
    lives, prices = lived(THREE, seed=1), Prices(CostMatrix(1, 3), cpu_hour=36.0)
    found = frontier(lives, replace(JUDGING, prices=prices))
    assert [(p.name, p.trainings, p.promotions, p.cpu_s) for p in found.points] == [
        ("weekly", 8, 0, pytest.approx(80)), ("monthly", 2, 0, pytest.approx(20)), ("never", 0, 0, 0),
    ]  # fmt: skip
    assert found["monthly"].price == pytest.approx(0.2)
    acted = lives[2].score >= 0.25
    paid = np.where(lives[2].label > 0, np.where(acted, 0, 3), np.where(acted, 1, 0)).mean()
    assert found["never"].money is not None
    assert found["never"].money.value == pytest.approx(paid)
    half = frontier(lives, JUDGING, period=TimeWindow(SINCE, SINCE + days(30)))
    assert [p.trainings for p in half.points] == [4, 1, 0]
    assert half.rows == 30 * 40
    assert half["weekly"].price is half["weekly"].money is None


def test_computing_is_what_the_records_of_the_trainings_say() -> None:
    weekly, *rest = lived(THREE, seed=1)
    took = [
        Told(at, kind, "x", "y", context={"cpu_s": 0.5 * (n + 1)})
        for n, at in enumerate(weekly.trainings)
        for kind in ("candidate", "refit")
    ]
    asked = Told(weekly.trainings[2], "trigger", "x", "y", context={"cpu_s": 1000.0})  # of no training
    found = frontier([replace(weekly, cpu_s=45.0, decisions=(*took, asked)), *rest], JUDGING)
    assert found["weekly"].cpu_s == pytest.approx(sum(range(2, 10)))
    half = TimeWindow(SINCE, SINCE + days(30))
    early = frontier([replace(weekly, cpu_s=45.0, decisions=(*took, asked)), *rest], JUDGING, period=half)
    assert early["weekly"].cpu_s == pytest.approx(2 + 3 + 4 + 5)


def test_the_front_and_its_shares_follow_quality_and_cost_of_each_their_own() -> None:
    policies = THREE | {"wasteful": Distorted(0.6, 9, 20.0)}  # more trainings than all, less computing than monthly
    found = frontier(lived(policies, seed=2), JUDGING)
    assert [p.by_trainings.on for p in found.points] == [True, True, True, False]
    assert [p.by_cpu.on for p in found.points] == [True, True, True, True]
    assert found["wasteful"].by_trainings.share < 0.01
    assert found["never"].by_trainings.share > 0.99


def test_what_a_meter_cannot_tell_apart_costs_the_same() -> None:
    policies = {"one": Distorted(0.3, 2, 30.0), "same": Distorted(0.3, 2, 30.1), "more": Distorted(0.3, 2, 34.0)}
    found = frontier(lived(policies, seed=2), Judging(LogLoss()))
    assert [(p.by_cpu.on, p.by_cpu.share) for p in found.points] == [(True, 1.0), (True, 1.0), (False, 0.0)]


@given(st.integers(1, 5), st.integers(1, 12), st.integers(0, 10_000))
def test_front_shares_are_those_of_brute_force(policies: int, draws: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    losses, cost = rng.integers(0, 4, (policies, draws)).astype(float), rng.integers(0, 3, policies).astype(float)
    wanted = np.zeros(policies)
    for b in range(draws):
        for i in range(policies):
            better = [
                losses[j, b] <= losses[i, b]
                and cost[j] <= cost[i]
                and (losses[j, b] < losses[i, b] or cost[j] < cost[i])
                for j in range(policies)
            ]
            wanted[i] += not any(better)
    assert front_shares(losses, cost) == pytest.approx(wanted / draws)


def test_draws_without_a_value_do_not_count() -> None:
    losses = np.array([[0.1, np.nan, 0.1], [0.2, 0.0, 0.0]])
    assert front_shares(losses, np.array([1.0, 2.0])).tolist() == [1.0, 0.5]
    assert np.isnan(front_shares(losses[:, 1:2], np.array([1.0, 2.0]))).all()


def test_a_metric_that_is_better_when_higher_is_turned() -> None:
    found = frontier(lived(THREE, seed=1), replace(JUDGING, metric=RocAuc()))
    assert found["never"].quality.value < found["weekly"].quality.value
    assert found["never"].loss.value == pytest.approx(found["weekly"].quality.value - found["never"].quality.value)
    assert found.best.name == "weekly"


def test_without_a_reference_losses_are_told_against_the_best_and_the_cheapest_of_equals() -> None:
    lives = lived({"dear": Distorted(0, 5), "cheap": Distorted(0, 1), "bad": Distorted(1, 0)}, seed=0)
    found = frontier(lives, Judging(LogLoss()))
    assert found["bad"].loss.low > 0
    assert found["cheap"].loss.value == found["dear"].loss.value == 0
    assert found.best.name == "cheap"


def test_only_requests_with_a_label_and_a_model_under_every_policy_are_judged() -> None:
    lives = lived(THREE, seed=1)
    scores, labels = lives[0].score.copy(), lives[0].label.copy()
    scores[:100], labels[90:150] = np.nan, np.nan
    lives = [replace(life, label=labels) for life in lives]
    lives[0] = replace(lives[0], score=scores)
    found = frontier(lives, JUDGING)
    assert (found.rows, found.left_out) == (2400 - 150, 150)
    kept = slice(150, None)
    assert found["never"].quality.value == pytest.approx(value(LogLoss(), labels[kept], lives[2].score[kept]))


def test_the_same_seed_gives_the_same_and_another_other_intervals() -> None:
    lives = lived(THREE, seed=1)
    first, again, other = (frontier(lives, replace(JUDGING, seed=seed)) for seed in (1, 1, 2))
    assert first.points == again.points
    assert first["never"].loss.value == other["never"].loss.value
    assert first["never"].loss.error != other["never"].loss.error


def test_lives_of_other_requests_are_refused_and_of_other_length_cut() -> None:
    lives = lived(THREE, seed=1)
    shorter = replace(lives[1], until=SINCE + days(40))
    assert frontier([lives[0], shorter, lives[2]], JUDGING).rows == 40 * 40
    for wrong in (
        replace(lives[1], at=lives[1].at + np.timedelta64(1, "us")),
        replace(lives[1], label=1 - lives[1].label),
        replace(lives[1], at=lives[1].at[1:], score=lives[1].score[1:], label=lives[1].label[1:]),
    ):
        with pytest.raises(ValueError, match=r"'monthly' has .* requests in .* not the same; .* one state of the data"):
            frontier([lives[0], wrong, lives[2]], JUDGING)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda lives: [], "no lives are there"),
        (lambda lives: [*lives, lives[0]], "weekly were lived twice"),
        (lambda lives: lives[1:], r"reference 'weekly' was not lived; there are monthly, never"),
        (
            lambda lives: [lives[0], replace(lives[1], since=SINCE + days(90), until=SINCE + days(99))],
            "no time in common",
        ),
        (
            lambda lives: [lives[0], replace(lives[1], score=lives[1].score[1:])],
            "'monthly' has {'at': 2400, 'score': 2399",
        ),
    ],
)
def test_what_cannot_be_compared_is_told(change, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        frontier(change(lived(THREE, seed=1)), JUDGING)


@pytest.mark.parametrize("change", ["few days", "one class", "no labels"])
def test_too_little_to_judge_by_is_told_as_such(change: str) -> None:
    lives = lived(THREE, seed=1, length=5 if change == "few days" else 20)
    if change != "few days":
        label = np.full(len(lives[0].label), 1.0 if change == "one class" else np.nan)
        lives = [replace(life, label=label) for life in lives]
    found = frontier(lives, replace(JUDGING, metric=RocAuc(), support=Support()))
    assert not found.sufficient
    assert all(np.isnan(p.loss.value) and np.isnan(p.by_cpu.share) and not p.by_cpu.on for p in found.points)
    assert [p.trainings for p in found.points] == [8, 2, 0]


def test_twelve_policies_of_a_year_are_judged_in_seconds() -> None:
    policies = {f"p{n}": Distorted(0.05 * n, 12 - n) for n in range(12)}
    lives = lived(policies, seed=0, length=270, a_day=900)
    began = time.process_time()
    frontier(lives, Judging(LogLoss()))
    assert time.process_time() - began < LONGEST_S
