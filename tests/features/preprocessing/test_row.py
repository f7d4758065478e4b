"""A single row takes its own short way, and gives what a table gives, or what a table says."""

import math
import pickle
import subprocess
import sys
from collections import defaultdict
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st

from mlsys_assets.features.named_columns import ColumnError
from mlsys_assets.features.preprocessing.cross import Cross
from mlsys_assets.features.preprocessing.encoding import Codes, Hashed, OneHot
from mlsys_assets.features.preprocessing.imputation import Constant, Leave
from mlsys_assets.features.preprocessing.number import Number
from mlsys_assets.features.preprocessing.numeric import Numeric
from mlsys_assets.features.preprocessing.preprocessor import Preprocessor
from mlsys_assets.features.preprocessing.scaling import MinMax
from mlsys_assets.features.preprocessing.transform import Preprocessing

DECLARED = Preprocessor(
    columns={"m": Numeric(scale=MinMax(clip=True)), "l": Numeric(log=True), "d": Codes()},
    categories=OneHot(least=1),
    crosses=(Cross(("c", "d"), Hashed(7)),),
    beyond="clip",
)
ROW = {"x": 1.5, "m": 0.25, "l": 3.0, "c": "a", "d": "é"}


@pytest.fixture(scope="module")
def fitted(view_of):
    table = pa.table({
        "x": [1.0, None, 3.0], "m": [0.0, 1.0, None], "l": [0.0, 8.0, None],
        "c": ["a", "b", None], "d": ["é", "x", "x"],
    })  # fmt: skip
    return DECLARED.fit(view_of(table)).preprocessing


@pytest.mark.parametrize(
    "row",
    [
        ROW, ROW | {"x": None}, ROW | {"x": math.nan, "m": None, "l": None}, ROW | {"m": 5.0}, ROW | {"m": -5.0},
        ROW | {"x": -0.0, "l": -0.0}, ROW | {"x": 3}, ROW | {"x": True}, ROW | {"x": np.float32(2.5)},
        ROW | {"x": np.float64(2.5)}, ROW | {"c": None}, ROW | {"d": None}, ROW | {"c": "new", "d": "newer"},
        ROW | {"x": None, "m": 5.0}, ROW | {"l": None, "m": -5.0},
        ROW | {"x": 0.1, "l": 1e-30}, ROW | {"extra": object()}, ROW | {"x": 9e11},
    ],
)  # fmt: skip
def test_an_ordinary_row_takes_the_short_way_to_the_same_bits(fitted, bits, row):
    short = fitted._row(row)
    assert short is not None
    known = {name: row[name] for name in ROW}
    table = pa.Table.from_pylist([known], schema=pa.schema([
        *((n, pa.float64()) for n in "xml"), *((n, pa.string()) for n in "cd")]))  # fmt: skip
    assert bits(short) == bits(fitted.encode(table).matrix) == bits(fitted.encode(row).matrix)


@given(st.tuples(*[st.none() | st.floats(-1e12, 1e12) | st.floats(0, 10)] * 2, st.none() | st.floats(0, 1e12)))
def test_doubles_are_rounded_before_they_are_scaled_as_a_tables_are(fitted, bits, numbers):
    row = ROW | dict(zip("xml", numbers, strict=True))
    table = pa.table({n: pa.array([row[n]], pa.float64() if n in "xml" else pa.string()) for n in ROW})
    assert bits(fitted.transform(row)) == bits(fitted.transform(table))


def test_a_logarithm_is_the_same_alone_and_among_thousands(bits):
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.exponential(size=3_000), 10 ** rng.uniform(-30, 11, size=3_000)]).astype(np.float32)
    fitted = Preprocessing((Number("x", 0.0, 0.5, 3.0, log=True), Number("y", 0.0, log=True)))
    table = pa.table({"x": values, "y": values[::-1]})
    assert bits(fitted.transform(table)) == bits(np.concatenate([fitted.transform(row) for row in table.to_pylist()]))


@pytest.mark.parametrize(
    "row",
    [
        ROW | {"x": math.inf}, ROW | {"x": -1e300}, ROW | {"x": 1e12}, ROW | {"l": -1.0}, ROW | {"x": 10**400},
        ROW | {"x": np.int8(3)}, ROW | {"c": np.str_("a")},
    ],
)  # fmt: skip
def test_one_to_be_looked_at_more_closely_takes_the_other_way(fitted, row):
    assert fitted._row(row) is None
    assert fitted.transform(row).tolist() == fitted.encode(row).matrix.tolist()
    assert np.isfinite(fitted.transform(row)).all()


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({}, "missing column"), ({n: ROW[n] for n in "xmlc"}, r"missing column\(s\) \['d'\]"),
        (ROW | {"x": "1.5"}, "'x' must hold a number, got '1.5'"), (ROW | {"c": 3}, "'c' must hold text, got 3"),
        (ROW | {"d": ["é"]}, "'d' must hold text"), (ROW | {"x": [1.0]}, "'x' must hold a number"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_as_for_a_table(fitted, row, told):
    with pytest.raises(ColumnError, match=told):
        fitted.transform(row)


def test_a_mapping_that_is_no_dictionary_is_never_asked_for_what_it_lacks(fitted):
    assert fitted.transform(MappingProxyType(ROW)).tolist() == fitted.transform(ROW).tolist()
    lacking = defaultdict(float, {n: ROW[n] for n in "xmlc"})
    with pytest.raises(ColumnError, match=r"\['d'\]"):
        fitted.transform(lacking)
    assert "d" not in lacking


@pytest.mark.parametrize(
    "number",
    [
        Number("x", 0.0, 0.0, 1e-300), Number("x", 0.0, 1e300, 1.0), Number("x", None, 0.0, 5e-324, indicator=True),
        Number("x", 2.0, bounds=(3.0, 4.0)), Number("x", 2.0, bounds=(-4.0, -3.0)), Number("x", None, 1.0, -2.0),
    ],
)  # fmt: skip
@pytest.mark.parametrize("value", [0.0, 1.0, -1e11, 1e-40, None])
def test_numbers_that_overflow_or_are_bounded_on_one_side_are_the_same(bits, number, value):
    fitted = Preprocessing((number,))
    table = pa.table({"x": pa.array([value], pa.float64())})
    assert bits(fitted.transform({"x": value})) == bits(fitted.transform(table))
    assert not np.isinf(fitted.transform(table)).any()


def test_no_columns_and_one_column_are_rows_too(view_of):
    assert Preprocessing().transform({"x": 1.0}).shape == (1, 0)
    one = Preprocessor().fit(view_of(pa.table({"c": ["a", "b"]}))).preprocessing
    assert one.transform({"c": "a"}).tolist() == [[1.0]]
    filled = Preprocessor(numbers=Numeric(Constant(-1.0), scale=None)).fit(view_of(pa.table({"x": [1.0, None]})))
    assert filled.preprocessing.transform({"x": None}).tolist() == [[-1.0, 1.0]]
    left = Preprocessor(numbers=Numeric(Leave())).fit(view_of(pa.table({"x": [1.0, 3.0, None]})))
    assert np.isnan(left.preprocessing.transform({"x": None})[0, 0])


def test_it_is_sent_to_another_process_after_a_row_as_before(fitted, view_of, bits):
    one = Preprocessor().fit(view_of(pa.table({"x": [1.0, 3.0]}))).preprocessing
    for preprocessing, row in ((fitted, ROW), (one, {"x": 2.0})):
        expected = preprocessing.transform(row)
        sent = pickle.loads(pickle.dumps(preprocessing))
        assert sent == preprocessing
        assert bits(sent.transform(row)) == bits(expected)


def test_a_row_is_served_without_pandas_scikit_learn_or_lightgbm(fitted):
    code = (
        "import sys\n"
        "from mlsys_assets.features.preprocessing.transform import Preprocessing\n"
        f"fitted = Preprocessing.from_json({fitted.to_json()!r})\n"
        f"print(fitted.transform({ROW!r}).tolist())\n"
        "print(sorted({'pandas', 'sklearn', 'scipy', 'lightgbm', 'dagster'} & set(sys.modules)))\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.splitlines() == [str(fitted.transform(ROW).tolist()), "[]"]
