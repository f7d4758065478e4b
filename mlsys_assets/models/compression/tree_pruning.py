"""Cost-complexity pruning of boosted trees: splits go that gain least for the leaf they cost (Breiman et al. 1984)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.data_sampling.views import Train, require_train
from mlsys_assets.mistakes import out_of_range
from mlsys_assets.models.booster_text import BoosterText, Tree
from mlsys_assets.models.booster_trees import CATEGORICAL
from mlsys_assets.models.compression.trees import require_trees, with_text
from mlsys_assets.models.predictor import Predictor

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]

PER_SPLIT = ("split_feature", "split_gain", "threshold", "decision_type", "internal_value", "internal_weight",
             "internal_count")  # fmt: skip
"""A tree's lines with a word a split that stays as it was."""


@dataclass(frozen=True)
class TreePruning:
    """A boosted model with the share of its splits that gain most; the others are collapsed from below.

    A split is worth a leaf as long as the mean gain of the splits from it down, at best, is above a price, and so is
    that of every split above it. The price is one for all trees, and the lowest at which no more than the share is
    left. Gains are the losses that LightGBM found each split to save, on the rows it was fitted on.

    A leaf in a split's place has the mean of the leaves below it, each weighted by its sum of second derivatives:
    that is the value that LightGBM would have given it, had the tree ended there (without ``l2``). Later trees are
    not fitted again: they mend errors of splits that are gone.

    Parameters
    ----------
    share
        The most splits that stay, of those of all trees.
    """

    share: float

    @property
    def name(self) -> str:
        """What stays."""
        return f"pruned_to_{100 * self.share:.3g}_percent".replace(".", "_")

    def mistakes(self) -> list[str]:
        """Return a share that keeps nothing, or more than there is."""
        return out_of_range("tree pruning: share", self.share, above=0, most=1)

    def compress(self, predictor: Predictor, train: Train, *, seed: int, threads: int) -> Predictor:
        """Return the pruned model; raises FitError for a model without trees."""
        require_train(train, what="tree pruning")
        boosted = require_trees(predictor, what="tree pruning")
        text = BoosterText.of(boosted.text)
        prices = [critical_prices(tree) for tree in text.trees]
        price = _price(np.concatenate(prices), self.share)
        pruned = [pruned_tree(tree, own > price) for tree, own in zip(text.trees, prices, strict=True)]
        return with_text(boosted, text.of_trees(pruned if text.averaged else _merged(pruned)))


def _price(critical: Floats, share: float) -> float:
    """Return the lowest price at which no more than the share of the splits stays."""
    most = int(len(critical) * share)
    return -np.inf if most == len(critical) else float(np.sort(critical)[::-1][most])


def critical_prices(tree: Tree) -> Floats:
    """Return (splits,) the price of a leaf from which on each split is not worth its own.

    At a price, a tree without the splits of that critical price or a lower one is the one of the highest gain less
    the price of its splits. A split's is the highest mean gain of connected splits from it down, found by merging
    from below: splits join the one above as long as they raise its mean.
    """
    gain, left, right = tree.numbers("split_gain"), tree.integers("left_child"), tree.integers("right_child")
    found = np.zeros(len(gain))
    below: dict[int, list[_Cluster]] = {}
    for split in range(len(gain) - 1, -1, -1):
        waiting = [one for child in (left[split], right[split]) if child > 0 for one in below.pop(int(child))]
        own = _Cluster(float(gain[split]), 1, waiting)
        own.merge()
        found[split] = own.mean
        below[split] = [own]
    for split in range(len(gain)):  # a split goes with the one above it
        for child in (left[split], right[split]):
            if child > 0:
                found[child] = min(found[child], found[split])
    return found


@dataclass
class _Cluster:
    """Connected splits that stay or go together, and the clusters that hang below."""

    gain: float
    splits: int
    below: "list[_Cluster]"

    @property
    def mean(self) -> float:
        return self.gain / self.splits

    def merge(self) -> None:
        """Take in what hangs below as long as it gains more a split."""
        while self.below:
            best = max(self.below, key=lambda one: one.mean)
            if best.mean <= self.mean:
                return
            self.below.remove(best)
            self.gain, self.splits = self.gain + best.gain, self.splits + best.splits
            self.below += best.below


def pruned_tree(tree: Tree, kept: Flags) -> Tree:
    """Return the tree with those of its splits; each is kept only if the split above it is.

    Parameters
    ----------
    tree
        The tree.
    kept
        (splits,) which stay.
    """
    if kept.all():
        return tree
    sums = _sums(tree)
    place = np.cumsum(kept) - 1
    children: dict[str, list[str]] = {"left_child": [], "right_child": []}
    leaves: list[int] = [] if kept[0] else [0]  # of the old tree: a split that became a leaf, or a leaf's complement
    for split in np.flatnonzero(kept):
        for side, words in children.items():
            child = int(tree.integers(side)[split])
            if child < 0 or not kept[child]:
                words.append(str(~len(leaves)))
                leaves.append(child)
            else:
                words.append(str(place[child]))
    fields: dict[str, Sequence[str]] = dict(tree.fields)
    fields |= {n: _of(tree.fields[n], kept) for n in PER_SPLIT if n in tree.fields} | children
    fields |= {name: _leaf_words(tree, name, leaves, sums) for name in sums}
    return Tree(fields | {"num_leaves": [str(len(leaves))]} | _category_words(tree, fields))


def _of(words: Sequence[str], kept: Flags) -> list[str]:
    return [word for word, stays in zip(words, kept, strict=True) if stays]


def _sums(tree: Tree) -> dict[str, Floats]:
    """Return (splits,) the leaf's value, weight and count that each split would become."""
    leaf = {name: tree.numbers(name) for name in ("leaf_value", "leaf_weight", "leaf_count")}
    weight = leaf["leaf_weight"] if leaf["leaf_weight"].sum() > 0 else leaf["leaf_count"]
    summed = np.stack([leaf["leaf_value"] * weight, weight, leaf["leaf_weight"], leaf["leaf_count"]])
    found = np.zeros((len(summed), tree.leaves - 1))
    sides = tree.integers("left_child"), tree.integers("right_child")
    for split in range(tree.leaves - 2, -1, -1):
        for side in sides:
            child = side[split]
            found[:, split] += found[:, child] if child >= 0 else summed[:, ~child]
    return {"leaf_value": found[0] / found[1], "leaf_weight": found[2], "leaf_count": found[3]}


def _leaf_words(tree: Tree, name: str, leaves: Sequence[int], sums: Mapping[str, Floats]) -> list[str]:
    """Return a line's words for leaves: those of the old leaves as they were, those of collapsed splits anew."""
    of, new, digits = tree.fields[name], sums[name], ".0f" if name == "leaf_count" else ".17g"
    return [of[~leaf] if leaf < 0 else f"{new[leaf]:{digits}}" for leaf in leaves]


def _category_words(tree: Tree, fields: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return the lines of the sets of categories that are still split by, numbered anew."""
    if not tree.sets:
        return {}
    thresholds, sets = list(fields["threshold"]), list[tuple[str, ...]]()
    for n, decision in enumerate(fields["decision_type"]):
        if int(decision) & CATEGORICAL:
            sets.append(tree.sets[int(thresholds[n])])
            thresholds[n] = str(len(sets) - 1)
    found = {"threshold": thresholds, "num_cat": [str(len(sets))]}
    bounds = np.concatenate([[0], np.cumsum([len(one) for one in sets], dtype=np.int64)])
    return found | {"cat_boundaries": [str(b) for b in bounds], "cat_threshold": [w for one in sets for w in one]}


def _merged(trees: Sequence[Tree]) -> list[Tree]:
    """Return the trees that still split; what the others give every row is added to the leaves of the first."""
    constant = sum(float(tree.fields["leaf_value"][0]) for tree in trees if tree.leaves == 1)
    splitting = [tree for tree in trees if tree.leaves > 1]
    if not splitting or len(splitting) == len(trees):
        return list(trees)
    first = splitting[0]
    values = [f"{value + constant:.17g}" for value in first.numbers("leaf_value")]
    return [replace(first, fields={**first.fields, "leaf_value": values}), *splitting[1:]]
