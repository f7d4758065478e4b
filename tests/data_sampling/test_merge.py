from datetime import timedelta

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from mlsys_assets.data_sampling.merge import merge_duplicates
from mlsys_assets.data_sampling.rows import LabelledRows

NAN = float("nan")
row = st.tuples(
    st.integers(0, 2), st.sampled_from("pq"), st.sampled_from([0.0, 1.0, NAN]), st.one_of(st.none(), st.integers(0, 5))
)


def rows_of(rows):
    """Rows of (x, time of asking, label, day it was known), in order of asking."""
    rows = sorted(rows, key=lambda r: r[1])
    day = {"p": 0, "q": 3}
    return LabelledRows(
        ids=pa.array([f"r{i}" for i in range(len(rows))], pa.string()),
        at=np.array([np.datetime64("2013-01-01", "us") + np.timedelta64(day[r[1]], "D") for r in rows], "M8[us]"),
        features=pa.table({"x": pa.array([float(r[0]) for r in rows], pa.float32())}),
        label=np.array([r[2] for r in rows], dtype=np.float64),
        known_at=np.array(
            ["NaT" if r[3] is None else np.datetime64("2013-01-05", "us") + np.timedelta64(r[3], "D") for r in rows],
            "M8[us]",
        ),
        state=pa.array(["labelled"] * len(rows), pa.string()),
        window=timedelta(days=1),
    )  # fmt: skip


def test_the_first_known_stands_for_all():
    rows = rows_of([(1, "p", 1.0, 4), (1, "p", 1.0, 2), (2, "p", 0.0, 1), (1, "p", NAN, 0), (1, "q", 0.0, 0)])
    found = merge_duplicates(rows)
    assert found.rows.ids.to_pylist() == ["r1", "r2", "r4"]
    assert (found.dropped.to_pylist(), found.instead.to_pylist()) == (["r0", "r3"], ["r1", "r1"])
    assert found.rows.label.tolist() == [1.0, 0.0, 0.0]
    assert str(found) == "2 of 5 rows were copies and went; labels of 0 groups disagree"


def test_labels_that_disagree_are_refused_unless_told():
    rows = rows_of([(1, "p", 1.0, 4), (1, "p", 0.0, 2), (2, "p", 0.0, 1)])
    with pytest.raises(ValueError, match=r"labels of 1 groups of copies disagree, such as of \['r0', 'r1'\]"):
        merge_duplicates(rows)
    first = merge_duplicates(rows, disagreement="first")
    assert (first.rows.ids.to_pylist(), first.disagreeing) == (["r1", "r2"], 1)
    none = merge_duplicates(rows, disagreement="drop")
    assert none.rows.ids.to_pylist() == ["r2"]
    assert (none.dropped.to_pylist(), none.instead.to_pylist()) == (["r0", "r1"], [None, None])
    with pytest.raises(ValueError, match="got 'last'"):
        merge_duplicates(rows, disagreement="last")


def test_equal_features_at_another_time_are_copies_only_if_told():
    rows = rows_of([(1, "p", 1.0, 1), (1, "q", 1.0, 2)])
    assert merge_duplicates(rows).rows is rows
    assert merge_duplicates(rows, same_time=False).rows.ids.to_pylist() == ["r0"]


@given(st.lists(row, max_size=15), st.booleans(), st.sampled_from(["first", "drop"]))
def test_merging_is_what_is_done_by_hand(given_rows, same_time, disagreement):
    rows = rows_of(given_rows)
    found = merge_duplicates(rows, same_time=same_time, disagreement=disagreement)
    groups = {}
    for n, r in enumerate(sorted(given_rows, key=lambda r: r[1])):
        groups.setdefault((r[0], r[1]) if same_time else r[0], []).append((r[2] != r[2], rows.known_at[n], n))
    kept, disagreeing = [], 0
    for members in groups.values():
        labels = {rows.label[n] for *_, n in members if rows.label[n] == rows.label[n]}
        disagreeing += len(labels) == 2
        ordered = sorted(members, key=lambda m: (m[0], np.isnat(m[1]), 0 if np.isnat(m[1]) else m[1].astype(int), m[2]))
        kept += [] if len(labels) == 2 and disagreement == "drop" else [ordered[0][2]]
    assert found.rows.ids.to_pylist() == [f"r{n}" for n in sorted(kept)]
    assert found.disagreeing == disagreeing
    assert len(found.dropped) == len(found.instead) == len(rows) - len(kept)
    assert set(found.instead.drop_null().to_pylist()) <= set(found.rows.ids.to_pylist())
