"""The forest is grown on Train alone, and rows far from Train are unusual."""

import numpy as np
import pyarrow as pa
import pytest
from sklearn.covariance import EmpiricalCovariance

from mlsys_assets.data_sampling.views import OpenedTest, Train, View
from mlsys_assets.features.named_columns import ColumnError
from mlsys_assets.offline_evaluation.slicing.isolation import LEAST_ROWS, SAMPLE, USUAL, Isolation
from mlsys_assets.types import TimeWindow


def view(of: type[View], numbers: np.ndarray, **more: pa.Array) -> View:
    n = len(numbers)
    columns = {name: pa.array(numbers[:, i].astype(np.float32), from_pandas=True) for i, name in enumerate("abc")}
    at = np.datetime64("2013-01-05", "us") + np.arange(n)
    ids = pa.array([str(i) for i in range(n)])
    return of(ids, at, pa.table(columns | more), np.zeros(n), TimeWindow.of("2013-01-01", "2013-02-01"))


NUMBERS = np.random.default_rng(0).normal(size=(3_000, 3))


@pytest.fixture(scope="module")
def grown() -> Isolation:
    return Isolation.fit(view(Train, NUMBERS, kind=pa.array(["x"] * 3_000)), seed=0)


def test_a_share_of_train_is_unusual_and_what_is_far_is_almost_sure_to_be(grown: Isolation) -> None:
    assert grown.columns == ("a", "b", "c")
    assert grown.unusual(view(Train, NUMBERS).features).mean() == pytest.approx(1 - USUAL, abs=2e-3)
    assert grown.unusual(view(Train, NUMBERS + 5).features).mean() > 0.99


def test_it_ranks_normal_rows_as_their_distance_does(grown: Isolation) -> None:
    later = np.random.default_rng(1).normal(size=(500, 3))
    distance = EmpiricalCovariance().fit(NUMBERS).mahalanobis(later)
    ranks = [np.argsort(np.argsort(v)) for v in (distance, grown.score(view(Train, later).features))]
    assert np.corrcoef(*ranks)[0, 1] > 0.9


def test_a_missing_number_is_read_as_the_median(grown: Isolation) -> None:
    missing, typical = np.full((1, 3), np.nan), np.median(NUMBERS, axis=0)[None]
    scores = [grown.score(view(Train, rows).features) for rows in (missing, typical, np.full((1, 3), np.inf))]
    assert scores[0] == scores[1] == scores[2]
    assert not grown.unusual(view(Train, missing).features).any()
    assert len(grown.score(view(Train, NUMBERS[:0]).features)) == 0


def test_it_is_the_same_each_time_and_sees_a_bounded_sample() -> None:
    many = np.random.default_rng(2).normal(size=(SAMPLE + 5_000, 3))
    train = view(Train, many)
    first, again, other = (Isolation.fit(train, seed=s, columns=("a", "b")) for s in (0, 0, 1))
    assert (first.limit, first.columns) == (again.limit, ("a", "b"))
    assert first.limit != other.limit
    assert first.forest.n_features_in_ == 2
    assert (first.typical != np.median(many[:, :2].astype(np.float32), axis=0)).all()  # of a sample


def test_it_is_not_grown_on_a_test_or_on_too_little() -> None:
    with pytest.raises(TypeError, match="an isolation forest is fitted on a Train view only, got OpenedTest"):
        Isolation.fit(view(OpenedTest, NUMBERS), seed=0)
    with pytest.raises(ValueError, match=f"needs {LEAST_ROWS} rows, got 99"):
        Isolation.fit(view(Train, NUMBERS[:99]), seed=0)
    with pytest.raises(ValueError, match="needs columns of numbers, and there are none among"):
        Isolation.fit(view(Train, np.full((200, 3), np.nan)), seed=0)
    with pytest.raises(ColumnError):
        Isolation.fit(view(Train, NUMBERS), seed=0, columns=("nowhere",))


def test_a_column_that_is_always_missing_is_left_out() -> None:
    empty = NUMBERS.copy()
    empty[:, 1] = np.nan
    assert Isolation.fit(view(Train, empty), seed=0).columns == ("a", "c")
