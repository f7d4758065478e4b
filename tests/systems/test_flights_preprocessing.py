"""Preprocessing on flights: the same bits from tables and rows, unseen places, a cross that pays, and its price."""

import timeit
from dataclasses import replace
from time import process_time

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mlsys_assets import (
    FOR_TREES,
    Codes,
    Constant,
    Cross,
    Drop,
    Frequency,
    Hashed,
    LightGBM,
    LogisticRegression,
    Mean,
    MinMax,
    Numeric,
    OneHot,
    Preprocessor,
    Robust,
    TargetRate,
)
from mlsys_assets.features.preprocessing.transform import Preprocessing
from mlsys_assets.prediction.unseen import unseen

EVERYTHING = Preprocessor(
    columns={
        "distance": Numeric(log=True, scale=MinMax(-1, 1, clip=True)),
        "planned_hours": Numeric(Mean(), scale=Robust()),
        "origin_wind_gust": Numeric(Constant(-1.0), scale=None),
        "all_departed_1h": Numeric(log=True),
        "tailnum_seats": Numeric(indicator=False, scale=MinMax()),
        "weekday": Drop(),
        "origin": Frequency(),
        "carrier": Codes(),
        "dest": TargetRate(smoothing=20.0),
    },
    crosses=(Cross(("carrier", "dest"), OneHot(least=50, most=150)), Cross(("origin", "dest"), Hashed(64))),
    beyond="clip",
)
DECLARED = {"trees": FOR_TREES, "linear": Preprocessor(), "everything": EVERYTHING}
TEXTS = ("carrier", "origin", "dest")


def some(view, n, *, seed=0):
    return view.take(np.sort(np.random.default_rng(seed).choice(len(view), n, replace=False)))


@pytest.fixture(scope="module")
def fitted(flights_split) -> dict[str, Preprocessing]:
    return {name: one.fit(some(flights_split.train, 20_000)).preprocessing for name, one in DECLARED.items()}


def bits(matrix):
    return np.where(np.isnan(matrix), np.float32(np.nan), matrix).tobytes()


@pytest.mark.parametrize("name", DECLARED)
def test_two_thousand_rows_one_by_one_are_bit_equal_to_their_table(fitted, flights_rows, name):
    table = flights_rows.features.take(pa.array(np.linspace(0, len(flights_rows) - 1, 2_000).astype(int)))
    rows = table.to_pylist()
    assert all(fitted[name]._row(row) is not None for row in rows)
    singles = np.concatenate([fitted[name].transform(row) for row in rows])
    assert bits(singles) == bits(fitted[name].transform(table))
    assert bits(singles) == bits(Preprocessing.from_json(fitted[name].to_json()).transform(table))


def unfused(fitted: Preprocessing, table: pa.Table) -> np.ndarray:
    """Return the matrix column by column, each of the whole table, without blocks and shared passes."""
    found, marks = [], []
    for n in fitted.numbers:
        raw = table[n.name].to_numpy().astype(np.float64)
        value = raw if n.fill is None else np.where(np.isnan(raw), n.fill, raw)
        value = np.log1p(value) if n.log else value
        found.append(np.clip((value - n.center) / n.scale, *n.range))
        marks += [np.isnan(raw)] if n.indicator else []
    for c in fitted.encodings:
        keys = list(zip(*(table[name].to_pylist() for name in c.inputs), strict=True))
        own = np.zeros((len(keys), c.width))
        for i, key in enumerate(keys):
            j, amount = c.output(None if None in key else key if len(key) > 1 else key[0])
            if j >= 0:
                own[i, j] = amount
        marks += list(own.T)
    return np.array([*found, *marks]).T.astype(np.float32)


@pytest.mark.parametrize("name", DECLARED)
def test_blocks_and_shared_passes_change_no_bit(fitted, flights_rows, name):
    table = flights_rows.features.slice(100_000, 3_000)
    assert bits(fitted[name].transform(table)) == bits(unfused(fitted[name], table))


@pytest.mark.prove
@pytest.mark.parametrize("name", DECLARED)
def test_every_flight_of_the_year_is_the_same_in_a_table_alone_and_unfused(fitted, flights_rows, name):
    for start in range(0, len(flights_rows), 20_000):
        table = flights_rows.features.slice(start, 20_000)
        whole = bits(fitted[name].transform(table))
        assert whole == bits(unfused(fitted[name], table))
        assert whole == bits(np.concatenate([fitted[name].transform(row) for row in table.to_pylist()]))


def test_the_first_flight_to_lexington_is_scored_and_counted_as_unseen(flights_rows, flights_fitted, flights_split):
    """No flight went there before November; a model of August does not know the place."""
    where = np.flatnonzero(pc.equal(flights_rows.features["dest"], "LEX").to_numpy())
    assert len(where) == 1
    table = flights_rows.features.slice(where[0], 1)
    (row,) = table.to_pylist()
    for name in ("logistic_regression", "lightgbm"):
        predictor = flights_fitted[name]
        score = predictor.predict(table)
        assert 0 < score[0] < 1
        assert score == predictor.predict(row)
        assert predictor.preprocessing.encode(row).unseen == {"dest": 1}
        assert unseen(table, predictor)["dest"] == 1
    everything = EVERYTHING.fit(some(flights_split.train, 5_000)).preprocessing
    assert everything.encode(table).unseen == {"dest": 1, "carrier × dest": 1}
    rate = everything.transform(row)[0, everything.names.index("dest")]
    assert rate == pytest.approx(some(flights_split.train, 5_000).label.mean(), rel=1e-6)


@pytest.mark.parametrize(
    "candidate", [LogisticRegression(preprocessor=EVERYTHING), LightGBM(rounds=2, leaves=4)], ids=lambda c: c.name
)
def test_validation_rows_a_thousand_times_as_large_change_nothing_that_is_learned(flights_split, candidate):
    train, validation = some(flights_split.train, 3_000), some(flights_split.validation, 500)
    table = validation.features
    for j, name in enumerate(table.schema.names):
        if name not in TEXTS:
            table = table.set_column(j, name, pc.multiply(table[name], pa.scalar(1_000, pa.float32())))
    as_it_is = candidate.fit(train, validation, seed=0, threads=1)
    larger = candidate.fit(train, replace(validation, features=table), seed=0, threads=1)
    assert larger.predictor.contents() == as_it_is.predictor.contents()


def test_carrier_and_destination_together_tell_a_line_more_than_both_alone(flights_split):
    """Where a model knows no more than the two. With all features the cross adds nothing: they tell it already."""
    plain = Preprocessor()
    crossed = Preprocessor(crosses=(Cross(("carrier", "dest"), OneHot(least=50, most=200)),))
    validation = flights_split.validation
    validation = replace(validation, features=validation.features.select(["carrier", "dest"]))
    lifts = []
    for seed in range(3):
        train = some(flights_split.train, 20_000, seed=seed)
        train = replace(train, features=train.features.select(["carrier", "dest"]))
        auc, outputs = {}, {}
        for name, one in (("plain", plain), ("crossed", crossed)):
            fitted = LogisticRegression(preprocessor=one).fit(train, validation, seed=0, threads=1)
            auc[name] = roc_auc_score(validation.label, fitted.predict(validation.features))
            outputs[name] = len(fitted.predictor.preprocessing.names)
        lifts.append(auc["crossed"] - auc["plain"])
        assert 100 < outputs["crossed"] - outputs["plain"] <= 201
    assert min(lifts) > 0
    assert np.mean(lifts) > 0.001


@pytest.mark.prove
@pytest.mark.parametrize("name", ["trees", "linear"])
def test_a_row_costs_at_most_ten_look_ups_of_its_columns(fitted, flights_rows, name):
    """A look-up is ``[row[name] for name in columns]``; the two are timed in turn, as the machine is not ours alone."""
    rows = flights_rows.features.slice(50_000, 200).to_pylist()
    columns, transform = fitted[name].columns, fitted[name].transform
    transform(rows[0])

    def look_up(row):
        return [row[column] for column in columns]

    def seconds(function):
        return timeit.timeit(lambda: [function(row) for row in rows], number=1)

    timed = [(seconds(look_up), seconds(transform)) for _ in range(100)]
    assert min(own for _, own in timed) < 10 * min(reference for reference, _ in timed)


@pytest.mark.prove
def test_fitting_and_transforming_cost_at_most_twice_plain_scikit_learn(flights_split):
    train = some(flights_split.train, 50_000)
    frame = train.features.to_pandas()
    numbers = [name for name in frame.columns if name not in TEXTS]
    rare = {"min_frequency": 50, "handle_unknown": "infrequent_if_exist", "sparse_output": False}
    theirs = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()), numbers),
        (OneHotEncoder(**rare), list(TEXTS)),
    )

    def plain():
        return theirs.fit(frame).transform(frame)

    def ours():
        return Preprocessor().fit(train).preprocessing.transform(train.features)

    def seconds(function):
        begun = process_time()
        function()
        return process_time() - begun

    timed = [(seconds(plain), seconds(ours)) for _ in range(3)]
    assert plain().shape == ours().shape
    assert min(own for _, own in timed) <= 2 * min(reference for reference, _ in timed)
