"""One tree of a Booster text, checked as text: LightGBM follows what a tree says without looking where it leads."""

import re
from itertools import chain, pairwise
from typing import Final

INTEGERS: Final = re.compile(rb"(?:-?\d+(?: -?\d+)*)?")
PER_SPLIT: Final = (b"split_feature", b"threshold", b"decision_type", b"left_child", b"right_child")
"""What LightGBM cannot do without."""
PER_SPLIT_IF_ANY: Final = (b"split_gain", b"internal_value", b"internal_weight", b"internal_count")
PER_LEAF_IF_ANY: Final = (b"leaf_weight", b"leaf_count")
CATEGORICAL: Final = 1
"""The bit of a decision type that says that the threshold is the number of a set of categories."""


class TreeError(ValueError):
    """A tree that cannot be followed to a leaf from every row."""


def check_tree(tree: bytes, *, features: int) -> None:
    """Raise TreeError unless every row of so many features ends in one of the tree's leaves.

    Parameters
    ----------
    tree
        The lines from ``Tree=k`` to before the next one.
    features
        How many columns a row has.
    """
    found = _fields(tree)
    (leaves,) = _integers(found, b"num_leaves", 1)
    splits = leaves - 1
    if found.get(b"is_linear", b"0") != b"0":
        raise TreeError("its leaves are linear models, which are not read")
    if leaves < 1:
        raise TreeError(f"it has {leaves} leaves")
    _require_length(found, b"leaf_value", leaves)
    if not splits:
        return  # of a tree of one leaf nothing else is read
    for name in PER_SPLIT:
        _require_length(found, name, splits)
    for name in (*PER_SPLIT_IF_ANY, *PER_LEAF_IF_ANY):
        if name in found:
            _require_length(found, name, splits if name in PER_SPLIT_IF_ANY else leaves)
    columns = _integers(found, b"split_feature", splits)
    if min(columns) < 0 or max(columns) >= features:
        raise TreeError(f"it splits by features {min(columns)} to {max(columns)}; there are {features}")
    _check_children(_integers(found, b"left_child", splits), _integers(found, b"right_child", splits))
    _check_categories(found, splits)


def _fields(tree: bytes) -> dict[bytes, bytes]:
    if b"\r" in tree or b"\0" in tree:
        raise TreeError("it has characters that end a line or a text early")
    lines = [line.partition(b"=") for line in tree.split(b"\n") if line]
    found = {name: value for name, _, value in lines}
    if len(found) < len(lines):
        raise TreeError("it says something twice")
    return found


def _integers(found: dict[bytes, bytes], name: bytes, length: int) -> list[int]:
    _require_length(found, name, length)
    if not INTEGERS.fullmatch(found[name]):
        raise TreeError(f"its {name.decode()} are not whole numbers")
    return list(map(int, found[name].split()))


def _require_length(found: dict[bytes, bytes], name: bytes, length: int) -> None:
    given = len(found[name].split()) if name in found else 0
    if given != length:
        raise TreeError(f"it has {given} of {name.decode()}, and {length} are needed")


def _check_children(left: list[int], right: list[int]) -> None:
    """Raise unless each leaf and each split but the first is a child once, and each split comes before its children."""
    splits = len(left)
    expected = [*range(-splits - 1, 0), *range(1, splits)]
    if sorted(chain(left, right)) != expected:
        raise TreeError("its splits do not lead to each leaf, and each other split, just once")
    for side in (left, right):
        if any(0 < child <= parent for parent, child in enumerate(side)):
            raise TreeError("a split of it leads back to an earlier one")


def _check_categories(found: dict[bytes, bytes], splits: int) -> None:
    """Raise unless every split by category names a set that is there whole."""
    kinds = _integers(found, b"decision_type", splits)
    named = [t for t, kind in zip(found[b"threshold"].split(), kinds, strict=True) if kind & CATEGORICAL]
    (sets,) = _integers(found, b"num_cat", 1)
    if any(not t.isdigit() or int(t) >= sets for t in named):
        raise TreeError(f"a split by category names none of its {sets} sets of categories")
    if sets == 0:
        return
    if sets < 0:
        raise TreeError(f"it has {sets} sets of categories")
    bounds = _integers(found, b"cat_boundaries", sets + 1)
    _integers(found, b"cat_threshold", bounds[-1])
    if bounds[0] != 0 or any(a > b for a, b in pairwise(bounds)):
        raise TreeError("its sets of categories do not follow each other")
