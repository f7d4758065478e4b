import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.data_sampling.views import Validation
from mlsys_assets.features.named_columns import ColumnError
from mlsys_assets.features.preprocessing.prepared_once import MOST_KEPT, fit_once, preparing_once, transform_once
from mlsys_assets.features.preprocessing.preprocessor import FOR_TREES, Drop, Preprocessor
from mlsys_assets.features.preprocessing.transform import Preprocessing


@pytest.fixture
def train(view_of):
    numbers = np.arange(60, dtype=np.float32)
    return view_of(pa.table({"x": numbers, "c": ["ab"[k % 2] for k in range(60)]}), np.arange(60) % 2.0)


@pytest.fixture
def fits(monkeypatch):
    made = []
    original = Preprocessor.fit
    monkeypatch.setattr(Preprocessor, "fit", lambda self, train: made.append(self) or original(self, train))
    return made


def test_within_the_same_rows_are_prepared_once_by_an_equal_declaration(train, fits):
    with preparing_once():
        first, second = fit_once(Preprocessor(), train), fit_once(Preprocessor(), train)
        other = fit_once(FOR_TREES, train)
    assert fits == [Preprocessor(), FOR_TREES]
    assert np.array_equal(first.matrix, second.matrix, equal_nan=True)
    assert first.preprocessing is second.preprocessing
    assert not np.array_equal(other.matrix, first.matrix)


def test_other_rows_are_prepared_anew(train, fits):
    with preparing_once():
        whole = fit_once(FOR_TREES, train)
        part = fit_once(FOR_TREES, train.take(np.arange(20)))
    assert (len(whole.matrix), len(part.matrix), len(fits)) == (len(train), 20, 2)


def test_what_one_caller_writes_the_next_does_not_see(train):
    with preparing_once():
        first = fit_once(FOR_TREES, train)
        first.matrix[:] = -1
        second = fit_once(FOR_TREES, train)
        second.matrix[:] = -2
        assert np.array_equal(fit_once(FOR_TREES, train).matrix, FOR_TREES.fit(train).matrix, equal_nan=True)


def test_outside_nothing_is_kept(train, fits):
    with preparing_once():
        fit_once(FOR_TREES, train)
    fit_once(FOR_TREES, train)
    fit_once(FOR_TREES, train)
    assert len(fits) == 3


def test_only_the_last_few_are_kept(train, fits):
    several = [Preprocessor(limit=10.0**k) for k in range(9, 10 + MOST_KEPT)]
    with preparing_once():
        for one in (*several, several[-1], several[0]):
            fit_once(one, train)
    assert fits == [*several, several[0]]


def test_a_declaration_that_does_not_fit_is_told_as_ever(train):
    with preparing_once(), pytest.raises(ColumnError, match="preprocessing names column"):
        fit_once(Preprocessor(columns={"nowhere": Drop()}), train)


def test_validation_rows_are_transformed_once_by_the_same_preprocessing(train, view_of, monkeypatch):
    made = []
    original = Preprocessing.transform
    monkeypatch.setattr(Preprocessing, "transform", lambda self, rows: made.append(rows) or original(self, rows))
    table = train.features
    one, two = (view_of(table.slice(k, 20), kind=Validation) for k in (0, 30))
    with preparing_once():
        fitted = [fit_once(p, train).preprocessing for p in (FOR_TREES, Preprocessor())]
        made.clear()
        for preprocessing in fitted:
            for rows in (one, one, two, two):
                found = transform_once(preprocessing, rows)
                assert np.array_equal(found, original(preprocessing, rows.features), equal_nan=True)
                found[:] = -1
    assert made == [one.features, two.features] * 2
    assert np.array_equal(transform_once(fitted[0], one), original(fitted[0], one.features), equal_nan=True)
