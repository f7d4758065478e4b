"""The two parts of a change of log loss: those of a simulated world in which each is known."""

from functools import cache

import numpy as np
import pytest
from scipy.stats import norm

from mlsys_assets.measures.metrics import log_losses
from mlsys_assets.models.linear_predictor import logistic
from mlsys_assets.production_monitoring.shift_kind.by_day import Days
from mlsys_assets.production_monitoring.shift_kind.decomposition import Decomposition, decompose
from mlsys_assets.production_monitoring.shift_kind.density_ratio import LogisticRatio, trimmed
from mlsys_assets.production_monitoring.shift_kind.scored_rows import ScoredRows

from .simulated import LEVEL, STILL, World, moved

MANY, ROWS, DRAWS = 400_000, 5_000, 20
FEATURES = (0.7, 0.0, 0.3, 0.0)


@cache
def mean_loss(world: World) -> float:
    """The mean loss in a world, of so many rows that chance is small beside it."""
    rows = world.rows(MANY, seed=99)
    return float(log_losses(rows.label, rows.score).mean())


def parts(first: ScoredRows, second: ScoredRows) -> Decomposition:
    days = Days.of(first.at, second.at)
    return decompose(first, second, (first.score, second.score), days, ratio=LogisticRatio())


@pytest.mark.parametrize(
    ("world", "features_alone"),
    [
        (STILL, STILL),
        (moved(means=FEATURES), moved(means=FEATURES)),
        (moved(means=(-1.0, 0.0, 0.0, 0.0)), moved(means=(-1.0, 0.0, 0.0, 0.0))),
        (moved(flipped=0.2), STILL),
        (moved(means=FEATURES, flipped=0.1), moved(means=FEATURES)),
    ],
    ids=["nothing", "features up", "features down", "labels", "both"],
)
def test_each_part_is_the_truth_within_its_error(world: World, features_alone: World) -> None:
    """Over many draws: unbiased, and off by as much as the errors say."""
    of_features = mean_loss(features_alone) - mean_loss(STILL)
    of_labels = mean_loss(world) - mean_loss(features_alone)
    off = []
    for seed in range(DRAWS):
        found = parts(STILL.rows(ROWS, seed=200 + 2 * seed), world.rows(ROWS, seed=201 + 2 * seed))
        assert found.total.value == pytest.approx(found.of_features.value + found.of_labels.value)
        pairs = ((found.of_features, of_features), (found.of_labels, of_labels))
        off.append([(part.value - truth) / part.error for part, truth in pairs])
    far = np.array(off)
    assert np.abs(far.mean(axis=0)).max() < 0.9  # four standard errors of the mean of so many draws
    assert (np.abs(far) < 2).mean(axis=0).min() >= 0.8


def test_where_the_champion_is_wrong_already_is_weighted() -> None:
    """It ignores the first column, so that its own calibration foretells nothing of what that column's move costs."""

    def blind(world: World, seed: int) -> ScoredRows:
        rows = world.rows(20_000, seed=seed)
        x = np.stack([rows.features[f"x{i}"].to_numpy() for i in range(1, 4)])
        score = logistic(LEVEL + np.array([0.6, -0.5, 0.4]) @ x)
        return ScoredRows(rows.at, rows.features, score, rows.label)

    found = parts(blind(STILL, 1), blind(moved(means=(0.8, 0.0, 0.0, 0.0)), 2))
    assert found.of_features.value > 0.05
    assert abs(found.of_labels.value) < 3 * found.of_labels.error


def test_the_ratio_of_two_normals_is_that_of_their_densities() -> None:
    first, second = STILL.rows(20_000, seed=1), moved(means=(0.6, 0.0, 0.0, 0.0)).rows(15_000, seed=2)
    ratio = LogisticRatio().at_reference(first.features, second.features, (first.score, second.score))
    x = first.features["x0"].to_numpy().astype(np.float64)
    assert np.abs(np.log(ratio) - np.log(norm.pdf(x, 0.6) / norm.pdf(x))).mean() < 0.2
    assert ratio.mean() == pytest.approx(1.0, abs=0.05)


def test_the_ratio_is_that_of_all_rows_however_many_and_in_whatever_order() -> None:
    """Its mean over the reference is 1: where the window is far smaller, and where rows stand in order of a column."""
    first, second = STILL.rows(12_000, seed=1), moved(means=(0.5, 0.0, 0.0, 0.0)).rows(600, seed=2)
    ordered = first.take(np.argsort(first.features["x0"].to_numpy()))
    plain, same = (
        LogisticRatio().at_reference(rows.features, second.features, (rows.score, second.score))
        for rows in (first, ordered)
    )
    assert plain.mean() == pytest.approx(1.0, abs=0.04)
    assert same.mean() == pytest.approx(1.0, abs=0.04)
    assert np.corrcoef(np.sort(plain), np.sort(same))[0, 1] > 0.99


def test_weights_are_trimmed_and_what_that_cuts_off_is_told() -> None:
    assert trimmed(np.ones(50))[1] == 0.0
    weight, cut = trimmed(np.array([1.0] * 99 + [1_000.0]))
    assert weight.mean() == pytest.approx(1.0)
    assert cut > 0.5
    assert trimmed(np.full(3, np.nan))[0].tolist() == [1.0, 1.0, 1.0]
    far = parts(STILL.rows(5_000, seed=1), moved(means=(3.0, 0.0, 0.0, 0.0)).rows(5_000, seed=2))
    assert far.beyond_overlap > 0.2
