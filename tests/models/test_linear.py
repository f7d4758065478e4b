import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, strategies as st
from scipy.special import expit
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression as Reference
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mlsys_assets.data_sampling.views import Train, Validation
from mlsys_assets.features.preprocessing.encoding import OneHot
from mlsys_assets.features.preprocessing.number import Number
from mlsys_assets.features.preprocessing.preprocessor import Preprocessor
from mlsys_assets.features.preprocessing.transform import Preprocessing
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.linear_predictor import LinearPredictor, logistic
from mlsys_assets.types import TimeWindow, utc


def test_probabilities_are_those_of_a_scikit_learn_pipeline(train, validation, later):
    numbers, texts = ["sched_hour", "precip", "noise"], ["carrier", "dest"]
    pipeline = make_pipeline(
        make_column_transformer(
            (make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()), ["precip"]),
            (StandardScaler(), ["sched_hour", "noise"]),
            (OneHotEncoder(handle_unknown="ignore"), texts),
        ),
        Reference(C=100.0, max_iter=2_000, tol=1e-10),
    )

    def frame(view):
        types = dict.fromkeys(numbers, float) | dict.fromkeys(texts, object)
        return view.features.to_pandas()[list(types)].astype(types)

    pipeline.fit(frame(train), train.label)
    expected = pipeline.predict_proba(frame(later))[:, 1]
    declared = LogisticRegression(c=100.0, preprocessor=Preprocessor(categories=OneHot(least=1)))
    ours = declared.fit(train, validation, seed=0, threads=1)
    np.testing.assert_allclose(ours.predict(later.features), expected, atol=5e-3)


def test_a_fit_that_does_not_converge_is_refused(train, validation):
    with pytest.raises(FitError, match="did not converge in 1 rounds"):
        LogisticRegression(rounds=1).fit(train, validation, seed=0, threads=1)


@given(st.lists(st.floats(-800, 800), min_size=1, max_size=20))
def test_the_logistic_function_is_scipys_and_never_overflows(margins):
    np.testing.assert_allclose(logistic(np.array(margins)), expit(np.array(margins)), rtol=1e-14, atol=1e-300)


def test_stronger_regularization_gives_smaller_weights(train, validation):
    weak, strong = (LogisticRegression(c=c).fit(train, validation, seed=0, threads=1) for c in (10.0, 0.001))
    assert np.abs(strong.predictor.weights).sum() < 0.5 * np.abs(weak.predictor.weights).sum()


def test_columns_that_say_the_same_are_no_obstacle(train, validation, later):
    """Without a word of warning, which here would be an error."""

    def tripled(view):
        table = view.features
        for k in range(3):
            table = table.append_column(f"again_{k}", table["sched_hour"]).append_column(f"text_{k}", table["carrier"])
        return type(view)(view.ids, view.at, table, view.label, view.window)

    declared = LogisticRegression(c=1e9)
    plain = declared.fit(train, validation, seed=0, threads=1)
    fitted = declared.fit(tripled(train), tripled(validation), seed=0, threads=1)
    np.testing.assert_allclose(fitted.predict(tripled(later).features), plain.predict(later.features), atol=0.02)


def test_a_row_alone_adds_up_as_among_many():
    """BLAS does not: its order of adding depends on the number of rows."""
    rng = np.random.default_rng(0)
    names = [f"x{j}" for j in range(300)]
    predictor = LinearPredictor(Preprocessing(numbers=tuple(Number(n) for n in names)), 0.0, rng.normal(size=300) / 20)
    table = pa.table(dict(zip(names, rng.normal(size=(300, 200)).astype(np.float32), strict=True)))
    singles = np.concatenate([predictor.predict(row) for row in table.to_pylist()])
    assert np.array_equal(singles, predictor.predict(table))


def test_coefficients_are_the_same_bits_on_any_number_of_threads():
    rng = np.random.default_rng(0)
    names, n = [f"x{j}" for j in range(60)], 20_000
    values = rng.normal(size=(n, 60)).astype(np.float32)
    label = (rng.random(n) < expit(values[:, :5].sum(axis=1))).astype(np.float64)
    at = np.datetime64("2013-01-01", "us") + np.arange(n) * np.timedelta64(60_000_000, "us")
    window = TimeWindow(utc("2013-01-01"), utc("2013-02-01"))
    columns = pa.table(dict(zip(names, values.T, strict=True)))
    rows = [view(pa.array(map(str, range(n))), at, columns, label, window) for view in (Train, Validation)]
    one, two = (LogisticRegression().fit(*rows, seed=0, threads=threads) for threads in (1, 2))
    assert one.predictor.weights.tobytes() == two.predictor.weights.tobytes()
