"""A model that leans on one column, or on twins, is seen to fall without; one that leans on many is not."""

import numpy as np
import pytest
from leak_worlds import TREES, World, said

from mlsys_assets.features.leakage.ablation import ablations, twins
from mlsys_assets.features.leakage.probe import Probe
from mlsys_assets.types import Severity


def looked_at(world, **more):
    return ablations(Probe.of(*world.views(**more), TREES, seed=0))


def many(world, n=8):
    return {f"part_{k}": world.label * 0.4 + world.random.normal(size=len(world)) for k in range(n)}


@pytest.mark.parametrize("seed", range(3))
def test_a_model_of_many_honest_columns_is_let_be(seed):
    world = World.of(seed, honest=0.4)
    found = looked_at(world, **many(world))
    assert not [one for one in found.suspicions if len(one.columns) == 1]
    assert not said(found, Severity.ERROR)


def test_a_column_that_carries_the_model_is_an_error():
    world = World.of(honest=0.4)
    found = looked_at(world, told=world.label * 3 + world.random.normal(size=len(world)), **many(world))
    assert said(found, Severity.ERROR) == [("told",)]
    assert found.importance[0][0] == "told"
    assert found.single[0].fall.low > 0.08
    assert "falls by" in str(found.suspicions[0])


def test_a_column_that_a_good_model_needs_is_looked_at():
    """A model of 0.93 falls by 0.05 without: that is much, and honest columns do it."""
    world = World.of(honest=0.4, days=120)
    good = {f"part_{k}": world.label * 0.7 + world.random.normal(size=len(world)) for k in range(6)}
    found = looked_at(world, strong=world.label * 1.3 + world.random.normal(size=len(world)), **good)
    assert found.full.value > 0.88
    assert ("strong",) in said(found, Severity.WARN)
    assert not said(found, Severity.ERROR)


def test_an_honest_column_that_carries_a_weak_model_is_looked_at():
    world = World.of(honest=1.2)
    found = looked_at(world)
    assert ("honest",) in said(found, Severity.WARN)
    assert not said(found, Severity.ERROR)


def test_twins_are_dropped_together():
    world = World.of(honest=0.4)
    told = world.label * 3 + world.random.normal(size=len(world))
    twin = -2 * told + world.random.normal(size=len(world)) * 0.02
    found = looked_at(world, told=told, twin=twin, **many(world))
    assert all(one.fall.value < 0.02 for one in found.single)
    assert {frozenset(columns) for columns in said(found, Severity.ERROR)} == {frozenset({"told", "twin"})}
    assert found.twins[0].fall.low > 0.08


def test_a_fall_is_the_difference_of_two_models():
    world = World.of()
    probe = Probe.of(*world.views(), TREES, seed=0)
    found = ablations(probe)
    by_hand = Probe.of(*world.views(), TREES, seed=0)
    rest = by_hand.auc(by_hand.scores(by_hand.without(found.single[0].dropped))).value
    assert found.single[0].fall.value == pytest.approx(found.full.value - rest)


def test_sets_of_twins_part_the_columns():
    world = World.of()
    train, _ = world.views(copy=world.columns["honest"] * 2, turned=-world.columns["weak"])
    ranked = ["weak", "copy", "honest", "turned", "noise", "place"]
    assert twins(train, ranked) == [("weak", "turned"), ("copy", "honest"), ("noise",), ("place",)]


def test_a_probe_scores_no_row_that_it_was_fitted_on():
    train, validation = World.of().views()
    probe = Probe.of(train, validation, TREES, seed=0)
    parts = [set(view.at.astype("datetime64[D]").tolist()) for view in (probe.train, probe.watched, probe.scored)]
    assert all(parts)
    assert sum(map(len, parts)) == len(set().union(*parts))
    assert parts[2] & set(validation.at.astype("datetime64[D]").tolist())
    assert set(probe.train.ids.to_pylist()) <= set(train.ids.to_pylist())


def test_labels_that_are_no_classes_and_rows_of_another_part_are_refused():
    world = World.of()
    train, validation = world.views()
    with pytest.raises(TypeError, match="Train view"):
        Probe.of(validation, validation, TREES, seed=0)
    train.label[3] = 2.0
    with pytest.raises(ValueError, match=r"takes labels 0 and 1, got 2.0 \(1 such rows\)"):
        Probe.of(train, validation, TREES, seed=0)


@pytest.mark.parametrize("world", [World.of(days=2, rows=20), World.of(rate=0.0)], ids=["few", "one class"])
def test_what_cannot_be_told_is_no_verdict(world):
    assert not looked_at(world, told=world.label).suspicions


def test_it_is_the_same_again_and_has_pictures():
    found = looked_at(World.of())
    assert found == looked_at(World.of())
    assert "fall" in found.plot()
    assert found.thumbnail().startswith("![")
    header, rows = found.table
    assert {len(row) for row in rows} == {len(header)}
    assert found.finding.passed is (not found.suspicions)
    assert found.evidence["without"] == found.single[0].name or found.evidence["largest_fall"] > 0
    assert np.isfinite(found.evidence["full_auc"])
