"""The declaration of an estimator, what a fit may do badly, and what it leaves on record."""

import sys
from dataclasses import replace
from functools import partial

import numpy as np
import pyarrow as pa
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import log_loss

from mlsys_assets.data_sampling.time_folds import WalkForward
from mlsys_assets.data_sampling.views import Train
from mlsys_assets.models.baselines import ZeroRule
from mlsys_assets.models.bundle import to_files
from mlsys_assets.models.calibration import Calibrated
from mlsys_assets.models.candidate import FitError
from mlsys_assets.models.compression.compressed import size_of
from mlsys_assets.models.ensembles.stacking import Stacking
from mlsys_assets.models.estimator import Estimator, described
from mlsys_assets.models.passport.code import source_files
from mlsys_assets.models.random_forest import RandomForest
from mlsys_assets.models.task import MultiClass, PlainRegression, Regression, with_target
from mlsys_assets.models.tuning.space import Integers
from mlsys_assets.models.tuning.tuned import Tuned
from mlsys_assets.types import DeclarationError, days, hours


def forest():
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(5, min_samples_leaf=10)


def pipeline():
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(StandardScaler(), LogisticRegression())


def bag():
    from sklearn.ensemble import BaggingClassifier

    return BaggingClassifier(forest(), n_estimators=2)


def vectors():
    from sklearn.svm import LinearSVC

    return LinearSVC()


def neighbours():
    from sklearn.neighbors import KNeighborsClassifier

    return KNeighborsClassifier(5)


def fails():
    raise OSError("no file")


class Own(ClassifierMixin, BaseEstimator):
    """A class that is not scikit-learn's, and does as it is told."""

    def __init__(self, how="well"):
        self.how = how

    def fit(self, x, y):
        if self.how == "raises":
            raise RuntimeError("no luck\nat all")
        if self.how == "short of memory":
            raise MemoryError
        self.classes_, self.n_features_in_ = np.unique(y), x.shape[1]
        return self

    def predict_proba(self, x):
        return np.full((len(x), 2), 0.5)


def fit(candidate, train, validation, *, seed=3):
    return candidate.fit(train, validation, seed=seed, threads=1)


def test_a_sound_declaration_has_no_mistakes():
    for make in (forest, pipeline, bag, partial(forest)):
        assert Estimator(make, name="one").mistakes() == []


@pytest.mark.parametrize(
    ("declared", "told"),
    [
        (lambda: Estimator(forest(), name="one"), "write a function that makes it, as lambda: RandomForestClassifier"),
        (lambda: Estimator(forest, name="no name"), "is called 'no name'"),
        (lambda: Estimator(forest, name="one", task=Regression("x", cut=1.0)), "task is a Regression"),
        (lambda: Estimator(forest, name="one", task=MultiClass(("a",))), "give 2 or more"),
        (lambda: Estimator(forest, name="one", task=MultiClass(("a", "A"))), "named 'a' and 'A'"),
        (lambda: Estimator(forest, name="one", task=PlainRegression("")), "name the number"),
        (lambda: Estimator(forest, name="one", preprocessor="none"), "preprocessor is 'none'"),
        (lambda: Estimator(forest, name="one", params=("a",)), "params is a tuple"),
        (lambda: Estimator(forest, name="one", params={"max_dept": 3}), "did you mean 'max_depth'"),
        (lambda: Estimator(pipeline, name="one", params={"line__C": 3}), "params name 'line__C'"),
        (lambda: Estimator(forest, name="one", params={"n_jobs": 3}), "n_jobs is 3, which the system says"),
        (lambda: Estimator(bag, name="one", params={"estimator__n_jobs": 3}), "estimator__n_jobs is 3"),
        (lambda: Estimator(vectors, name="one"), "has no predict_proba; let CalibratedClassifierCV"),
        (lambda: Estimator(Own, name="one"), "test_estimator.Own, which cannot be stored"),
        (lambda: Estimator(fails, name="one"), "make fails (OSError: no file)"),
        (lambda: Estimator(dict, name="one"), "has no fit, predict_proba, get_params, set_params"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_fitted(declared, told, train, validation):
    candidate = declared()
    (mistake,) = candidate.mistakes()
    assert told in mistake
    if "preprocessor" not in told:
        with pytest.raises(DeclarationError):
            fit(candidate, train, validation)


def test_a_definition_loads_no_scikit_learn():
    import subprocess

    code = (
        "import sys; from mlsys_assets.models.estimator import Estimator; "
        "from mlsys_assets.models.random_forest import RandomForest; "
        "assert not RandomForest().mistakes() and not Estimator(lambda: 1 / 0, name='x').mistakes(); "
        "assert not {'sklearn', 'skops', 'pandas', 'scipy', 'joblib'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_file_of_the_function_is_part_of_the_record():
    assert {path.name for path in source_files(Estimator(forest, name="one"))} >= {"test_estimator.py", "estimator.py"}


def test_what_was_declared_is_never_fitted_itself(train, validation):
    one = forest()
    fit(Estimator(lambda: one, name="one"), train, validation)
    assert not hasattr(one, "estimators_")
    assert one.random_state is None


def test_the_seed_goes_wherever_chance_is_and_no_further(train, validation):
    fitted = fit(Estimator(bag, name="bag", params={"estimator__random_state": 11}), train, validation, seed=5)
    assert fitted.params["random_state"] == 5
    assert fitted.params["estimator__random_state"] == 11
    assert fit(Estimator(bag, name="bag"), train, validation, seed=5).params["estimator__random_state"] == 5
    files = [to_files(fit(Estimator(bag, name="bag"), train, validation, seed=seed).predictor) for seed in (1, 2, 1)]
    assert files[0] == files[2] != files[1]


def test_threads_change_no_byte(train, validation):
    one, two = (Estimator(forest, name="f").fit(train, validation, seed=1, threads=threads) for threads in (1, 2))
    assert to_files(one.predictor) == to_files(two.predictor)
    assert one.params == two.params
    assert one.params["n_jobs"] is None


def test_the_record_holds_every_parameter(train, validation):
    params = fit(Estimator(pipeline, name="p", params={"logisticregression__C": 0.5}), train, validation).params
    assert params["estimator"] == "Pipeline"
    assert params["logisticregression"] == "LogisticRegression"
    assert params["logisticregression__C"] == 0.5
    assert params["steps"] == "[[standardscaler, StandardScaler], [logisticregression, LogisticRegression]]"
    assert params["task"] == "classification"


def test_functions_and_numbers_that_are_none_are_described_as_text():
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import FunctionTransformer

    assert described(SimpleImputer())["missing_values"] == "nan"
    assert described(FunctionTransformer(fails))["func"] == "fails"


def test_the_loss_curve_is_of_the_rows_it_learned_from_and_of_validation(train, validation):
    fitted = fit(Estimator(forest, name="f"), train, validation)
    (own,), (later,) = fitted.loss_curve.train, fitted.loss_curve.validation
    assert own == pytest.approx(log_loss(train.label, fitted.predict(train.features)))
    assert later == pytest.approx(log_loss(validation.label, fitted.predict(validation.features)))


def test_parameters_are_changed_by_name_and_the_rest_stays(train, validation):
    candidate = Estimator(forest, name="f", params={"max_depth": 2}).with_params({"n_estimators": 3})
    assert candidate.params == {"max_depth": 2, "n_estimators": 3}
    fitted = fit(candidate, train, validation)
    assert (fitted.params["max_depth"], fitted.params["n_estimators"]) == (2, 3)
    assert len(fitted.predictor.estimator.estimators_) == 3


@pytest.mark.parametrize("make", [forest, pipeline])
def test_without_its_bounds_it_memorizes_64_rows(make, train, validation):
    few = train.take(np.arange(64))
    free = Estimator(make, name="f").unbounded()
    loss = fit(free, few, validation).loss_curve.train[0]
    assert loss < fit(Estimator(make, name="f"), few, validation).loss_curve.train[0]
    assert make is pipeline or loss < 1e-6
    assert Estimator(bag, name="bag").unbounded() is None
    assert fit(RandomForest().unbounded(), few, validation).loss_curve.train[0] < 1e-6


def test_scikit_learn_has_every_bound_that_is_taken_away():
    from sklearn.utils import all_estimators

    from mlsys_assets.models.memorizing import FREED, memorizing

    known = dict(all_estimators())
    for name in FREED:
        made = known[name]()
        made.set_params(**memorizing(made))


class Moody(Own):
    """Another model each time."""

    def fit(self, x, y):
        self.mood_ = float(next(MOODS))
        return super().fit(x, y)


MOODS = iter(range(1_000))


@pytest.fixture
def own_trusted(monkeypatch):
    """Classes of this file count as trusted."""
    from mlsys_assets.models import estimator, estimator_file

    own = frozenset(f"{one.__module__}.{one.__qualname__}" for one in (Own, Moody, Odd))
    monkeypatch.setattr(estimator, "ESTIMATORS", own)
    trusted = {**estimator_file.TRUSTED, "ObjectNode": estimator_file.TRUSTED["ObjectNode"] | own}
    monkeypatch.setattr(estimator_file, "TRUSTED", trusted)


class Odd(Own):
    """Gives scores of its own."""

    def predict_proba(self, x):
        if self.how == "short of memory later":
            raise MemoryError
        if self.how == "refuses what is far" and (x > 30).any():
            raise ValueError("I have not seen this\nand more")
        told = {"nan": np.nan, "infinite": np.inf, "above": 1.5, "below": -0.1}
        return np.full((len(x), 2), told.get(self.how, 0.5))


@pytest.mark.usefixtures("own_trusted")
@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Own("raises"), "one failed: RuntimeError: no luck$"),
        (Moody, "is not deterministic"),
        (lambda: Odd("nan"), "500 of 500 scores that are not finite"),
        (lambda: Odd("infinite"), "not finite"),
        (lambda: Odd("above"), r"scores from 1\.5 to 1\.5"),
        (lambda: Odd("below"), r"scores from -0\.1"),
    ],
)
def test_what_an_estimator_does_badly_is_a_failure_with_its_reason(make, why, train, validation):
    assert fit(Estimator(Own, name="one"), train, validation).params["estimator"] == "Own"
    with pytest.raises(FitError, match=why):
        fit(Estimator(make, name="one"), train, validation)


@pytest.mark.usefixtures("own_trusted")
def test_one_that_fails_on_rows_it_has_not_seen_is_a_failure_wherever_they_are(train, validation):
    odd = Estimator(lambda: Odd("refuses what is far"), name="odd")
    far = replace(validation, features=far_out(validation.features, np.arange(len(validation)) > 400))
    with pytest.raises(FitError, match=r"^odd failed: ValueError: I have not seen this$"):
        fit(odd, train, far)
    with pytest.raises(FitError, match=r"^odd_platt: odd failed: ValueError: I have not seen this$"):
        fit(Calibrated(odd), train, far)
    late = replace(train, features=far_out(train.features, np.arange(len(train)) > 1_340))
    with pytest.raises(FitError, match=r"^stack: odd failed: ValueError: I have not seen this$"):
        fit(Stacking((odd, ZeroRule()), WalkForward(1, days(3), hours(1))), late, validation)


def far_out(features, where):
    column = features.schema.get_field_index("noise")
    return features.set_column(column, "noise", pa.array(np.where(where, 999.0, 0.5).astype(np.float32)))


@pytest.mark.usefixtures("own_trusted")
def test_a_lack_of_memory_is_no_fault_of_the_candidates(train, validation):
    for how in ("short of memory", "short of memory later"):
        with pytest.raises(MemoryError):
            fit(Estimator(lambda how=how: Odd(how), name="odd"), train, validation)


@pytest.mark.usefixtures("own_trusted")
def test_what_only_a_fit_finds_in_a_declaration_is_a_failed_trial(train, validation):
    odd = Tuned(Estimator(Own, name="own"), {"nothing": Integers(1, 2)}, trials=2)
    with pytest.raises(FitError, match=r"none of 2 trials is complete.*params name 'nothing'"):
        fit(odd, train, validation)


def test_one_that_never_converges_is_a_failure(train, validation):
    slow = Estimator(pipeline, name="slow", params={"logisticregression__max_iter": 1})
    with pytest.raises(FitError, match=r"slow did not converge: .*; allow more iterations"):
        fit(slow, train, validation)


def test_one_that_cannot_be_stored_is_a_failure_and_told_what_to_do(train, validation):
    with pytest.raises(FitError, match=r"cannot be stored.*KDTree.*algorithm='brute'"):
        fit(Estimator(neighbours, name="n", params={"algorithm": "kd_tree"}), train, validation)
    assert fit(Estimator(neighbours, name="n", params={"algorithm": "brute"}), train, validation)


def test_one_that_few_rows_are_too_few_for_is_fitted_twice_on_all(train, validation):
    many = Estimator(neighbours, name="n", params={"algorithm": "brute", "n_neighbors": 800, "weights": "distance"})
    assert fit(many, train, validation).params["n_neighbors"] == 800


def test_a_constant_target_teaches_nothing(train, validation):
    task = PlainRegression("minutes")
    constant = with_target(train, np.full(len(train), 3.0))
    with pytest.raises(FitError, match="all 1500 training rows have the target 3"):
        fit(Estimator(forest, name="f", task=PlainRegression("minutes")), constant, validation)
    endless = Train(train.ids, train.at, train.features, np.where(train.label > 0, np.inf, 0.0), train.window)
    with pytest.raises(FitError, match="finite numbers"):
        fit(Estimator(forest, name="f", task=task), endless, validation)


def test_classes_that_are_absent_or_unknown_are_told(train, validation):
    candidate = Estimator(forest, name="f", task=MultiClass(("a", "b", "c")))
    with pytest.raises(FitError, match="no training row is of c"):
        fit(candidate, train, validation)
    with pytest.raises(FitError, match="takes labels 0 to 2, got 3"):
        fit(candidate, with_target(train, train.label * 3), validation)
    with pytest.raises(FitError, match=r"takes labels 0 to 2, got 0\.5"):
        fit(
            candidate,
            with_target(train, train.label + np.arange(len(train)) % 2),
            with_target(validation, np.full(500, 0.5)),
        )


def test_a_thousand_categories_are_fitted_on(train, validation):
    def with_airports(view):
        names = pa.array([f"airport {i * 7919 % 1000}" for i in range(len(view))])
        return replace(view, features=view.features.append_column("airport", names))

    some, rest = with_airports(train), with_airports(validation)
    for candidate in (Estimator(pipeline, name="p"), RandomForest(trees=5)):
        score = fit(candidate, some, rest).predict(rest.features)
        assert np.isfinite(score).all()


def test_random_forest_is_the_forest_it_declares(train, validation, later):
    from sklearn.ensemble import RandomForestClassifier

    from mlsys_assets.features.preprocessing.preprocessor import FOR_TREES

    candidate = RandomForest(trees=9, least_rows=4, column_share=0.5, row_share=0.8)
    fitted = fit(candidate, train, validation)
    prepared = FOR_TREES.fit(train)
    own = RandomForestClassifier(9, min_samples_leaf=4, max_features=0.5, max_samples=0.8, random_state=3)
    own.fit(prepared.matrix, train.label.astype(int))
    expected = own.predict_proba(prepared.preprocessing.transform(later.features))[:, 1]
    assert np.array_equal(fitted.predict(later.features), expected)
    assert replace(candidate, trees=3).mistakes() == []
    for name, bad in (("trees", 0), ("least_rows", 0), ("column_share", 1.5), ("row_share", 0.0)):
        (mistake,) = replace(candidate, **{name: bad}).mistakes()
        assert name in mistake


def test_a_forest_of_large_leaves_takes_a_fraction_of_the_bytes_and_is_no_worse(train, validation):
    small, whole = (
        fit(RandomForest(trees=20, **bounds), train, validation) for bounds in ({}, {"least_rows": 1, "row_share": 1.0})
    )
    assert size_of(small.predictor) < size_of(whole.predictor) / 5
    assert small.loss_curve.validation[0] < whole.loss_curve.validation[0]


def test_a_task_of_classes_numbers_its_labels():
    task = MultiClass(("early", "on time", "late"))
    assert task.label(np.array([2.0, 0.0, 1.0])).tolist() == [2, 0, 1]
    with pytest.raises(ValueError, match=r"labels must be 0 to 2, one for each class, got 3"):
        task.label(np.array([0.0, 3.0]))
