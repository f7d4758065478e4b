"""Models whose arrays do not fit together: compiled code would leave its memory, for some rows only."""

import numpy as np
import pytest

from mlsys_assets.models.estimator_file import read_estimator, write_estimator
from mlsys_assets.models.estimator_soundness import check_sound, held_by
from mlsys_assets.models.predictor import BundleError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(150, 4)).astype(np.float32)
Y = (X[:, 0] + RNG.normal(size=150) > 0).astype(int)
Y3 = RNG.integers(0, 3, size=150)


def fitted(kind, y=Y, **params):
    from sklearn import ensemble, linear_model, neighbors, svm, tree

    for module in (ensemble, linear_model, neighbors, svm, tree):
        if hasattr(module, kind):
            return getattr(module, kind)(**params).fit(X, y)
    raise AssertionError(kind)


SOUND = {
    "tree": ("DecisionTreeClassifier", Y, {}),
    "tree of three": ("DecisionTreeClassifier", Y3, {}),
    "stump": ("DecisionTreeClassifier", Y, {"max_depth": 1}),
    "forest": ("RandomForestClassifier", Y3, {"n_estimators": 3}),
    "extra trees of numbers": ("ExtraTreesRegressor", X[:, 1], {"n_estimators": 3}),
    "boosting": ("GradientBoostingClassifier", Y, {"n_estimators": 3}),
    "boosting of three": ("GradientBoostingClassifier", Y3, {"n_estimators": 3}),
    "boosting from nothing": ("GradientBoostingRegressor", X[:, 1], {"n_estimators": 3, "init": "zero"}),
    "histograms": ("HistGradientBoostingClassifier", Y, {"max_iter": 3}),
    "histograms of three": ("HistGradientBoostingClassifier", Y3, {"max_iter": 3}),
    "adaboost": ("AdaBoostClassifier", Y, {"n_estimators": 3}),
    "bagging": ("BaggingClassifier", Y, {"n_estimators": 3, "max_features": 0.5}),
    "support vectors": ("SVC", Y3, {}),
    "support of numbers": ("SVR", X[:, 1], {}),
    "neighbours": ("KNeighborsClassifier", Y, {"algorithm": "brute"}),
    "line": ("LogisticRegression", Y, {}),
}


@pytest.mark.parametrize("name", SOUND)
def test_what_scikit_learn_fitted_is_sound(name):
    kind, y, params = SOUND[name]
    check_sound(read_estimator(write_estimator(fitted(kind, y, **params))))


def with_nodes(tree, change):
    """The compiled tree, with other nodes."""
    state = tree.__getstate__()
    nodes = state["nodes"].copy()
    change(nodes, state)
    tree.__setstate__({**state, "nodes": nodes})


def inner(nodes, left="left_child"):
    """The last node that has children, and the first."""
    found = np.flatnonzero(nodes[left] != -1 if left == "left_child" else nodes["is_leaf"] == 0)
    return found[-1], found[0]


TREE = {
    "a child beyond its nodes": lambda n, s: n["left_child"].__setitem__(inner(n)[0], 10**6),
    "a child before all": lambda n, s: n["right_child"].__setitem__(inner(n)[0], -7),
    "a path in a circle": lambda n, s: n["right_child"].__setitem__(inner(n)[0], inner(n)[1]),
    "a node that is its own child": lambda n, s: n["left_child"].__setitem__(inner(n)[0], inner(n)[0]),
    "a feature beyond all": lambda n, s: n["feature"].__setitem__(inner(n)[0], 4),
    "a feature before all": lambda n, s: n["feature"].__setitem__(inner(n)[0], -3),
    "more nodes than it has": lambda n, s: s.update(node_count=len(n) + 1000),
    "no nodes": lambda n, s: s.update(node_count=0),
}


@pytest.mark.parametrize("what", TREE)
def test_a_tree_that_leads_nowhere_is_refused(what):
    model = fitted("RandomForestClassifier", n_estimators=3, random_state=0)
    with_nodes(model.estimators_[1].tree_, TREE[what])
    with pytest.raises(BundleError):
        check_sound(model)


def test_trees_of_other_features_than_their_owner_are_refused():
    from sklearn.tree import DecisionTreeClassifier

    wide = DecisionTreeClassifier().fit(np.hstack([X, X]), Y)
    forest = fitted("RandomForestClassifier", n_estimators=3)
    forest.estimators_[2] = wide
    alone = fitted("DecisionTreeClassifier")
    alone.tree_ = wide.tree_
    for model in (forest, alone):
        with pytest.raises(BundleError, match="features"):
            check_sound(model)


def test_boosting_that_writes_beside_its_sums_is_refused():
    of_three = fitted("GradientBoostingClassifier", Y3, n_estimators=3)
    of_two = fitted("GradientBoostingClassifier", Y, n_estimators=3)
    of_two.estimators_ = of_three.estimators_
    with pytest.raises(BundleError, match="begins with"):
        check_sound(of_two)
    of_classes = fitted("GradientBoostingClassifier", Y, n_estimators=3)
    of_classes.estimators_[1, 0] = fitted("DecisionTreeClassifier", Y3)
    with pytest.raises(BundleError, match="tree of classes"):
        check_sound(of_classes)


HISTOGRAM = {
    "a child beyond its nodes": lambda n: n["left"].__setitem__(inner(n, "left")[0], 10**6),
    "a path in a circle": lambda n: n["right"].__setitem__(inner(n, "left")[0], inner(n, "left")[1]),
    "a feature beyond all": lambda n: n["feature_idx"].__setitem__(inner(n, "left")[0], 4),
    "a split by category": lambda n: n["is_categorical"].__setitem__(inner(n, "left")[0], 1),
}


@pytest.mark.parametrize("what", HISTOGRAM)
def test_boosted_trees_that_lead_nowhere_are_refused(what):
    model = fitted("HistGradientBoostingClassifier", max_iter=3)
    HISTOGRAM[what](model._predictors[1][0].nodes)
    with pytest.raises(BundleError, match=r"histograms|tree"):
        check_sound(model)


def test_boosting_by_histograms_of_another_number_of_trees_or_with_categories_is_refused():
    model = fitted("HistGradientBoostingClassifier", max_iter=3)
    model.n_trees_per_iteration_ = 3
    with pytest.raises(BundleError, match="other numbers of trees"):
        check_sound(model)
    codes = np.abs(X).astype(int).astype(np.float32)
    from sklearn.ensemble import HistGradientBoostingClassifier

    with pytest.raises(BundleError, match="let its codes be numbers"):
        check_sound(HistGradientBoostingClassifier(max_iter=3, categorical_features=[0]).fit(codes, Y))


VECTORS = {
    "more of them than there are": {"_n_support": np.array([1000, 1000], dtype=np.int32)},
    "fewer than none": {"_n_support": np.array([-5, 155], dtype=np.int32)},
    "too few coefficients": {"_dual_coef_": np.zeros((1, 2))},
    "no intercept": {"_intercept_": np.zeros(0)},
    "narrower vectors": {"support_vectors_": np.zeros((150, 2))},
}


@pytest.mark.parametrize("what", VECTORS)
def test_support_vectors_that_do_not_fit_are_refused(what):
    model = fitted("SVC")
    vars(model).update(VECTORS[what])
    with pytest.raises(BundleError, match="support vectors"):
        check_sound(model)


def test_neighbours_that_do_not_fit_are_refused():
    narrow, tree, short = (fitted("KNeighborsClassifier", algorithm=a) for a in ("brute", "kd_tree", "brute"))
    narrow._fit_X = narrow._fit_X[:, :2]
    short._y = short._y[:10]
    for model, why in ((narrow, "features"), (tree, "brute"), (short, "features")):
        with pytest.raises(BundleError, match=why):
            check_sound(model)


def test_what_stands_within_others_is_found():
    from sklearn.ensemble import VotingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.tree import DecisionTreeClassifier

    model = make_pipeline(StandardScaler(), VotingClassifier([("t", DecisionTreeClassifier())])).fit(X, Y)
    assert any(type(one).__name__ == "Tree" for one in held_by(model))
    with_nodes(model[-1].estimators_[0].tree_, TREE["a path in a circle"])
    with pytest.raises(BundleError, match="comes before its parent"):
        check_sound(model)
    looped = [model]
    looped.append(looped)
    assert list(held_by(looped))
