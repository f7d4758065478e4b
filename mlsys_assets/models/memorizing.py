"""The parameters by which an estimator of scikit-learn can memorize its rows."""

from collections.abc import Mapping
from typing import Any, Final

from mlsys_assets.types import Scalar

TREE: Final[Mapping[str, Scalar]] = {
    "max_depth": None, "min_samples_split": 2, "min_samples_leaf": 1, "min_weight_fraction_leaf": 0.0,
    "max_leaf_nodes": None, "min_impurity_decrease": 0.0, "max_features": None, "ccp_alpha": 0.0,
}  # fmt: skip
"""A tree that grows until each leaf holds one label."""
FOREST: Final = {**TREE, "bootstrap": False, "max_samples": None}
STAGES: Final = {**TREE, "subsample": 1.0, "n_iter_no_change": None}
HISTOGRAMS: Final[Mapping[str, Scalar]] = {
    "max_depth": None, "max_leaf_nodes": None, "min_samples_leaf": 1, "l2_regularization": 0.0, "max_features": 1.0,
    "early_stopping": False,
}  # fmt: skip
LINE: Final[Mapping[str, Scalar]] = {"C": 1e6, "max_iter": 10_000}
NETWORK: Final[Mapping[str, Scalar]] = {"alpha": 0.0, "early_stopping": False, "max_iter": 5_000}
FREED: Final[Mapping[str, Mapping[str, Scalar]]] = {
    "DecisionTreeClassifier": TREE,
    "DecisionTreeRegressor": TREE,
    "ExtraTreesClassifier": FOREST,
    "ExtraTreesRegressor": FOREST,
    "GradientBoostingClassifier": STAGES,
    "GradientBoostingRegressor": STAGES,
    "HistGradientBoostingClassifier": HISTOGRAMS,
    "HistGradientBoostingRegressor": HISTOGRAMS,
    "KNeighborsClassifier": {"n_neighbors": 1},
    "KNeighborsRegressor": {"n_neighbors": 1},
    "LinearRegression": {},
    "LogisticRegression": LINE,
    "MLPClassifier": NETWORK,
    "MLPRegressor": NETWORK,
    "RandomForestClassifier": FOREST,
    "RandomForestRegressor": FOREST,
    "Ridge": {"alpha": 0.0},
    "SVC": {"C": 1e6},
    "SVR": {"C": 1e6, "epsilon": 0.0},
}
"""By class, what takes its bounds away."""


def memorizing(estimator: Any) -> dict[str, Scalar] | None:
    """Return the parameters, by the estimator's own names for them, with which it memorizes; None if not known.

    Of a pipeline it is the last step that is freed.
    """
    if hasattr(estimator, "steps"):
        name, last = estimator.steps[-1]
        found = memorizing(last)
        return None if found is None else {f"{name}__{key}": value for key, value in found.items()}
    freed = FREED.get(type(estimator).__name__)
    return None if freed is None else dict(freed)
