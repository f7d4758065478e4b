"""One value has one text and one hash, and nothing is lost on the way."""

import json

import numpy as np
import pytest
from hypothesis import given, strategies as st

from mlsys_resources.canonical import canonical_json, json_hash

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_what_is_read_back_is_what_was_given(value: object) -> None:
    assert json.loads(canonical_json(value)) == value
    assert canonical_json(value).isascii()


@given(st.dictionaries(st.text(), st.integers(), min_size=2))
def test_the_order_of_keys_does_not_matter(value: dict[str, int]) -> None:
    assert json_hash(dict(reversed(value.items()))) == json_hash(value)


def test_a_known_hash() -> None:
    # printf '{"a":0.1}' | sha256sum
    assert json_hash({"a": 0.1}) == "9e3d5635fc1c09ff15c19f1089a0bfe03fbd8329cca722f9a2227060ac77dcaa"


def test_floats_are_exact_and_numpy_floats_are_floats() -> None:
    assert canonical_json([0.1 + 0.2, np.float64(0.1)]) == "[0.30000000000000004,0.1]"
    assert json_hash(0.1) != json_hash(np.nextafter(0.1, 1))


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), -float("inf"), np.int64(1), np.float32(1), b"x", {1: 2}, {None: 1}, {1, 2}, object()],
)
def test_what_json_would_lose_is_refused_by_place(value: object) -> None:
    with pytest.raises(ValueError, match=r"value\['deep'\]\[1\]"):
        canonical_json({"deep": [0, value]})
