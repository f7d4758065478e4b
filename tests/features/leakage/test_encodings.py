"""A mean label that the row's own is part of agrees too well with its rows; one of other rows does not."""

import numpy as np
import pyarrow as pa
import pytest
from leak_worlds import WINDOW, World, said
from scipy import stats

from mlsys_assets.data_sampling.views import Train
from mlsys_assets.features.leakage.encodings import agreement, encodings
from mlsys_assets.types import Severity

KEYS = 150


def rates(seed=0, spread=0.5):
    """Return a world whose rows have keys with rates of their own."""
    world = World.of(seed, days=100, rows=80)
    key = world.random.integers(KEYS, size=len(world))
    own = 1 / (1 + np.exp(1 - spread * world.random.normal(size=KEYS)))
    world.label[:] = world.random.random(len(world)) < own[key]
    return world, key, own


def mean_label(world, key, rows, smoothing=0.0):
    """Return (n,) the mean label of the rows of each row's key, among ``rows``."""
    count = np.bincount(key[rows], minlength=KEYS)
    late = np.bincount(key[rows], weights=world.label[rows], minlength=KEYS)
    rate = world.label.mean()
    return ((late + smoothing * rate) / np.maximum(count + smoothing, 1))[key]


def looked_at(world, **more):
    return encodings(*world.views(**more), seed=0)


@pytest.mark.parametrize("seed", range(5))
def test_what_was_known_beforehand_leaves_chance_its_spread(seed):
    world, key, own = rates(seed)
    found = looked_at(world, known=own[key])
    assert not said(found, Severity.ERROR)
    one = next(a for a in found.agreements if a.column == "known")
    assert one.spread == pytest.approx(1.0, abs=0.35)


@pytest.mark.parametrize("smoothing", [0.0, 20.0])
@pytest.mark.parametrize(
    "scaled", [lambda v: v, lambda v: 100 * v - 3, lambda v: np.log(v / (1 - v)), lambda v: np.exp(6 * v)]
)
def test_a_mean_with_the_row_itself_in_it_is_an_error(smoothing, scaled):
    world, key, _ = rates()
    early = np.arange(len(world)) < 0.75 * len(world)
    encoded = scaled(np.clip(mean_label(world, key, early, smoothing), 0.01, 0.99))
    found = looked_at(world, encoded=encoded)
    assert said(found, Severity.ERROR) == [("encoded",)]
    assert found.agreements[0].spread < 0.3
    assert "agrees with the mean label of its own rows" in str(found.suspicions[0])


def test_a_mean_of_other_rows_is_let_be():
    """Keys' means over an earlier period, which no row of the training part is of."""
    world, key, own = rates()
    earlier = world.random.binomial(80, own) / 80
    assert not said(looked_at(world, encoded=earlier[key]), Severity.ERROR)


def test_rows_that_share_their_day_leave_more_than_chance():
    world, _, _ = rates()
    day = world.at.astype("datetime64[D]").astype(int)
    storm = np.random.default_rng(3).random(day.max() + 1)[day] < 0.2
    world.label[storm] = np.maximum(world.label[storm], world.random.random(storm.sum()) < 0.5)
    found = looked_at(world, daily=np.random.default_rng(3).random(day.max() + 1)[day])
    assert not said(found, Severity.ERROR)


def test_the_chance_is_that_of_chi_squared():
    """Of values that are the rates themselves, in many worlds, the chance is uniform."""
    chances = []
    for seed in range(60):
        random = np.random.default_rng(seed)
        rate = np.repeat(np.linspace(0.1, 0.4, 40), 150)
        label = (random.random(len(rate)) < rate).astype(float)
        at = np.datetime64("2013-01-01", "us") + np.arange(len(rate))
        table = pa.table({"rate": pa.array(rate).cast(pa.float32())})
        train = Train(pa.array(np.arange(len(rate)).astype(str)), at, table, label, WINDOW)
        chances.append(agreement(train, "rate", looked_at=1).chance)
    assert stats.kstest(chances, "uniform").pvalue > 0.01


def test_what_ranks_in_training_only_is_looked_at():
    world = World.of()
    early = np.arange(len(world)) < 0.75 * len(world)
    found = looked_at(world, fading=np.where(early, world.label, 0) + world.random.normal(size=len(world)))
    assert said(found) == [("fading",)]
    assert found.suspicions[0].severity is Severity.WARN


def test_it_is_the_same_again_and_has_pictures():
    world, key, own = rates()
    found = looked_at(world, known=own[key])
    assert found == looked_at(world, known=own[key])
    assert "chance" in found.plot()
    assert found.thumbnail().startswith("![")
    header, rows = found.table
    assert {len(row) for row in rows} == {len(header)}
    assert found.finding.passed is (not found.suspicions)
    assert found.evidence["columns_compared"] == len(found.agreements)


@pytest.mark.parametrize("world", [World.of(days=2, rows=20), World.of(rate=0.0)], ids=["few", "one class"])
def test_what_cannot_be_told_is_no_verdict(world):
    assert not looked_at(world).suspicions
