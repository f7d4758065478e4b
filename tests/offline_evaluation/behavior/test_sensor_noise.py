"""How noisy a column is, against simulations whose noise is known."""

import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.data_sampling.views import OpenedTest
from mlsys_assets.offline_evaluation.behavior.sensor_noise import Readings, noise_scale, robust_spread, shared_noise
from mlsys_assets.types import TimeWindow, hours, minutes

WINDOW = TimeWindow.of("2013-06-01", "2013-07-01")
HOURS = 720


def view(hour, value, place=None, minute=0) -> OpenedTest:
    hour = np.asarray(hour)
    at = np.datetime64("2013-06-01", "us") + hour * np.timedelta64(1, "h") + np.asarray(minute) * np.timedelta64(1, "m")
    place = ["EWR"] * len(hour) if place is None else list(place)
    features = pa.table(
        {"origin": pa.array(place, pa.string()), "x": pa.array(np.asarray(value, np.float32), from_pandas=True)}
    )
    return OpenedTest(pa.array([str(i) for i in range(len(hour))]), at, features, np.zeros(len(hour)), WINDOW)


@pytest.mark.parametrize("sigma", [0.3, 2.0])
def test_the_noise_of_a_sensor_at_rest_is_its_own(sigma):
    x = 50 + np.random.default_rng(1).normal(scale=sigma, size=HOURS)
    assert noise_scale(view(np.arange(HOURS), x), "x", Readings("origin")) == pytest.approx(sigma, rel=0.1)


def test_a_slow_change_of_the_truth_counts_little():
    hour = np.arange(HOURS)
    x = 30 * np.sin(hour / HOURS * 2 * np.pi) + np.random.default_rng(1).normal(scale=0.5, size=HOURS)
    assert noise_scale(view(hour, x), "x", Readings("origin")) == pytest.approx(0.5, rel=0.15)
    assert x.std() > 20


def test_a_few_wild_readings_change_nothing():
    random = np.random.default_rng(1)
    x = random.normal(size=HOURS)
    wild = x.copy()
    wild[random.choice(HOURS, 20, replace=False)] = 1e6
    assert noise_scale(view(np.arange(HOURS), wild), "x", Readings("origin")) == pytest.approx(1.0, rel=0.15)


def test_readings_are_held_against_those_of_the_same_place_an_hour_before():
    """Two places that differ, rows that repeat a reading, a gap after which the level is another, a missing one."""
    hour = [0, 0, 0, 0, 1, 1, 2, 9, 10, 11, 12]
    place = ["A", "A", "B", "A", "A", "B", "A", "A", "A", "A", "A"]
    x = [1, 5, 100, 9, 3, 104, 4, 70, 76, np.nan, 90]
    minute = [0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0]
    # A: 1, 3, 4 | 70, 76 | 90 and B: 100, 104. Differences: 2, 1, 6, 4.
    repeated = 10  # the same month after month, to have differences enough
    far = np.concatenate([np.array(hour) + 100 * k for k in range(repeated)])
    rows = view(far, np.tile(x, repeated), place * repeated, np.tile(minute, repeated))
    expected = 1.482602218505602 * np.median([1, 2, 4, 6]) / np.sqrt(2)
    assert noise_scale(rows, "x", Readings("origin")) == pytest.approx(expected)
    order = np.random.default_rng(0).permutation(len(rows))
    assert noise_scale(rows.take(order), "x", Readings("origin")) == pytest.approx(expected)


def test_the_last_reading_of_a_place_says_nothing_of_the_first_of_the_next():
    """Thirty places with one reading and thirty with two, the next one's an hour later and far from it."""
    number = np.concatenate([np.arange(30), np.repeat(np.arange(30, 60), 2)])
    x = 100.0 * number + (np.diff(number, prepend=-1) == 0)
    rows = view(np.arange(90), x, [f"place {k:02}" for k in number])
    assert noise_scale(rows, "x", Readings("origin")) == pytest.approx(1.482602218505602 / np.sqrt(2))
    assert noise_scale(rows, "x", Readings()) > 10


def test_where_most_readings_repeat_the_one_before_the_mean_counts():
    x = np.where(np.arange(HOURS) % 10 == 0, 1.0, 0.0)
    expected = np.sqrt(np.pi / 2) * np.abs(np.diff(x)).mean() / np.sqrt(2)
    assert noise_scale(view(np.arange(HOURS), x), "x", Readings("origin")) == pytest.approx(expected)
    assert noise_scale(view(np.arange(HOURS), np.ones(HOURS)), "x", Readings("origin")) == 0.0


def test_few_differences_tell_nothing():
    random = np.random.default_rng(1)
    assert np.isnan(noise_scale(view(np.arange(30), random.normal(size=30)), "x", Readings("origin")))
    assert np.isfinite(noise_scale(view(np.arange(31), random.normal(size=31)), "x", Readings("origin")))
    gaps = view(np.arange(HOURS) * 2, random.normal(size=HOURS))
    assert np.isnan(noise_scale(gaps, "x", Readings("origin")))
    assert np.isfinite(noise_scale(gaps, "x", Readings("origin", every=hours(2))))
    assert np.isnan(noise_scale(gaps.take(np.arange(0)), "x", Readings("origin")))


def test_the_spread_is_the_standard_deviation_of_a_normal_distribution():
    x = np.random.default_rng(1).normal(scale=3.0, size=100_000)
    assert robust_spread(np.abs(x)) == pytest.approx(3.0, rel=0.02)
    mostly_zero = np.concatenate([np.zeros(200_000), x])
    assert robust_spread(np.abs(mostly_zero)) == pytest.approx(3.0 / 3, rel=0.02)  # of the mean, a third


def test_rows_of_a_reading_share_its_error():
    rows = view([0, 0, 1, 0, 1], np.zeros(5), ["A", "A", "A", "B", "A"], [0, 59, 0, 0, 30])
    noise = shared_noise(rows, Readings("origin"), np.random.default_rng(0))
    assert noise[0] == noise[1]
    assert noise[2] == noise[4]
    assert len(set(noise.tolist())) == 3
    halves = shared_noise(rows, Readings("origin", every=minutes(30)), np.random.default_rng(0))
    assert len(set(halves.tolist())) == 5
    assert len(set(shared_noise(rows, Readings(), np.random.default_rng(0)).tolist())) == 2
    assert len(set(shared_noise(rows, None, np.random.default_rng(0)).tolist())) == 5
    assert len(shared_noise(rows.take(np.arange(0)), Readings("origin"), np.random.default_rng(0))) == 0


def test_a_readings_error_does_not_depend_on_the_order_of_rows_or_on_what_is_missing():
    rows = view(np.arange(50) % 7, np.zeros(50), np.where(np.arange(50) % 3 == 0, None, "B"))
    order = np.random.default_rng(5).permutation(50)
    noise, turned = (shared_noise(r, Readings("origin"), np.random.default_rng(0)) for r in (rows, rows.take(order)))
    np.testing.assert_array_equal(turned, noise[order])
    assert len(set(noise.tolist())) == 14
