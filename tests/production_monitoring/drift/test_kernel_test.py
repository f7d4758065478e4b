"""Principal components that lie apart are found; their distance is that of every pair summed by hand."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from drift_worlds import now, rows, with_columns
from scipy.spatial.distance import pdist, squareform
from sklearn.decomposition import PCA

from mlsys_assets.features.profile import profile
from mlsys_assets.measures.stability_index import MODERATE
from mlsys_assets.production_monitoring.diagnosis import Cause
from mlsys_assets.production_monitoring.drift import kernel_test
from mlsys_assets.production_monitoring.drift.comparable import Rows
from mlsys_assets.production_monitoring.drift.kernel_test import KernelTest, gaussian_kernel, mmd_test
from mlsys_assets.production_monitoring.drift.profile_drift import drift

TEST = KernelTest()
FEWER = 250
"""Rows that suffice where many tables are looked at."""
BY_ROWS = KernelTest(blocks="rows")


def brute(x: np.ndarray, member: np.ndarray) -> float:
    """The unbiased MMD² over the mean within-set dissimilarity, pair by pair."""
    h2 = np.median(pdist(x) ** 2)
    kernel = np.exp(-(squareform(pdist(x)) ** 2) / (2 * h2))
    sets = [np.flatnonzero(member == one) for one in (0, 1)]
    within = [np.mean([kernel[i, j] for i in one for j in one if i != j]) for one in sets]
    between = np.mean([kernel[i, j] for i in sets[0] for j in sets[1]])
    return (sum(within) - 2 * between) / (1 - sum(within) / 2)


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_effect_and_p_value_are_those_by_hand(shift: float) -> None:
    """Of eight rows there are 56 ways to choose three: the p-value is near their exact share."""
    rng = np.random.default_rng(1)
    x, member = rng.normal(size=(8, 3)), np.array([0, 0, 1, 0, 1, 0, 0, 1])
    x[member == 1] += shift
    effect, p = mmd_test(x, member, np.arange(8), random=np.random.default_rng(0))
    assert effect == pytest.approx(brute(x, member), abs=1e-5)
    every = [brute(x, np.isin(np.arange(8), chosen).astype(int)) for chosen in combinations(range(8), 3)]
    assert p == pytest.approx(np.mean(np.array(every) >= effect - 1e-6), abs=0.04)


def test_blocks_are_dealt_out_whole() -> None:
    rng = np.random.default_rng(2)
    block = rng.permutation(np.repeat(np.arange(6), [3, 1, 4, 2, 3, 2]))
    member, x = (block < 2).astype(int), rng.normal(size=(15, 2)) + rng.normal(size=(6, 2))[block]
    _, p = mmd_test(x, member, block, random=np.random.default_rng(0))
    every = np.array([brute(x, np.isin(block, chosen).astype(int)) for chosen in combinations(range(6), 2)])
    assert p == pytest.approx(np.mean(every >= brute(x, member) - 1e-6), abs=0.05)


def test_a_day_that_both_sets_have_is_a_block_of_each() -> None:
    at = np.array(["2013-03-01T04", "2013-03-02T05", "2013-03-01T06", "2013-03-02T07"], dtype="datetime64[us]")
    member = np.array([0, 0, 1, 1])
    assert len(set(TEST._blocks(at, member).tolist())) == 4
    assert BY_ROWS._blocks(at, member).tolist() == [0, 1, 2, 3]
    same = TEST._blocks(at[[0, 0, 2, 2]], member)
    assert same[0] == same[1] != same[2] == same[3]


def test_the_kernel_has_the_median_distance_and_rows_all_alike_are_at_no_distance() -> None:
    x = np.random.default_rng(3).normal(size=(40, 4))
    expected = np.exp(-(squareform(pdist(x)) ** 2) / (2 * np.median(pdist(x) ** 2)))
    np.testing.assert_allclose(gaussian_kernel(x), expected, atol=1e-5)
    np.testing.assert_allclose(gaussian_kernel(np.ones((5, 2))), 1.0)


def test_components_are_scikit_learns_up_to_their_sign() -> None:
    x = np.random.default_rng(4).normal(size=(300, 5)) @ np.random.default_rng(5).normal(size=(5, 5))
    found = kernel_test._components(x.T, 200, 3)
    expected = PCA(3, whiten=True).fit(x[:200]).transform(x).T
    np.testing.assert_allclose(np.abs(found), np.abs(expected), rtol=1e-6, atol=1e-9)


def test_a_rotation_that_no_column_shows_is_found() -> None:
    before, after = rows(1), now(1, together=-0.8)
    assert max(drift(profile(before.features), after.features)["psi"].to_pylist()) < MODERATE
    found = TEST.held(before, after, seed=0)
    assert found.chance == 0.001
    assert found.symptom.cause == Cause.COVARIATE
    assert (found.symptom.test, found.symptom.size, found.symptom.limit) == ("kernel", found.size, 0.01)
    assert found.size > 0.05


@pytest.mark.parametrize("test", [TEST, BY_ROWS], ids=["days", "rows"])
def test_rows_of_one_distribution_are_silent(test, monkeypatch) -> None:
    monkeypatch.setattr(kernel_test, "SAMPLED", FEWER)
    found = [test.held(rows(s), now(s), seed=s) for s in range(25)]
    assert not any(one.symptom or one.untold for one in found)
    assert np.mean([one.chance <= 0.2 for one in found]) <= 0.44  # more than 11 of 25: once in 300 tries


def test_days_that_have_their_own_weather_are_silent_as_days_and_alarm_as_rows() -> None:
    days, single = 0, 0
    for seed in range(8):
        sets = rows(seed, columns=3, weather=3.0), now(seed, columns=3, weather=3.0)
        days += TEST.held(*sets, seed=seed).symptom is not None
        single += BY_ROWS.held(*sets, seed=seed).symptom is not None
    assert days == 0
    assert single >= 4


@pytest.mark.prove
@pytest.mark.parametrize("weather", [0.0, 1.5])
def test_a_thousand_tables_of_one_distribution_give_as_many_alarms_as_stated(weather: float, monkeypatch) -> None:
    monkeypatch.setattr(kernel_test, "SAMPLED", FEWER)
    found = [TEST.held(rows(s, 1_000, weather=weather), now(s, 700, weather=weather), seed=s) for s in range(1_000)]
    assert sum(one.symptom is not None for one in found) <= 5
    p = np.array([one.chance for one in found])
    for level in (0.01, 0.05, 0.2):
        assert np.mean(p <= level) == pytest.approx(level, abs=3.3 * np.sqrt(level * (1 - level) / 1_000))


@pytest.mark.parametrize(("shift", "least"), [(0.25, 4), (0.5, 6)])
def test_a_column_that_moves_is_found(shift: float, least: int) -> None:
    found = [BY_ROWS.held(rows(s), now(s, shift=shift), seed=s).symptom is not None for s in range(6)]
    assert sum(found) >= least


def test_rows_enough_make_no_alarm_of_a_small_effect() -> None:
    found = replace(BY_ROWS, least_effect=0.3).held(rows(1), now(1, shift=0.5), seed=0)
    assert found.chance == 0.001
    assert 0.01 < found.size < 0.3
    assert found.symptom is None


def test_it_is_the_same_again_and_another_by_another_seed() -> None:
    sets = rows(3), now(3, shift=0.2)
    assert TEST.held(*sets, seed=1) == TEST.held(*sets, seed=1) != TEST.held(*sets, seed=2)


def test_odd_columns_are_left_out_with_reasons() -> None:
    sets = [
        with_columns(
            r,
            empty=pa.nulls(len(r.at)),
            constant=np.full(len(r.at), 0.1),
            then_empty=np.full(len(r.at), value),
            text=["a"] * len(r.at),
            infinite=np.where(np.arange(len(r.at)) % 9 > 0, np.random.default_rng(1).normal(size=len(r.at)), np.inf),
        )
        for r, value in ((rows(5), np.nan), (now(5, together=-0.8), 1.0))
    ]
    found = TEST.held(*sets, seed=0)
    assert found.left_out == {
        "empty": "has no value, before or now",
        "constant": "is constant before",
        "then_empty": "is constant before",
        "text": "is text",
    }
    assert found.symptom is not None
    narrow = [Rows(r.at, r.features.select(["constant", "text"])) for r in sets]
    assert TEST.held(*narrow, seed=0).untold == "no column of numbers that varies before"
    single = [Rows(r.at, r.features.select(["x0"])) for r in sets]
    assert TEST.held(*single, seed=0).untold == ""


def test_values_that_go_missing_are_no_exception() -> None:
    after = now(6)
    found = TEST.held(rows(6), with_columns(after, x0=pa.nulls(len(after.at)), x1=pa.nulls(len(after.at))), seed=0)
    assert np.isfinite(found.size)


@pytest.mark.parametrize("n", [0, 1, 49])
def test_few_rows_tell_nothing(n: int) -> None:
    assert TEST.held(rows(1), now(1, n), seed=0).untold == f"1500 rows before and {n} now; 100 and 50 needed"
    assert TEST.held(rows(1, n), now(1), seed=0).untold == f"{n} rows before and 900 now; 100 and 50 needed"


def test_too_few_days_cannot_tell_chance() -> None:
    after = now(1)
    one = Rows(np.full_like(after.at, after.at[0]), after.features)
    assert TEST.held(rows(1), one, seed=0).untold == (
        "29 days, 1 of them now, can be dealt out in too few ways to tell chance"
    )
    assert BY_ROWS.held(rows(1), one, seed=0).untold == ""


def test_mistakes_are_told() -> None:
    assert TEST.mistakes() == []
    wrong = KernelTest(least_effect=-1, chance=1e-5, blocks="weeks", components=0).mistakes()
    assert [m.split(";")[0] for m in wrong] == [
        "the kernel test: least_effect is -1",
        "the kernel test: chance is 1e-05",
        "the kernel test: components is 0",
        "the kernel test: blocks are 'weeks'",
    ]


def test_days_that_had_more_rows_are_no_larger_blocks() -> None:
    """Else a week of many rows would have the place of few, and chance give far more than it does."""
    at = np.datetime64("2013-01-01", "us") + np.repeat(np.arange(3), [50, 5, 20]) * np.timedelta64(1, "D")
    shuffled = np.random.default_rng(1).permutation(75)
    found = kernel_test._even(at, shuffled, 8, np.random.default_rng(0))
    assert np.bincount((found >= 50).astype(int) + (found >= 55)).tolist() == [8, 5, 8]
    assert set(found[:8]) == set(shuffled[shuffled < 50][:8])
    assert len(kernel_test._even(at[:0], shuffled[:0], 8, np.random.default_rng(0))) == 0


def test_of_a_long_reference_some_days_are_drawn_and_the_week_keeps_its_rows() -> None:
    found = TEST.held(rows(1, 20_000, days=300), rows(2, 3_000, first=300, days=7, together=-0.8), seed=0)
    assert found.symptom is not None
    assert found.symptom.measures["rows"] == 35 * 20 + 7 * 20
