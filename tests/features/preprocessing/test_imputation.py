import numpy as np
import pytest
from hypothesis import given, strategies as st
from sklearn.impute import SimpleImputer

from mlsys_assets.features.named_columns import ColumnError
from mlsys_assets.features.preprocessing.imputation import Constant, Imputation, Leave, Mean, Median, Mode

STRATEGIES = {Mean(): "mean", Median(): "median", Mode(): "most_frequent"}
values = st.lists(st.floats(-1e6, 1e6, width=32) | st.sampled_from([0.0, 1.0, 2.0]), min_size=1, max_size=30)


@pytest.mark.parametrize("imputation", STRATEGIES)
@given(values)
def test_what_is_usual_is_what_scikit_learn_finds(imputation, there):
    theirs = SimpleImputer(strategy=STRATEGIES[imputation]).fit(np.array(there)[:, None]).statistics_[0]
    assert imputation.fill("x", np.array(there)) == pytest.approx(theirs, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("imputation", STRATEGIES)
def test_of_no_values_zero_is_the_usual_one(imputation):
    assert imputation.fill("x", np.array([])) == 0.0


def test_what_is_left_missing_is_filled_with_nothing():
    assert Leave().fill("x", np.array([1.0])) is None
    assert all(isinstance(one, Imputation) for one in (Leave(), *STRATEGIES, Constant(0.0)))


def test_a_constant_that_could_have_been_observed_is_refused_with_what_was():
    """Who has not told has no children: of counts, a value that was observed; else one within the range."""
    children = np.array([0.0, 2.0, 4.0, 0.0])
    with pytest.raises(ColumnError, match=r"'children' is filled with 0 .*training holds 0 to 4.*possible=True"):
        Constant(0.0).fill("children", children)
    assert Constant(0.0, possible=True).fill("children", children) == 0.0
    assert Constant(3.0).fill("children", children) == 3.0
    assert Constant(-1.0).fill("children", children) == -1.0
    hours = np.array([0.5, 3.25, 7.0])
    with pytest.raises(ColumnError, match=r"filled with 2 .*training holds 0.5 to 7"):
        Constant(2.0).fill("hours", hours)
    for edge in (0.5, 7.0):
        with pytest.raises(ColumnError, match="could as well have been"):
            Constant(edge).fill("hours", hours)
    assert Constant(7.5).fill("hours", hours) == 7.5
    assert Constant(7.5).fill("nothing", np.array([])) == 7.5


def test_a_constant_is_compared_as_it_is_read_in_single_precision():
    with pytest.raises(ColumnError):
        Constant(0.1).fill("x", np.array([0.1, 7.5], dtype=np.float32).astype(np.float64))


def test_a_constant_that_is_none_is_a_mistake():
    assert "value is nan" in Constant(np.nan).mistakes("missing")[0]
    assert "value is 1e+300; it must be a number, at least -3.4" in Constant(1e300).mistakes("missing")[0]
    assert "value is -1e+39" in Constant(-1e39).mistakes("missing")[0]
    assert Constant(float(np.finfo(np.float32).max)).mistakes("missing") == []
    assert "possible is 1" in Constant(1.0, possible=1).mistakes("missing")[0]
    assert all(one.mistakes("missing") == [] for one in (Leave(), *STRATEGIES, Constant(-1.0)))
