"""Two columns that tell together what neither tells apart are found, whatever their relation; others are let be."""

import numpy as np
import pytest
from leak_worlds import TREES, World, said

from mlsys_assets.features.leakage.matched import Matchable, share_won
from mlsys_assets.features.leakage.pairs import best_pairs, column_pairs
from mlsys_assets.features.leakage.probe import Probe
from mlsys_assets.types import Severity


def looked_at(world, **more):
    train, validation = world.views(**more)
    return column_pairs(train, Probe.of(train, validation, TREES, seed=0))


def clocks(world, late=1.5):
    """Return planned times of day and those that it came to, in hours: late by an hour and a half, or not."""
    planned = world.random.uniform(0, 24, len(world))
    return planned, (planned + world.label * late + world.random.normal(size=len(world)) * late / 4) % 24


@pytest.mark.parametrize("seed", range(4))
def test_honest_pairs_are_let_be(seed):
    world = World.of(seed)
    found = looked_at(
        world, planned=clocks(world)[0], other=world.columns["honest"] + world.random.normal(size=len(world))
    )
    assert not found.suspicions
    assert len(found.pairs) > 3


@pytest.mark.parametrize(
    "told",
    [
        lambda planned, came: came,
        lambda planned, came: np.floor(came) * 100 + came % 1 * 60,  # as a clock shows it: 8:19 as 819
        lambda planned, came: -came,
    ],
    ids=["difference", "clock", "turned"],
)
def test_a_time_beside_the_planned_one_is_an_error(told):
    world = World.of()
    planned, came = clocks(world)
    found = looked_at(world, planned=planned, came=told(planned, came))
    assert [set(columns) for columns in said(found, Severity.ERROR)] == [{"planned", "came"}]
    assert found.pairs[0].joint > 0.9
    assert found.pairs[0].alone < 0.58
    assert found.pairs[0].lift.low > 0.3
    assert found.pairs[0].gain.low > 0.03


def test_a_ratio_and_a_category_are_found():
    world = World.of()
    length = np.exp(world.random.normal(size=len(world)))
    group = world.random.integers(30, size=len(world))
    offset = world.random.normal(size=30)[group] * 20
    slow = 1 + 0.5 * world.label + world.random.normal(size=len(world)) * 0.1
    of_ratio = looked_at(world, length=length, time=length * slow)
    assert {"length", "time"} in [set(c) for c in said(of_ratio, Severity.ERROR)]
    of_group = looked_at(world, group=[f"g{g}" for g in group], level=offset + slow)
    assert {"group", "level"} in [set(c) for c in said(of_group, Severity.ERROR)]


def test_two_columns_that_tell_apart_as_much_as_together_are_no_pair():
    world = World.of()
    found = looked_at(world, told=world.label * 2 + world.random.normal(size=len(world)))
    assert not said(found, Severity.ERROR)


def test_the_search_names_the_partner():
    world = World.of()
    planned, came = clocks(world)
    told = world.label * 4 + world.random.normal(size=len(world))  # alone more than those two together
    train, _ = world.views(planned=planned, came=came, told=told)
    pairs = best_pairs(train, seed=0)
    assert set(pairs[0]) == {"planned", "came"}
    assert len({frozenset(pair) for pair in pairs}) == len(pairs)


def test_concordance_of_matched_rows_agrees_with_counting_pairs():
    """By brute force: rows of one day, next to each other in the order of the other column."""
    world = World.of(days=6, rows=40)
    train, _ = world.views(planned=np.arange(len(world)) * 7.3 % 24)
    rows = Matchable.of(train, seed=1)
    names = rows.names
    own, other = (rows.numbers[:, names.index(name)] for name in ("honest", "planned"))
    order = sorted(range(len(own)), key=lambda i: (rows.day[i], other[i]))
    won, compared = 0.0, 0
    for apart in (1, 2, 3):
        for i, j in zip(order, order[apart:], strict=False):
            if rows.day[i] == rows.day[j] and rows.positive[i] != rows.positive[j]:
                late, fine = (i, j) if rows.positive[i] else (j, i)
                won += np.sign(own[late] - own[fine])
                compared += 1
    assert rows.given("planned")[names.index("honest")] == pytest.approx(0.5 + won / (2 * compared))
    wins, pairs = rows.wins("honest", "planned")
    assert (wins.sum(), pairs.sum()) == (won, compared)
    assert share_won(wins.sum(), pairs.sum()) == pytest.approx(0.5 + abs(won) / (2 * compared))


def test_what_a_day_shares_is_no_concordance():
    world = World.of()
    day = (world.at.astype("datetime64[D]").astype(int) % 7).astype(float)
    train, _ = world.views(day=day)
    rows = Matchable.of(train, seed=0)
    assert rows.alone()[rows.names.index("day")] == 0.5


@pytest.mark.parametrize("world", [World.of(days=2, rows=20), World.of(rate=0.0)], ids=["few", "one class"])
def test_what_cannot_be_told_is_no_verdict(world):
    planned, came = clocks(world)
    assert not looked_at(world, planned=planned, came=came).suspicions


def test_it_is_the_same_again_and_has_pictures():
    def found():
        world = World.of()
        planned, came = clocks(world)
        return looked_at(world, planned=planned, came=came)

    assert found() == found()
    assert "lift" in found().plot()
    assert found().thumbnail().startswith("![")
    header, rows = found().table
    assert {len(row) for row in rows} == {len(header)}
    assert not found().finding.passed
    assert found().finding.evidence["columns"] in ("came, planned", "planned, came")
    assert "came" in str(found().evidence["best_pair"])
