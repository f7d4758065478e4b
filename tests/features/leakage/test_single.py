"""A column that ranks labels as nothing honest does is an error; a strong one is looked at; others are let be."""

import numpy as np
import pytest
from leak_worlds import TREES, World, said
from sklearn.feature_selection import mutual_info_classif
from sklearn.metrics import mutual_info_score, roc_auc_score

from mlsys_assets.features.leakage.binned import MutualInformation, binned, number_bins, ranked_auc
from mlsys_assets.features.leakage.probe import Probe
from mlsys_assets.features.leakage.single import single_columns
from mlsys_assets.measures.metrics import value
from mlsys_assets.types import Severity


def looked_at(world, **more):
    return single_columns(Probe.of(*world.views(**more), TREES, seed=0))


def alone(found, column):
    return next(one for one in found.columns if one.column == column)


@pytest.mark.parametrize("seed", range(4))
def test_honest_columns_are_let_be(seed):
    found = looked_at(World.of(seed))
    assert not said(found, Severity.ERROR)
    assert found.columns[0].column == "honest"
    assert found.columns[0].best == pytest.approx(0.802, abs=0.02)  # Φ(1.2 / √2)
    assert found.columns[0].auc.low < 0.802 < found.columns[0].auc.high
    assert alone(found, "noise").best < 0.53


@pytest.mark.parametrize("sign", [1, -1])
def test_the_label_itself_and_its_inverse_are_errors(sign):
    world = World.of()
    found = looked_at(world, told=sign * world.label)
    assert said(found, Severity.ERROR) == [("told",)]
    assert alone(found, "told").best == 1.0
    assert "alone ranks labels of other days with an AUC of 1.0000" in str(found.suspicions[0])


def test_a_column_is_seen_whatever_its_shape():
    """Far from 0 either way is positive: by order it tells nothing."""
    world = World.of()
    far = np.where(world.label > 0, 5.0, 1.0) * world.random.choice([-1, 1], len(world))
    found = looked_at(world, far=far + world.random.normal(size=len(world)) * 0.1)
    assert alone(found, "far").order < 0.55
    assert said(found, Severity.ERROR) == [("far",)]


def test_what_is_missing_and_what_is_text_is_seen():
    world = World.of()
    missing = np.where(world.label > 0, np.nan, world.random.normal(size=len(world)))
    text = ["late" if y else "fine" for y in world.label]
    found = looked_at(world, missing=missing, text=text)
    assert set(said(found, Severity.ERROR)) == {("missing",), ("text",)}


def test_many_categories_that_tell_nothing_tell_nothing():
    world = World.of()
    found = looked_at(world, key=[f"key {k}" for k in world.random.integers(400, size=len(world))])
    assert alone(found, "key").best < 0.54


def test_a_strong_honest_column_is_looked_at_where_the_others_tell_nearly_as_much():
    world = World.of(honest=1.2)
    strong = world.columns["honest"] * 0.6 + world.label * 0.9 + world.random.normal(size=len(world)) * 0.7
    found = looked_at(world, strong=strong, other=world.columns["honest"] + world.label * 0.5)
    assert 0.84 < alone(found, "strong").best < 0.97
    assert not said(found, Severity.ERROR)
    assert ("strong",) in said(found, Severity.WARN)


def test_a_column_that_outdoes_all_others_by_far_is_an_error():
    world = World.of(honest=0.5)
    found = looked_at(world, told=world.label * 2.0 + world.random.normal(size=len(world)))
    assert said(found) == [("told",)]
    assert found.suspicions[0].severity is Severity.ERROR
    assert alone(found, "told").beyond.low > 0.05


def test_it_is_the_same_again_and_has_pictures():
    world = World.of()
    found = looked_at(world)
    assert found == looked_at(World.of())
    assert "honest" in found.plot()
    assert found.thumbnail().startswith("![")
    header, rows = found.table
    assert {len(row) for row in rows} == {len(header)}
    assert found.finding.passed is (not found.suspicions)
    assert found.evidence["best_alone"] == "honest"


@pytest.mark.parametrize("days", [1, 3])
def test_few_days_are_no_verdict(days):
    world = World.of(days=days)
    found = looked_at(world, told=world.label)
    assert not found.suspicions
    assert not any(one.auc.sufficient for one in found.columns if one.auc)


def test_rows_of_one_class_are_no_verdict():
    found = looked_at(World.of(rate=0.0))
    assert not found.suspicions


def test_aucs_agree_with_scikit_learn():
    random = np.random.default_rng(0)
    label = (random.random(500) < 0.3).astype(float)
    score = np.round(random.normal(size=500) + label, 1)
    assert ranked_auc(score, label) == pytest.approx(roc_auc_score(label, score))
    assert ranked_auc(score, np.ones(500)) == 0.5
    bins = number_bins(score, score)
    assert bins.auc(label, label) == pytest.approx(roc_auc_score(label, bins.score(label)))


def test_mutual_information_agrees_with_scikit_learn():
    random = np.random.default_rng(0)
    label = (random.random(4_000) < 0.3).astype(float)
    code = (random.integers(4, size=4_000) + label).astype(float)
    found = value(MutualInformation(), label, code)
    bias = (len(np.unique(code)) - 1) / (2 * len(label))  # Miller (1955)
    assert found == pytest.approx(mutual_info_score(label, code) - bias, abs=1e-12)
    discrete = mutual_info_classif(code[:, None], label, discrete_features=True)
    assert found == pytest.approx(discrete[0] - bias, abs=1e-6)
    nothing = [value(MutualInformation(), label, random.integers(30, size=4_000).astype(float)) for _ in range(30)]
    assert np.mean(nothing) == pytest.approx(0.0, abs=5e-4)


def test_rates_are_drawn_to_that_of_all_rows():
    """A value seen twice, both positive, among 100 rows of a rate of 0.3: (2 + 10 × 0.3) / (2 + 10)."""
    value = np.repeat([0.0, 1.0, 2.0], [60, 38, 2])
    label = np.concatenate([np.repeat([1.0, 0.0], [18, 42]), np.repeat([1.0, 0.0], [10, 28]), [1.0, 1.0]])
    found = number_bins(value, np.array([2.0]), bins=100)
    assert found.score(label)[0] == pytest.approx(5 / 12)


def test_bins_hold_equal_shares_and_what_is_missing_apart():
    world = World.of()
    train, later = world.views(holes=np.where(world.label > 0, np.nan, np.arange(len(world))))
    found = binned(train.features, later.features, "holes", bins=10)
    counts = np.bincount(found.here, minlength=found.bins)
    assert counts[0] == int(train.label.sum())
    assert np.ptp(counts[1:11]) <= 1
    assert (found.later[later.label > 0] == 0).all()
