"""A tree that leads a row anywhere but to a leaf is refused before LightGBM follows it."""

import re
import time

import lightgbm
import numpy as np
import pytest

from mlsys_assets.models.booster import library_path
from mlsys_assets.models.first_parse import ParseError, check_text, parse_in_child


def trained(rounds: int = 3, **parameters) -> bytes:
    rng = np.random.default_rng(0)
    x = np.c_[rng.integers(0, 70, 2_000), rng.normal(size=2_000), rng.integers(0, 5, 2_000)]
    label = ((x[:, 0] % 3 == 0) ^ (x[:, 1] > 0)).astype(float)
    chosen = {"objective": "binary", "verbose": -1, "num_threads": 1, "num_leaves": 6, "cat_smooth": 1} | parameters
    data = lightgbm.Dataset(x, label, categorical_feature=[0, 2])
    return lightgbm.train({"min_data_per_group": 5} | chosen, data, rounds).model_to_string().encode()


@pytest.fixture(scope="module")
def text() -> bytes:
    return trained()


def edited(text: bytes, name: str, value: str | None, *, tree: int = 0) -> bytes:
    """Return the text with a field of one tree another, or gone, and the header's sizes kept right."""
    sizes = [int(n) for n in re.search(rb"^tree_sizes=([\d ]+)$", text, re.MULTILINE)[1].split()]
    start = text.index(b"Tree=0\n") + sum(sizes[:tree])
    old = text[start : start + sizes[tree]]
    line = b"" if value is None else f"{name}={value}\n".encode()
    new = re.sub(rf"^{name}=.*\n".encode(), line, old, count=1, flags=re.MULTILINE)
    assert new != old
    head = text[:start].replace(b"tree_sizes=" + b" ".join(b"%d" % n for n in sizes), b"tree_sizes=" + b" ".join(
        b"%d" % (len(new) if i == tree else n) for i, n in enumerate(sizes)))  # fmt: skip
    return head + new + text[start + sizes[tree] :]


def field(text: bytes, name: str) -> list[str]:
    return re.search(rf"^{name}=(.*)$".encode(), text, re.MULTILINE)[1].decode().split()


def test_sound_texts_pass(text: bytes) -> None:
    assert int(field(text, "num_cat")[0]) > 1
    for sound in (text, trained(min_data_in_leaf=5_000), trained(num_leaves=2), trained(rounds=40, num_leaves=63)):
        check_text(sound)
        parse_in_child(sound, library=library_path(), features=3)


@pytest.mark.parametrize("first", ["100000000", "-100000000", "0", "1", "-1", "5", "2147483648"])
def test_a_child_that_is_nowhere_or_twice_or_leads_back_is_refused(text: bytes, first: str) -> None:
    child = field(text, "right_child")
    assert child[0] != first
    with pytest.raises(ParseError, match="tree 0 of the Booster text is unsound"):
        check_text(edited(text, "right_child", " ".join([first, *child[1:]])))


def test_a_split_that_leads_back_is_refused_though_each_is_reached_once(text: bytes) -> None:
    """Splits 3 and 4 lead to each other, and the first to two leaves: each is a child once, and rows never end."""
    changed = edited(text, "left_child", "-1 2 1 4 3")
    with pytest.raises(ParseError, match="leads back"):
        check_text(edited(changed, "right_child", "-2 -3 -4 -5 -6"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("split_feature", "1 0 0 1 3"),
        ("split_feature", "1 0 0 1 -1"),
        ("split_feature", "1 0 0 1"),
        ("split_feature", "1 0 0 1 1_0"),
        ("threshold", "1 0 1 0"),
        ("decision_type", "2 9 9 2"),
        ("left_child", None),
        ("leaf_value", "0 0 0 0 0"),
        ("leaf_count", "1 1"),
        ("internal_count", "1 1"),
        ("num_leaves", "7"),
        ("num_leaves", "0"),
        ("num_leaves", "6\nnum_leaves=6"),
        ("num_leaves", "6\rnum_leaves=7"),
        ("is_linear", "1"),
        ("num_cat", "1"),
        ("num_cat", "-1"),
        ("num_cat", "3"),
        ("threshold", "1 0 2 0 0"),
        ("threshold", "1 0 -1 0 0"),
        ("cat_boundaries", "0 3 900"),
        ("cat_boundaries", "0 7 6"),
        ("cat_boundaries", "-9 3 6"),
        ("cat_boundaries", "0 3"),
        ("cat_threshold", "1 2 3"),
    ],
)
def test_a_field_that_leads_out_of_the_tree_is_refused(text: bytes, name: str, value: str | None) -> None:
    assert field(text, "decision_type") == ["2", "9", "9", "2", "2"]
    assert field(text, "cat_boundaries") == ["0", "3", "6"]
    with pytest.raises(ParseError, match="tree 0 of the Booster text is unsound"):
        check_text(edited(text, name, value))


def test_a_later_tree_is_looked_at_too(text: bytes) -> None:
    with pytest.raises(ParseError, match="tree 2"):
        check_text(edited(text, "split_feature", "99 0 0 0 0", tree=2))


def test_a_header_that_says_the_features_twice_is_refused(text: bytes) -> None:
    with pytest.raises(ParseError, match="2 times how many features"):
        check_text(text.replace(b"\nmax_feature_idx=2\n", b"\nmax_feature_idx=2\nmax_feature_idx=90\n"))


def test_a_large_model_is_checked_within_a_fraction_of_its_parse() -> None:
    large = trained(rounds=100, num_leaves=127, min_data_in_leaf=2)
    began = time.process_time()
    check_text(large)
    assert time.process_time() - began < 0.5
