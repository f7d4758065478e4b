"""Offsets of groups are the linear Bayes estimate, and the spread of groups is found as it was drawn."""

from itertools import combinations

import numpy as np
import pytest

from mlsys_assets.features.leakage.group_offsets import CERTAIN, group_offsets, log_odds


def drawn(spread, *, groups=20_000, members=5, seed=0, storm=0.0):
    """Rows of groups with log odds of their own; in storms, of their day's, on which all rows of a group lie."""
    random = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), members)
    day = random.integers(0, 300, len(group))
    day = day[group] if storm else day
    known = random.normal(size=len(group)) - 1
    offset = spread * random.normal(size=groups)
    shift = storm * random.normal(size=300)
    label = (random.random(len(group)) < 1 / (1 + np.exp(-known - offset[group] - shift[day]))).astype(float)
    return group, day, label, 1 / (1 + np.exp(-known)), offset


def by_plain_search(group, day, label, score):
    information = score * (1 - score)
    missed = label - score - information * (label - score).sum() / information.sum()
    above = below = 0.0
    for i, j in combinations(range(len(group)), 2):
        if group[i] == group[j] and day[i] != day[j]:
            above, below = above + missed[i] * missed[j], below + information[i] * information[j]
    spread = max(above / below, 0.0) if below else 0.0
    found = np.zeros(group.max() + 2)
    for g in set(group.tolist()):
        mine = group == g
        found[g] = spread * missed[mine].sum() / (1 + spread * information[mine].sum())
    return found


@pytest.mark.parametrize("seed", range(6))
def test_offsets_are_those_of_a_plain_search(seed):
    random = np.random.default_rng(seed)
    group, day, label, score, _ = drawn(1.0, groups=30, members=4, seed=seed)
    group, day = random.permutation(group) * 2, day % 4  # numbers of groups that are not there, rows of one day
    found = group_offsets(group, day, label, score, number=group.max() + 2)
    assert found == pytest.approx(by_plain_search(group, day, label, score))


@pytest.mark.parametrize("spread", [0.4, 0.6])
def test_the_spread_that_was_drawn_is_found_and_offsets_tell_as_much_as_they_say(spread):
    group, day, label, score, offset = drawn(spread)
    found = group_offsets(group, day, label, score, number=20_000)
    assert np.polyfit(found, offset, 1)[0] == pytest.approx(1.0, abs=0.12)
    assert np.corrcoef(found, offset)[0, 1] ** 2 == pytest.approx(found.var() / spread**2, abs=0.03)


@pytest.mark.parametrize("off", [0.0, 0.5], ids=["the model's level is right", "it is too low"])
def test_groups_that_share_nothing_have_hardly_an_offset(off):
    group, day, label, score, _ = drawn(0.0)
    score = 1 / (1 + np.exp(off - log_odds(score)))
    assert group_offsets(group, day, label, score, number=20_000).std() < 0.05


def test_what_a_day_brings_is_no_groups():
    group, day, label, score, _ = drawn(0.0, storm=1.0)
    assert group_offsets(group, day, label, score, number=20_000).tolist() == [0.0] * 20_000
    assert group_offsets(group, np.arange(len(group)), label, score, number=20_000).std() > 0.3  # as if of other days


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_where_no_two_rows_of_a_group_can_be_held_against_each_other_nothing_is_told(rows):
    group, none = np.zeros(rows, dtype=np.intp), np.zeros(rows, dtype=np.intp)
    assert group_offsets(group, none, np.ones(rows), np.full(rows, 0.5), number=3).tolist() == [0.0, 0.0, 0.0]


def test_certain_scores_have_finite_log_odds():
    found = log_odds(np.array([0.0, 0.5, 1.0]))
    assert found == pytest.approx([np.log(CERTAIN), 0.0, -np.log(CERTAIN)], abs=1e-4)
    day = np.arange(4)
    assert np.isfinite(group_offsets(day // 2, day, np.array([1.0, 0, 1, 0]), np.array([0.0, 1, 1, 0]), number=2)).all()
