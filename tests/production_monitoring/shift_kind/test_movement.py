"""How rows moved: over all of them, and within each class."""

import numpy as np
import pytest

from mlsys_assets.production_monitoring.shift_kind.by_day import Days
from mlsys_assets.production_monitoring.shift_kind.movement import Movements, movements

from .simulated import STILL, World, moved


def of(world: World, *, seed: int = 2, n: int = 20_000) -> Movements:
    first, second = STILL.rows(n, seed=1), world.rows(n, seed=seed)
    return movements(first, second, Days.of(first.at, second.at))


def test_a_column_that_moved_is_the_farthest() -> None:
    found = of(moved(means=(0.0, 0.0, 0.7, 0.0))).marginal.farthest(chance=1e-3)
    assert found is not None
    assert found[0] == "x2"
    assert found[1] == pytest.approx(0.7, abs=0.05)


def test_a_label_shift_moves_scores_and_none_within_a_class() -> None:
    found = of(moved(share=0.4))
    assert found.marginal.score.p < 1e-6
    assert min(found.negatives.p, found.positives.p) > 0.01
    assert found.within.farthest(chance=1e-3) is None


def test_flips_move_scores_within_classes_and_none_over_all() -> None:
    found = of(moved(flipped=0.1))
    assert found.marginal.farthest(chance=1e-3) is None
    assert max(found.negatives.value, found.positives.value) < 0.0 or found.positives.p < 1e-6


def test_nothing_is_farthest_where_nothing_moved() -> None:
    found = [of(STILL, seed=s, n=2_000).marginal.farthest(chance=0.05) for s in range(10, 40)]
    assert np.mean([one is not None for one in found]) <= 0.15
