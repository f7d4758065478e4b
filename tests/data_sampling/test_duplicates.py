import numpy as np
import pyarrow as pa
from hypothesis import given, strategies as st

from mlsys_assets.data_sampling.duplicates import duplicate_content, duplicate_keys, keys_across
from mlsys_assets.types import Severity


@given(st.lists(st.sampled_from("abcdef"), max_size=20))
def test_repeated_keys_are_counted(keys):
    finding = duplicate_keys(pa.array(keys, pa.string()))
    assert finding.evidence["repeats"] == len(keys) - len(set(keys))
    assert finding.passed == (len(keys) == len(set(keys)))


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("ab"), st.sampled_from([0.0, 1.0])), max_size=30))
def test_repeated_content_and_disagreeing_labels_are_counted(rows):
    features = pa.table(
        {"x": pa.array([r[0] for r in rows], pa.float32()), "s": pa.array([r[1] for r in rows], pa.string())}
    )
    label = np.array([r[2] for r in rows])
    finding = duplicate_content(features, label)
    kinds = {(r[0], r[1]) for r in rows}
    labels = {k: {r[2] for r in rows if (r[0], r[1]) == k} for k in kinds}
    assert finding.evidence["repeats"] == len(rows) - len(kinds)
    assert finding.evidence["groups"] == sum(sum((r[0], r[1]) == k for r in rows) > 1 for k in kinds)
    assert finding.evidence["conflicting"] == sum(len(found) == 2 for found in labels.values())


def test_a_declared_share_of_repeats_is_allowed():
    features = pa.table({"x": [1.0, 1.0, 2.0, 3.0]})
    label = np.array([0.0, 1.0, np.nan, 0.0])
    assert not duplicate_content(features, label, allowed=0.2).passed
    assert duplicate_content(features, label, allowed=0.25).passed
    assert duplicate_content(features, label).severity is Severity.WARN


def test_a_key_in_two_parts_is_an_error_that_names_the_pair():
    parts = {"train": pa.array(["a", "b"]), "validation": pa.array(["c"]), "test": pa.array(["b", "c", "d"])}
    finding = keys_across(parts)
    assert finding.severity is Severity.ERROR
    assert dict(finding.evidence) == {"train & validation": 0, "train & test": 1, "validation & test": 1}
    assert "train & test 1" in finding.summary
    assert keys_across({"train": pa.array(["a"]), "test": pa.array([], pa.string())}).passed
