"""A window that includes the row itself steps by the row's own label; one that ends before it does not."""

import numpy as np
import pyarrow as pa
import pytest
from leak_worlds import World, said
from sklearn.metrics import roc_auc_score

from mlsys_assets.features.leakage.increments import increments
from mlsys_assets.features.leakage.pure_ends import pure_ends
from mlsys_assets.types import Severity

KEYS = 40
LENGTH = 10


def world_of(seed=0, *, spells=0.0):
    """Return a world whose rows have keys; with ``spells`` a key's label repeats the one before with that chance."""
    world = World.of(seed, days=60, rows=60)
    key = world.random.integers(KEYS, size=len(world))
    if spells:
        last = {}
        for i, k in enumerate(key):
            if world.random.random() < spells:
                world.label[i] = last.get(k, world.label[i])
            last[k] = world.label[i]
    world.columns["key"] = [f"k{k}" for k in key]
    return world, key


def trailing(world, key, *, own, kind="mean", lag=1, length=LENGTH):
    """Return (n,) each row's statistic over its key's last labels: up to itself, or up to ``lag`` rows before."""
    found, seen = np.full(len(world), np.nan), {}
    for i, k in enumerate(key):
        past = seen.setdefault(k, [])
        upto = [*past, world.label[i]] if own else past[: len(past) - lag + 1]
        window = upto[-length:] if kind != "expanding" else upto
        if window:
            found[i] = np.sum(window) if kind == "count" else np.mean(window)
        past.append(world.label[i])
    return found


def looked_at(world, **more):
    train, _ = world.views(**more)
    return increments(train, seed=0)


@pytest.mark.parametrize("kind", ["mean", "count", "expanding"])
@pytest.mark.parametrize("spells", [0.0, 0.5])
def test_a_window_with_the_row_itself_is_an_error(kind, spells):
    world, key = world_of(spells=spells)
    found = looked_at(world, window=trailing(world, key, own=True, kind=kind))
    assert said(found, Severity.ERROR) == [("window",)]
    assert found.increments[0].key == ("key",)
    assert "steps by its own row's label" in str(found.suspicions[0])


@pytest.mark.parametrize("kind", ["mean", "count", "expanding"])
@pytest.mark.parametrize("spells", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("lag", [1, 2, 4])
def test_a_window_that_ends_before_is_let_be(kind, spells, lag):
    """Even where outcomes come in spells, so that the label before tells the row's own."""
    world, key = world_of(spells=spells)
    assert not looked_at(world, window=trailing(world, key, own=False, kind=kind, lag=lag)).suspicions


def test_a_strong_honest_measurement_is_let_be():
    """Its step tells the label, and the next takes it back."""
    world, _ = world_of()
    found = looked_at(world, measured=world.label * 3 + world.random.normal(size=len(world)))
    one = next(i for i in found.increments if i.column == "measured")
    assert one.own > 0.7
    assert one.following < 0.3
    assert not found.suspicions


def test_the_key_may_be_handed_in_or_be_two_columns():
    world, key = world_of()
    window = trailing(world, key, own=True)
    del world.columns["key"]
    train, _ = world.views(window=window)
    assert not increments(train, seed=0).suspicions
    handed = pa.table({"aircraft": [f"k{k}" for k in key[: len(train)]]})
    assert increments(train, seed=0, keys=handed).increments[0].key == ("aircraft",)
    world.columns.update(tens=[f"t{k // 10}" for k in key], ones=[f"o{k % 10}" for k in key])
    found = looked_at(world, window=window)
    assert said(found) == [("window",)]
    assert set(found.increments[0].key) == {"tens", "ones"}


def test_rows_of_one_key_at_the_same_time_are_no_trouble():
    """A window by time takes all of a time's rows, or none: the first is a leak, the second is not."""
    world, key = world_of()
    pair = np.arange(len(world)) // 2
    both, key = world.at[pair * 2], key[pair * 2]
    world.at[:] = both
    world.columns["key"] = [f"k{k}" for k in key]
    after, before = trailing(world, key, own=True), trailing(world, key, own=False)
    assert said(looked_at(world, window=after[np.minimum(pair * 2 + 1, len(world) - 1)])) == [("window",)]
    assert not looked_at(world, window=before[pair * 2]).suspicions


def test_steps_are_those_to_the_row_before_and_after_by_another_time():
    """By plain search: the AUC of up, level and down, of steps within a key."""
    world, key = world_of()
    world.at[1::7] = world.at[:-1:7][: len(world.at[1::7])]  # some of the same time as the row before
    window = trailing(world, key, own=True)
    train, _ = world.views(window=window)
    one = next(i for i in increments(train, seed=0).increments if i.column == "window")
    n = len(train)
    own, following = [], []
    for i in range(n):
        of_key = [j for j in np.flatnonzero(key[:n] == key[i]) if world.at[j] != world.at[i]]
        before = [j for j in of_key if world.at[j] < world.at[i]]
        after = [j for j in of_key if world.at[j] > world.at[i]]
        if before:
            own.append((np.sign(window[i] - window[before[-1]]), world.label[i]))
        if after:
            following.append((np.sign(window[after[0]] - window[i]), world.label[i]))
    for found, pairs in ((one.own, own), (one.following, following)):
        sign, label = np.array(pairs).T
        assert found == pytest.approx(roc_auc_score(label, sign))


def test_keys_of_other_rows_are_refused():
    world, _ = world_of()
    train, _ = world.views()
    with pytest.raises(ValueError, match="3 keys for"):
        increments(train, seed=0, keys=pa.table({"k": ["a", "b", "c"]}))


@pytest.mark.parametrize("world", [World.of(days=2, rows=20), World.of(rate=0.0)], ids=["few", "one class"])
def test_what_cannot_be_told_is_no_verdict(world):
    assert not looked_at(world, told=world.label).suspicions


def test_a_window_with_the_row_itself_is_pure_at_both_ends_whatever_the_key():
    world, key = world_of()
    del world.columns["key"]
    train, _ = world.views(window=trailing(world, key, own=True, length=3))
    found = pure_ends(train)
    assert said(found, Severity.ERROR) == [("window",)]
    assert found.columns[0].chance < 1e-6


def test_ends_of_honest_columns_are_not_pure():
    world, key = world_of()
    train, _ = world.views(window=trailing(world, key, own=False), rule=np.where(world.label > 0, 1.0, 0.0) * 0 + 1)
    assert not pure_ends(train).suspicions


def test_one_pure_end_is_a_rule_and_no_leak():
    """Who bought nothing returns nothing."""
    world, _ = world_of()
    bought = np.where(
        world.label > 0, 1 + world.random.integers(3, size=len(world)), world.random.integers(4, size=len(world))
    )
    train, _ = world.views(bought=bought.astype(float))
    assert not pure_ends(train).suspicions


def test_ends_of_one_label_are_a_rule_and_no_leak():
    """Neither the coldest nor the hottest fail."""
    world, _ = world_of()
    mild = world.random.uniform(1, 9, len(world)).round()
    heat = np.where(world.label > 0, mild.clip(2, 8), world.random.choice([0.0, 10.0], len(world)))
    train, _ = world.views(heat=heat)
    assert not pure_ends(train).suspicions


def test_rows_of_one_day_count_once():
    """Many rows of few days at pure ends are few observations."""
    world = World.of(days=20, rows=200)
    day = world.at.astype("datetime64[D]").astype(int)
    calm = day % 10 == 0
    world.label[calm] = 0.0
    world.label[day % 10 == 1] = 1.0
    train, _ = world.views(level=np.where(calm, 0.0, np.where(day % 10 == 1, 1.0, 0.5)))
    assert not pure_ends(train).suspicions


def test_it_is_the_same_again_and_has_pictures():
    world, key = world_of()
    more = {"window": trailing(world, key, own=True)}
    found = looked_at(world, **more)
    assert found == looked_at(world, **more)
    assert "window" in found.plot()
    assert found.thumbnail().startswith("![")
    header, rows = found.table
    assert {len(row) for row in rows} == {len(header)}
    assert found.finding.passed is (not found.suspicions)
    pure = pure_ends(world.views(**more)[0])
    assert pure.evidence["ends_looked_at"] == 4
    header, rows = pure.table
    assert {len(row) for row in rows} == {len(header)}
    assert pure.finding.passed
    assert pure.plot()
    assert pure.thumbnail()
