"""What a window shows of the catalogue equals formulas of pairs, scikit-bio's definitions by hand, and simulations."""

import numpy as np
import pytest
from scipy.stats import entropy as scipy_entropy

from mlsys_assets import Weekly
from mlsys_assets.production_monitoring.feedback.diversity import (
    by_window,
    effective_items,
    entropy,
    gini,
    measured,
    reached,
)
from mlsys_assets.production_monitoring.feedback.shown import ShownLog, window_starts
from mlsys_assets.types import utc

MONDAY = np.datetime64("2013-01-07", "us")


def log(item: list[int], day: list[int], *, catalogue: int, propensity: list[float] | None = None) -> ShownLog:
    at = MONDAY + np.array(day, dtype=int) * np.timedelta64(1, "D")
    chance = None if propensity is None else np.array(propensity)
    names = tuple(f"item {i}" for i in range(catalogue))
    return ShownLog(names, np.array(item, dtype=np.intp), at, propensity=chance)


@pytest.mark.parametrize("seed", range(20))
def test_gini_is_that_of_all_pairs(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.poisson(rng.choice([0.3, 2, 50]), size=rng.integers(2, 80)).astype(float)
    x[0] += 1
    pairs = np.abs(x[:, None] - x[None, :]).sum() / (2 * len(x) ** 2 * x.mean())
    assert gini(x) == pytest.approx(pairs, abs=1e-12)
    assert entropy(x) == pytest.approx(scipy_entropy(x), abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_effective_items_are_those_of_all_pairs_of_days(seed: int) -> None:
    rng = np.random.default_rng(seed)
    item, day = rng.integers(0, 12, 60), rng.integers(0, 7, 60)
    apart = day[:, None] != day[None, :]
    same = (item[:, None] == item[None, :]) & apart
    assert effective_items(item, day) == pytest.approx(apart.sum() / same.sum(), rel=1e-12)


def test_effective_items_are_right_however_much_is_shown_where_the_gini_is_not() -> None:
    """Its inverse is 1/30 in the mean, of 35 rows a week and of 700; the Gini of a uniform list falls by half."""
    shares, ginis = [], []
    for shown in (5, 100):
        rng = np.random.default_rng(0)
        lists = [(rng.integers(0, 30, 7 * shown), np.repeat(np.arange(7), shown)) for _ in range(400)]
        shares.append(np.mean([1 / effective_items(*one) for one in lists]))
        ginis.append(np.mean([gini(np.bincount(item, minlength=30).astype(float)) for item, _ in lists]))
    assert shares == pytest.approx([1 / 30, 1 / 30], rel=0.05)
    assert ginis[1] < ginis[0] / 2


def test_a_window_is_told_of_in_full() -> None:
    """Ten items, two of them popular before: 0 and 1; 0, 0, 1 and 7 are shown."""
    before = np.array([50, 30, 1, 1, 1, 1, 1, 1, 1, 1.0])
    found = measured(log([0, 1, 0, 7], [0, 0, 1, 1], catalogue=10), before=before)
    assert (found.shown, found.distinct, found.catalogue, found.aggregate) == (4, 3, 10, 0.3)
    assert found.long_tail == 1 / 8
    assert found.popularity == (50 + 30 + 50 + 1) / 4
    assert found.effective == 4  # of the four pairs of both days, one is alike
    assert found.reached == 3
    assert found.gini == pytest.approx(gini(np.array([2, 1, 1, 0, 0, 0, 0, 0, 0, 0.0])))
    fewer = measured(log([0, 1, 0, 7], [0, 0, 1, 1], catalogue=10), offered=4)
    assert fewer.gini == pytest.approx(gini(np.array([2, 1, 1, 0.0])))
    assert fewer.as_dict()["long_tail"] is None


def test_the_inverse_propensities_count_what_had_a_chance() -> None:
    """Of 20 items 12 have a chance, very different ones: 4,000 days of 3 tell 12 within 2%."""
    rng = np.random.default_rng(1)
    chance = np.r_[rng.dirichlet(np.full(12, 2.0)), np.zeros(8)]
    day, item = np.repeat(np.arange(4_000), 3), rng.choice(20, size=12_000, p=chance)
    shown = log(item.tolist(), day.tolist(), catalogue=20, propensity=(chance[item] * 3).clip(0, 1).tolist())
    assert reached(shown, day) == pytest.approx(12, rel=0.02)
    assert reached(log([3, 3], [0, 1], catalogue=20, propensity=[1, 1]), np.array([0, 1])) == 1
    for wrong in (0.0, np.nan, 1.5):
        assert reached(log([3, 4], [0, 1], catalogue=20, propensity=[1, wrong]), np.array([0, 1])) == 2


def test_windows_are_the_ticks_and_popularity_is_what_was_shown_before() -> None:
    shown = log([0, 1, 1, 1, 0, 2], [0, 1, 7, 8, 21, 22], catalogue=3)
    told = by_window(shown, Weekly("2012-12-31"), offered=[3, 3, 2])
    assert [str(start)[:10] for start in told] == ["2013-01-07", "2013-01-14", "2013-01-28"]
    assert [w.catalogue for w in told.values()] == [3, 3, 2]
    assert [w.popularity for w in told.values()][1:] == [1.0, 0.5]
    mixed = by_window(shown.take(np.array([5, 0, 3, 2, 4, 1])), Weekly("2012-12-31"), offered=[3, 3, 2])
    np.testing.assert_equal([w.as_dict() for w in mixed.values()], [w.as_dict() for w in told.values()])
    learned = by_window(shown, Weekly("2012-12-31"), learned=[3, 2, np.nan])
    np.testing.assert_equal([w.reached for w in learned.values()], [3, 2, np.nan])
    with pytest.raises(ValueError, match="offered has 1 numbers; 3 ticks"):
        by_window(shown, Weekly("2012-12-31"), offered=[3])


def test_a_tick_holds_its_start_and_not_its_end() -> None:
    calendar = Weekly("2012-12-31")
    at = np.array(["2013-01-07T00:00", "2013-01-13T23:59:59.999999", "2013-01-14", "2012-12-30"], "datetime64[us]")
    for moment, start in zip(at[:3], window_starts(at, calendar), strict=False):
        assert calendar.tick_of(utc(str(moment))).start == utc(str(start))
    assert str(window_starts(at, calendar)[3])[:10] == "2012-12-24"


def test_nothing_one_item_and_a_single_day_are_told_as_such() -> None:
    nothing = measured(log([], [], catalogue=5))
    assert (nothing.shown, nothing.distinct, nothing.aggregate, nothing.reached) == (0, 0, 0.0, 0.0)
    assert np.isnan([nothing.gini, nothing.entropy, nothing.effective, nothing.popularity]).all()
    assert np.isnan(measured(log([], [], catalogue=0)).aggregate)
    assert by_window(log([], [], catalogue=5), Weekly("2012-12-31")) == {}
    one = measured(log([0, 0, 0], [0, 1, 2], catalogue=1))
    assert (one.gini, one.entropy, one.effective, one.aggregate) == (0, 0, 1, 1)
    assert np.isnan(measured(log([0, 1], [3, 3], catalogue=2)).effective)
    assert measured(log([0, 1], [0, 1], catalogue=2)).effective == 2  # no pair is alike: half of one stands for it


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match=r"of one length, got \{'item': 2, 'at': 1\}"):
        ShownLog(("a",), np.zeros(2, dtype=np.intp), np.array([MONDAY]))
    with pytest.raises(ValueError, match="items reach from 0 to 3; a catalogue of 2"):
        log([0, 3], [0, 0], catalogue=2)
    with pytest.raises(ValueError, match="1 rows do not say when"):
        ShownLog(("a",), np.zeros(1, dtype=np.intp), np.array(["NaT"], "datetime64[us]"))
