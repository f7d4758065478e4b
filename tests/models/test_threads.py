import os

import numpy as np
import pytest

from mlsys_assets.models import booster
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.threads import LEAST_CELLS, on_free_cores, worthwhile


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


@pytest.mark.parametrize(
    ("running", "threads", "expected"),
    [(1, 2, 2), (1, 9, 4), (2, 2, 2), (2, 4, 3), (4, 2, 1), (70, 2, 1), (70, 1, 1), (0, 3, 3)],
)
def test_threads_beyond_the_free_cores_are_not_taken(running, threads, expected, tmp_path, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    load = tmp_path / "loadavg"
    load.write_text(f"0.75 1.20 1.05 {running}/1143 29325\n")
    assert on_free_cores(threads, load=load) == expected


@pytest.mark.parametrize("told", [None, "", "0.75 1.20", "a b c d/e f"])
def test_where_nothing_says_what_runs_all_threads_are_taken(told, tmp_path):
    load = tmp_path / "loadavg"
    if told is not None:
        load.write_text(told)
    assert on_free_cores(8, load=load) == 8


def test_a_model_does_not_depend_on_how_many_cores_were_free(train, validation, monkeypatch):
    many = train.take(np.tile(np.arange(len(train)), -(-2 * LEAST_CELLS // (len(train) * 2))))
    texts = []
    for free in (1, 2):
        monkeypatch.setattr(booster, "on_free_cores", lambda threads, free=free: min(threads, free))
        texts.append(LightGBM(rounds=20, row_share=0.7).fit(many, validation, seed=1, threads=2).predictor.text)
    assert texts[0] == texts[1]
    assert b"[num_threads: 2]" in texts[0]


def test_few_threads_are_for_the_fit_alone(monkeypatch):
    monkeypatch.setattr(booster, "on_free_cores", lambda _threads: 1)

    def most():
        found = booster.ctypes.c_int()
        booster._library().LGBM_GetMaxThreads(booster.ctypes.byref(found))
        return found.value

    before = most()
    with booster.few_where_cores_are_taken(2):
        assert most() == 1
    assert most() == before != 1
