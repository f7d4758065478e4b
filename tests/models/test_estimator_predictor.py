"""Every family of estimators: equal to scikit-learn, alone and in a table, before and after it is stored."""

import json
import threading
import warnings

import numpy as np
import pytest
import sklearn
from threadpoolctl import threadpool_info

from mlsys_assets.features.preprocessing.preprocessor import FOR_TREES, Preprocessor
from mlsys_assets.models import estimator_predictor
from mlsys_assets.models.bundle import from_files, to_files
from mlsys_assets.models.estimator import Estimator
from mlsys_assets.models.estimator_file import write_estimator
from mlsys_assets.models.estimator_predictor import BLOCK, ONE_THREAD
from mlsys_assets.models.predictor import BundleError
from mlsys_assets.models.task import MultiClass, PlainRegression, with_target


def family(name):
    from sklearn import (
        calibration,
        discriminant_analysis,
        ensemble,
        linear_model,
        naive_bayes,
        neighbors,
        neural_network,
        svm,
        tree,
    )
    from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
    from sklearn.decomposition import PCA
    from sklearn.feature_selection import SelectKBest
    from sklearn.pipeline import FeatureUnion, make_pipeline
    from sklearn.preprocessing import MinMaxScaler, PolynomialFeatures, QuantileTransformer, StandardScaler

    line = linear_model.LogisticRegression()
    stump = tree.DecisionTreeClassifier(max_depth=3)
    scaled = ColumnTransformer([("scaled", StandardScaler(), slice(0, 2))], remainder="passthrough")
    made = {
        "logistic regression": line,
        "logistic regression with folds": linear_model.LogisticRegressionCV(
            Cs=2, l1_ratios=(0,), cv=2, scoring="neg_log_loss", use_legacy_attributes=False
        ),
        "stochastic gradient": linear_model.SGDClassifier(loss="log_loss"),
        "tree": stump,
        "forest": ensemble.RandomForestClassifier(7, min_samples_leaf=5),
        "extra trees": ensemble.ExtraTreesClassifier(7, min_samples_leaf=5),
        "boosting": ensemble.GradientBoostingClassifier(n_estimators=5),
        "boosting by histograms": ensemble.HistGradientBoostingClassifier(max_iter=5),
        "adaboost": ensemble.AdaBoostClassifier(n_estimators=5),
        "bagging": ensemble.BaggingClassifier(line, n_estimators=3, max_features=0.7),
        "voting": ensemble.VotingClassifier([("line", line), ("tree", stump)], voting="soft"),
        "stacking": ensemble.StackingClassifier([("line", line), ("tree", stump)], cv=2),
        "neighbours": neighbors.KNeighborsClassifier(9, algorithm="brute"),
        "naive Bayes": naive_bayes.GaussianNB(),
        "linear discriminant": discriminant_analysis.LinearDiscriminantAnalysis(),
        "quadratic discriminant": discriminant_analysis.QuadraticDiscriminantAnalysis(reg_param=0.1),
        "network": neural_network.MLPClassifier((8,), max_iter=400, tol=1e-2, n_iter_no_change=3),
        "calibrated support vectors": calibration.CalibratedClassifierCV(svm.LinearSVC(), cv=2),
        "isotonic support vectors": calibration.CalibratedClassifierCV(svm.SVC(), cv=2, method="isotonic"),
        "pipeline": make_pipeline(MinMaxScaler(), PCA(4), line),
        "wide pipeline": make_pipeline(FeatureUnion([("a", scaled), ("b", PCA(2))]), SelectKBest(k=5), line),
        "curved pipeline": make_pipeline(QuantileTransformer(n_quantiles=30), PolynomialFeatures(), line),
        "line of numbers": linear_model.Ridge(),
        "forest of numbers": ensemble.RandomForestRegressor(5, min_samples_leaf=5),
        "boosting of numbers": ensemble.GradientBoostingRegressor(loss="huber", n_estimators=5),
        "histograms of numbers": ensemble.HistGradientBoostingRegressor(loss="absolute_error", max_iter=5),
        "network of numbers": neural_network.MLPRegressor(
            hidden_layer_sizes=(8,), max_iter=400, tol=1.0, n_iter_no_change=3
        ),
        "neighbours of numbers": neighbors.KNeighborsRegressor(9, algorithm="brute"),
        "logarithms": TransformedTargetRegressor(linear_model.Ridge(), func=np.log1p, inverse_func=np.expm1),
    }  # fmt: skip
    return made if name is None else made[name]


NUMBERS = [name for name in family(None) if name.endswith("numbers") or name == "logarithms"]
CLASSES = [name for name in family(None) if name not in NUMBERS]
SUITE = {
    "forest",
    "boosting by histograms",
    "voting",
    "neighbours",
    "network",
    "pipeline",
    "calibrated support vectors",
}
SUITE |= {"line of numbers", "boosting of numbers", "logarithms"}


def families(names):
    """All of them; those that are like another only among the proofs."""
    return [name if name in SUITE else pytest.param(name, marks=pytest.mark.prove) for name in names]


def declared(name, task=None):
    own = {} if task is None else {"task": task}
    return Estimator(lambda: family(name), name="one", preprocessor=Preprocessor(), **own)


def thirds(view):
    """Classes 0, 1 and 2 that depend on the features, in the label's place."""
    hour = view.features["sched_hour"].to_numpy()
    return with_target(view, view.label + (hour > 16))


def check(candidate, train, validation, later):
    """Assert all that is promised of a stored estimator; return the fitted candidate."""
    fitted = candidate.fit(train, validation, seed=3, threads=1)
    files = to_files(fitted.predictor)
    loaded = from_files(files)
    score = loaded.predict(later.features)
    assert np.array_equal(score, fitted.predict(later.features))
    assert to_files(candidate.refit(train, recipe={}, seed=3, threads=1).predictor) == files
    few = later.features[:7]
    singles = np.concatenate([loaded.predict(row) for row in few.to_pylist()])
    for cut in (7, 40, 300, 400):
        assert np.array_equal(singles, loaded.predict(later.features[:cut])[:7])
    assert np.array_equal(loaded.predict(later.features[3:]), score[3:])
    return fitted, score


def bare(name, train, later, *, seed=3):
    """What scikit-learn itself gives, of the same rows."""
    prepared = Preprocessor().fit(train)
    model = family(name)
    model.set_params(**{k: seed for k, v in model.get_params().items() if k.endswith("random_state") and v is None})
    label = train.label if name in NUMBERS else train.label.astype(int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(prepared.matrix, label), prepared.preprocessing.transform(later.features)


@pytest.mark.parametrize("name", families(CLASSES))
def test_probabilities_are_scikit_learns_and_a_rows_own(name, train, validation, later):
    _, score = check(declared(name), train, validation, later)
    model, rows = bare(name, train, later)
    assert score.shape == (len(later),)
    np.testing.assert_allclose(score, model.predict_proba(rows)[:, 1], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "name", families(["forest", "boosting", "boosting by histograms", "logistic regression", "network"])
)
def test_three_classes_are_scikit_learns_and_sum_to_one(name, train, validation, later):
    task = MultiClass(("early", "on time", "late"))
    some, rest = thirds(train), thirds(validation)
    _, score = check(declared(name, task), some, rest, later)
    model, rows = bare(name, some, later)
    assert score.shape == (len(later), 3)
    np.testing.assert_allclose(score.sum(axis=1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(score, model.predict_proba(rows), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", families(NUMBERS))
def test_numbers_are_scikit_learns(name, late_train, late_validation, later):
    task = PlainRegression("arr_delay", unit="min")
    train = with_target(late_train, late_train.label + 200.0)  # above 0, whose logarithm is taken
    fitted, score = check(declared(name, task), train, late_validation, later)
    model, rows = bare(name, train, later)
    np.testing.assert_allclose(score, model.predict(rows).ravel(), rtol=1e-4)
    assert fitted.loss_curve.train == ()
    assert fitted.params["task output"] == "arr_delay [min]"


def test_trees_go_by_the_table_and_what_multiplies_matrices_by_blocks(train, validation):
    for name in ("tree", "forest", "extra trees", "boosting", "boosting by histograms"):
        assert declared(name).fit(train, validation, seed=3, threads=1).params["scored"] == "table"
    for name in ("logistic regression", "network"):
        assert declared(name).fit(train, validation, seed=3, threads=1).params["scored"] in {"blocks", "rows"}


def test_where_a_place_in_a_block_changes_a_score_rows_go_one_by_one():
    class Placed:
        """Scores that depend on a row's place, or on its neighbours."""

        def __init__(self, how):
            self.how = how

        def __call__(self, rows):
            own = rows[:, 0].astype(float)
            return own + {"place": np.arange(len(rows)), "mean": rows.mean(), "length": len(rows), "": 0.0}[self.how]

    class Line:
        def get_params(self):
            return {}

    probes = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)
    found = {how: estimator_predictor._fastest(Placed(how), Line(), probes) for how in ("place", "mean", "length", "")}
    assert found == {"place": "rows", "mean": "rows", "length": "blocks", "": "blocks"}
    wide = np.random.default_rng(0).normal(size=(2 * BLOCK + 5, 3)).astype(np.float32)
    assert np.array_equal(estimator_predictor._in_blocks(Placed("length"), wide), wide[:, 0].astype(float) + BLOCK)


@pytest.fixture(scope="module")
def files(train, validation):
    return to_files(declared("forest").fit(train, validation, seed=3, threads=1).predictor)


def test_another_version_of_scikit_learn_is_refused_and_both_are_told(files):
    other = files["estimator.json"].replace(sklearn.__version__.encode(), b"1.5.0")
    with pytest.raises(BundleError, match=rf"fitted with scikit-learn 1\.5\.0, and {sklearn.__version__} is installed"):
        from_files({**files, "estimator.json": other})


@pytest.mark.parametrize(
    "change",
    [
        {"output": "probabilities", "outputs": 3},
        {"output": "probabilities", "outputs": -1},
        {"output": "margin"},
        {"scored": "twice"},
        {"outputs": "1"},
        {"more": 1},
    ],
)
def test_a_form_that_is_not_the_estimators_is_refused(files, change):
    form = json.loads(files["estimator.json"]) | change
    with pytest.raises(BundleError):
        from_files({**files, "estimator.json": json.dumps(form).encode()})


def test_an_estimator_of_other_rows_or_other_classes_is_refused(files, train, validation, later):
    narrow = Estimator(lambda: family("forest"), name="one", preprocessor=FOR_TREES)
    other = to_files(narrow.fit(train, validation, seed=3, threads=1).predictor)
    with pytest.raises(BundleError, match="takes"):
        from_files({**files, "estimator.skops": other["estimator.skops"]})
    task = PlainRegression("arr_delay")
    numbers = to_files(declared("line of numbers", task).fit(train, validation, seed=3, threads=1).predictor)
    with pytest.raises(BundleError, match="scores no row"):
        from_files({**files, "estimator.skops": numbers["estimator.skops"]})


def test_a_forest_whose_leaves_hold_no_shares_is_refused(files):
    forest = from_files(files).estimator
    for one in forest.estimators_:
        state = one.tree_.__getstate__()
        one.tree_.__setstate__({**state, "values": state["values"] + 5.0})
    with pytest.raises(BundleError, match="no probability"):
        from_files({**files, "estimator.skops": write_estimator(forest)})


def test_each_file_truncated_at_twenty_places_or_with_a_byte_flipped_is_refused(files):
    for name, content in files.items():
        for end in np.linspace(0, len(content) - 1, 20).astype(int):
            with pytest.raises(BundleError):
                from_files({**files, name: content[:end]})
    content = files["estimator.skops"]
    for place in np.linspace(0, len(content) - 1, 40).astype(int):
        changed = bytearray(content)
        changed[place] ^= 4
        with pytest.raises(BundleError):
            from_files({**files, "estimator.skops": bytes(changed)})


def test_the_threads_of_others_are_given_back(files, later):
    before = {one["filepath"]: one["num_threads"] for one in threadpool_info()}
    predictor = from_files(files)
    expected, same = predictor.predict(later.features), []

    def score():
        same.extend(np.array_equal(predictor.predict(later.features), expected) for _ in range(5))

    threads = [threading.Thread(target=score) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert same == [True] * 20
    assert {one["filepath"]: one["num_threads"] for one in threadpool_info()} == before
    with ONE_THREAD, ONE_THREAD:
        assert {one["num_threads"] for one in threadpool_info()} == {1}
