import numpy as np
import pyarrow as pa
import pytest

from mlsys_assets.features.named_columns import ColumnError
from mlsys_assets.features.preprocessing.imputation import Constant, Leave, Median
from mlsys_assets.features.preprocessing.number import LARGEST, Number
from mlsys_assets.features.preprocessing.numeric import AS_THEY_ARE, Numeric
from mlsys_assets.features.preprocessing.scaling import MinMax
from mlsys_assets.features.preprocessing.transform import Preprocessing

NAN = np.float32(np.nan)


def fit(declared, *values):
    return declared.fit("x", np.array(values, dtype=np.float32))


def test_numbers_as_they_are_learn_nothing():
    assert fit(AS_THEY_ARE, 1, NAN, 7) == (Number("x"), ())
    assert fit(Numeric(Leave(), scale=None), 1, NAN, 7) == (Number("x", indicator=True), ())
    assert Number("x").plain
    assert not Number("x", fill=0.0).plain


def test_absence_is_marked_where_there_was_any_unless_it_is_declined():
    assert fit(Numeric(), 1, NAN)[0].indicator
    assert not fit(Numeric(), 1, 2)[0].indicator
    assert not fit(Numeric(indicator=False), 1, NAN)[0].indicator
    assert fit(Numeric(Constant(-9.0)), 1, NAN)[0].indicator


def test_a_logarithm_is_taken_before_scaling_and_what_fills_is_told_in_the_columns_unit():
    number, _ = fit(Numeric(log=True, scale=MinMax()), 0, np.e - 1, np.e**2 - 1, NAN)
    assert number.fill == pytest.approx(np.e - 1)
    found = Preprocessing((number,)).transform(pa.table({"x": [0.0, np.e - 1, np.e**3 - 1, None]}))
    np.testing.assert_allclose(found, [[0, 0], [0.5, 0], [1.5, 0], [0.5, 1]], atol=1e-6)


def test_the_logarithm_of_what_is_negative_in_training_is_refused_with_the_lowest_value():
    with pytest.raises(ColumnError, match=r"'x' is declared with log=True, and training holds -2.5"):
        fit(Numeric(log=True), 1, -2.5, -1)
    assert fit(Numeric(log=True), 0.0, -0.0, 1)[0].log


@pytest.mark.parametrize("rows", [lambda x: pa.table({"x": [1.0, x]}), lambda x: {"x": x}])
def test_a_negative_number_that_comes_later_meets_the_declared_rule(rows):
    number, _ = fit(Numeric(log=True, scale=None), 1, NAN, 3)
    with pytest.raises(ColumnError, match=r"column 'x' is taken the logarithm of, and 1 rows are below 0, down to -4"):
        Preprocessing((number,)).transform(rows(-4.0))
    clipped = Preprocessing((number,), beyond="clip").encode(rows(-4.0))
    assert clipped.matrix[-1].tolist() == [0.0, 0.0]
    assert clipped.beyond == {"x": 1}
    missing = Preprocessing((number,), beyond="missing").encode(rows(-4.0))
    assert missing.matrix[-1].tolist() == [np.log1p(np.float64(2)).astype(np.float32), 1.0]
    far = Preprocessing((number,), beyond="clip").encode(rows(-1e30))
    assert far.matrix[-1, 0] == 0.0
    assert far.beyond == {"x": 1}
    both = Preprocessing((number,), beyond="clip").encode(pa.table({"x": [-1e30, 1e30, 2.0]}))
    assert both.beyond == {"x": 2}


@pytest.mark.parametrize("declared", [Numeric(), Numeric(scale=None), Numeric(Constant(-3.0)), Numeric(log=True)])
def test_a_column_without_a_value_is_always_the_same_whatever_comes(declared):
    number, notes = fit(declared, NAN, NAN)
    assert notes == ("'x' has no value in training: its output is always the same",)
    found = Preprocessing((number,)).transform(pa.table({"x": [None, 5.0, 1e11]}))
    assert len(np.unique(found[:, 0])) == 1
    assert found[:, 1].tolist() == [1, 0, 0]


def test_a_column_that_never_varies_is_told():
    assert fit(Numeric(), 4, 4, NAN)[1] == ("'x' is 4 wherever it is known in training",)
    assert fit(AS_THEY_ARE, 4, 4, NAN)[1] == ("'x' is 4 wherever it is known in training",)
    assert fit(Numeric(), 4, 5)[1] == ()
    assert fit(Numeric())[1] == ()


def test_what_is_not_scaled_is_as_large_as_the_limit_allows():
    number, _ = fit(Numeric(scale=None), 1, 2, NAN)
    assert Preprocessing((number,)).transform({"x": 4e9}).tolist() == [[np.float32(4e9), 0.0]]


def test_mistakes_are_told_by_part():
    assert Numeric().mistakes("numbers") == []
    assert "missing is 'median'; it must be Imputation" in Numeric(missing="median").mistakes("n")[0]
    assert "missing is the class Median; write Median(...)" in Numeric(missing=Median).mistakes("n")[0]
    assert "scale is 'standard'" in Numeric(scale="standard").mistakes("n")[0]
    assert "indicator is None" in Numeric(indicator=None).mistakes("n")[0]
    assert "n: scale: low is 1" in Numeric(scale=MinMax(1, 0)).mistakes("n")[0]
    assert "no logarithm is taken" in Numeric(missing=Constant(-1.0), log=True).mistakes("n")[0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"scale": 0.0}, {"center": np.inf}, {"fill": np.nan}, {"fill": 1e39}, {"fill": -1.0, "log": True},
        {"bounds": (1.0, 0.0)}, {"bounds": (0.0, 1e39)}, {"bounds": (-np.inf, 0.0)},
    ],
)  # fmt: skip
def test_a_fitted_number_that_cannot_be_right_is_refused(wrong):
    with pytest.raises(ValueError, match="preprocessing of 'x'"):
        Number("x", **wrong)
    assert Number("x", fill=LARGEST).fill == LARGEST
