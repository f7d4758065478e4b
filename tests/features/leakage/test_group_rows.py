"""A group's past is its rows of other days than those on which it is asked for."""

import numpy as np
import pytest

from mlsys_assets.features.leakage import group_rows
from mlsys_assets.features.leakage.group_rows import EVERY, asked_days, halves, past_rows, scored_rows

MONDAY = np.datetime64("2013-06-03", "us")


def at(day, random):
    return MONDAY + day * np.timedelta64(1, "D") + random.integers(0, 86_400, len(day)) * np.timedelta64(1, "s")


@pytest.mark.parametrize("seed", range(5))
def test_the_past_is_of_the_groups_asked_for_and_of_other_days(seed, monkeypatch):
    random = np.random.default_rng(seed)
    code, own = random.integers(-1, 12, 400), random.integers(0, 6, 30)
    day, later = random.integers(0, 8, 400), random.integers(5, 12, 30)
    moments = at(day, random), at(later, random)
    asked = set(zip(own.tolist(), later.tolist(), strict=True))
    pairs = zip(code.tolist(), day.tolist(), strict=True)
    expected = [n for n, (g, d) in enumerate(pairs) if g in own and (g, d) not in asked]
    found = past_rows((code, own), moments, random)
    assert found.tolist() == expected
    monkeypatch.setattr(group_rows, "PAST", 20)
    some = past_rows((code, own), moments, random)
    assert len(some) == 20
    assert set(some) < set(expected)
    assert np.ptp(some) > 200  # from all of them, not the first


def test_asked_days_are_whole_and_evenly_spaced_over_all_weekdays():
    random = np.random.default_rng(0)
    day = random.permutation(np.repeat(np.arange(70), 9))
    asked = asked_days(at(day, random))
    days = np.unique(day[asked])
    assert len(days) == 70 // EVERY
    assert set(np.diff(days)) == {EVERY}
    assert set(days % 7) == set(range(7))
    assert not set(days) & set(day[~asked])


def test_rows_of_known_groups_are_scored(monkeypatch):
    random = np.random.default_rng(0)
    code, known = random.integers(-1, 6, 300), np.array([True, False, True, False, False, False])
    expected = np.flatnonzero(np.isin(code, [0, 2]))
    assert scored_rows(code, known, random).tolist() == expected.tolist()
    monkeypatch.setattr(group_rows, "SCORED", 20)
    some = scored_rows(code, known, random)
    assert len(some) == 20
    assert set(some) < set(expected)
    assert np.ptp(some) > 200


def test_halves_hold_about_as_many_rows():
    size = np.random.default_rng(0).pareto(1.0, 50).astype(int) + 1
    half = halves(size)
    assert abs(size[half == 0].sum() - size[half == 1].sum()) <= size.max()
    assert (half == 0).sum() == 25
