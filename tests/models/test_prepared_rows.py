"""Candidates learn from rows as their preprocessor prepared them, and say so in their record."""

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import log_loss

from mlsys_assets.data_sampling.views import Train, Validation, View
from mlsys_assets.features.preprocessing.encoding import Categorical, FitOfColumn, OneHot
from mlsys_assets.features.preprocessing.imputation import Constant
from mlsys_assets.features.preprocessing.numeric import Numeric
from mlsys_assets.features.preprocessing.preprocessor import Drop, Preprocessor
from mlsys_assets.features.preprocessing.target_rate import TargetRate
from mlsys_assets.models.candidate import MOST_NOTES, FitError
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.regression import RegressedLightGBM
from mlsys_assets.models.task import Regression
from mlsys_assets.types import TimeWindow

WINDOW = TimeWindow.of("2013-01-01", "2013-02-01")


@dataclass(frozen=True)
class InFold(TargetRate):
    """The leak: training rows get the rate that their own labels made."""

    def fit_column(self, column: Categorical, train: Train) -> FitOfColumn:
        return replace(super().fit_column(column, train), training=None)


def noise(kind: type[View], n: int, *, seed: int) -> View:
    """Rows whose label has nothing to do with anything, each seller with a few of them, over ten days."""
    rng = np.random.default_rng(seed)
    at = np.datetime64("2013-01-05", "us") + (np.arange(n) % 10) * np.timedelta64(1, "D")
    table = pa.table({"seller": [f"s{k}" for k in rng.integers(0, n // 4, size=n)], "x": rng.normal(size=n)})
    return kind(pa.array([str(i) for i in range(n)]), at, table, (rng.random(n) < 0.3).astype(float), WINDOW)


@pytest.mark.parametrize(
    "candidate", [LogisticRegression(c=10.0), LightGBM(rounds=20, leaves=7)], ids=lambda one: one.name
)
def test_they_learn_out_of_the_fold(candidate):
    """In-fold, a rate of four rows holds each row's own label, and what is learned from it fails on validation."""
    train, validation = noise(Train, 2_000, seed=1), noise(Validation, 2_000, seed=2)
    loss = {}
    for encoding in (TargetRate(smoothing=1.0), InFold(smoothing=1.0)):
        declared = replace(candidate, preprocessor=Preprocessor(columns={"x": Drop(), "seller": encoding}))
        fitted = declared.fit(train, validation, seed=0, threads=1)
        loss[type(encoding)] = log_loss(validation.label, fitted.predict(validation.features))
    prior = log_loss(validation.label, np.full(len(validation), train.label.mean()))
    assert loss[TargetRate] < prior + 0.02
    assert loss[InFold] > prior + 0.1


@pytest.mark.parametrize("candidate", [LogisticRegression(), LightGBM(rounds=3)], ids=lambda one: one.name)
def test_the_record_says_how_rows_were_prepared_and_what_was_made_do_with(candidate, train, validation):
    plain = candidate.fit(train, validation, seed=0, threads=1)
    assert plain.params["preprocessor"] == candidate.preprocessor.described
    assert plain.params["preprocessing notes"] == "none"
    declared = replace(candidate, preprocessor=Preprocessor(categories=OneHot(least=2_000), beyond="clip"))
    fitted = declared.fit(train, validation, seed=0, threads=1)
    assert fitted.params["preprocessor"] == "Preprocessor(categories=OneHot(least=2000), beyond='clip')"
    told = fitted.params["preprocessing notes"]
    assert told.startswith("2: 'carrier' has no value of at least 2000 rows")
    names = {f"same {i}": pa.array(np.ones(len(train), dtype=np.float32)) for i in range(MOST_NOTES + 4)}
    wide = replace(train, features=pa.table({n: train.features[n] for n in train.features.schema.names} | names))
    many = replace(candidate).refit(wide, recipe={"rounds": 2}, seed=0, threads=1)
    assert many.params["preprocessing notes"].startswith(f"{MOST_NOTES + 4}: 'same 0' is 1")
    assert "same 8" not in many.params["preprocessing notes"]


def test_the_record_of_a_regression_says_it_too(train, validation):
    declared = RegressedLightGBM(Regression("label", cut=0.5), LightGBM(rounds=3))
    fitted = declared.fit(train, validation, seed=0, threads=1)
    assert fitted.params["preprocessor"] == declared.trees.preprocessor.described
    named = replace(declared, trees=LightGBM(preprocessor=Preprocessor(columns={"noise": Drop()})))
    assert named.needs == ("noise",)
    assert replace(declared, trees="trees").needs == ()


@pytest.mark.parametrize(
    ("preprocessor", "told"),
    [
        (Preprocessor(columns={"precip": Numeric(Constant(1.0))}), "'precip' is filled with 1"),
        (Preprocessor(columns={"noise": Numeric(log=True)}), "'noise' is declared with log=True"),
        (Preprocessor(columns={"precipitation": Drop()}), "Did you mean 'precip'?"),
        (Preprocessor(columns={"carrier": TargetRate()}), "needs 2 or more"),
    ],
)
@pytest.mark.parametrize("candidate", [LogisticRegression(), LightGBM(rounds=3)], ids=lambda one: one.name)
def test_rows_that_are_not_as_declared_fail_the_candidate_alone(candidate, preprocessor, told, train, validation):
    one_day = replace(train, at=np.full_like(train.at, train.at[0]))
    with pytest.raises(FitError, match=candidate.name) as caught:
        replace(candidate, preprocessor=preprocessor).fit(one_day, validation, seed=0, threads=1)
    assert told in str(caught.value)
