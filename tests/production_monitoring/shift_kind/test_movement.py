"""How rows moved: over all of them, and within each class."""

from dataclasses import replace

import numpy as np
import pytest

from mlsys_assets.models.linear_predictor import logistic
from mlsys_assets.models.log_odds import log_odds
from mlsys_assets.production_monitoring.shift_kind.by_day import Days
from mlsys_assets.production_monitoring.shift_kind.movement import Movement, Movements, movements

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


def test_what_positives_alone_move_is_foretold_and_what_is_within_classes_is_the_rest() -> None:
    """All rows of each class move by half a deviation; the share of positives does not, and then does."""
    first = STILL.rows(20_000, seed=1)
    sides = (first, replace(first, score=logistic(log_odds(first.score) + 0.5 * log_odds(first.score).std())))
    found = movements(*sides, Days.of(first.at, first.at))
    assert (found.marginal.score.value, found.within.score.value) == pytest.approx((0.5, 0.5), rel=1e-4)
    odds = log_odds(first.score) / log_odds(first.score).std()
    assert found.apart == pytest.approx(odds[first.label > 0].mean() - odds[first.label == 0].mean(), rel=1e-4)
    likelier = of(moved(share=0.4))
    assert likelier.marginal.score.value == pytest.approx(likelier.by_positives(0.4 - first.label.mean()), abs=0.03)


def test_of_many_columns_the_farthest_must_be_beyond_the_chance_of_all_of_them() -> None:
    names, value = tuple(f"x{i}" for i in range(10)), np.array([0.3, *[0.01] * 9])
    error = np.full(10, 0.1)  # a p-value of .007 of 20 days, as one of ten columns has by chance
    assert Movement(names, value, error, 21).farthest(chance=0.05) is None
    assert Movement(names[:1], value[:1], error[:1], 21).farthest(chance=0.05) == ("x0", 0.3)
