"""What compiled code of scikit-learn takes on trust: that a model's arrays fit together.

A tree whose node points beyond its nodes ends the process, for some rows only, so that no trial finds it. Each
rule here belongs to one piece of compiled code that indexes without looking.
"""

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from mlsys_assets.models.predictor import BundleError

LEAF: Final = -1
"""What scikit-learn gives for a leaf's children."""


def check_sound(estimator: object) -> None:
    """Raise BundleError unless everything that compiled code would follow leads somewhere."""
    try:
        for one in held_by(estimator):
            module = type(one).__module__
            if hasattr(one, "tree_"):
                _check_tree(one.tree_, features=one.n_features_in_)
            if module in {"sklearn.ensemble._forest", "sklearn.ensemble._gb"} and hasattr(one, "estimators_"):
                _check_trees(one)
            if module == "sklearn.ensemble._gb" and hasattr(one, "estimators_"):
                _check_stages(one)
            if hasattr(one, "_predictors"):
                _check_boosted(one)
            if module == "sklearn.svm._classes" and hasattr(one, "_n_support"):
                _check_vectors(one)
            if module.startswith("sklearn.neighbors") and hasattr(one, "_fit_X"):
                _check_neighbours(one)
    except BundleError:
        raise
    except Exception as error:
        raise BundleError(f"the estimator is not what was written: {type(error).__name__}: {error}") from error


def held_by(thing: object) -> Iterator[Any]:
    """Yield an object and all that it holds: in its attributes, lists, tuples, mappings and arrays of objects."""
    waiting, seen = [thing], dict[int, object]()
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, str | int | float | type | None):
            continue
        seen[id(one)] = one  # kept, so that nothing else gets its place
        yield one
        if isinstance(one, np.ndarray):
            waiting += list(one.flat) if one.dtype == object else []
        elif isinstance(one, list | tuple):
            waiting += one
        elif isinstance(one, dict):
            waiting += one.values()
        waiting += vars(one).values() if hasattr(one, "__dict__") and not callable(one) else []


def _check_tree(tree: Any, *, features: int) -> None:
    """Of ``Tree.apply``, which follows children and features unchecked."""
    if not 0 < tree.node_count == tree.capacity or tree.n_features != features:
        raise BundleError(f"a tree has {tree.node_count} nodes in {tree.capacity} places, {tree.n_features} features")
    nodes = tree.__getstate__()["nodes"]
    leaf = nodes["left_child"] == LEAF
    _check_children(nodes[~leaf], np.flatnonzero(~leaf), count=len(nodes), left="left_child", right="right_child")
    _check_range("a feature", nodes["feature"][~leaf], below=features)


def _check_children(nodes: Any, places: Any, *, count: int, left: str, right: str) -> None:
    """Children come after their parent, as scikit-learn grows them: so there is an end to every path."""
    for side in (left, right):
        child = nodes[side].astype(np.int64)
        if ((child <= places) | (child >= count)).any():
            raise BundleError(f"a tree of {count} nodes has a child that is none of them, or comes before its parent")


def _check_range(what: str, found: Any, *, below: int) -> None:
    if len(found) and not 0 <= found.min() <= found.max() < below:
        raise BundleError(f"a tree asks for {what} that is none of {below}")


def _check_trees(owner: Any) -> None:
    """Of forests and boosting, which hand rows to their trees without a further check."""
    for one in np.ravel(np.asarray(owner.estimators_, dtype=object)):
        if one.n_features_in_ != owner.n_features_in_ or one.tree_.n_outputs != 1:
            raise BundleError(f"a tree of {one.n_features_in_} features stands among {owner.n_features_in_}")


def _check_stages(owner: Any) -> None:
    """Of ``predict_stages``, which adds to as many columns as there are trees a round."""
    stages = owner.estimators_.shape
    start = owner._raw_predict_init(np.zeros((1, owner.n_features_in_), dtype=np.float32))  # noqa: SLF001 - told nowhere else
    if len(stages) != 2 or start.shape != (1, stages[1]) or not start.flags.c_contiguous:  # noqa: PLR2004 - a table
        raise BundleError(f"boosting of {stages} trees begins with {start.shape}")
    if any(one.tree_.max_n_classes != 1 for one in owner.estimators_.flat):
        raise BundleError("boosting holds a tree of classes")


def _check_boosted(owner: Any) -> None:
    """Of ``TreePredictor``; splits by category, which need yet more arrays, are not taken."""
    if owner.is_categorical_ is not None or owner._preprocessor is not None:  # noqa: SLF001 - told nowhere else
        raise BundleError("boosting by histograms with categorical_features is not stored; let its codes be numbers")
    for tree in (tree for stage in owner._predictors for tree in stage):  # noqa: SLF001
        nodes = tree.nodes
        inner = nodes["is_leaf"] == 0
        if not len(nodes) or nodes.ndim != 1 or nodes["is_categorical"].any():
            raise BundleError("boosting by histograms holds a tree without nodes, or one that splits by category")
        _check_children(nodes[inner], np.flatnonzero(inner), count=len(nodes), left="left", right="right")
        _check_range("a feature", nodes["feature_idx"][inner], below=owner.n_features_in_)
    if any(len(stage) != owner.n_trees_per_iteration_ for stage in owner._predictors):  # noqa: SLF001
        raise BundleError("boosting by histograms has rounds of other numbers of trees than it says")


def _check_vectors(owner: Any) -> None:
    """Of libsvm, which reads as many vectors and coefficients as it is told there are."""
    vectors, counts = owner.support_vectors_, owner._n_support  # noqa: SLF001 - what is handed to libsvm
    classes = len(getattr(owner, "classes_", (0, 1)))
    pairs = classes * (classes - 1) // 2
    shapes = {
        "support_": (len(vectors),),
        "_dual_coef_": (classes - 1, len(vectors)),
        "_intercept_": (pairs,),
    }
    wrong = [name for name, shape in shapes.items() if np.shape(getattr(owner, name)) != shape]
    wrong += [name for name in ("_probA", "_probB") if len(getattr(owner, name)) not in {0, pairs}]
    told = int(counts.sum()) if owner._impl.endswith("svc") else int(counts[0])  # noqa: SLF001
    if wrong or told != len(vectors) or (counts < 0).any() or vectors.shape[1] != owner.n_features_in_:
        raise BundleError(f"support vectors of shape {vectors.shape} do not fit {wrong or 'their numbers'}")


def _check_neighbours(owner: Any) -> None:
    """Of the search among rows, which compares as many columns as the rows sought for have."""
    rows = owner._fit_X  # noqa: SLF001 - what is searched
    if owner._fit_method != "brute" or owner._tree is not None:  # noqa: SLF001
        raise BundleError("neighbours are stored without a search tree only; say algorithm='brute'")
    if rows.ndim != 2 or rows.shape[1] != owner.n_features_in_ or len(owner._y) != len(rows):  # noqa: SLF001, PLR2004
        raise BundleError(f"neighbours of shape {rows.shape} for {owner.n_features_in_} features")
