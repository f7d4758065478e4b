"""The two parts of a change of log loss: those of a simulated world in which each is known."""

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

MANY = 400_000


def truth(world: World, of: World = STILL) -> float:
    """The mean loss of a world's labels."""
    rows = world.rows(MANY, seed=99)
    return float(log_losses(rows.label, rows.score).mean() - log_losses(*_parts(of)).mean())


def _parts(world: World) -> tuple[np.ndarray, np.ndarray]:
    rows = world.rows(MANY, seed=98)
    return rows.label, rows.score


def parts(first: ScoredRows, second: ScoredRows) -> Decomposition:
    days = Days.of(first.at, second.at)
    return decompose(first, second, (first.score, second.score), days, ratio=LogisticRatio())


@pytest.mark.parametrize("means", [(0.5, 0.0, 0.0, 0.0), (1.0, 0.0, 0.5, 0.0), (-1.0, 0.0, 0.0, 0.0)])
def test_features_that_moved_account_for_all_of_it(means: tuple[float, ...]) -> None:
    world = moved(means=means)
    found = parts(STILL.rows(20_000, seed=1), world.rows(20_000, seed=2))
    assert found.of_features.value == pytest.approx(truth(world), abs=3 * found.of_features.error)
    assert abs(found.of_labels.value) < 3 * found.of_labels.error
    assert found.total.value == pytest.approx(found.of_features.value + found.of_labels.value)


def test_labels_that_follow_otherwise_account_for_all_of_it() -> None:
    world = moved(flipped=0.2)
    found = parts(STILL.rows(20_000, seed=1), world.rows(20_000, seed=2))
    assert found.of_labels.value == pytest.approx(truth(world), abs=3 * found.of_labels.error)
    assert abs(found.of_features.value) < 3 * found.of_features.error


def test_of_both_each_is_told() -> None:
    means = (0.7, 0.0, 0.0, 0.0)
    found = parts(STILL.rows(20_000, seed=1), moved(means=means, flipped=0.1).rows(20_000, seed=2))
    of_features = truth(moved(means=means))
    assert found.of_features.value == pytest.approx(of_features, abs=3 * found.of_features.error)
    of_labels = truth(moved(means=means, flipped=0.1)) - of_features
    assert found.of_labels.value == pytest.approx(of_labels, abs=3 * found.of_labels.error)


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


def test_weights_are_trimmed_and_what_that_cuts_off_is_told() -> None:
    assert trimmed(np.ones(50))[1] == 0.0
    weight, cut = trimmed(np.array([1.0] * 99 + [1_000.0]))
    assert weight.mean() == pytest.approx(1.0)
    assert cut > 0.5
    assert trimmed(np.full(3, np.nan))[0].tolist() == [1.0, 1.0, 1.0]
    far = parts(STILL.rows(5_000, seed=1), moved(means=(3.0, 0.0, 0.0, 0.0)).rows(5_000, seed=2))
    assert far.beyond_overlap > 0.2
