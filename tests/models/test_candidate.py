"""What every candidate must do: the conformance suite of the Candidate protocol."""

import copy
import pickle
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pytest
from sklearn.metrics import log_loss

from mlsys_assets.data_sampling.folds import Fold
from mlsys_assets.data_sampling.time_folds import WalkForward
from mlsys_assets.data_sampling.views import OpenedTest, Test, Train, Validation
from mlsys_assets.features.named_columns import ColumnError
from mlsys_assets.features.preprocessing.cross import Cross
from mlsys_assets.features.preprocessing.encoding import Frequency, OneHot
from mlsys_assets.features.preprocessing.imputation import Constant
from mlsys_assets.features.preprocessing.numeric import Numeric
from mlsys_assets.features.preprocessing.preprocessor import FOR_TREES, Preprocessor
from mlsys_assets.features.preprocessing.scaling import Robust
from mlsys_assets.models.baselines import GroupRate, ZeroRule
from mlsys_assets.models.bundle import PREDICTOR_KINDS, from_files, to_files
from mlsys_assets.models.calibration import Calibrated, Isotonic, Platt
from mlsys_assets.models.candidate import Candidate, FitError
from mlsys_assets.models.compression.compressed import Compressed
from mlsys_assets.models.compression.distillation import Distillation
from mlsys_assets.models.compression.onnx_export import OnnxExport
from mlsys_assets.models.compression.tree_pruning import TreePruning
from mlsys_assets.models.compression.truncation import Truncation
from mlsys_assets.models.ensembles.bagging import Bagging
from mlsys_assets.models.ensembles.stacking import Stacking
from mlsys_assets.models.estimator import Estimator
from mlsys_assets.models.gradient_boosting import LightGBM
from mlsys_assets.models.human_rule import HumanRule, When
from mlsys_assets.models.linear import LogisticRegression
from mlsys_assets.models.mlp import Mlp
from mlsys_assets.models.objectives import Combined
from mlsys_assets.models.random_baseline import RandomBaseline
from mlsys_assets.models.random_forest import RandomForest
from mlsys_assets.models.regression import RegressedLightGBM
from mlsys_assets.models.sgd import Sgd
from mlsys_assets.models.task import Regression
from mlsys_assets.models.tuning.automl import AutoML, Family
from mlsys_assets.models.tuning.pruners import MedianPruner
from mlsys_assets.models.tuning.space import Integers, Reals
from mlsys_assets.models.tuning.tuned import Tuned
from mlsys_assets.types import days, hours, utc

PREPARED = Preprocessor(
    columns={"precip": Numeric(Constant(0.0, possible=True), log=True, scale=Robust()), "dest": Frequency()},
    crosses=(Cross(("carrier", "dest"), OneHot(least=20)),),
    beyond="missing",
)


@dataclass(frozen=True)
class Alternate:
    """Two folds of every other row: the rows here lie on one day."""

    def mistakes(self, *, delay=None):
        return []

    def folds(self, train, *, known_at=None):
        for k in range(2):
            rows = train.take(own := np.arange(len(train)) % 2 == k)
            validated = Validation(rows.ids, rows.at, rows.features, rows.label, rows.window)
            yield Fold(f"half {k}", train.take(~own), validated)


def forest():
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(20, min_samples_leaf=10)


def line():
    from sklearn.linear_model import LogisticRegression as Line
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), Line())


CANDIDATES = {
    "zero_rule": ZeroRule(),
    "group_rate": GroupRate(by=("carrier", "sched_hour")),
    "random": RandomBaseline(),
    "human_rule": HumanRule((When("precip", ">", 1.0), When("carrier", "==", "UA"), When("sched_hour", ">=", 15, 0.3))),
    "logistic_regression": LogisticRegression(),
    "lightgbm": LightGBM(rounds=15, column_share=0.6, row_share=0.7),
    "lightgbm_stopping": LightGBM(rounds=60, patience=5, learning_rate=0.3, name="lightgbm_stopping"),
    "platt": Calibrated(LightGBM(rounds=40, patience=5, learning_rate=0.3), Platt()),
    "isotonic": Calibrated(LogisticRegression(), Isotonic(), share=0.7),
    "lightgbm_combined": LightGBM(
        rounds=60, patience=5, learning_rate=0.3, objective=Combined(1, 0.1), name="lightgbm_combined"
    ),
    "sgd": Sgd(learning_rate=0.1, batch=64),
    "prepared_line": LogisticRegression(preprocessor=PREPARED, name="prepared_line"),
    "prepared_trees": LightGBM(rounds=15, preprocessor=PREPARED, name="prepared_trees"),
    "tuned": Tuned(
        LightGBM(rounds=20),
        {"leaves": Integers(3, 15), "learning_rate": Reals(0.05, 0.5)},
        trials=4,
        pruner=MedianPruner(1, 2),
    ),
    "automl": AutoML((Family(LogisticRegression(), {"c": Reals(1e-4, 1.0, log=True)}),), trials=2),
    "first_trees": Compressed(LightGBM(rounds=15), Truncation(rounds=8)),
    "pruned_trees": Compressed(LightGBM(rounds=30, patience=5, learning_rate=0.3), TreePruning(0.5)),
    "onnx": Compressed(LightGBM(rounds=15), OnnxExport()),
    "onnx_network": Compressed(Mlp((8,), epochs=40, batch=64), OnnxExport()),
    "onnx_line": Compressed(LogisticRegression(), OnnxExport()),
    "distilled_trees": Distillation(
        LightGBM(rounds=15), LightGBM(rounds=40, patience=5, leaves=4, learning_rate=0.3), Alternate()
    ),
    "distilled_line": Distillation(LightGBM(rounds=15), LogisticRegression(), Alternate(), hard_share=0.3),
    "estimator_of_trees": Estimator(forest, name="forest", preprocessor=FOR_TREES),
    "estimator_of_lines": Estimator(line, name="line", params={"logisticregression__C": 0.1}),
    "random_forest": RandomForest(trees=15, least_rows=10),
    "mlp": Mlp(hidden=(16, 8), epochs=40, batch=64),
    "prepared_mlp": Mlp((8,), epochs=20, patience=None, batch=64, preprocessor=PREPARED, name="prepared_mlp"),
    "regressed_lightgbm": RegressedLightGBM(Regression("label", cut=0.5), LightGBM(rounds=15)),
    "stack": Stacking(
        (LogisticRegression(), LightGBM(rounds=30, patience=5), GroupRate(by=("carrier",))),
        WalkForward(3, days(5), hours(1)),
    ),
    "bagging": Bagging(LightGBM(rounds=15, patience=5, column_share=0.6), n=3),
    "bagged_stack": Stacking(
        (Bagging(LogisticRegression(), n=2), Calibrated(LightGBM(rounds=15))),
        WalkForward(2, days(5), hours(1)),
        name="bagged_stack",
    ),
}
CLASSIFIERS = [name for name in CANDIDATES if name != "regressed_lightgbm"]
LEARNS = [name for name in CANDIDATES if name not in {"zero_rule", "random"}]


@pytest.fixture(scope="module", params=CANDIDATES)
def candidate(request):
    return CANDIDATES[request.param]


@pytest.fixture(scope="module")
def fitted(candidate, train, validation):
    return candidate.fit(train, validation, seed=7, threads=1)


def test_it_is_soundly_declared_and_says_what_it_will_be_stored_as(candidate, fitted):
    assert isinstance(candidate, Candidate)
    assert candidate.mistakes() == []
    assert candidate.kind == fitted.predictor.kind
    assert candidate.kind in PREDICTOR_KINDS
    assert set(candidate.needs) <= set(fitted.predictor.columns)


def test_probabilities_are_probabilities(fitted, later):
    p = fitted.predict(later.features)
    assert p.shape == (len(later),)
    assert p.dtype == np.float64
    assert ((p >= 0) & (p <= 1)).all()


def test_the_same_seed_gives_the_same_bytes(candidate, fitted, train, validation):
    again = candidate.fit(train, validation, seed=7, threads=1)
    assert to_files(again.predictor) == to_files(fitted.predictor)
    assert again.recipe == fitted.recipe
    assert again.params == fitted.params


def test_a_refit_by_the_recipe_is_repeatable_and_on_the_same_rows_the_same_model(candidate, fitted, train, later):
    one, two = (candidate.refit(train, recipe=fitted.recipe, seed=7, threads=1) for _ in range(2))
    assert to_files(one.predictor) == to_files(two.predictor)
    assert np.array_equal(one.predict(later.features), fitted.predict(later.features))
    assert one.recipe == fitted.recipe


def test_saved_and_loaded_predictions_are_equal_to_the_last_bit(fitted, later):
    files = to_files(fitted.predictor)
    loaded = from_files(files)
    assert np.array_equal(loaded.predict(later.features), fitted.predict(later.features))
    assert to_files(loaded) == files
    assert loaded.columns == fitted.predictor.columns


def test_a_row_is_scored_as_in_its_table(fitted, later):
    few = later.features[:50]
    singles = np.concatenate([fitted.predict(row) for row in few.to_pylist()])
    assert np.array_equal(singles, fitted.predict(few))
    assert np.array_equal(singles, fitted.predict(later.features)[:50])


def test_threads_do_not_change_a_prediction(fitted, later):
    assert np.array_equal(fitted.predict(later.features, threads=2), fitted.predict(later.features, threads=1))


def test_columns_are_found_by_name_not_by_place(fitted, later):
    swapped = later.features.select(list(reversed(later.features.schema.names)))
    assert np.array_equal(fitted.predict(swapped), fitted.predict(later.features))


def test_an_absent_column_is_named(fitted, later):
    for name in fitted.predictor.columns:
        renamed = later.features.rename_columns([n.upper() if n == name else n for n in later.features.schema.names])
        with pytest.raises(ColumnError, match=name):
            fitted.predict(renamed)


def test_a_column_of_another_type_is_named(fitted, later):
    for name in fitted.predictor.columns:
        index = later.features.schema.get_field_index(name)
        is_text = pa.types.is_string(later.features.schema.field(name).type)
        wrong = pa.array([3 if is_text else "3"] * len(later))
        with pytest.raises(ColumnError, match=f"'{name}' must hold"):
            fitted.predict(later.features.set_column(index, name, wrong))


def test_missing_and_unseen_values_are_scored(fitted, later):
    nothing = pa.table({name: pa.nulls(3) for name in later.features.schema.names})
    unseen = {
        n: "never seen" if pa.types.is_string(later.features.schema.field(n).type) else None
        for n in nothing.column_names
    }
    for p in (fitted.predict(nothing), fitted.predict(unseen)):
        assert np.isfinite(p).all()
    assert fitted.predict(later.features[:0]).shape == (0,)


def test_test_rows_are_refused_at_run_time(candidate, later, validation, train):
    sealed = Test(later, name="recent_test", content_hash="0", as_of=utc("2013-02-01"))
    for rows in (later, sealed, validation):
        with pytest.raises(TypeError, match="Train view only"):
            candidate.fit(rows, validation, seed=1, threads=1)
        with pytest.raises(TypeError, match="Train view only"):
            candidate.refit(rows, recipe={"rounds": 3}, seed=1, threads=1)
    for rows in (later, sealed, train):
        with pytest.raises(TypeError, match="Validation view only"):
            candidate.fit(train, rows, seed=1, threads=1)


@pytest.mark.parametrize("candidate", CLASSIFIERS, indirect=True)
def test_rows_that_nothing_can_be_learned_from_are_refused(candidate, train, validation):
    def with_label(label):
        return Train(train.ids, train.at, train.features, label, train.window)

    nothing = train.take(np.zeros(len(train), dtype=bool))
    for rows, reason in (
        (nothing, "got none"),
        (with_label(np.ones(len(train))), "needs both classes"),
        (with_label(np.where(np.arange(len(train)) == 3, np.nan, train.label)), "labels 0 and 1, got nan"),
        (with_label(train.label * 2), "labels 0 and 1, got 2"),
    ):
        with pytest.raises(FitError, match=reason):
            candidate.fit(rows, validation, seed=1, threads=1)
        with pytest.raises(FitError, match=reason):
            candidate.refit(rows, recipe={"rounds": 3}, seed=1, threads=1)
    with pytest.raises(FitError, match="needs validation rows, got none"):
        candidate.fit(train, validation.take(np.zeros(len(validation), dtype=bool)), seed=1, threads=1)


@pytest.mark.parametrize("name", LEARNS)
def test_what_learns_beats_the_zero_rule(name, train, validation, later):
    zero = CANDIDATES["zero_rule"].fit(train, validation, seed=1, threads=1)
    model = CANDIDATES[name].fit(train, validation, seed=1, threads=1)
    assert (
        log_loss(later.label, model.predict(later.features))
        < log_loss(later.label, zero.predict(later.features)) - 0.02
    )


def test_neither_the_rows_nor_the_candidate_are_changed(candidate, train, validation):
    table, label, declared = train.features.to_pylist(), train.label.copy(), copy.deepcopy(candidate)
    candidate.fit(train, validation, seed=3, threads=1)
    assert train.features.to_pylist() == table
    assert np.array_equal(train.label, label)
    assert candidate == declared


def test_no_file_is_a_pickle(fitted):
    for content in to_files(fitted.predictor).values():
        with pytest.raises(Exception):  # noqa: B017, PT011 - whatever it dislikes
            pickle.loads(content)


def test_the_record_holds_plain_values(fitted):
    values = [*fitted.params.values(), *fitted.recipe.values()]
    assert all(isinstance(v, str | int | float | bool | None) for v in values)
    assert (
        len(fitted.loss_curve.train) in {0, 1, *[v for k, v in fitted.params.items() if k == "rounds"]} or fitted.recipe
    )


def test_opened_test_rows_can_be_scored(fitted, later):
    assert isinstance(later, OpenedTest)
    assert np.isfinite(fitted.predict(later.features)).all()
