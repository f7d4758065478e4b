import hashlib
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st
from sklearn.preprocessing import OneHotEncoder

from mlsys_assets.features.preprocessing.category import Category, CategoryAmount
from mlsys_assets.features.preprocessing.encoding import Codes, Encoding, FitOfColumn, Frequency, Hashed, OneHot
from mlsys_assets.features.preprocessing.hashed_category import HashedCategory, bucket_of
from mlsys_assets.features.preprocessing.preprocessor import Preprocessor

letters = st.lists(st.sampled_from([*"abcdefg", None]), min_size=1, max_size=60)


def fit(view_of, encoding, column):
    return Preprocessor(categories=encoding).fit(view_of(pa.table({"c": pa.array(column, pa.string())})))


def apply(prepared, *values):
    return prepared.preprocessing.transform(pa.table({"c": pa.array(values, pa.string())})).tolist()


@given(letters, letters, st.integers(1, 6), st.integers(2, 5))
def test_the_most_frequent_have_an_output_as_scikit_learn_gives(view_of, fitted_on, later, least, most):
    """scikit-learn counts the one of all rare values among the most; it takes missing for a value, and so do we."""
    known = [v for v in fitted_on if v is not None]
    if not known:
        return
    ours = fit(view_of, OneHot(least=least, most=most), known)
    if len(set(known)) > most and max(map(known.count, known)) < least:
        assert ours.preprocessing.hashed
        return
    frequent = [v for v in set(known) if known.count(v) >= least]
    cap = None if len(frequent) <= most else most + 1
    theirs = OneHotEncoder(
        min_frequency=least, max_categories=cap, handle_unknown="infrequent_if_exist", sparse_output=False
    ).fit(np.array(known, dtype=object)[:, None])
    asked = [v for v in later if v is not None] + ["zz"]
    ties = sorted((known.count(v) for v in frequent), reverse=True)
    if cap is not None and ties[most - 1] == ties[most]:
        return  # of equally frequent ones scikit-learn chooses others
    expected = theirs.transform(np.array(asked, dtype=object)[:, None])
    assert apply(ours, *asked) == expected.tolist()


def test_of_equally_frequent_values_the_first_by_name_are_kept(view_of):
    prepared = fit(view_of, OneHot(least=1, most=2), ["d", "c", "b", "b", "a"])
    assert prepared.preprocessing.names == ("c = a", "c = b", "c is other")
    assert prepared.notes == (
        "'c' has 4 values of at least 1 rows: the 2 most frequent have an output, the others share one",
    )


def test_missing_unseen_and_rare_are_told_apart(view_of):
    prepared = fit(view_of, OneHot(least=2), ["a", "a", "b", None])
    assert prepared.preprocessing.names == ("c = a", "c is other", "c is missing")
    assert apply(prepared, "a", "b", "new", None) == [[1, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]]
    assert prepared.preprocessing.encode({"c": "new"}).unseen == {"c": 1}
    assert prepared.preprocessing.encode({"c": None}).unseen == {}


def test_a_value_named_other_is_a_value(view_of):
    prepared = fit(view_of, OneHot(least=2), ["other"] * 2 + ["rare"])
    assert prepared.preprocessing.names == ("c = other", "c is other")


def test_none_frequent_of_few_values_share_one_output_and_of_many_are_hashed(view_of):
    few = fit(view_of, OneHot(), ["a", "b"])
    assert few.preprocessing.names == ("c is other",)
    assert few.notes == ("'c' has no value of at least 50 rows: all share one output",)
    many = fit(view_of, OneHot(most=3), list("abcd"))
    assert many.preprocessing.hashed == (HashedCategory("c", 3),)
    assert many.notes == ("'c' has 4 values, none of them 50 times: they are hashed",)


@pytest.mark.parametrize("encoding", [OneHot(), Codes(), Frequency(), Hashed(64)], ids=str)
def test_a_hundred_thousand_categories_are_met_in_a_moment(view_of, encoding):
    names = [f"tail {i}" for i in range(100_000)]
    begun = time.process_time()
    prepared = fit(view_of, encoding, names)
    assert time.process_time() - begun < 5
    assert prepared.matrix.shape[1] <= 256
    assert np.array_equal(prepared.matrix[:50], prepared.preprocessing.transform(pa.table({"c": names[:50]})))


@given(letters)
def test_a_frequency_is_the_share_of_training_rows(view_of, fitted_on):
    prepared = fit(view_of, Frequency(), fitted_on)
    shares = pd.Series(fitted_on, dtype=object).value_counts(normalize=True, dropna=False)
    expected = [[np.float32(shares.get(v, 0.0))] for v in "abcdefg"]
    assert apply(prepared, *"abcdefg") == expected
    assert apply(prepared, None, "new") == [[np.float32(fitted_on.count(None) / len(fitted_on))], [0.0]]
    assert prepared.preprocessing.encode({"c": "new"}).unseen == {"c": 1}


@given(st.text(), st.integers(1, 1000), st.integers(0, 2**31 - 1))
def test_a_text_has_the_bucket_of_its_blake2b(text, buckets, seed):
    data = text.encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(len(data).to_bytes(8, "little") + data, digest_size=8, key=seed.to_bytes(8, "little"))
    assert bucket_of(text, buckets, seed) == int.from_bytes(digest.digest(), "little") % buckets


def test_hashing_keeps_no_map_spreads_values_and_leaves_missing_ones_out(view_of):
    prepared = fit(view_of, Hashed(8, seed=3), ["a", "b"])
    assert prepared.preprocessing.to_json().count(b'"a"') == 0
    other = fit(view_of, Hashed(8, seed=3), ["x"])
    values = [f"v{i}" for i in range(4_000)]
    rows = np.array(apply(prepared, *values))
    assert rows.tolist() == apply(other, *values)
    assert (rows.sum(axis=1) == 1).all()
    assert (np.abs(rows.sum(axis=0) / 4_000 - 1 / 8) < 0.03).all()
    assert apply(prepared, None) == [[0] * 8]
    assert rows.tolist() != apply(fit(view_of, Hashed(8, seed=4), ["a"]), *values)
    assert prepared.preprocessing.encode({"c": "never seen"}).unseen == {}


def test_columns_that_tell_nothing_are_noted(view_of):
    for encoding in (OneHot(least=1), Codes(), Frequency(), Hashed(4)):
        assert fit(view_of, encoding, ["a", "a"]).notes == ("'c' is 'a' in all training rows",)
        assert fit(view_of, encoding, [None, None]).notes == ("'c' has no value in training",)
        assert fit(view_of, encoding, ["a", None]).notes == ()


def test_an_encoding_of_ones_own_gives_what_a_bundle_can_hold():
    with pytest.raises(TypeError, match="gave a dict, which no bundle holds; it must be one of Category"):
        FitOfColumn({"a": 1})


def test_mistakes_are_told():
    assert "least is 0; it must be a whole number, at least 1" in OneHot(least=0).mistakes("c")[0]
    assert "most is 0" in OneHot(most=0).mistakes("c")[0]
    assert "buckets is 100000" in Hashed(100_000).mistakes("c")[0]
    assert "seed is -1" in Hashed(8, seed=-1).mistakes("c")[0]
    for encoding in (OneHot(), Codes(), Frequency(), Hashed(8)):
        assert isinstance(encoding, Encoding)
        assert encoding.mistakes("c") == []


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Category("c", ("a", "a")), lambda: Category("c", (("a", "b"),)),
        lambda: Category("c × d", ("a",), of=("c", "d")), lambda: Category("c × d", (("a",),), of=("c", "d")),
        lambda: Category("c × c", (("a", "b"),), of=("c", "c")), lambda: Category("c", (("a",),), of=("c",)),
        lambda: CategoryAmount("c", ("a",), (), 0.0, 0.0), lambda: CategoryAmount("c", ("a",), (1.0,), np.nan, 0.0),
        lambda: CategoryAmount("c", ("a",), (1e300,), 0.0, 0.0), lambda: HashedCategory("c", 0),
        lambda: HashedCategory("c", 8, seed=-1),
    ],
)  # fmt: skip
def test_a_fitted_category_that_cannot_be_right_is_refused(wrong):
    with pytest.raises(ValueError, match=r"'c"):
        wrong()
