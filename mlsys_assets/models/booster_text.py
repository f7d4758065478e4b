"""A Booster text taken apart into its trees, and put together again: for what cuts trees, or writes them elsewhere."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlsys_assets.models.first_parse import check_text

SIZES: Final = re.compile(rb"^tree_sizes=([\d ]+)$", re.MULTILINE)
DEFAULT_LEFT: Final = 2
"""The bit of a decision type that says that missing values go left."""
MISSING_ZERO: Final = 1
MISSING_NAN: Final = 2
"""What the two bits above those say of which values are missing; 0: none."""
WORD: Final = 32
"""Bits of one word of a set of categories."""


@dataclass(frozen=True, eq=False)
class Tree:
    """One tree: what its lines say, word by word, as they were written. Splits stand before the splits below them.

    A child at 0 or above is a split, one below is the leaf of its complement: -1 the first leaf.
    """

    fields: Mapping[str, Sequence[str]]

    @classmethod
    def of(cls, text: bytes) -> "Tree":
        """Read the lines of a tree that was checked."""
        lines = [line.partition("=") for line in text.decode().split("\n") if line and not line.startswith("Tree=")]
        return cls({name: tuple(value.split()) for name, _, value in lines})

    def integers(self, name: str) -> NDArray[np.int64]:
        """Return the whole numbers of a line; none where the line is absent."""
        return np.array(self.fields.get(name, ()), dtype=np.int64)

    def numbers(self, name: str) -> NDArray[np.float64]:
        """Return the numbers of a line; none where the line is absent."""
        return np.array(self.fields.get(name, ()), dtype=np.float64)

    @property
    def leaves(self) -> int:
        """How many leaves it has: one more than splits."""
        return int(self.fields["num_leaves"][0])

    @cached_property
    def sets(self) -> tuple[tuple[str, ...], ...]:
        """The sets of categories that splits go left by, as the words that hold their bits."""
        bounds, words = self.integers("cat_boundaries"), self.fields.get("cat_threshold", ())
        return tuple(tuple(words[a:b]) for a, b in pairwise(bounds))

    def categories(self, split: int) -> list[int]:
        """Return the categories that a split by category sends left."""
        words = [int(word) for word in self.sets[int(self.fields["threshold"][split])]]
        return [WORD * n + bit for n, word in enumerate(words) for bit in range(WORD) if word >> bit & 1]

    def text(self, number: int) -> bytes:
        """Return the tree as LightGBM writes the tree of that number."""
        lines = [f"Tree={number}", *(f"{name}={' '.join(words)}" for name, words in self.fields.items())]
        return ("\n".join(lines) + "\n\n\n").encode()


@dataclass(frozen=True, eq=False)
class BoosterText:
    """A Booster text: its header, its trees, and what follows them."""

    head: bytes
    trees: tuple[Tree, ...]
    tail: bytes

    @classmethod
    def of(cls, text: bytes) -> "BoosterText":
        """Take a text apart; raises ParseError for one that is not whole and sound."""
        check_text(text)
        start = text.index(b"\nTree=0\n") + 1
        head, sizes, trees = text[:start], SIZES.search(text), []
        for size in [] if sizes is None else map(int, sizes[1].split()):
            trees.append(Tree.of(text[start : start + size]))
            start += size
        return cls(head, tuple(trees), text[start:])

    @property
    def objective(self) -> str:
        """What the header says of how a margin becomes a score; "" if nothing."""
        found = re.search(rb"^objective=(.*)$", self.head, re.MULTILINE)
        return "" if found is None else found[1].decode()

    @property
    def averaged(self) -> bool:
        """Whether the margin is the mean of the trees, as of a random forest, and not their sum."""
        return re.search(rb"^average_output$", self.head, re.MULTILINE) is not None

    @property
    def splits(self) -> int:
        """How many splits all trees have."""
        return sum(tree.leaves - 1 for tree in self.trees)

    def of_trees(self, trees: Sequence[Tree]) -> "BoosterText":
        """Return the text of other trees under the same header."""
        return replace(self, trees=tuple(trees))

    def text(self) -> bytes:
        """Return the text, written by LightGBM itself: importances and sizes are those of the trees that are there."""
        import lightgbm

        trees = [tree.text(n) for n, tree in enumerate(self.trees)]
        sizes = b"tree_sizes=" + b" ".join(b"%d" % len(tree) for tree in trees)
        raw = SIZES.sub(sizes, self.head, count=1) + b"".join(trees) + self.tail
        written: str = lightgbm.Booster(model_str=raw.decode()).model_to_string(num_iteration=-1)
        return written.encode()
