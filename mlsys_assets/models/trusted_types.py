"""What a stored scikit-learn estimator may be made of: classes and functions by name, a constant of this code.

A file is never asked what to trust. Each kind of node of a skops file has its own list, since a class is made
in another way by each: a list is filled, an object gets its attributes, a function is only named.

Not here, though skops or scikit-learn have them: search trees of neighbours (``KDTree``, ``BallTree``), whose
compiled code follows the file's offsets unchecked; sparse matrices, which this library makes none of; bound
methods, partial functions, operators, cached nodes and raw bytes, which no estimator below needs; and every
function that reads, writes or evaluates.
"""

from collections.abc import Iterator, Mapping
from typing import Final


def _of(module: str, names: str) -> Iterator[str]:
    """Yield the full names of a module's classes or functions."""
    return (f"{module}.{name}" for name in names.split())


ESTIMATORS: Final = frozenset({
    *_of("sklearn.calibration", "CalibratedClassifierCV _CalibratedClassifier _SigmoidCalibration _TemperatureScaling"),
    *_of("sklearn.compose._column_transformer", "ColumnTransformer"),
    *_of("sklearn.compose._target", "TransformedTargetRegressor"),
    *_of("sklearn.decomposition._pca", "PCA"),
    *_of("sklearn.decomposition._truncated_svd", "TruncatedSVD"),
    *_of("sklearn.discriminant_analysis", "LinearDiscriminantAnalysis QuadraticDiscriminantAnalysis"),
    *_of("sklearn.dummy", "DummyClassifier DummyRegressor"),
    *_of("sklearn.ensemble._bagging", "BaggingClassifier BaggingRegressor"),
    *_of("sklearn.ensemble._forest", "ExtraTreesClassifier ExtraTreesRegressor"),
    *_of("sklearn.ensemble._forest", "RandomForestClassifier RandomForestRegressor"),
    *_of("sklearn.ensemble._gb", "GradientBoostingClassifier GradientBoostingRegressor"),
    *_of(
        "sklearn.ensemble._hist_gradient_boosting.gradient_boosting",
        "HistGradientBoostingClassifier HistGradientBoostingRegressor",
    ),
    *_of("sklearn.ensemble._stacking", "StackingClassifier StackingRegressor"),
    *_of("sklearn.ensemble._voting", "VotingClassifier VotingRegressor"),
    *_of("sklearn.ensemble._weight_boosting", "AdaBoostClassifier AdaBoostRegressor"),
    *_of("sklearn.feature_selection._from_model", "SelectFromModel"),
    *_of("sklearn.feature_selection._univariate_selection", "SelectKBest SelectPercentile"),
    *_of("sklearn.feature_selection._variance_threshold", "VarianceThreshold"),
    *_of("sklearn.impute._base", "SimpleImputer MissingIndicator"),
    *_of("sklearn.isotonic", "IsotonicRegression"),
    *_of("sklearn.kernel_approximation", "Nystroem RBFSampler"),
    *_of("sklearn.linear_model._base", "LinearRegression"),
    *_of("sklearn.linear_model._bayes", "ARDRegression BayesianRidge"),
    *_of("sklearn.linear_model._coordinate_descent", "ElasticNet ElasticNetCV Lasso LassoCV"),
    *_of("sklearn.linear_model._glm.glm", "GammaRegressor PoissonRegressor TweedieRegressor"),
    *_of("sklearn.linear_model._huber", "HuberRegressor"),
    *_of("sklearn.linear_model._least_angle", "Lars LarsCV LassoLars LassoLarsCV LassoLarsIC"),
    *_of("sklearn.linear_model._logistic", "LogisticRegression LogisticRegressionCV"),
    *_of("sklearn.linear_model._omp", "OrthogonalMatchingPursuit OrthogonalMatchingPursuitCV"),
    *_of("sklearn.linear_model._passive_aggressive", "PassiveAggressiveClassifier PassiveAggressiveRegressor"),
    *_of("sklearn.linear_model._perceptron", "Perceptron"),
    *_of("sklearn.linear_model._quantile", "QuantileRegressor"),
    *_of("sklearn.linear_model._ridge", "Ridge RidgeClassifier RidgeClassifierCV RidgeCV"),
    *_of("sklearn.linear_model._stochastic_gradient", "SGDClassifier SGDRegressor"),
    *_of("sklearn.multiclass", "OneVsRestClassifier _ConstantPredictor"),
    *_of("sklearn.naive_bayes", "BernoulliNB GaussianNB MultinomialNB ComplementNB"),
    *_of("sklearn.neighbors._classification", "KNeighborsClassifier"),
    *_of("sklearn.neighbors._nearest_centroid", "NearestCentroid"),
    *_of("sklearn.neighbors._regression", "KNeighborsRegressor"),
    *_of("sklearn.neural_network._multilayer_perceptron", "MLPClassifier MLPRegressor"),
    *_of("sklearn.pipeline", "FeatureUnion Pipeline"),
    *_of("sklearn.preprocessing._data", "Binarizer MaxAbsScaler MinMaxScaler Normalizer"),
    *_of("sklearn.preprocessing._data", "PowerTransformer QuantileTransformer RobustScaler StandardScaler"),
    *_of("sklearn.preprocessing._discretization", "KBinsDiscretizer"),
    *_of("sklearn.preprocessing._encoders", "OneHotEncoder OrdinalEncoder"),
    *_of("sklearn.preprocessing._function_transformer", "FunctionTransformer"),
    *_of("sklearn.preprocessing._label", "LabelBinarizer LabelEncoder"),
    *_of("sklearn.preprocessing._polynomial", "PolynomialFeatures"),
    *_of("sklearn.svm._classes", "LinearSVC LinearSVR NuSVC NuSVR SVC SVR"),
    *_of("sklearn.tree._classes", "DecisionTreeClassifier DecisionTreeRegressor"),
    *_of("sklearn.tree._classes", "ExtraTreeClassifier ExtraTreeRegressor"),
})  # fmt: skip
"""What fits and transforms, and what it makes for itself."""

PARTS: Final = frozenset({
    *_of("sklearn._loss.link", "HalfLogitLink IdentityLink Interval LogLink LogitLink MultinomialLogit"),
    *_of("sklearn._loss.loss", "AbsoluteError ExponentialLoss HalfBinomialLoss HalfGammaLoss HalfMultinomialLoss"),
    *_of("sklearn._loss.loss", "HalfPoissonLoss HalfSquaredError HalfTweedieLoss HalfTweedieLossIdentity"),
    *_of("sklearn._loss.loss", "HuberLoss PinballLoss"),
    *_of("sklearn.ensemble._hist_gradient_boosting.binning", "_BinMapper"),
    *_of("sklearn.ensemble._hist_gradient_boosting.predictor", "TreePredictor"),
    *_of("sklearn.neural_network._stochastic_optimizers", "AdamOptimizer SGDOptimizer"),
})  # fmt: skip
"""What estimators hold: losses, links, bins, boosted trees and optimizers."""

LOSSES: Final = frozenset({
    *_of("sklearn._loss._loss", "CyAbsoluteError CyExponentialLoss CyHalfBinomialLoss CyHalfGammaLoss"),
    *_of("sklearn._loss._loss", "CyHalfMultinomialLoss CyHalfPoissonLoss CyHalfSquaredError CyHalfTweedieLoss"),
    *_of("sklearn._loss._loss", "CyHalfTweedieLossIdentity CyHuberLoss CyPinballLoss"),
    *_of("sklearn.linear_model._sgd_fast", "EpsilonInsensitive Hinge ModifiedHuber SquaredEpsilonInsensitive"),
    *_of("sklearn.linear_model._sgd_fast", "SquaredHinge"),
})  # fmt: skip
"""Compiled losses, made from numbers."""

FUNCTIONS: Final = frozenset({
    *_of("numpy", "abs absolute cbrt exp exp2 expm1 log log10 log1p log2 negative reciprocal sign sqrt square tanh"),
    *_of("sklearn.feature_selection._univariate_selection", "chi2 f_classif f_regression r_regression"),
})  # fmt: skip
"""What a transformer may apply: functions of arrays alone."""

NUMBERS: Final = frozenset(
    _of("numpy", "bool bool_ float32 float64 int8 int16 int32 int64 str_ uint8 uint16 uint32 uint64")
)
"""NumPy's scalars."""

TRUSTED: Final[Mapping[str, frozenset[str]]] = {
    "DictNode": frozenset({"builtins.dict", "collections.OrderedDict", "sklearn.utils._bunch.Bunch"}),
    "DTypeNode": frozenset({"numpy.dtype"}),
    "FunctionNode": FUNCTIONS,
    "JsonNode": frozenset({"builtins.str"}),
    "ListNode": frozenset({"builtins.list"}),
    "LossNode": LOSSES,
    "NdArrayNode": NUMBERS | {"numpy.ndarray"},
    "ObjectNode": ESTIMATORS | PARTS,
    "RandomGeneratorNode": frozenset({"numpy.random._generator.Generator"}),
    "RandomStateNode": frozenset({"numpy.random.mtrand.RandomState"}),
    "SliceNode": frozenset({"builtins.slice"}),
    "TreeNode": frozenset({"sklearn.tree._tree.Tree"}),
    "TupleNode": frozenset({"builtins.tuple"}),
    "TypeNode": NUMBERS | frozenset(_of("builtins", "bool float int str")),
}
"""By skops' kind of node (its ``__loader__``), what such a node may be of; of any other kind nothing is trusted."""
