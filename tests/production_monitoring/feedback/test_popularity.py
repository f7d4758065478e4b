"""Hit rates by popularity equal counts by hand; their intervals cover, and a planted popularity bias is seen."""

import numpy as np
import pytest

from mlsys_assets import Support
from mlsys_assets.production_monitoring.feedback.popularity import BUCKETS, hit_rates, popularity_gap, shown_before
from mlsys_assets.production_monitoring.feedback.shown import ShownLog

MONDAY = np.datetime64("2013-01-07", "us")


def log(item: np.ndarray, day: np.ndarray, outcome: np.ndarray | None) -> ShownLog:
    names = tuple(map(str, range(int(item.max(initial=0)) + 1)))
    return ShownLog(names, item, MONDAY + day * np.timedelta64(1, "D"), outcome=outcome)


def zipf_list(seed: int, *, bias: float, days: int = 60, shown: int = 20) -> ShownLog:
    """A list on which few items come often; from the tenth showing on they hit more often by ``bias``."""
    rng = np.random.default_rng(seed)
    share = 1 / np.arange(1, 201)
    day = np.repeat(np.arange(days), shown)
    item = rng.choice(200, size=len(day), p=share / share.sum())
    popular = shown_before(item, day) >= 10
    return log(item, day, (rng.random(len(day)) < 0.3 + bias * popular).astype(float))


def test_what_was_shown_before_equals_a_count_row_by_row() -> None:
    rng = np.random.default_rng(0)
    item, day = rng.integers(0, 9, 300), rng.integers(0, 20, 300)
    truth = [int(((item == i) & (day < d)).sum()) for i, d in zip(item, day, strict=True)]
    assert shown_before(item, day).tolist() == truth
    assert shown_before(item[:0], day[:0]).tolist() == []


def test_hit_rates_are_those_of_the_rows_of_each_bucket() -> None:
    shown = zipf_list(0, bias=0.2, days=200)
    assert shown.outcome is not None
    shown.outcome[::7] = np.nan
    day = (shown.at - MONDAY) // np.timedelta64(1, "D")
    count, told = shown_before(shown.item, day), hit_rates(shown)
    assert list(told) == list(BUCKETS)
    for name, (low, high) in BUCKETS.items():
        rows = (count >= low) & (count < high) & ~np.isnan(shown.outcome)
        assert told[name].rows == rows.sum() > 100
        assert told[name].value == pytest.approx(shown.outcome[rows].mean())
        assert told[name].low < told[name].value < told[name].high
    assert told["100 and more"].low > told["1 to 9"].high


def test_a_popularity_bias_is_seen_and_its_absence_too() -> None:
    found = [popularity_gap(zipf_list(seed, bias=0.2), seed=seed) for seed in range(20)]
    assert sum(e.low > 0 for e in found) == 20
    assert sum(e.low <= 0.2 <= e.high for e in found) >= 17
    none = [popularity_gap(zipf_list(seed, bias=0.0), seed=seed) for seed in range(60)]
    assert sum(e.low <= 0 <= e.high for e in none) >= 54


def test_a_season_of_hits_is_no_popularity_bias() -> None:
    """Hits become more frequent as time goes on, as does what is popular: the pooled rates differ, the gap does not."""
    inside, pooled = 0, []
    for seed in range(20):
        shown = zipf_list(seed, bias=0.0)
        day = (shown.at - MONDAY) // np.timedelta64(1, "D")
        outcome = (np.random.default_rng(1_000 + seed).random(len(day)) < 0.1 + 0.01 * day).astype(float)
        season = log(shown.item, day, outcome)
        found = popularity_gap(season)
        inside += found.low <= 0 <= found.high
        head = shown_before(season.item, day) >= 10
        pooled.append(outcome[head].mean() - outcome[~head].mean())
    assert inside >= 17
    assert min(pooled) > 0.05


def test_the_gap_is_that_of_each_day_weighted() -> None:
    shown = zipf_list(1, bias=0.2)
    assert shown.outcome is not None
    day = (shown.at - MONDAY) // np.timedelta64(1, "D")
    head, above, below = shown_before(shown.item, day) >= 10, 0.0, 0.0
    for d in range(60):
        one, two = shown.outcome[(day == d) & head], shown.outcome[(day == d) & ~head]
        if len(one) and len(two):
            weight = len(one) * len(two) / (len(one) + len(two))
            above, below = above + weight * (one.mean() - two.mean()), below + weight
    assert popularity_gap(shown).value == pytest.approx(above / below)


def test_what_cannot_be_told_is_no_number() -> None:
    empty = log(np.empty(0, dtype=np.intp), np.empty(0, dtype=int), np.empty(0))
    unlabelled = log(np.zeros(50, dtype=np.intp), np.arange(50), np.full(50, np.nan))
    unlogged = log(np.zeros(50, dtype=np.intp), np.arange(50), None)
    one_class = log(np.zeros(500, dtype=np.intp), np.arange(500), np.ones(500))
    for shown in (empty, unlabelled, unlogged, one_class):
        assert not any(e.sufficient for e in hit_rates(shown).values())
        assert not popularity_gap(shown).sufficient
    one = log(np.zeros(3, dtype=np.intp), np.arange(3), np.array([1.0, 0, 1]))
    assert hit_rates(one, support=Support(0, 1))["1 to 9"].rows == 2
