import math
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, strategies as st
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mlsys_assets.data_sampling.views import OpenedTest, Test, Train, Validation
from mlsys_assets.features.named_columns import ColumnError
from mlsys_assets.features.preprocessing.category import Category
from mlsys_assets.features.preprocessing.encoding import OneHot
from mlsys_assets.features.preprocessing.number import Number
from mlsys_assets.features.preprocessing.preprocessor import FOR_TREES, Preprocessor
from mlsys_assets.features.preprocessing.transform import Preprocessing
from mlsys_assets.types import TimeWindow, utc

WINDOW = TimeWindow.of("2013-01-01", "2013-02-01")
TREES, LINEAR = "codes", "standardized"


def fit_codes(train, **declared):
    return replace(FOR_TREES, **declared).fit(train).preprocessing


def fit_standardized(train, *, least_count=50, **declared):
    return Preprocessor(categories=OneHot(least=least_count), **declared).fit(train).preprocessing


FIT = {TREES: fit_codes, LINEAR: lambda train: fit_standardized(train, least_count=3)}

number = st.one_of(st.none(), st.floats(-1e6, 1e6, width=32))
text = st.one_of(st.none(), st.sampled_from(["AA", "UA", "é", "", "B6"]))
rows_of = st.lists(st.tuples(number, number, text), max_size=30)


def table_of(rows):
    return pa.table({
        "a": pa.array([r[0] for r in rows], pa.float32()),
        "b": pa.array([r[1] for r in rows], pa.float32()),
        "c": pa.array([r[2] for r in rows], pa.string()),
    })  # fmt: skip


def view(table, kind=Train):
    n = table.num_rows
    at = np.datetime64("2013-01-05", "us") + np.arange(n)
    return kind(pa.array([str(i) for i in range(n)], pa.string()), at, table, np.zeros(n), WINDOW)


def same(one, other):
    """Bit by bit, NaN being NaN."""
    return one.dtype == other.dtype and one.shape == other.shape and np.array_equal(one, other, equal_nan=True)


@given(rows_of, rows_of)
def test_numbers_are_imputed_and_scaled_as_scikit_learn_does(fitted_on, rows):
    train, later = table_of([*fitted_on, (1.0, 2.0, "AA")]), table_of([*rows, (None, 3.5, "ZZ")])
    ours = fit_standardized(view(train), least_count=1)
    x = np.array([train[n].to_numpy() for n in "ab"], dtype=np.float64).T
    x_later = np.array([later[n].to_numpy() for n in "ab"], dtype=np.float64).T
    imputer = SimpleImputer(strategy="median", add_indicator=True).fit(x)
    scaler = StandardScaler().fit(imputer.transform(x)[:, :2])
    filled = imputer.transform(x_later)
    expected = np.clip(scaler.transform(filled[:, :2]), -1e6, 1e6)
    names = ours.names
    found = ours.transform(later)
    tolerance = {"rtol": 1e-6, "atol": 1e-9 * max(1.0, np.abs(scaler.mean_ / scaler.scale_).max())}
    np.testing.assert_allclose(found[:, [names.index("a"), names.index("b")]], expected, **tolerance)
    marks = [f"{'ab'[j]} is missing" for j in imputer.indicator_.features_]
    assert [n for n in names if n in ("a is missing", "b is missing")] == marks
    assert np.array_equal(found[:, [names.index(m) for m in marks]], filled[:, 2:])


@given(
    st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=60),
    st.lists(st.sampled_from("abcdefgxyz"), min_size=1, max_size=20),
)
def test_categories_are_one_hot_as_scikit_learn_does(fitted_on, rows):
    ours = fit_standardized(view(pa.table({"c": fitted_on})), least_count=4)
    theirs = OneHotEncoder(min_frequency=4, handle_unknown="infrequent_if_exist", sparse_output=False)
    theirs.fit(np.array(fitted_on, dtype=object)[:, None])
    expected = theirs.transform(np.array(rows, dtype=object)[:, None])
    assert np.array_equal(ours.transform(pa.table({"c": rows})), expected)


@pytest.mark.parametrize("how", [TREES, LINEAR])
@given(rows_of, rows_of)
def test_a_row_gives_what_its_table_gives(how, fitted_on, rows):
    fitted = FIT[how](view(table_of(fitted_on)))
    table = table_of([*rows, (None, math.nan, "unseen")])
    singles = np.concatenate([fitted.transform(row) for row in table.to_pylist()])
    assert same(fitted.transform(table), singles)


@pytest.mark.parametrize("how", [TREES, LINEAR])
@given(rows_of, rows_of)
def test_the_export_is_exact(how, fitted_on, rows):
    fitted = FIT[how](view(table_of(fitted_on)))
    loaded = Preprocessing.from_json(fitted.to_json())
    assert loaded == fitted
    assert loaded.to_json() == fitted.to_json()
    assert same(loaded.transform(table_of(rows)), fitted.transform(table_of(rows)))


@pytest.mark.parametrize("how", [TREES, LINEAR])
@given(rows_of, rows_of, st.permutations(["a", "b", "c", "extra"]))
def test_columns_are_found_by_name(how, fitted_on, rows, order):
    fitted = FIT[how](view(table_of(fitted_on)))
    table = table_of(rows)
    shuffled = table.append_column("extra", pa.array(["-"] * len(rows), pa.string())).select(order)
    assert same(fitted.transform(shuffled), fitted.transform(table))


@pytest.mark.parametrize("how", [TREES, LINEAR])
@given(rows_of, st.integers(0, 5))
def test_chunks_dictionaries_and_wider_numbers_do_not_matter(how, rows, cut):
    fitted = FIT[how](view(table_of([(1.0, None, "AA"), (2.0, 0.5, "UA")] * 3)))
    table = table_of(rows)
    chunked = pa.concat_tables([table[:cut], table[cut:]])
    wide = chunked.set_column(0, "a", chunked["a"].cast(pa.float64()))
    encoded = wide.set_column(2, "c", pa.chunked_array(wide["c"].dictionary_encode()))
    large = chunked.set_column(2, "c", chunked["c"].cast(pa.large_string()))
    expected = fitted.transform(table)
    assert all(same(fitted.transform(t), expected) for t in (chunked, wide, encoded, large))


def test_unseen_and_missing_categories_are_missing_codes_and_the_unseen_are_counted():
    fitted = fit_codes(view(pa.table({"c": ["b", "a", "b"]})))
    encoded = fitted.encode(pa.table({"c": ["a", "b", None, "NEW", "NEWER"]}))
    assert same(encoded.matrix, np.array([[0], [1], [np.nan], [np.nan], [np.nan]], dtype=np.float32))
    assert encoded.unseen == {"c": 2}
    assert fitted.code_outputs == (0,)
    linear = fit_standardized(view(pa.table({"c": ["a"] * 3 + ["b"]})), least_count=2)
    assert linear.names == ("c = a", "c is other")
    assert linear.transform(pa.table({"c": ["a", "b", None, "NEW"]})).tolist() == [[1, 0], [0, 1], [0, 0], [0, 1]]


def test_the_order_in_which_categories_appear_does_not_matter():
    one = fit_codes(view(pa.table({"c": ["x", "y", "z"]})))
    assert one == fit_codes(view(pa.table({"c": ["z", "y", "x"]})))
    assert one == fit_codes(view(pa.table({"c": pa.array(["z", "x", "y", "x"]).dictionary_encode()})))


def test_test_rows_leave_no_trace_in_the_fit():
    rng = np.random.default_rng(0)
    table = pa.table({"x": rng.normal(size=50)})
    fitted = fit_standardized(view(table))
    huge = pa.table({"x": np.asarray(table["x"]) * 1000})
    fitted.transform(huge)
    assert fitted == fit_standardized(view(table))
    assert abs(fitted.transform(huge).std() - 1000) < 1


@pytest.mark.parametrize("kind", [Validation, OpenedTest])
@pytest.mark.parametrize("fit", [fit_codes, fit_standardized])
def test_nothing_is_fitted_on_other_than_train(fit, kind):
    with pytest.raises(TypeError, match="Train view only"):
        fit(view(table_of([]), kind))
    sealed = Test(view(table_of([]), OpenedTest), name="t", content_hash="", as_of=utc("2013-02-01"))
    with pytest.raises(TypeError, match="got Test"):
        fit(sealed)


@pytest.mark.parametrize("how", [TREES, LINEAR])
def test_a_missing_or_renamed_column_is_named(how):
    fitted = FIT[how](view(table_of([(1.0, 2.0, "AA")])))
    table = table_of([(1.0, 2.0, "AA")])
    with pytest.raises(ColumnError, match=r"missing column\(s\) \['b'\].*'B'"):
        fitted.transform(table.rename_columns(["a", "B", "c"]))
    with pytest.raises(ColumnError, match=r"missing column\(s\) \['c'\]"):
        fitted.transform({"a": 1.0, "b": 2.0})


@pytest.mark.parametrize("how", [TREES, LINEAR])
def test_a_wrong_type_is_named(how):
    fitted = FIT[how](view(table_of([(1.0, 2.0, "AA")])))
    table = table_of([(1.0, 2.0, "AA")])
    with pytest.raises(ColumnError, match="'a' must hold numbers, got string"):
        fitted.transform(table.set_column(0, "a", pa.array(["12"])))
    with pytest.raises(ColumnError, match="'c' must hold text, got int64"):
        fitted.transform(table.set_column(2, "c", pa.array([12])))
    with pytest.raises(ColumnError, match="'a' must hold a number, got '12'"):
        fitted.transform({"a": "12", "b": 2.0, "c": "AA"})
    with pytest.raises(ColumnError, match="'c' must hold text, got 3"):
        fitted.transform({"a": 1.0, "b": 2.0, "c": 3})
    with pytest.raises(ColumnError, match="'d': 'date32"):
        FIT[how](view(pa.table({"d": pa.array([0], pa.date32())})))


@pytest.mark.parametrize("bad", [math.inf, -math.inf, 1e308, 2e9])
@pytest.mark.parametrize("rows", [lambda x: pa.table({"x": pa.array([0.0, x])}), lambda x: {"x": x}])
def test_infinite_and_huge_numbers_meet_the_declared_rule(bad, rows):
    train = view(pa.table({"x": [1.0, 2.0, 3.0]}))
    rejecting = fit_codes(train, limit=1e9)
    with pytest.raises(ColumnError, match=r"beyond ±1e\+09.*'x': 1"):
        rejecting.transform(rows(bad))
    clipped = fit_codes(train, limit=1e9, beyond="clip").encode(rows(bad))
    assert clipped.matrix[-1, 0] == math.copysign(1e9, bad)
    assert clipped.beyond == {"x": 1}
    assert np.isnan(fit_codes(train, limit=1e9, beyond="missing").transform(rows(bad))[-1, 0])


def test_the_rule_holds_while_fitting_too():
    train = view(pa.table({"x": [1.0, 2.0, math.inf]}))
    with pytest.raises(ColumnError, match="beyond"):
        fit_standardized(train)
    fitted = fit_standardized(train, beyond="missing")
    (number,) = fitted.numbers
    assert (number.fill, number.center, number.indicator) == (1.5, 1.5, True)
    assert number.scale == pytest.approx(0.408, abs=1e-3)


def test_empty_constant_and_absent_columns_stay_finite():
    table = pa.table({"none": pa.array([None] * 4, pa.float32()), "same": pa.array([0.1] * 4, pa.float32()),
                      "null": pa.array([None] * 4, pa.string())})  # fmt: skip
    fitted = fit_standardized(view(table))
    assert fitted.transform(table).tolist() == [[0.0, 0.0, 1.0, 1.0]] * 4
    assert fitted.names == ("none", "same", "none is missing", "null is missing")
    assert fitted.transform(table[:0]).shape == (0, 4)
    assert fit_codes(view(table)).transform(table[:0]).shape == (0, 3)
    everything_null = pa.table({name: pa.nulls(2) for name in table.schema.names})
    assert np.isfinite(fitted.transform(everything_null)).all()


@given(st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), min_size=1))
@example([2**60 + 2**36 + 1])  # float64 makes a tie of it, which float32 alone would not
def test_whole_numbers_round_alike_in_a_row_and_in_a_table(values):
    fitted = Preprocessing(numbers=(Number("i"),), limit=1e30)
    singles = np.concatenate([fitted.transform({"i": v}) for v in values])
    assert same(fitted.transform(pa.table({"i": pa.array(values, pa.int64())})), singles)


def test_truth_is_a_number_and_a_number_of_a_thousand_digits_is_infinite():
    fitted = Preprocessing(numbers=(Number("x"),), beyond="clip")
    assert fitted.transform(pa.table({"x": [True, False, None]}))[:2].tolist() == [[1.0], [0.0]]
    assert fitted.transform({"x": True}).tolist() == fitted.transform({"x": np.bool_(True)}).tolist() == [[1.0]]
    assert fitted.transform({"x": -(10**1000)}).tolist() == [[np.float32(-1e12)]]
    assert fitted.transform({"x": np.int32(7)}).tolist() == [[7.0]]


def test_a_column_that_hardly_varied_cannot_drown_the_others():
    fitted = Preprocessing(numbers=(Number("x", 0.0, 0.0, 1e-300),))
    assert fitted.transform(pa.table({"x": [1.0, -1e11, 0.0]})).tolist() == [[1e6], [-1e6], [0.0]]


def test_a_declaration_that_cannot_be_right_is_refused():
    with pytest.raises(ValueError, match=r"\['x'\] twice"):
        Preprocessing(numbers=(Number("x"),), categories=(Category("x", ()),))
    with pytest.raises(ValueError, match="divides by zero"):
        Preprocessing(numbers=(Number("x", scale=0.0),))
    for bad in (
        b"{",
        b'{"numbers": [{"name": 3}]}',
        b'{"numbers": [{"name": "x", "scale": NaN}]}',
        b'{"beyond": "ignore"}',
    ):
        with pytest.raises(ValueError, match=r"."):
            Preprocessing.from_json(bad)


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(min_value=5e-324, allow_infinity=False))
def test_every_float_survives_the_export(center, scale):
    fitted = Preprocessing(numbers=(Number("x", None, center, scale),))
    assert Preprocessing.from_json(fitted.to_json()) == fitted


@pytest.mark.parametrize("how", [TREES, LINEAR])
def test_many_rows_are_as_each_block_of_them(how):
    rng = np.random.default_rng(1)
    x = np.where(rng.random(2_600) < 0.1, np.nan, rng.normal(size=2_600)).astype(np.float32)
    table = pa.table({"x": x, "c": rng.choice(["p", "q", "r"], size=2_600)})
    fitted = FIT[how](view(table))
    parts = [fitted.transform(table[start : start + 7]) for start in range(0, 2_600, 7)]
    assert same(fitted.transform(table), np.concatenate(parts))


def test_nothing_is_written_into_the_callers_rows():
    table = table_of([(1.0, None, "AA"), (-2.0, 4.0, "UA")])
    before = table.to_pylist()
    fit_codes(view(table), limit=1.5, beyond="clip").transform(table)
    assert table.to_pylist() == before
