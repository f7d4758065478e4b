"""An identifier is looked at; one whose order, digits or neighbours tell the label is an error."""

import numpy as np
import pyarrow as pa
import pytest
from leak_worlds import World, said
from scipy import stats

from mlsys_assets.features.leakage.identifiers import identifiers
from mlsys_assets.types import Severity


def looked_at(world, **more):
    train, _ = world.views(**more)
    return identifiers(train, seed=0)


def numbered(order):
    """Return the place of each row in an order."""
    place = np.empty(len(order))
    place[order] = np.arange(len(order))
    return place


def test_rows_without_an_identifier_have_none():
    world = World.of()
    found = looked_at(world, few=world.random.integers(500, size=len(world)).astype(float))
    assert not found.identifiers
    assert not found.suspicions


@pytest.mark.parametrize("seed", range(5))
def test_numbers_given_in_turn_or_at_random_are_looked_at(seed):
    world = World.of(seed)
    at_random = world.random.permutation(len(world)).astype(float)
    found = looked_at(world, turn=np.arange(len(world)).astype(float), at_random=at_random)
    assert sorted(said(found, Severity.WARN)) == [("at_random",), ("turn",)]
    assert all(abs(one.neighbours - 0.5) < 0.05 for one in found.identifiers)  # a row is no neighbour of its own


def test_numbers_of_a_file_sorted_by_its_label_are_an_error():
    world = World.of()
    found = looked_at(world, row=numbered(np.argsort(world.label, kind="stable")))
    assert said(found, Severity.ERROR) == [("row",)]
    assert found.identifiers[0].order > 0.9
    assert "its order within a day" in found.suspicions[0].seen


def test_odd_numbers_of_positives_are_an_error():
    world = World.of()
    odd = 2 * world.random.permutation(len(world)) + world.label
    found = looked_at(world, row=pa.array(odd.astype(np.int64)))
    assert said(found, Severity.ERROR) == [("row",)]
    assert found.identifiers[0].divisor % 2 == 0
    assert "remainders" in found.suspicions[0].seen


def test_odd_numbers_beyond_what_a_short_float_holds_are_still_seen():
    world = World.of()
    odd = 10**12 + 2 * world.random.permutation(len(world)) + world.label.astype(np.int64)
    assert said(looked_at(world, row=pa.array(odd)), Severity.ERROR) == [("row",)]


def test_blocks_of_one_label_are_an_error():
    """Files of 40 rows of one label each, in no order: neither order nor digits tell."""
    world = World.of()
    order = np.argsort(world.label, kind="stable")
    blocks = np.array_split(order, len(order) // 40)
    shuffled = [blocks[k] for k in world.random.permutation(len(blocks))]
    found = looked_at(world, row=numbered(np.concatenate(shuffled)) * 7)
    assert said(found, Severity.ERROR) == [("row",)]
    assert found.identifiers[0].order < 0.7
    assert "its neighbours rank labels" in found.suspicions[0].seen


def test_text_is_read_by_the_number_it_ends_in():
    world = World.of()
    odd = 2 * world.random.permutation(len(world)) + world.label
    found = looked_at(world, row=[f"A-{int(k)}" for k in odd])
    assert said(found, Severity.ERROR) == [("row",)]
    assert not looked_at(world, name=[f"{int(k)}x" for k in odd]).identifiers


def test_numbers_of_groups_are_no_identifiers(monkeypatch):
    """Even where so few rows are screened that hardly two of a group are among them."""
    monkeypatch.setattr("mlsys_assets.features.leakage.identifiers.SCREENED", 40)
    world = World.of()
    assert not looked_at(world, crew=[f"crew {i // 6}" for i in world.random.permutation(len(world))]).identifiers


def test_days_drawn_twice_leave_an_identifier_one():
    world = World.of()
    train, _ = world.views(turn=np.arange(len(world)).astype(float))
    drawn = np.concatenate([np.arange(80) + 80 * d for d in world.random.integers(45, size=45)])
    assert said(identifiers(train.take(np.sort(drawn)), seed=0), Severity.ERROR) == []


def test_chances_of_remainders_are_no_smaller_than_they_say():
    """Of numbers given at random, the smallest of eight, times eight, is at least uniform."""
    found = []
    for seed in range(80):
        world = World.of(seed, days=20, rows=40)
        (one,) = looked_at(world, row=world.random.permutation(len(world)).astype(float)).identifiers
        found.append(one.chance)
    assert stats.kstest(found, "uniform", alternative="greater").pvalue > 0.01


@pytest.mark.parametrize("world", [World.of(days=1, rows=4), World.of(rate=0.0)], ids=["few", "one class"])
def test_what_cannot_be_told_is_no_error(world):
    assert not said(looked_at(world, row=np.arange(len(world)).astype(float)), Severity.ERROR)


def test_it_is_the_same_again_and_has_pictures():
    world = World.of()
    found = looked_at(world, row=np.arange(len(world)).astype(float))
    assert found == looked_at(world, row=np.arange(len(world)).astype(float))
    assert "row" in found.plot()
    assert found.thumbnail().startswith("![")
    header, rows = found.table
    assert {len(row) for row in rows} == {len(header)}
    assert found.finding.passed is (not found.suspicions)
    assert found.evidence == {"identifiers": 1}
