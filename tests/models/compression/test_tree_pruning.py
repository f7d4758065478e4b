from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from sklearn.tree import DecisionTreeRegressor

from mlsys_assets.models.booster_text import DEFAULT_LEFT, BoosterText, Tree
from mlsys_assets.models.booster_trees import CATEGORICAL
from mlsys_assets.models.bundle import from_files, to_files
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.compression.compressed import size_of
from mlsys_assets.models.compression.tree_pruning import TreePruning, critical_prices, pruned_tree
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.linear_predictor import logistic
from mlsys_assets.models.objectives import Combined


def drawn(rng, splits):
    """A tree of that many splits, each below an earlier one, with gains of no order."""
    left, right = [-1], [-2]
    for split in range(1, splits):
        parent = rng.choice([k for k in range(split) if left[k] < 0 or right[k] < 0])
        side = left if left[parent] < 0 and (right[parent] >= 0 or rng.random() < 0.5) else right
        side[parent] = split
        left.append(-1)
        right.append(-1)
    leaf = 0
    for side in (left, right):
        for k, child in enumerate(side):
            if child < 0:
                side[k] = ~leaf
                leaf += 1
    gain = rng.exponential(size=splits)
    return Tree({
        "num_leaves": [str(splits + 1)], "num_cat": ["0"], "split_gain": [repr(float(g)) for g in gain],
        "left_child": [str(c) for c in left], "right_child": [str(c) for c in right],
    })  # fmt: skip


def best_by_trying(tree, price):
    """The splits of the pruned tree of most gain less price, by trying all: the smallest of equals."""
    gain, left, right = tree.numbers("split_gain"), tree.integers("left_child"), tree.integers("right_child")
    above = {int(c): k for k in range(len(gain)) for c in (left[k], right[k]) if c > 0}
    whole = [k for k in product([False, True], repeat=len(gain)) if all(k[above[c]] for c in above if k[c])]
    worth = [(sum(g - price for g, stays in zip(gain, kept, strict=True) if stays), -sum(kept)) for kept in whole]
    return np.array(whole[max(range(len(whole)), key=worth.__getitem__)])


@pytest.mark.parametrize("seed", range(12))
def test_at_each_price_it_is_the_best_of_all_prunings(seed):
    rng = np.random.default_rng(seed)
    tree = drawn(rng, int(rng.integers(2, 9)))
    critical = critical_prices(tree)
    for price in rng.uniform(0, 3, size=6):
        np.testing.assert_array_equal(critical > price, best_by_trying(tree, price))


@pytest.mark.parametrize("seed", range(3))
def test_the_prices_are_those_of_scikit_learns_path(seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(400, 3))
    y = x[:, 0] ** 2 + np.sin(3 * x[:, 1]) + rng.normal(size=400)
    own = DecisionTreeRegressor(max_leaf_nodes=30, min_samples_leaf=5, random_state=seed).fit(x, y)
    nodes = own.tree_
    inner = [k for k in range(nodes.node_count) if nodes.children_left[k] >= 0]
    place, cost = {k: n for n, k in enumerate(inner)}, nodes.impurity * nodes.n_node_samples / 400
    gain = [cost[k] - cost[nodes.children_left[k]] - cost[nodes.children_right[k]] for k in inner]
    leaf = iter(range(10_000))

    def child(k):
        return place[k] if k in place else ~next(leaf)

    assert all(place.get(c, 99) > place[k] for k in inner for c in (nodes.children_left[k], nodes.children_right[k]))
    tree = Tree({
        "num_leaves": [str(len(inner) + 1)], "split_gain": [repr(float(gain[n])) for n in range(len(inner))],
        "left_child": [str(child(nodes.children_left[k])) for k in inner],
        "right_child": [str(child(nodes.children_right[k])) for k in inner],
    })  # fmt: skip
    path = own.cost_complexity_pruning_path(x, y).ccp_alphas[1:]
    np.testing.assert_allclose(np.unique(np.round(critical_prices(tree), 10)), np.unique(np.round(path, 10)), atol=1e-9)


@pytest.fixture(scope="module")
def predictor(train, validation):
    more = {"min_data_per_group": 5, "max_cat_to_onehot": 1}
    return LightGBM(rounds=12, more=more).fit(train, validation, seed=1, threads=1).predictor


def stopped(tree, kept, row):
    """Walk a row down the tree as it was until a split that went, then give the mean of the leaves below that."""
    at = 0
    while at >= 0 and kept[at]:
        value, decision = row[tree.integers("split_feature")[at]], int(tree.fields["decision_type"][at])
        if decision & CATEGORICAL:
            left = not np.isnan(value) and value >= 0 and int(value) in tree.categories(at)
        elif np.isnan(value) and decision >> 2 & 3 == 2:
            left = bool(decision & DEFAULT_LEFT)
        else:
            left = np.nan_to_num(value) <= tree.numbers("threshold")[at]
        at = int(tree.integers("left_child" if left else "right_child")[at])
    if at < 0:
        return tree.numbers("leaf_value")[~at]
    below, leaves = [at], []
    while below:
        one = below.pop()
        (below if one >= 0 else leaves).extend(
            [int(tree.integers("left_child")[one]), int(tree.integers("right_child")[one])] if one >= 0 else [~one]
        )
    return np.average(tree.numbers("leaf_value")[leaves], weights=tree.numbers("leaf_weight")[leaves])


@pytest.mark.parametrize("share", [0.8, 0.5, 0.2, 0.04])
def test_rows_stop_where_splits_went_and_get_the_mean_of_what_was_below(predictor, train, later, share):
    text = BoosterText.of(predictor.text)
    prices = [critical_prices(tree) for tree in text.trees]
    most = int(text.splits * share)
    price = np.sort(np.concatenate(prices))[::-1][most]
    kept = [own > price for own in prices]
    made = TreePruning(share).compress(predictor, train, seed=0, threads=1)
    assert BoosterText.of(made.text).splits == sum(k.sum() for k in kept) <= most
    matrix = predictor.preprocessing.transform(later.features)[:150].astype(np.float64)
    expected = [sum(stopped(t, k, row) for t, k in zip(text.trees, kept, strict=True)) for row in matrix]
    found = made.predict(later.features)[:150]
    np.testing.assert_allclose(found, logistic(np.array(expected)), rtol=0, atol=1e-14)
    again = from_files(to_files(made))
    np.testing.assert_array_equal(again.predict(later.features)[:150], found)
    assert TreePruning(share).compress(predictor, train, seed=9, threads=2).text == made.text


def test_a_collapsed_split_has_the_value_that_lightgbm_tells_of_it(train, validation):
    """LightGBM tells each split's own value to six digits; it is what its leaf would have been."""
    numbers = train.features.drop_columns(["carrier", "dest"])
    own = LightGBM(rounds=3).fit(
        replace(train, features=numbers),
        replace(validation, features=validation.features.drop_columns(["carrier", "dest"])),
        seed=1,
        threads=1,
    )
    for tree in BoosterText.of(own.predictor.text).trees:
        told = tree.numbers("internal_value")
        for split in range(1, tree.leaves - 1):
            kept = np.ones(tree.leaves - 1, dtype=bool)
            below = [split]
            while below:
                one = below.pop()
                kept[one] = False
                below += [
                    int(c) for c in (tree.integers("left_child")[one], tree.integers("right_child")[one]) if c > 0
                ]
            cut = pruned_tree(tree, kept)
            (new,) = set(cut.fields["leaf_value"]) - set(tree.fields["leaf_value"])
            assert float(new) == pytest.approx(told[split], rel=1e-4)
            assert cut.integers("leaf_count").sum() == tree.integers("leaf_count").sum()


def test_all_and_one_split(predictor, train, later):
    assert TreePruning(1.0).compress(predictor, train, seed=0, threads=1).text == predictor.text
    splits = BoosterText.of(predictor.text).splits
    least = TreePruning(0.9 / splits).compress(predictor, train, seed=0, threads=1)
    assert BoosterText.of(least.text).splits == 0
    assert np.ptp(least.predict(later.features)) == 0
    assert from_files(to_files(least)).predict(later.features)[0] == least.predict(later.features)[0]


def test_the_smaller_the_share_the_fewer_the_bytes(predictor, train):
    sizes = [size_of(TreePruning(s).compress(predictor, train, seed=0, threads=1)) for s in (1, 0.7, 0.4, 0.1)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-1] < sizes[0] / 2


def test_trees_that_give_margins_are_pruned_too(train, validation, later):
    own = LightGBM(rounds=9, objective=Combined(1, 0.5, threshold=0.3)).fit(train, validation, seed=1, threads=1)
    made = TreePruning(0.5).compress(own.predictor, train, seed=0, threads=1)
    assert made.kind == own.predictor.kind
    assert made.start == own.predictor.start
    assert 0 < np.abs(made.predict(later.features) - own.predict(later.features)).max() < 0.5


def test_what_is_no_tree_and_what_is_no_share_is_refused(train, validation):
    line = LogisticRegression().fit(train, validation, seed=1, threads=1).predictor
    with pytest.raises(FitError, match="cuts boosted trees, and a model of kind 'linear' is none"):
        TreePruning(0.5).compress(line, train, seed=0, threads=1)
    with pytest.raises(TypeError, match="a Train view only"):
        TreePruning(0.5).compress(line, validation, seed=0, threads=1)
    for share in (0, -1, 1.5, float("nan"), "half", True):
        assert TreePruning(share).mistakes()
    assert TreePruning(0.5).mistakes() == []
    assert TreePruning(0.125).name == "pruned_to_12_5_percent"
