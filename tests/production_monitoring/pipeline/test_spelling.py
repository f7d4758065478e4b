"""Categories in a new spelling are a bug; a few new ones are none."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, strategies as st

from mlsys_assets.production_monitoring.pipeline.spelling import all_normalised, category_bugs, normalised


def table(values: list[str], rows: int = 600, seed: int = 0) -> pa.Table:
    return pa.table({"c": np.random.default_rng(seed).choice(values, rows)})


BEFORE = table(["New York", "Zürich", "B6"])


@pytest.mark.parametrize("change", [pc.utf8_lower, pc.utf8_upper, lambda c: pc.binary_join_element_wise(" ", c, "")])
def test_case_and_space(change) -> None:
    now = pa.table({"c": change(table(["New York", "Zürich", "B6"], seed=1)["c"])})
    (found,) = category_bugs(BEFORE, now).symptoms
    assert found.test == "spelling"
    assert found.size > 0.6


def test_a_part_of_the_rows_and_other_ways_to_write() -> None:
    (found,) = category_bugs(BEFORE, table(["New York"] * 9 + ["new-york"], seed=1)).symptoms
    assert found.size == pytest.approx(0.1, abs=0.04)
    assert "'new-york' for 'New York'" in found.told
    assert normalised("Zürich") == normalised("Zu\u0308RICH")
    assert normalised("a1") != normalised("a2")


@given(st.lists(st.text() | st.text(st.characters(max_codepoint=127)), min_size=1))
def test_all_at_once_as_one_by_one(texts: list[str]) -> None:
    assert all_normalised(texts) == [normalised(text) for text in texts]


def test_none_at_once_and_text_that_holds_what_texts_are_joined_with() -> None:
    assert all_normalised([]) == []
    assert all_normalised(["A\0b", ""]) == ["ab", ""]
    assert all_normalised(["A-b", "", "C d"]) == ["ab", "", "cd"]


def test_a_new_category_is_none() -> None:
    assert category_bugs(BEFORE, table(["New York", "B6", "Oslo"], seed=1)).symptoms == ()


def test_other_codes_altogether() -> None:
    (found,) = category_bugs(BEFORE, table(["1", "2", "3"], seed=1)).symptoms
    assert (found.test, found.size) == ("codes", 1.0)


def test_names_that_are_always_new_are_usual() -> None:
    before, now = (pa.table({"c": [f"{side}{i}" for i in range(600)]}) for side in "ab")
    assert category_bugs(before, now).symptoms == ()


def test_too_little_to_tell() -> None:
    for now in (BEFORE.slice(0, 0), pa.table({"c": pa.nulls(600, pa.string())}), pa.table({"c": ["b6"]})):
        assert category_bugs(BEFORE, now).symptoms == ()
        assert category_bugs(now, BEFORE).symptoms == ()
