import numpy as np
import pytest

from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.threads import LEAST_CELLS, worthwhile


@pytest.mark.parametrize(
    ("threads", "cells", "expected"),
    [
        (2, 0, 1), (2, 2 * LEAST_CELLS - 1, 1), (2, 2 * LEAST_CELLS, 2), (8, 3 * LEAST_CELLS, 3), (1, 10**12, 1),
    ],
)  # fmt: skip
def test_each_thread_has_enough_to_do(threads, cells, expected):
    assert worthwhile(threads, cells) == expected


def test_a_small_fit_takes_one_thread_and_says_so(train, validation):
    candidate = LightGBM(rounds=5)
    one, many = (candidate.fit(train, validation, seed=1, threads=threads) for threads in (1, 16))
    assert one.params["num_threads"] == many.params["num_threads"] == 1
    assert one.predictor.text == many.predictor.text
    refitted = candidate.refit(train, recipe=one.recipe, seed=1, threads=16)
    assert refitted.params["num_threads"] == 1


def test_a_large_fit_takes_what_it_may(train, validation):
    times = -(-2 * LEAST_CELLS // (len(train) * 2))
    many = train.take(np.tile(np.arange(len(train)), times))
    assert LightGBM(rounds=1).fit(many, validation, seed=1, threads=2).params["num_threads"] == 2
